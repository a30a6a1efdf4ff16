//! OCI specs as the host sends them, checked and turned into what the guest's runtime takes.

pub mod check;
pub mod hooks;
pub mod json;
pub mod mounts;
pub mod seccomp;
pub mod translate;
