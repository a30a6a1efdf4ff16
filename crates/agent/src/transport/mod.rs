//! Byte streams to the host, and how ttrpc connections come about on them.

pub mod channel;
pub mod linked;
pub mod listen;
pub mod plain;
pub mod port;
