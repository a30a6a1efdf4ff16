//! The monitor: QMP as QEMU 7.2 speaks it.

pub mod commands;
pub mod monitor;
pub mod split;
