//! Devices that are plugged into a running guest: where they are, what they are, who holds them.

pub mod block;
pub mod function;
pub mod nodes;
pub mod place;
pub mod scsi;
pub mod wait;
