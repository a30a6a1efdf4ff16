//! Speaking to registries (OCI distribution-spec 1.1) over HTTP.

pub mod answer;
pub mod auth_file;
pub mod blob;
pub mod challenge;
pub mod client;
pub mod endpoint;
pub mod fetcher;
pub mod growing;
pub mod manifest;
pub mod persist;
pub mod reference;
pub mod tls;
pub mod token;
