//! What PID 1 does before it can answer, in the order in which it does it.

pub mod console;
pub mod filesystems;
pub mod loopback;
pub mod modules;
pub mod names;
pub mod power;
pub mod uevents;
