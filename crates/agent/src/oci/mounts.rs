//! The mounts of a container, with what the spec has to have and may lack.

use crate::proto::grpc::Mount;

/// Docker's and containerd's size of /dev/shm.
const SHM_SIZE: &str = "size=65536k";

fn mount(destination: &str, kind: &str, options: &[&str]) -> Mount {
    Mount {
        destination: destination.into(),
        source: kind.into(),
        r#type: kind.into(),
        options: options.iter().map(|&option| option.into()).collect(),
    }
}

/// The spec's mounts, completed. Without /dev the runtime would make device nodes in the host's files; without /proc it could
/// not work; a /dev/shm without a size could take half of the guest's memory.
pub fn complete(given: &[Mount]) -> Vec<Mount> {
    let has = |destination: &str| given.iter().any(|mount| mount.destination.trim_end_matches('/') == destination);
    let mut mounts = Vec::new();
    if !has("/proc") {
        mounts.push(mount("/proc", "proc", &["nosuid", "noexec", "nodev"]));
    }
    if !has("/dev") {
        mounts.push(mount("/dev", "tmpfs", &["nosuid", "strictatime", "mode=755", "size=65536k"]));
    }
    mounts.extend(given.iter().cloned().map(bounded));
    mounts
}

fn bounded(mut mount: Mount) -> Mount {
    let shm = mount.r#type == "tmpfs" && mount.destination.trim_end_matches('/') == "/dev/shm";
    if shm && !mount.options.iter().any(|option| option.starts_with("size=")) {
        mount.options.push(SHM_SIZE.into());
    }
    mount
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_comes_first_and_what_is_given_stays() {
        let mounts = complete(&[mount("/dev/", "tmpfs", &[]), mount("/data", "bind", &["rbind"])]);
        let destinations: Vec<_> = mounts.iter().map(|mount| mount.destination.as_str()).collect();
        assert_eq!(destinations, ["/proc", "/dev/", "/data"]);
        assert!(mounts[1].options.is_empty());
    }

    #[test]
    fn shared_memory_is_bounded_unless_it_has_a_size() {
        let mounts = complete(&[mount("/dev/shm", "tmpfs", &["mode=1777"])]);
        assert_eq!(mounts.last().unwrap().options, ["mode=1777", SHM_SIZE]);
        let mounts = complete(&[mount("/dev/shm", "tmpfs", &["size=1m"])]);
        assert_eq!(mounts.last().unwrap().options, ["size=1m"]);
    }
}
