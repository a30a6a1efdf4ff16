//! Images from files: OCI layouts, docker archives and root file systems.

pub mod archive;
pub mod docker;
pub mod files;
pub mod layout;
pub mod pack;
pub mod rootfs;
pub mod run;
