//! The guest agent's side of its port.

pub mod containers;
pub mod frames;
pub mod link;
pub mod port;
pub mod processes;
pub mod service;
pub mod spoil;
pub mod wire;
