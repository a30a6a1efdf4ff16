//! The services: each request decoded, carried out, answered.

pub mod container;
pub mod devices;
pub mod files;
pub mod guest;
pub mod metrics;
pub mod online;
pub mod output;
pub mod routes;
pub mod sandbox;
pub mod stdio;
pub mod vivarium;
