//! `spec.json`: what to start, parsed whole before anything is touched.

use crate::caps::{self, CapSet};
use crate::failure::{Code, Failure, OrFail};
use crate::json::{self, Value};
use crate::limits::{self, Limit};
use crate::namespaces::{self, Namespace};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::File;
use std::io::Read;

/// The daemon's `{fd:console}`: the child's end of the console's socketpair.
pub const CONSOLE_FD: &str = "console";

const MAX_FILE_BYTES: u64 = 8 << 20;
const MAX_TEXT_BYTES: usize = 1 << 20;
const MIN_RING_BYTES: i64 = 4096;
const DEFAULT_RING_BYTES: i64 = 1 << 20;

/// One descriptor that the child gets.
#[derive(Debug)]
pub struct FdSpec {
    pub name: String,
    pub path: CString,
    pub kind: FdKind,
}

#[derive(Debug, PartialEq, Eq)]
pub enum FdKind {
    /// A listening Unix stream socket with this mode.
    UnixListen { mode: u32 },
    /// open(2) with these flags.
    Open { flags: i32 },
}

#[derive(Debug)]
pub struct User {
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
}

#[derive(Debug)]
pub struct Spec {
    pub name: String,
    pub argv: Vec<String>,
    /// `KEY=VALUE`, the whole environment.
    pub env: Vec<CString>,
    pub cwd: CString,
    /// `None`: that of the launcher.
    pub user: Option<User>,
    /// `None`: all that the launcher has are kept.
    pub keep_capabilities: Option<CapSet>,
    pub no_new_privs: bool,
    pub namespaces: Vec<Namespace>,
    pub cgroups: Vec<String>,
    pub fds: Vec<FdSpec>,
    pub console: bool,
    pub rlimits: Vec<Limit>,
    pub oom_score_adj: Option<i64>,
    pub umask: u32,
    pub ring_bytes: u64,
}

/// Reads and validates `path`. Unknown keys are ignored: the daemon may be newer.
pub fn read(path: &str) -> Result<Spec, Failure> {
    let file = File::open(path).or_fail(Code::BadSpec, path)?;
    let mut text = String::new();
    let length = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).or_fail(Code::BadSpec, path)?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(Failure::new(Code::BadSpec, "spec.json is larger than 8 MiB"));
    }
    parse(&text).or_fail(Code::BadSpec, path)
}

/// Parses the text of a `spec.json`. The error names the key.
pub fn parse(text: &str) -> Result<Spec, String> {
    let fields = Fields { value: &json::parse(text)? };
    if !matches!(fields.value, Value::Object(_)) {
        return Err("not an object".to_owned());
    }
    fields.int("version", None, 1, i64::MAX)?;
    let spec = Spec {
        name: fields.name("name")?,
        argv: fields.strings("argv")?,
        env: fields.environment()?,
        cwd: fields.c_string("cwd", Some("/"))?,
        user: fields.user()?,
        keep_capabilities: fields.capabilities()?,
        no_new_privs: fields.flag("no_new_privs", true)?,
        namespaces: fields.items("namespaces")?.iter().map(namespaces::parse).collect::<Result<_, _>>()?,
        cgroups: fields.strings("cgroups")?,
        fds: fields.items("fds")?.iter().map(parse_fd).collect::<Result<_, _>>()?,
        console: fields.flag("console", false)?,
        rlimits: limits::parse(fields.value.get("rlimits"))?,
        oom_score_adj: fields.optional_int("oom_score_adj", -1000, 1000)?,
        umask: fields.int("umask", Some(0o077), 0, 0o777)? as u32,
        ring_bytes: fields.int("ring_bytes", Some(DEFAULT_RING_BYTES), MIN_RING_BYTES, i64::MAX)? as u64,
    };
    validate(&spec)?;
    Ok(spec)
}

/// (uid_t)-1 means "leave as it is" to the kernel, so it is no id.
const MAX_ID: i64 = u32::MAX as i64 - 1;

fn validate(spec: &Spec) -> Result<(), String> {
    if !spec.argv.first().is_some_and(|program| program.starts_with('/')) {
        return Err("argv[0] must be an absolute path".to_owned());
    }
    if spec.argv.iter().any(|argument| argument.contains('\0')) {
        return Err("argv holds a NUL byte".to_owned());
    }
    let bytes = |texts: &[CString]| texts.iter().map(|text| text.as_bytes().len()).sum::<usize>();
    let paths: usize =
        spec.fds.iter().map(|fd| fd.path.as_bytes().len()).sum::<usize>() + spec.cgroups.iter().map(String::len).sum::<usize>();
    if spec.argv.iter().map(String::len).sum::<usize>() + bytes(&spec.env) + paths > MAX_TEXT_BYTES {
        return Err("argv, env and paths are larger than 1 MiB".to_owned());
    }
    let mut names: BTreeSet<&str> = spec.fds.iter().map(|fd| fd.name.as_str()).collect();
    if names.len() < spec.fds.len() || names.contains(CONSOLE_FD) {
        return Err("fds: a name is taken twice".to_owned());
    }
    if spec.console {
        names.insert(CONSOLE_FD);
    }
    for argument in &spec.argv {
        substitute(argument, |name| names.contains(name).then_some(0))?;
    }
    Ok(())
}

