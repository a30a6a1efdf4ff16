//! Refuses what the runtime would choke on, before anything is touched.

use crate::proto::grpc;
use crate::ttrpc::status::{Result, Status};

const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

const RLIMITS: [&str; 16] = [
    "AS",
    "CORE",
    "CPU",
    "DATA",
    "FSIZE",
    "LOCKS",
    "MEMLOCK",
    "MSGQUEUE",
    "NICE",
    "NOFILE",
    "NPROC",
    "RSS",
    "RTPRIO",
    "RTTIME",
    "SIGPENDING",
    "STACK",
];

const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"];
const PROPAGATIONS: [&str; 5] = ["", "private", "shared", "slave", "unbindable"];

/// An id becomes a directory and a cgroup: 2 to 128 letters, digits, `.`, `-` and `_`, the first no mark.
pub fn id(id: &str) -> Result<()> {
    let marks = |c: char| matches!(c, '.' | '-' | '_');
    let plain = id.chars().all(|c| c.is_ascii_alphanumeric() || marks(c)) && !id.starts_with(marks);
    if plain && (2..=128).contains(&id.len()) {
        return Ok(());
    }
    Err(Status::invalid(format!("Invalid container id {id:?}: it takes 2 to 128 letters, digits, '.', '-' or '_'")))
}

pub fn spec(spec: &grpc::Spec) -> Result<()> {
    let root = spec.root.as_ref().ok_or_else(|| Status::invalid("Root is missing"))?;
    absolute("Root.Path", &root.path)?;
    process(spec.process.as_ref().ok_or_else(|| Status::invalid("Process is missing"))?)?;
    for mount in &spec.mounts {
        absolute("Mounts.destination", &mount.destination)?;
        for text in [&mount.source, &mount.r#type].into_iter().chain(&mount.options) {
            plain("Mounts", text)?;
        }
    }
    let linux = spec.linux.as_ref().ok_or_else(|| Status::invalid("Linux is missing"))?;
    linux_part(linux)
}

fn linux_part(linux: &grpc::Linux) -> Result<()> {
    if !linux.namespaces.iter().any(|namespace| namespace.r#type == "mount") {
        return Err(Status::invalid("Linux.Namespaces: a mount namespace is needed"));
    }
    for namespace in &linux.namespaces {
        one_of("Linux.Namespaces", &namespace.r#type, &NAMESPACES)?;
    }
    for device in &linux.devices {
        one_of("Linux.Devices", &device.r#type, &["b", "c", "u", "p"])?;
        absolute("Linux.Devices", &device.path)?;
        if !(0..1 << 12).contains(&device.major) || !(0..1 << 20).contains(&device.minor) {
            return Err(Status::invalid(format!("Linux.Devices: {}: no such device number", device.path)));
        }
    }
    for path in linux.masked_paths.iter().chain(&linux.readonly_paths) {
        absolute("Linux.MaskedPaths and ReadonlyPaths", path)?;
    }
    for (name, value) in &linux.sysctl {
        plain("Linux.Sysctl", value)?;
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '/');
        if name.is_empty() || !name.chars().all(known) || name.contains("..") {
            return Err(Status::invalid(format!("Linux.Sysctl: {name:?} is no name")));
        }
    }
    one_of("Linux.RootfsPropagation", &linux.rootfs_propagation, &PROPAGATIONS)
}

pub fn process(process: &grpc::Process) -> Result<()> {
    if process.args.first().is_none_or(String::is_empty) {
        return Err(Status::invalid("Process.Args: a command is needed"));
    }
    for arg in &process.args {
        plain("Process.Args", arg)?;
    }
    for entry in &process.env {
        plain("Process.Env", entry)?;
        if entry.find('=').is_none_or(|at| at == 0) {
            return Err(Status::invalid(format!("Process.Env: {entry:?} is not NAME=value")));
        }
    }
    if !process.cwd.is_empty() {
        absolute("Process.Cwd", &process.cwd)?;
    }
    if let Some(sets) = &process.capabilities {
        let all = [&sets.bounding, &sets.effective, &sets.inheritable, &sets.permitted, &sets.ambient];
        for name in all.into_iter().flatten() {
            one_of("Process.Capabilities", name.strip_prefix("CAP_").unwrap_or(name), &CAPABILITIES)?;
        }
    }
    for limit in &process.rlimits {
        one_of("Process.Rlimits", limit.r#type.strip_prefix("RLIMIT_").unwrap_or(&limit.r#type), &RLIMITS)?;
        if limit.soft > limit.hard {
            return Err(Status::invalid(format!("Process.Rlimits: {}: the soft limit is above the hard one", limit.r#type)));
        }
    }
    if !(-1000..=1000).contains(&process.oom_score_adj) {
        return Err(Status::invalid("Process.OOMScoreAdj: it takes -1000 to 1000"));
    }
    Ok(())
}

fn one_of(field: &str, value: &str, known: &[&str]) -> Result<()> {
    if known.contains(&value) {
        return Ok(());
    }
    Err(Status::invalid(format!("{field}: unknown {value:?}")))
}

fn absolute(field: &str, path: &str) -> Result<()> {
    plain(field, path)?;
    if path.starts_with('/') {
        return Ok(());
    }
    Err(Status::invalid(format!("{field}: {path:?} is not an absolute path")))
}

fn plain(field: &str, text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Status::invalid(format!("{field}: a zero byte in {text:?}")));
    }
    Ok(())
}

#[cfg(test)]
#[path = "check_tests.rs"]
pub mod tests;
