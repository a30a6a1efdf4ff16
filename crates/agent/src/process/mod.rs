//! Processes of containers: their streams, their ends.

pub mod exit;
pub mod output;
pub mod reaper;
pub mod ring;
pub mod stdin;
pub mod task;
