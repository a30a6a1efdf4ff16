//! Resource limits. One that can't be raised stays as it is: a host that grants less is no reason not to start.

use crate::failure::{Code, Failure, OrFail};
use crate::json::Value;
use crate::sys;

#[derive(Debug, Clone, Copy)]
pub struct Limit {
    resource: u32,
    /// Soft and hard limit alike.
    value: u64,
}

const NAMES: [(&str, u32); 16] = [
    ("as", libc::RLIMIT_AS),
    ("core", libc::RLIMIT_CORE),
    ("cpu", libc::RLIMIT_CPU),
    ("data", libc::RLIMIT_DATA),
    ("fsize", libc::RLIMIT_FSIZE),
    ("locks", libc::RLIMIT_LOCKS),
    ("memlock", libc::RLIMIT_MEMLOCK),
    ("msgqueue", libc::RLIMIT_MSGQUEUE),
    ("nice", libc::RLIMIT_NICE),
    ("nofile", libc::RLIMIT_NOFILE),
    ("nproc", libc::RLIMIT_NPROC),
    ("rss", libc::RLIMIT_RSS),
    ("rtprio", libc::RLIMIT_RTPRIO),
    ("rttime", libc::RLIMIT_RTTIME),
    ("sigpending", libc::RLIMIT_SIGPENDING),
    ("stack", libc::RLIMIT_STACK),
];

/// `{"core":0,"memlock":"unlimited"}`
pub fn parse(value: Option<&Value>) -> Result<Vec<Limit>, String> {
    let entries = match value {
        None => return Ok(Vec::new()),
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err("rlimits is not an object".to_owned()),
    };
    entries.iter().map(|(name, value)| parse_one(name, value)).collect()
}

fn parse_one(name: &str, value: &Value) -> Result<Limit, String> {
    let known = NAMES.iter().find(|(known, _)| known == &name);
    let (_, resource) = known.ok_or_else(|| format!("rlimits: unknown limit \"{name}\""))?;
    let value = match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        Value::Str(text) if text == "unlimited" => Some(libc::RLIM_INFINITY),
        _ => None,
    };
    let value = value.ok_or_else(|| format!("rlimits: {name} is neither a number nor \"unlimited\""))?;
    Ok(Limit { resource: *resource, value })
}

/// Sets soft and hard limit; where the hard limit can't be raised, raises the soft one as far as it goes.
pub fn apply(limit: Limit) -> Result<(), Failure> {
    let mut now = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `now` lives for the call.
    sys::check(unsafe { libc::getrlimit(limit.resource, &mut now) }).or_fail(Code::Sandbox, "getrlimit")?;
    let wanted = libc::rlimit { rlim_cur: limit.value, rlim_max: limit.value };
    // SAFETY: reads one live structure.
    let set = |to: &libc::rlimit| sys::check(unsafe { libc::setrlimit(limit.resource, to) });
    if limit.value <= now.rlim_max {
        set(&wanted).or_fail(Code::Sandbox, "setrlimit")?;
    } else if set(&wanted).is_err() {
        let as_far_as_allowed = libc::rlimit { rlim_cur: now.rlim_max, rlim_max: now.rlim_max };
        set(&as_far_as_allowed).or_fail(Code::Sandbox, "setrlimit")?;
    }
    Ok(())
}
