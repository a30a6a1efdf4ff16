//! The messages of oci.proto as the runtime's JSON (OCI runtime specification, config.md and config-linux.md).

use serde_json::{json, Map, Value};

use crate::proto::grpc;

/// A JSON object of the fields that are set.
pub fn object(fields: impl IntoIterator<Item = (&'static str, Option<Value>)>) -> Value {
    Value::Object(fields.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect::<Map<_, _>>())
}

/// None for a message's default value, which proto3 does not tell from "not set".
fn set<T: PartialEq + Default + Into<Value>>(value: T) -> Option<Value> {
    (value != T::default()).then(|| value.into())
}

fn list(values: &[String]) -> Option<Value> {
    (!values.is_empty()).then(|| json!(values))
}

pub fn process(process: &grpc::Process) -> Value {
    let user = process.user.clone().unwrap_or_default();
    let size = process.console_size.filter(|size| size.height > 0 && size.width > 0);
    object([
        ("terminal", Some(json!(process.terminal))),
        ("consoleSize", size.map(|size| json!({ "height": size.height, "width": size.width }))),
        ("user", Some(json!({ "uid": user.uid, "gid": user.gid, "additionalGids": user.additional_gids }))),
        ("args", Some(json!(process.args))),
        ("env", Some(json!(process.env))),
        ("cwd", Some(json!(if process.cwd.is_empty() { "/" } else { &process.cwd }))),
        ("capabilities", Some(capabilities(process.capabilities.clone().unwrap_or_default()))),
        ("rlimits", Some(process.rlimits.iter().map(rlimit).collect())),
        // Absent, not false: with false the runtime would load a seccomp filter after it has dropped the right to.
        ("noNewPrivileges", set(process.no_new_privileges)),
        ("oomScoreAdj", Some(json!(process.oom_score_adj))),
    ])
}

/// All five sets, empty ones too: a set that is not there would be filled with defaults.
fn capabilities(sets: grpc::LinuxCapabilities) -> Value {
    let named = |names: Vec<String>| -> Value {
        names.into_iter().map(|name| if name.starts_with("CAP_") { name } else { format!("CAP_{name}") }).collect()
    };
    json!({
        "bounding": named(sets.bounding),
        "effective": named(sets.effective),
        "inheritable": named(sets.inheritable),
        "permitted": named(sets.permitted),
        "ambient": named(sets.ambient),
    })
}

fn rlimit(limit: &grpc::PosixRlimit) -> Value {
    let name = limit.r#type.strip_prefix("RLIMIT_").unwrap_or(&limit.r#type);
    json!({ "type": format!("RLIMIT_{name}"), "hard": limit.hard, "soft": limit.soft })
}

pub fn mount(mount: &grpc::Mount) -> Value {
    object([
        ("destination", Some(json!(mount.destination))),
        ("type", set(mount.r#type.as_str()).map(|_| json!(mount.r#type))),
        ("source", set(mount.source.as_str()).map(|_| json!(mount.source))),
        ("options", list(&mount.options)),
    ])
}

pub fn device(device: &grpc::LinuxDevice) -> Value {
    object([
        ("path", Some(json!(device.path))),
        ("type", Some(json!(device.r#type))),
        ("major", Some(json!(device.major))),
        ("minor", Some(json!(device.minor))),
        ("fileMode", set(device.file_mode & 0o7777)),
        ("uid", Some(json!(device.uid))),
        ("gid", Some(json!(device.gid))),
    ])
}

pub fn id_mapping(mapping: &grpc::LinuxIdMapping) -> Value {
    json!({ "hostID": mapping.host_id, "containerID": mapping.container_id, "size": mapping.size })
}

/// The limits that a guest honours: memory, cpu, pids and huge pages. Devices, networks and block devices are the host's numbers,
/// and so are its memory nodes: they mean nothing here. Cpus are the guest's own.
pub fn resources(resources: &grpc::LinuxResources) -> Value {
    let hugepages: Vec<_> =
        resources.hugepage_limits.iter().map(|l| json!({ "pageSize": l.pagesize, "limit": l.limit })).collect();
    object([
        ("memory", resources.memory.as_ref().map(memory)),
        ("cpu", resources.cpu.as_ref().map(cpu)),
        ("pids", resources.pids.as_ref().filter(|pids| pids.limit != 0).map(|pids| json!({ "limit": pids.limit }))),
        ("hugepageLimits", (!hugepages.is_empty()).then(|| json!(hugepages))),
    ])
}

fn memory(memory: &grpc::LinuxMemory) -> Value {
    object([("limit", set(memory.limit)), ("reservation", set(memory.reservation)), ("swap", set(memory.swap))])
}

fn cpu(cpu: &grpc::LinuxCpu) -> Value {
    object([
        ("shares", set(cpu.shares)),
        ("quota", set(cpu.quota)),
        ("period", set(cpu.period)),
        ("cpus", set(cpu.cpus.as_str()).map(|_| json!(cpu.cpus))),
    ])
}
