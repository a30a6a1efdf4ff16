//! Containers: what they are, and what can be done with them.

pub mod container;
pub mod create;
pub mod cwd;
pub mod exec;
pub mod layout;
pub mod mount_point;
pub mod pipes;
pub mod remove;
pub mod signal;
pub mod start;
