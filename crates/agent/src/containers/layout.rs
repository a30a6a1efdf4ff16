//! Where the agent keeps what it needs, all in the guest's memory.

use std::path::{Path, PathBuf};

const RUN: &str = "/run/vivarium";

/// The runtime's own records, one directory a container.
pub fn states() -> PathBuf {
    Path::new(RUN).join("states")
}

/// The namespaces that the containers share.
pub fn namespaces() -> PathBuf {
    Path::new(RUN).join("ns")
}

/// The bundle of a container: its config.json.
pub fn bundle(container_id: &str) -> PathBuf {
    Path::new(RUN).join("bundles").join(container_id)
}
