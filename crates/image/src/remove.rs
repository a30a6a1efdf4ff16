//! Removing a tree that an archive made: by descriptors, following nothing, whatever its modes are.

use rustix::fs::{openat, unlinkat, AtFlags, Dir, FileType, Mode, OFlags, CWD};
use rustix::io::{Errno, Result};
use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Removes the file or tree; it need not be there.
pub fn remove_tree(path: &Path) -> std::io::Result<()> {
    Ok(remove_at(CWD, &path_name(path)?)?)
}

fn path_name(path: &Path) -> Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::INVAL)
}

/// Removes one name of a directory and what is below it. Depth costs descriptors not stack: a level is one open directory.
pub fn remove_at(parent: BorrowedFd, name: &CString) -> Result<()> {
    match unlinkat(parent, name, AtFlags::empty()) {
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(Errno::NOENT) => return Ok(()),
        done => return done,
    }
    let top = openat(parent, name, DIRECTORY, Mode::empty())?;
    empty(top)?;
    unlinkat(parent, name, AtFlags::REMOVEDIR)
}

/// Empties a directory: subdirectories are moved up before they are emptied, so that any depth needs two descriptors only.
fn empty(top: OwnedFd) -> Result<()> {
    let mut moved = 0u64;
    loop {
        let names = list(top.as_fd())?;
        if names.is_empty() {
            return Ok(());
        }
        for (name, is_dir) in names {
            if !is_dir {
                unlinkat(&top, &name, AtFlags::empty())?;
                continue;
            }
            let directory = openat(&top, &name, DIRECTORY, Mode::empty())?;
            for (inner, inner_is_dir) in list(directory.as_fd())? {
                if inner_is_dir {
                    moved = lift(&directory, &inner, &top, moved)?;
                } else {
                    unlinkat(&directory, &inner, AtFlags::empty())?;
                }
            }
            unlinkat(&top, &name, AtFlags::REMOVEDIR)?;
        }
    }
}

/// Moves a subdirectory up under a name that is free.
fn lift(from: &OwnedFd, name: &CString, top: &OwnedFd, mut number: u64) -> Result<u64> {
    loop {
        number += 1;
        match rustix::fs::renameat_with(from, name, top, format!(".lifted-{number}"), rustix::fs::RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => continue,
            done => return done.map(|()| number),
        }
    }
}

fn list(directory: BorrowedFd) -> Result<Vec<(CString, bool)>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_bytes() == b"." || name.to_bytes() == b".." {
            continue;
        }
        let is_dir = match entry.file_type() {
            FileType::Unknown => {
                let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
                FileType::from_raw_mode(stat.st_mode) == FileType::Directory
            }
            known => known == FileType::Directory,
        };
        names.push((name.to_owned(), is_dir));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_tree_goes_and_what_its_links_name_stays() {
        let dir = tempfile::tempdir().expect("directory");
        let outside = dir.path().join("outside");
        fs::create_dir(&outside).expect("outside");
        fs::write(outside.join("file"), "kept").expect("file");
        let tree = dir.path().join("tree");
        fs::create_dir_all(tree.join("a/b/c")).expect("tree");
        std::os::unix::fs::symlink(&outside, tree.join("a/b/link")).expect("link");
        remove_tree(&tree).expect("removed");
        assert!(!tree.exists());
        assert_eq!(fs::read_to_string(outside.join("file")).expect("kept"), "kept");
    }

    #[test]
    fn depth_beyond_any_path_length_is_no_hindrance() {
        let dir = tempfile::tempdir().expect("directory");
        let tree = dir.path().join("tree");
        fs::create_dir(&tree).expect("tree");
        let mut at = openat(CWD, &tree, DIRECTORY, Mode::empty()).expect("open");
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "deep", Mode::RWXU).expect("make");
            at = openat(&at, "deep", DIRECTORY, Mode::empty()).expect("open");
        }
        remove_tree(&tree).expect("removed");
        assert!(!tree.exists());
    }

    #[test]
    fn what_is_not_there_needs_no_removal() {
        let dir = tempfile::tempdir().expect("directory");
        remove_tree(&dir.path().join("nothing")).expect("nothing to do");
    }
}
