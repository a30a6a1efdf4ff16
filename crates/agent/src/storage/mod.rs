//! What is mounted in the guest for sandboxes and containers.

pub mod disks;
pub mod handlers;
pub mod options;
pub mod shares;
pub mod table;
