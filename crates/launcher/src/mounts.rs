//! mount(2) and umount2(2) as requests name them.

use crate::json::Value;
use crate::sys;
use crate::worker::Refused;
use std::ffi::CString;
use std::io;

const FLAGS: [(&str, libc::c_ulong); 16] = [
    ("bind", libc::MS_BIND),
    ("move", libc::MS_MOVE),
    ("noatime", libc::MS_NOATIME),
    ("nodev", libc::MS_NODEV),
    ("nodiratime", libc::MS_NODIRATIME),
    ("noexec", libc::MS_NOEXEC),
    ("nosuid", libc::MS_NOSUID),
    ("private", libc::MS_PRIVATE),
    ("rec", libc::MS_REC),
    ("relatime", libc::MS_RELATIME),
    ("remount", libc::MS_REMOUNT),
    ("ro", libc::MS_RDONLY),
    ("shared", libc::MS_SHARED),
    ("slave", libc::MS_SLAVE),
    ("strictatime", libc::MS_STRICTATIME),
    ("unbindable", libc::MS_UNBINDABLE),
];

struct Call {
    source: CString,
    target: CString,
    fstype: CString,
    flags: libc::c_ulong,
    data: CString,
}

/// `{"mounts":[{"source":…,"target":…,"fstype":…,"flags":[…],"data":…},…]}`: one after the other, up to the first that fails.
/// All are parsed before the first is done.
pub fn mount(request: &Value) -> Result<(), Refused> {
    let items = list(request, "mounts")?;
    let calls = items.iter().map(parse).collect::<Result<Vec<Call>, String>>()?;
    calls.iter().try_for_each(|call| {
        let text = |text: &CString| if text.is_empty() { std::ptr::null() } else { text.as_ptr() };
        // SAFETY: C strings that outlive the call, or null.
        let done = sys::check(unsafe {
            libc::mount(text(&call.source), call.target.as_ptr(), text(&call.fstype), call.flags, text(&call.data).cast())
        });
        done.map(|_| ()).map_err(|error| Refused::call("mount", &call.target.to_string_lossy(), &error))
    })
}

fn parse(value: &Value) -> Result<Call, String> {
    let mut flags = 0;
    for flag in optional_list(value, "flags")? {
        let name = flag.as_str().ok_or("flags holds something that is not a string")?;
        flags |= FLAGS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, bit)| *bit)
            .ok_or_else(|| format!("unknown flag \"{name}\""))?;
    }
    Ok(Call {
        source: c_string(value.get("source"), "source")?,
        target: absolute(value.get("target"), "target")?,
        fstype: c_string(value.get("fstype"), "fstype")?,
        flags,
        data: c_string(value.get("data"), "data")?,
    })
}

/// `{"targets":[…]}`: one after the other, never lazily, never through a symbolic link. What is no mount (any more) is passed over:
/// a mount that is unmounted takes those of its peers along. Ends with the first that fails otherwise.
pub fn unmount(request: &Value) -> Result<(), Refused> {
    let items = list(request, "targets")?;
    let targets = items.iter().map(|item| absolute(Some(item), "targets")).collect::<Result<Vec<CString>, String>>()?;
    targets.iter().try_for_each(|target| {
        // SAFETY: a C string that outlives the call.
        match sys::check(unsafe { libc::umount2(target.as_ptr(), libc::UMOUNT_NOFOLLOW) }) {
            Err(error) if !is_no_mount(&error) => Err(Refused::call("unmount", &target.to_string_lossy(), &error)),
            _ => Ok(()),
        }
    })
}

fn is_no_mount(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOENT))
}

/// A list that must be there.
pub fn list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    match value.get(key) {
        Some(Value::Array(items)) => Ok(items),
        _ => Err(format!("{key} is not a list")),
    }
}

fn optional_list<'a>(value: &'a Value, key: &str) -> Result<&'a [Value], String> {
    value.get(key).map_or(Ok(&[]), |_| list(value, key))
}

/// Absent is empty.
fn c_string(value: Option<&Value>, key: &str) -> Result<CString, String> {
    let text = value.map_or(Some(""), Value::as_str).ok_or_else(|| format!("{key} is not a string"))?;
    CString::new(text).map_err(|_| format!("{key} holds a NUL byte"))
}

/// An absolute path.
pub fn absolute(value: Option<&Value>, key: &str) -> Result<CString, String> {
    let path = c_string(value, key)?;
    if path.as_bytes().starts_with(b"/") {
        Ok(path)
    } else {
        Err(format!("{key} is not an absolute path"))
    }
}
