//! The short-lived process that the daemon runs: claims the name, forks the keeper, passes its answer on.

use crate::claim::{self, Claim};
use crate::failure::{Code, Failure, OrFail};
use crate::keeper;
use crate::spec;
use crate::sys::{self, Forked};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

/// Launches in `dir` and answers on stdout. 0: a child lives and the line tells which; 1: the line tells why not.
pub fn run(dir: &Path) -> ExitCode {
    let (code, line) = launch(dir).unwrap_or_else(|failure| (1, failure.line()));
    // Whoever asked may be gone; a child that was started runs all the same, and a second launch finds it.
    let _ = writeln!(io::stdout(), "{line}");
    ExitCode::from(code)
}

fn launch(dir: &Path) -> Result<(u8, String), Failure> {
    // All names below DIR are used relative to it, so its length never meets the limit of a socket's path.
    std::env::set_current_dir(dir).or_fail(Code::BadSpec, dir.display())?;
    let lock = match claim::claim()? {
        Claim::Living(answer) => return Ok((0, answer.to_string())),
        Claim::Ours(lock) => lock,
    };
    let spec = spec::read("spec.json")?;
    let (reader, writer) = sys::pipe().or_fail(Code::Exec, "pipe")?;
    match sys::fork().or_fail(Code::Exec, "fork")? {
        Forked::Child => {
            drop(reader);
            keeper::run(spec, lock, File::from(writer))
        }
        Forked::Parent(_) => {
            drop(writer);
            drop(lock);
            hear(File::from(reader))
        }
    }
}

fn hear(mut reader: File) -> Result<(u8, String), Failure> {
    let mut answer = String::new();
    reader.read_to_string(&mut answer).or_fail(Code::Exec, "hear from the keeper")?;
    match answer.as_bytes().first() {
        Some(&keeper::STARTED) => Ok((0, answer[1..].to_owned())),
        Some(&keeper::NOT_STARTED) => Ok((1, answer[1..].to_owned())),
        _ => Err(Failure::new(Code::Exec, "the launcher died before it could tell of the start")),
    }
}
