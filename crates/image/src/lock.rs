//! Lock files: flock on a file that may be renamed or removed by who holds it.

use crate::cancel::Cancel;
use crate::failure::{Failure, OrFail};
use rustix::fs::{flock, FlockOperation};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc;

/// Opens (or makes) the file and locks it exclusively. Calls `waiting` before it waits for another holder. The file that is
/// returned is the one that the path names: what a former holder renamed or removed is let go of.
pub fn lock_file(path: &Path, cancel: &Cancel, waiting: &mut dyn FnMut()) -> Result<File, Failure> {
    loop {
        let file = locked(path, FlockOperation::LockExclusive, cancel, waiting)?;
        if is_named(&file, path).or_fail(path.display())? {
            return Ok(file);
        }
    }
}

/// Locks the file shared, or waits for who holds it exclusively.
pub fn lock_shared(path: &Path, cancel: &Cancel, waiting: &mut dyn FnMut()) -> Result<File, Failure> {
    locked(path, FlockOperation::LockShared, cancel, waiting)
}

fn locked(path: &Path, how: FlockOperation, cancel: &Cancel, waiting: &mut dyn FnMut()) -> Result<File, Failure> {
    let what = || format!("lock {}", path.display());
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = open.or_fail(what())?;
    let at_once = match how {
        FlockOperation::LockShared => FlockOperation::NonBlockingLockShared,
        _ => FlockOperation::NonBlockingLockExclusive,
    };
    match flock(&file, at_once) {
        Err(rustix::io::Errno::WOULDBLOCK) => waiting(),
        taken => return taken.map(|()| file).or_fail(what()),
    }
    wait_for(file, how, cancel)?.or_fail(what())
}

/// flock can't be told to stop waiting, so a thread of its own waits; it is left behind when the work is given up.
fn wait_for(file: File, how: FlockOperation, cancel: &Cancel) -> Result<io::Result<File>, Failure> {
    let (send, receive) = mpsc::channel();
    let given_up = send.clone();
    // Nobody listening means that the lock, or the wish to give up, is no longer of interest.
    cancel.on_give_up(move || drop(given_up.send(None)));
    std::thread::spawn(move || {
        let taken = loop {
            match flock(&file, how) {
                Err(rustix::io::Errno::INTR) => continue,
                taken => break taken.map_err(io::Error::from),
            }
        };
        drop(send.send(Some(taken.map(|()| file))));
    });
    receive.recv().ok().flatten().ok_or_else(Failure::cancelled)
}

fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    let named = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        named => named?,
    };
    let ours = file.metadata()?;
    Ok(named.dev() == ours.dev() && named.ino() == ours.ino())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Code;

    #[test]
    fn who_waited_for_a_removed_file_locks_the_one_that_is_there_now() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("lock");
        let first = lock_file(&path, &Cancel::default(), &mut || ()).expect("lock");
        let (waits, is_waiting) = mpsc::channel();
        let second = {
            let path = path.clone();
            std::thread::spawn(move || lock_file(&path, &Cancel::default(), &mut || waits.send(()).expect("told")))
        };
        is_waiting.recv().expect("waits");
        std::fs::remove_file(&path).expect("removed");
        drop(first);
        let second = second.join().expect("thread").expect("lock");
        assert!(is_named(&second, &path).expect("stat"));
    }

    #[test]
    fn a_wait_ends_when_the_work_is_given_up() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("lock");
        let _held = lock_file(&path, &Cancel::default(), &mut || ()).expect("lock");
        let cancel = Cancel::default();
        let failure = lock_file(&path, &cancel, &mut || cancel.give_up(Code::Cancelled)).expect_err("given up");
        assert_eq!(failure.code, Code::Cancelled);
    }
}
