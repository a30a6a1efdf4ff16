//! Which storages are attached, for how many users each. A storage that several containers bring is attached once.

use std::cell::RefCell;
use std::collections::HashMap;

use nix::mount::{umount2, MntFlags};
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::handlers;
use crate::proto::grpc::Storage;
use crate::ttrpc::status::{Result, Status};

#[derive(Default)]
struct Entry {
    users: usize,
    mounted: bool,
    storage: Storage,
}

#[derive(Default)]
pub struct Storages {
    entries: RefCell<HashMap<String, Entry>>,
    /// Orders those who attach and detach one path; work on other paths goes on.
    paths: RefCell<HashMap<String, std::rc::Rc<Mutex<()>>>>,
}

impl Storages {
    /// Attaches all, or none. Answers the mount points, to be given back to `detach`.
    pub async fn attach(&self, storages: &[Storage]) -> Result<Vec<String>> {
        for storage in storages {
            handlers::check(storage)?;
        }
        let mut done = Vec::new();
        for storage in storages {
            match self.attach_one(storage).await {
                Ok(()) => done.push(storage.mount_point.clone()),
                Err(status) => {
                    self.detach(&done).await?;
                    return Err(status);
                }
            }
        }
        Ok(done)
    }

    async fn attach_one(&self, storage: &Storage) -> Result<()> {
        let path = storage.mount_point.clone();
        let lock = self.paths.borrow_mut().entry(path.clone()).or_default().clone();
        let _turn = lock.lock().await;
        if let Some(entry) = self.entries.borrow_mut().get_mut(&path) {
            entry.users += 1;
            return Ok(());
        }
        let (storage, asked) = (storage.clone(), storage.clone());
        let mounted = blocking(move || handlers::attach(&asked)).await?;
        self.entries.borrow_mut().insert(path, Entry { users: 1, mounted, storage });
        Ok(())
    }

    /// Gives back one use of each, last first; the last user's going unmounts it.
    pub async fn detach(&self, mount_points: &[String]) -> Result<()> {
        let mut failed = Ok(());
        for path in mount_points.iter().rev() {
            let result = self.detach_one(path).await;
            failed = failed.and(result);
        }
        failed
    }

    async fn detach_one(&self, path: &str) -> Result<()> {
        let lock = self.paths.borrow_mut().entry(path.to_owned()).or_default().clone();
        let _turn = lock.lock().await;
        let gone = {
            let mut entries = self.entries.borrow_mut();
            let Some(entry) = entries.get_mut(path) else {
                return Ok(());
            };
            entry.users -= 1;
            if entry.users > 0 {
                return Ok(());
            }
            entries.remove(path).filter(|entry| entry.mounted)
        };
        self.paths.borrow_mut().remove(path);
        let Some(Entry { storage, .. }) = gone else {
            return Ok(());
        };
        let path = path.to_owned();
        blocking(move || {
            umount2(path.as_str(), MntFlags::UMOUNT_NOFOLLOW).map_err(|e| Status::os(format!("unmount {path}"), e))?;
            handlers::let_go(&storage)
        })
        .await
    }
}

/// Runs what may block on a thread of its own.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.map_err(|error| Status::internal(format!("the call broke down: {error}")))?
}
