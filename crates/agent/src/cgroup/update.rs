//! New limits for a running container.

use libcgroups::common::{CgroupManager, ControllerOpt};
use libcgroups::v2::manager::Manager;

use super::group::{Group, ROOT};
use crate::oci::json;
use crate::proto::grpc::LinuxResources;
use crate::ttrpc::status::{Result, Status};

/// Applies the limits that are set; the others stay.
pub fn apply(group: &Group, resources: &LinuxResources) -> Result<()> {
    let resources = serde_json::from_value(json::resources(resources)).map_err(|e| Status::invalid(e.to_string()))?;
    let name = group.name().trim_start_matches('/').into();
    let manager = Manager::new(ROOT.into(), name).map_err(|e| Status::os("cgroup", e))?;
    let options = ControllerOpt { resources: &resources, disable_oom_killer: false, oom_score_adj: None, freezer_state: None };
    manager.apply(&options).map_err(|e| Status::os("cgroup", e))
}
