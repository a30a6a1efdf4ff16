//! What a worker of `viv-launcher serve` does: one request, one answer line, and it ends.

use crate::binds;
use crate::errno;
use crate::front;
use crate::json::{object, Value};
use crate::mounts;
use crate::notify;
use crate::sys;
use crate::tap;
use crate::trees;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};

/// Why a request was not carried out.
pub struct Refused {
    code: &'static str,
    /// Empty when it was no system call that failed.
    errno: String,
    path: String,
    message: String,
}

impl Refused {
    /// A system call that failed on a path.
    pub fn call(code: &'static str, path: &str, error: &io::Error) -> Refused {
        Refused { code, errno: errno::name(error), path: path.to_owned(), message: errno::words(error) }
    }

    /// What another program refused, in its words.
    pub fn said(code: &'static str, words: &str) -> Refused {
        Refused { code, errno: String::new(), path: String::new(), message: words.to_owned() }
    }

    fn to_json(&self) -> Value {
        let text = |text: &str| Value::from(text);
        let error = [
            ("code", text(self.code)),
            ("errno", text(&self.errno)),
            ("path", text(&self.path)),
            ("message", text(&self.message)),
        ];
        object([("error", object(error))])
    }
}

impl From<String> for Refused {
    fn from(message: String) -> Refused {
        Refused { code: "bad_request", errno: String::new(), path: String::new(), message }
    }
}

/// The answer to a request that no worker could carry out.
pub fn refusal(code: &'static str, message: &str) -> Value {
    Refused { code, ..Refused::from(message.to_owned()) }.to_json()
}

/// Becomes the worker: nothing of the server's stays open, stdout is the answer's pipe. A keeper that it forks lets go of that pipe at
/// once, as it does of any front's.
pub fn run(output: OwnedFd, request: &Value) -> ! {
    let ready = replace_standards(output.as_fd());
    // The number is closed now; dropping it would close another's.
    std::mem::forget(output);
    // A panic must not unwind into the server's frames, whose descriptors are closed here.
    let performed = ready.is_ok() && panic::catch_unwind(AssertUnwindSafe(|| perform(request))).is_ok();
    sys::exit_now(i32::from(!performed))
}

fn replace_standards(output: BorrowedFd<'_>) -> io::Result<()> {
    let null = std::mem::ManuallyDrop::new(File::open("/dev/null")?);
    sys::replace_standard(null.as_fd(), 0)?;
    sys::replace_standard(output, 1)?;
    sys::close_all();
    Ok(())
}

fn perform(request: &Value) {
    let done = match request.get("cmd").and_then(Value::as_str) {
        // Answers on stdout by itself.
        Some("launch") => match prepare(request) {
            Ok(dir) => {
                front::run(&dir);
                return;
            }
            Err(refused) => Err(refused),
        },
        Some("bind") => binds::bind(request),
        Some("mount") => mounts::mount(request),
        Some("notify") => notify::notify(request),
        Some("unmount") => mounts::unmount(request),
        Some("remove_trees") => trees::remove(request),
        Some("tap") => tap::tap(request),
        Some(other) => Err(Refused::from(format!("unknown cmd \"{other}\""))),
        None => Err(Refused::from("cmd is not a string".to_owned())),
    };
    let answer = done.map_or_else(|refused| refused.to_json(), |()| object([("ok", Value::from(true))]));
    // Whoever asked may be gone; the work is done all the same.
    let _ = writeln!(io::stdout(), "{answer}");
}

/// The directory to launch in; with `spec`, made, and its spec.json written.
fn prepare(request: &Value) -> Result<PathBuf, Refused> {
    let dir = request
        .get("dir")
        .and_then(Value::as_str)
        .filter(|dir| dir.starts_with('/'))
        .ok_or_else(|| "dir is not an absolute path".to_owned())?;
    let path = PathBuf::from(dir);
    if let Some(spec) = request.get("spec") {
        write_spec(&path, &spec.to_string()).map_err(|error| Refused::call("bad_spec", dir, &error))?;
    }
    Ok(path)
}

fn write_spec(dir: &Path, text: &str) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(dir.join("spec.json"))?;
    file.write_all(text.as_bytes())
}
