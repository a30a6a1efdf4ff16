//! A container's spec as its guest sees it.

use std::path::Path;

use serde_json::{json, Value};

use super::json::{self, object};
use super::{mounts, seccomp};
use crate::proto::grpc;
use crate::runtime::namespaces;

/// What the sandbox gives to each of its containers.
pub struct Surroundings<'a> {
    /// The directory of the sandbox's namespace files.
    pub namespaces: &'a Path,
    /// Join the sandbox's pid namespace instead of having one.
    pub shared_pid: bool,
    /// Path below the cgroup root.
    pub cgroup: &'a str,
    /// The guest's own hooks, as JSON.
    pub hooks: Option<Value>,
}

/// The runtime's config.json. Hooks of the host, its security labels and its cgroup paths do not apply in the guest.
pub fn config(spec: &grpc::Spec, process: &grpc::Process, around: &Surroundings<'_>) -> Value {
    let root = spec.root.clone().unwrap_or_default();
    let linux = spec.linux.clone().unwrap_or_default();
    let annotations = (!spec.annotations.is_empty()).then(|| json!(spec.annotations));
    object([
        ("ociVersion", Some(json!("1.0.2"))),
        ("process", Some(json::process(process))),
        ("root", Some(json!({ "path": root.path, "readonly": root.readonly }))),
        ("mounts", Some(mounts::complete(&spec.mounts).iter().map(json::mount).collect())),
        ("hooks", around.hooks.clone()),
        ("annotations", annotations),
        ("linux", Some(linux_part(&linux, around))),
    ])
}

fn linux_part(linux: &grpc::Linux, around: &Surroundings<'_>) -> Value {
    let some = |values: &[String]| (!values.is_empty()).then(|| json!(values));
    let propagation = &linux.rootfs_propagation;
    let sysctls: serde_json::Map<String, Value> =
        linux.sysctl.iter().filter(|(name, _)| !is_guest_wide(name)).map(|(n, v)| (n.clone(), json!(v))).collect();
    object([
        ("uidMappings", mappings(&linux.uid_mappings)),
        ("gidMappings", mappings(&linux.gid_mappings)),
        ("sysctl", (!sysctls.is_empty()).then_some(Value::Object(sysctls))),
        ("resources", linux.resources.as_ref().map(json::resources)),
        ("cgroupsPath", Some(json!(around.cgroup))),
        ("namespaces", Some(namespaces_part(linux, around))),
        ("devices", Some(linux.devices.iter().map(json::device).collect())),
        ("seccomp", linux.seccomp.as_ref().map(seccomp::profile)),
        ("rootfsPropagation", (!propagation.is_empty()).then(|| json!(propagation))),
        ("maskedPaths", some(&linux.masked_paths)),
        ("readonlyPaths", some(&linux.readonly_paths)),
    ])
}

/// The network is the guest's own, so its settings are the guest's too.
pub fn is_guest_wide(sysctl: &str) -> bool {
    sysctl.replace('/', ".").starts_with("net.")
}

fn mappings(mappings: &[grpc::LinuxIdMapping]) -> Option<Value> {
    (!mappings.is_empty()).then(|| mappings.iter().map(json::id_mapping).collect())
}

/// Paths of the spec are the host's and mean nothing here. Ipc and uts are the sandbox's, pid is the sandbox's or new, and what
/// else the spec asks for is new; the network is the guest's, whatever the spec says.
fn namespaces_part(linux: &grpc::Linux, around: &Surroundings<'_>) -> Value {
    let shared = |kind: &str| json!({ "type": kind, "path": around.namespaces.join(kind) });
    let pid = if around.shared_pid { shared(namespaces::PID) } else { json!({ "type": "pid" }) };
    let given = linux.namespaces.iter().map(|namespace| namespace.r#type.as_str());
    let own = given.filter(|kind| matches!(*kind, "mount" | "cgroup" | "user" | "time")).map(|kind| json!({ "type": kind }));
    let mut all = vec![pid, shared(namespaces::IPC), shared(namespaces::UTS)];
    for namespace in own {
        if !all.contains(&namespace) {
            all.push(namespace);
        }
    }
    Value::Array(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around() -> Surroundings<'static> {
        Surroundings { namespaces: Path::new("/run/ns"), shared_pid: false, cgroup: "/vivarium/c1", hooks: None }
    }

    fn translate(change: impl FnOnce(&mut grpc::Spec), around: &Surroundings<'_>) -> Value {
        let mut spec = crate::oci::check::tests::good();
        change(&mut spec);
        config(&spec, spec.process.as_ref().unwrap(), around)
    }

    #[test]
    fn namespaces_are_the_sandboxs_or_new_and_never_the_hosts() {
        let namespaces = ["network", "pid", "cgroup", "cgroup"]
            .map(|kind| grpc::LinuxNamespace { r#type: kind.into(), path: "/proc/1/ns/x".into() });
        let config = translate(|spec| spec.linux.as_mut().unwrap().namespaces.extend(namespaces), &around());
        let expected = json!([
            { "type": "pid" }, { "type": "ipc", "path": "/run/ns/ipc" }, { "type": "uts", "path": "/run/ns/uts" },
            { "type": "mount" }, { "type": "cgroup" },
        ]);
        assert_eq!(config["linux"]["namespaces"], expected);
        let shared = translate(|_| {}, &Surroundings { shared_pid: true, ..around() });
        assert_eq!(shared["linux"]["namespaces"][0], json!({ "type": "pid", "path": "/run/ns/pid" }));
    }

    #[test]
    fn limits_pass_and_the_hosts_numbers_do_not() {
        let resources = grpc::LinuxResources {
            pids: Some(grpc::LinuxPids { limit: 9 }),
            memory: Some(grpc::LinuxMemory { limit: 1 << 20, ..Default::default() }),
            cpu: Some(grpc::LinuxCpu { quota: 5, cpus: "0".into(), mems: "7".into(), ..Default::default() }),
            devices: vec![Default::default()],
            ..Default::default()
        };
        let config = translate(|spec| spec.linux.as_mut().unwrap().resources = Some(resources), &around());
        let expected = json!({ "pids": { "limit": 9 }, "memory": { "limit": 1 << 20 }, "cpu": { "quota": 5, "cpus": "0" } });
        assert_eq!(config["linux"]["resources"], expected);
        assert_eq!(config["linux"]["cgroupsPath"], "/vivarium/c1");
    }

    #[test]
    fn network_settings_are_left_to_the_guest() {
        let sysctl = [("net.ipv4.ip_forward", "1"), ("kernel.shmmax", "2")].map(|(k, v)| (k.into(), v.into()));
        let config = translate(|spec| spec.linux.as_mut().unwrap().sysctl.extend(sysctl), &around());
        assert_eq!(config["linux"]["sysctl"], json!({ "kernel.shmmax": "2" }));
    }

    #[test]
    fn capability_sets_are_all_there_and_spelled_out() {
        let sets = grpc::LinuxCapabilities { bounding: vec!["CHOWN".into()], ..Default::default() };
        let config = translate(|spec| spec.process.as_mut().unwrap().capabilities = Some(sets), &around());
        assert_eq!(config["process"]["capabilities"]["bounding"], json!(["CAP_CHOWN"]));
        assert_eq!(config["process"]["capabilities"]["effective"], json!([]));
    }

    #[test]
    fn the_runtime_reads_what_we_write() {
        let config = translate(|_| {}, &around());
        let spec: libcontainer::oci_spec::runtime::Spec = serde_json::from_value(config).unwrap();
        assert_eq!(spec.process().as_ref().unwrap().args().as_ref().unwrap()[0], "true");
    }
}
