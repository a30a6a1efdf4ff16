//! Namespaces: entered by path, or new.

use crate::failure::{Code, Failure, OrFail};
use crate::json::Value;
use crate::sys;
use std::fs::File;
use std::os::fd::AsRawFd;

#[derive(Debug)]
pub struct Namespace {
    pub kind: Kind,
    /// `None`: a new one.
    pub path: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Cgroup,
    Ipc,
    Mount,
    Net,
    Pid,
    User,
    Uts,
}

const KINDS: [(&str, Kind, i32); 7] = [
    ("cgroup", Kind::Cgroup, libc::CLONE_NEWCGROUP),
    ("ipc", Kind::Ipc, libc::CLONE_NEWIPC),
    ("mount", Kind::Mount, libc::CLONE_NEWNS),
    ("net", Kind::Net, libc::CLONE_NEWNET),
    ("pid", Kind::Pid, libc::CLONE_NEWPID),
    ("user", Kind::User, libc::CLONE_NEWUSER),
    ("uts", Kind::Uts, libc::CLONE_NEWUTS),
];

/// `{"type":"net","path":"/run/netns/x"}` or `{"type":"net"}`.
pub fn parse(value: &Value) -> Result<Namespace, String> {
    let name = value.get("type").and_then(Value::as_str).ok_or("namespaces: type is missing")?;
    let (_, kind, _) =
        KINDS.iter().find(|(known, _, _)| *known == name).ok_or_else(|| format!("namespaces: unknown type \"{name}\""))?;
    let path = match value.get("path") {
        None => None,
        Some(Value::Str(path)) if path.starts_with('/') => Some(path.clone()),
        Some(_) => return Err(format!("namespaces: the path of {name} is not an absolute path")),
    };
    if *kind == Kind::User && path.is_none() {
        return Err("namespaces: a new user namespace has no id maps; name one by path".to_owned());
    }
    Ok(Namespace { kind: *kind, path })
}

/// Enters one namespace. `Kind::Pid` takes effect for the next child only, so the keeper does that one before it forks.
pub fn enter(namespace: &Namespace) -> Result<(), Failure> {
    let (name, flag) =
        KINDS.iter().find(|(_, kind, _)| *kind == namespace.kind).map_or(("", 0), |(name, _, flag)| (*name, *flag));
    match &namespace.path {
        Some(path) => {
            let file = File::open(path).or_fail(Code::Namespace, format_args!("{name} namespace {path}"))?;
            // SAFETY: setns on a live descriptor.
            let entered = sys::check(unsafe { libc::setns(file.as_raw_fd(), flag) });
            entered.or_fail(Code::Namespace, format_args!("enter the {name} namespace {path}"))?;
        }
        None => {
            // SAFETY: changes this process's namespaces only.
            let made = sys::check(unsafe { libc::unshare(flag) });
            made.or_fail(Code::Namespace, format_args!("make a {name} namespace"))?;
            if namespace.kind == Kind::Mount {
                stop_propagation_to_host()?;
            }
        }
    }
    Ok(())
}

/// Mounts made on the host later still reach the child; what the child mounts does not reach the host.
fn stop_propagation_to_host() -> Result<(), Failure> {
    let null = std::ptr::null();
    // SAFETY: C strings and nulls, as mount(2) wants them for a change of propagation.
    let changed = sys::check(unsafe { libc::mount(null, c"/".as_ptr(), null, libc::MS_REC | libc::MS_SLAVE, null.cast()) });
    changed.or_fail(Code::Namespace, "make the mount namespace a slave")?;
    Ok(())
}
