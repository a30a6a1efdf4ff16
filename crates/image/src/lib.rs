//! `viv-image`: fetches, verifies and unpacks OCI images. See docs/protocols/image-tool.md.

pub mod cancel;
pub mod counted;
pub mod digest;
pub mod failure;
pub mod import;
pub mod layers;
pub mod lock;
pub mod oci;
pub mod plan;
pub mod platform;
pub mod pool;
pub mod pull;
pub mod registry;
pub mod remove;
pub mod report;
pub mod request;
pub mod run;
pub mod store;
pub mod tar;
pub mod unpack;

/// The version that requests name.
pub const PROTOCOL_VERSION: u32 = 1;
