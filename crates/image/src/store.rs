//! The store: every path below it, and how something is published in it. See docs/protocols/image-tool.md.

use crate::cancel::Cancel;
use crate::digest::Digest;
use crate::failure::{Failure, OrFail};
use crate::lock::lock_shared;
use crate::remove::remove_tree;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An open store; garbage collection waits until the last clone is gone.
#[derive(Clone)]
pub struct Store {
    root: Arc<Path>,
    _lock: Arc<File>,
}

impl Store {
    /// Makes the directories that are missing, and waits while garbage is collected.
    pub fn open(root: &Path, cancel: &Cancel, waiting: &mut dyn FnMut()) -> Result<Store, Failure> {
        let what = || format!("store {}", root.display());
        make_dir(root, 0o700).or_fail(what())?;
        let lock = lock_shared(&root.join("lock"), cancel, waiting)?;
        for name in ["blobs/sha256", "partial/sha256", "layers/sha256", "work"] {
            make_dir(&root.join(name), 0o755).or_fail(what())?;
        }
        Ok(Store { root: root.into(), _lock: Arc::new(lock) })
    }

    pub fn blob(&self, digest: &Digest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.hex())
    }

    pub fn partial(&self, digest: &Digest) -> PathBuf {
        self.root.join("partial/sha256").join(digest.hex())
    }

    pub fn layer(&self, chain_id: &Digest) -> PathBuf {
        self.root.join("layers/sha256").join(chain_id.hex())
    }

    pub fn work(&self, name: &str) -> PathBuf {
        self.root.join("work").join(name)
    }

    /// Bytes of a published layer's files, or none when it is not there.
    pub fn layer_size(&self, chain_id: &Digest) -> Result<Option<u64>, Failure> {
        let path = self.layer(chain_id).join("size");
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Failure::io(path.display(), &error)),
            Ok(text) => match text.trim().parse() {
                Ok(size) => Ok(Some(size)),
                Err(error) => Err(Failure::io(path.display(), &io::Error::other(error))),
            },
        }
    }

    /// Publishes what was written to `path`, a file that is not yet on disk, as a blob.
    pub fn publish_blob(&self, path: &Path, file: &File, digest: &Digest) -> Result<(), Failure> {
        let what = || format!("publish blob {digest}");
        file.sync_data().or_fail(what())?;
        rename_durably(path, &self.blob(digest)).or_fail(what())
    }

    /// Keeps a small blob, such as a manifest.
    pub fn keep_blob(&self, bytes: &[u8], digest: &Digest) -> Result<(), Failure> {
        if self.blob(digest).exists() {
            return Ok(());
        }
        let path = self.work(&format!("{}.{}", digest.hex(), std::process::id()));
        let written = File::create(&path)
            .and_then(|mut file| file.write_all(bytes).map(|()| file))
            .or_fail(path.display())
            .and_then(|file| self.publish_blob(&path, &file, digest));
        if written.is_err() {
            drop_file(&path);
        }
        written
    }

    /// Publishes a layer that was unpacked to `work`. All of its files are on disk before it has its name.
    pub fn publish_layer(&self, work: &Path, size: u64, chain_id: &Digest) -> Result<(), Failure> {
        let what = || format!("publish layer {chain_id}");
        fs::write(work.join("size"), size.to_string()).or_fail(what())?;
        // One flush of the file system: a flush of each file costs a journal commit each.
        let directory = File::open(work).or_fail(what())?;
        rustix::fs::syncfs(&directory).or_fail(what())?;
        rename_durably(work, &self.layer(chain_id)).or_fail(what())
    }
}

/// A directory of the work area, removed with all that is in it unless it was published.
pub struct WorkDir {
    path: PathBuf,
}

impl WorkDir {
    /// Who asks holds the lock that goes with the name: what is left under it is of someone who died.
    pub fn at(path: PathBuf) -> WorkDir {
        WorkDir { path }
    }

    /// Makes it, empty but for an empty `fs`; also for a second try.
    pub fn begin(&self) -> Result<(), Failure> {
        remove_tree(&self.path).or_fail(self.path.display())?;
        make_dir(&self.fs(), 0o755).or_fail(self.path.display())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn fs(&self) -> PathBuf {
        self.path.join("fs")
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // After a publishing rename there is nothing left under this name.
        if let Err(error) = remove_tree(&self.path) {
            eprintln!("viv-image: {} stays: {error}", self.path.display());
        }
    }
}

/// Removes a file that is of no use any more; garbage collection finds it otherwise.
pub fn drop_file(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => eprintln!("viv-image: {} stays: {error}", path.display()),
        _ => {}
    }
}

fn make_dir(path: &Path, mode: u32) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

fn rename_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match to.parent() {
        Some(parent) => File::open(parent)?.sync_all(),
        None => Ok(()),
    }
}
