//! The cgroups of containers. Version 2 only: the guest is ours.

pub mod devices;
pub mod group;
pub mod oom;
pub mod stats;
pub mod update;