/// Puts descriptor numbers in the place of every `{fd:NAME}`. The error names the descriptor that nobody declared.
pub fn substitute(argument: &str, number_of: impl Fn(&str) -> Option<i32>) -> Result<String, String> {
    const OPENING: &str = "{fd:";
    let mut out = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some(start) = rest.find(OPENING) {
        let (before, marker) = rest.split_at(start);
        let Some(end) = marker.find('}') else { break };
        let name = &marker[OPENING.len()..end];
        let number = number_of(name).ok_or_else(|| format!("argv: no descriptor is named \"{name}\""))?;
        out.push_str(before);
        out.push_str(&number.to_string());
        rest = &marker[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn parse_fd(value: &Value) -> Result<FdSpec, String> {
    let fields = Fields { value };
    let path = fields.c_string("path", None)?;
    let kind = match fields.text("kind", None)? {
        "unix_listen" => FdKind::UnixListen { mode: fields.int("mode", Some(0o600), 0, 0o777)? as u32 },
        "open" => FdKind::Open { flags: open_flags(fields.text("flags", Some("r"))?)? },
        other => return Err(format!("fds: unknown kind \"{other}\"")),
    };
    Ok(FdSpec { name: fields.name("name")?, path, kind })
}

fn open_flags(name: &str) -> Result<i32, String> {
    match name {
        "r" => Ok(libc::O_RDONLY),
        "w" => Ok(libc::O_WRONLY),
        "rw" => Ok(libc::O_RDWR),
        other => Err(format!("fds: unknown flags \"{other}\"")),
    }
}

/// Typed access to the keys of one object.
struct Fields<'a> {
    value: &'a Value,
}

impl<'a> Fields<'a> {
    fn text(&self, key: &str, default: Option<&'a str>) -> Result<&'a str, String> {
        match self.value.get(key) {
            None => default.ok_or_else(|| format!("{key} is missing")),
            Some(value) => value.as_str().ok_or_else(|| format!("{key} is not a string")),
        }
    }

    fn c_string(&self, key: &str, default: Option<&'a str>) -> Result<CString, String> {
        let text = self.text(key, default)?;
        if !text.starts_with('/') {
            return Err(format!("{key} is not an absolute path"));
        }
        CString::new(text).map_err(|_| format!("{key} holds a NUL byte"))
    }

    /// Names appear in argv markers and in the record, whose space is bounded.
    fn name(&self, key: &str) -> Result<String, String> {
        let name = self.text(key, None)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > 128 || !name.bytes().all(allowed) {
            return Err(format!("{key} is not 1 to 128 of letters, digits and - _ ."));
        }
        Ok(name.to_owned())
    }

    fn flag(&self, key: &str, default: bool) -> Result<bool, String> {
        match self.value.get(key) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(format!("{key} is not true or false")),
        }
    }

    fn optional_int(&self, key: &str, min: i64, max: i64) -> Result<Option<i64>, String> {
        match self.value.get(key) {
            None => Ok(None),
            Some(value) => match value.as_int() {
                Some(number) if (min..=max).contains(&number) => Ok(Some(number)),
                _ => Err(format!("{key} is not an integer from {min} to {max}")),
            },
        }
    }

    fn int(&self, key: &str, default: Option<i64>, min: i64, max: i64) -> Result<i64, String> {
        self.optional_int(key, min, max)?.or(default).ok_or_else(|| format!("{key} is missing"))
    }

    fn items(&self, key: &str) -> Result<&'a [Value], String> {
        match self.value.get(key) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(format!("{key} is not a list")),
        }
    }

    fn strings(&self, key: &str) -> Result<Vec<String>, String> {
        let text =
            |item: &Value| item.as_str().map(str::to_owned).ok_or_else(|| format!("{key} holds something that is not a string"));
        self.items(key)?.iter().map(text).collect()
    }

    /// User and group go together: one without the other would leave the launcher's.
    fn user(&self) -> Result<Option<User>, String> {
        let groups = self.groups()?;
        let id = |key| self.optional_int(key, 0, MAX_ID);
        match (id("uid")?, id("gid")?) {
            (Some(uid), Some(gid)) => Ok(Some(User { uid: uid as u32, gid: gid as u32, groups })),
            (None, None) if groups.is_empty() => Ok(None),
            _ => Err("uid and gid must be given together".to_owned()),
        }
    }

    fn groups(&self) -> Result<Vec<u32>, String> {
        let id = |item: &Value| item.as_int().filter(|id| (0..=MAX_ID).contains(id)).map(|id| id as u32);
        self.items("groups")?
            .iter()
            .map(|item| id(item).ok_or_else(|| "groups holds something that is not an id".to_owned()))
            .collect()
    }

    fn capabilities(&self) -> Result<Option<CapSet>, String> {
        match self.value.get("keep_capabilities") {
            None => Ok(None),
            Some(_) => caps::parse(&self.strings("keep_capabilities")?).map(Some),
        }
    }

    fn environment(&self) -> Result<Vec<CString>, String> {
        let entries = match self.value.get("env") {
            None => return Ok(Vec::new()),
            Some(Value::Object(entries)) => entries,
            Some(_) => return Err("env is not an object".to_owned()),
        };
        let variable = |(key, value): &(String, Value)| {
            let text = value.as_str().filter(|_| !key.is_empty() && !key.contains('='));
            text.and_then(|text| CString::new(format!("{key}={text}")).ok()).ok_or_else(|| format!("env: \"{key}\" is malformed"))
        };
        entries.iter().map(variable).collect()
    }
}

#[cfg(test)]
mod tests;
