//! A process that looks like QEMU with a guest in it. See README.md.

pub mod agent;
pub mod args;
pub mod clock;
pub mod disks;
pub mod faults;
pub mod guest;
pub mod machine;
pub mod port;
pub mod qmp;
pub mod vm;
