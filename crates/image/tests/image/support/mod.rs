//! Runs the real program on a store of its own.

pub mod archive;
pub mod registry;
pub mod tool;
