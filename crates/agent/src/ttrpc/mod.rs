//! ttrpc: a small RPC protocol over one byte stream, as the kata agent and containerd speak it.

pub mod frame;
pub mod message;
pub mod outbox;
pub mod server;
pub mod status;
