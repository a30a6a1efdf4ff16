//! What a process writes: read as long as there is room, kept until it is acknowledged.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;

use nix::errno::Errno;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

use super::ring::{OutOfRange, Ring};

/// Bytes kept of one stream. When they are full the process's pipe fills, and then the process waits.
pub const KEPT: usize = 1 << 20;

pub struct Output {
    ring: RefCell<Ring>,
    ended: Cell<bool>,
    room: Notify,
    /// Told of data, acknowledgements and the end; shared by all that can change about one process.
    changed: Rc<Notify>,
}

impl Output {
    pub fn new(changed: Rc<Notify>) -> Output {
        Output { ring: RefCell::new(Ring::new(KEPT)), ended: Cell::new(false), room: Notify::new(), changed }
    }

    pub fn acked(&self) -> u64 {
        self.ring.borrow().acked()
    }

    pub fn written(&self) -> u64 {
        self.ring.borrow().written()
    }

    /// Whether no more bytes will come.
    pub fn has_ended(&self) -> bool {
        self.ended.get()
    }

    pub fn is_full(&self) -> bool {
        self.ring.borrow().is_full()
    }

    pub fn end(&self) {
        self.ended.set(true);
        self.changed.notify_waiters();
    }

    pub fn ack(&self, offset: u64) -> Result<(), OutOfRange> {
        self.ring.borrow_mut().ack(offset)?;
        self.free_if_over();
        self.room.notify_waiters();
        self.changed.notify_waiters();
        Ok(())
    }

    /// Bytes that are held for a reader.
    pub fn held(&self) -> u64 {
        self.written() - self.acked()
    }

    fn free_if_over(&self) {
        if self.ended.get() && self.held() == 0 {
            self.ring.borrow_mut().discard();
        }
    }

    /// Frees the memory of a process that is over; what nobody read is lost.
    pub fn discard(&self) {
        self.ring.borrow_mut().discard();
        self.room.notify_waiters();
        self.changed.notify_waiters();
    }

    pub fn copy(&self, offset: u64, most: usize, out: &mut Vec<u8>) -> Result<usize, OutOfRange> {
        self.ring.borrow().copy(offset, most, out)
    }

    #[cfg(test)]
    pub fn append_for_test(&self, bytes: &[u8]) {
        let fill = |slices: &mut [io::IoSliceMut<'_>]| {
            slices[0][..bytes.len()].copy_from_slice(bytes);
            Ok(bytes.len())
        };
        self.ring.borrow_mut().fill(fill).expect("the ring has room");
    }

    /// Takes up to `most` bytes away, or says that the stream is at its end with none. Safe to drop while it waits.
    pub async fn take(&self, most: usize) -> Vec<u8> {
        loop {
            let bytes = self.take_now(most);
            if !bytes.is_empty() || self.ended.get() || most == 0 {
                return bytes;
            }
            self.changed.notified().await;
        }
    }

    fn take_now(&self, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut ring = self.ring.borrow_mut();
        let from = ring.acked();
        let taken = ring.copy(from, most, &mut bytes).and_then(|count| ring.ack(from + count as u64));
        drop(ring);
        if taken.is_ok() && !bytes.is_empty() {
            self.free_if_over();
            self.room.notify_waiters();
            self.changed.notify_waiters();
        }
        bytes
    }

    /// Reads `source` to its end, or until dropped.
    pub async fn pump(&self, source: Rc<AsyncFd<OwnedFd>>) {
        if let Err(error) = self.read_all(&source).await {
            // A terminal answers EIO once its last user has gone: that is how its output ends.
            if error.raw_os_error() != Some(libc::EIO) {
                eprintln!("viv-agent: reading a process's output: {error}");
            }
        }
        self.end();
    }

    async fn read_all(&self, source: &AsyncFd<OwnedFd>) -> io::Result<()> {
        loop {
            while self.is_full() {
                self.room.notified().await;
            }
            let mut guard = source.readable().await?;
            let read = guard.try_io(|source| {
                self.ring.borrow_mut().fill(|slices| Ok(nix::sys::uio::readv(source.get_ref().as_fd(), slices)?))
            });
            match read {
                Ok(Ok(0)) => return Ok(()),
                Ok(Ok(_)) => self.changed.notify_waiters(),
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::EINTR as i32) => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}
