//! The scribe: a process that writes logs and the last record for the keeper.
//!
//! A write to a dead disk can't be interrupted. So the keeper never does one while the child runs: it hands packets to the scribe
//! over a socket and goes on. A disk that is slow for less than `PATIENCE` slows the child's output and loses nothing; after that, output is dropped
//! and counted.

use crate::record::{RECORD_BYTES, RECORD_FILE};
use crate::ring::Ring;
use crate::sys::{self, Forked};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Largest piece of output in one packet, bytes.
pub const CHUNK_BYTES: usize = 16 << 10;
const PATIENCE: Duration = Duration::from_secs(1);
/// How long the end of a child waits for its record to be on disk before clients are told anyway.
const LAST_PATIENCE: Duration = Duration::from_secs(2);

/// First byte of a packet.
#[derive(Clone, Copy)]
#[repr(u8)]
pub enum Kind {
    Stderr = b'S',
    Console = b'C',
    Record = b'R',
}

/// A scribe that died (it may be the victim of the kernel's out-of-memory killer) is started again this often.
const MAX_RESTARTS: u32 = 8;

/// The keeper's side.
pub struct Scribe {
    pid: i32,
    channel: OwnedFd,
    ring_bytes: u64,
    state: Flow,
    lost: u64,
    restarts: u32,
}

enum Flow {
    Open,
    /// One packet waits, and with it all sources, since this moment.
    Held(Vec<u8>, Instant),
    /// The disk was too slow: packets that don't fit are dropped.
    Dropping,
    /// The scribe is gone.
    Dead,
}

impl Scribe {
    /// Forks the scribe of the current directory. Its logs hold `ring_bytes` each.
    pub fn start(ring_bytes: u64) -> io::Result<Scribe> {
        let (pid, channel) = spawn(ring_bytes)?;
        Ok(Scribe { pid, channel, ring_bytes, state: Flow::Open, lost: 0, restarts: 0 })
    }

    fn restart(&mut self) {
        // Reaps the dead one; one that is not dead yet ends when its channel closes.
        let _ = sys::try_reap(self.pid);
        self.state = Flow::Dead;
        self.restarts += 1;
        if self.restarts > MAX_RESTARTS {
            return;
        }
        if let Ok((pid, channel)) = spawn(self.ring_bytes) {
            (self.pid, self.channel, self.state) = (pid, channel, Flow::Open);
        }
    }

    /// Hands over a piece of output, at most `CHUNK_BYTES`. Never waits.
    pub fn log(&mut self, kind: Kind, bytes: &[u8]) {
        let mut packet = Vec::with_capacity(bytes.len() + 1);
        packet.push(kind as u8);
        packet.extend_from_slice(bytes);
        match self.state {
            Flow::Dead => {}
            Flow::Held(..) => self.lost += bytes.len() as u64,
            Flow::Open => self.hand_over(packet),
            Flow::Dropping => {
                let notice = format!("S\n[viv-launcher: the disk was too slow, {} bytes of output are lost]\n", self.lost);
                if self.try_send(notice.as_bytes()) {
                    self.lost = 0;
                    self.state = Flow::Open;
                    self.hand_over(packet);
                } else {
                    self.lost += bytes.len() as u64;
                }
            }
        }
    }

    fn hand_over(&mut self, packet: Vec<u8>) {
        if !self.try_send(&packet) && !matches!(self.state, Flow::Dead) {
            // Full, or just started again: the packet goes at the next turn.
            self.state = Flow::Held(packet, Instant::now());
        }
    }

    fn try_send(&mut self, packet: &[u8]) -> bool {
        match sys::send(self.channel.as_fd(), packet) {
            Ok(_) => true,
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.restart();
                }
                false
            }
        }
    }

    /// While true, sources should not be read.
    pub fn holds_back(&self) -> bool {
        matches!(self.state, Flow::Held(..))
    }

    /// What to poll for, when anything, and how long at most.
    pub fn interest(&self) -> Option<(libc::pollfd, Duration)> {
        match &self.state {
            Flow::Held(_, since) => {
                Some((sys::poll_entry(self.channel.as_raw_fd(), libc::POLLOUT), PATIENCE.saturating_sub(since.elapsed())))
            }
            _ => None,
        }
    }

    /// To be called after each poll: sends what was held, or gives up on it.
    pub fn advance(&mut self) {
        if !self.holds_back() {
            return;
        }
        let Flow::Held(packet, since) = std::mem::replace(&mut self.state, Flow::Open) else { return };
        if self.try_send(&packet) || matches!(self.state, Flow::Dead) {
            return;
        }
        if since.elapsed() < PATIENCE {
            self.state = Flow::Held(packet, since);
        } else {
            self.lost += packet.len() as u64 - 1;
            self.state = Flow::Dropping;
        }
    }

    /// Writes the last record. Waits for it to be on disk, but not for ever; tells whether it is.
    pub fn finish(&mut self, block: &[u8]) -> bool {
        let mut packet = vec![Kind::Record as u8];
        packet.extend_from_slice(block);
        let deadline = Instant::now() + LAST_PATIENCE;
        while !matches!(self.state, Flow::Dead) {
            if !self.try_send(&packet) {
                if !self.wait(libc::POLLOUT, deadline) {
                    return false;
                }
                continue;
            }
            let mut answer = [0; 1];
            if !self.wait(libc::POLLIN, deadline) {
                return false;
            }
            match sys::read(self.channel.as_fd(), &mut answer) {
                Ok(1) => return true,
                _ => self.restart(),
            }
        }
        false
    }

    /// Waits for the channel; false when the deadline came first.
    fn wait(&self, events: i16, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut entries = [sys::poll_entry(self.channel.as_raw_fd(), events)];
        !left.is_zero() && sys::poll(&mut entries, left.as_millis() as i32 + 1).is_ok()
    }
}

fn spawn(ring_bytes: u64) -> io::Result<(i32, OwnedFd)> {
    let (ours, theirs) = sys::socket_pair(libc::SOCK_SEQPACKET)?;
    match sys::fork()? {
        Forked::Child => {
            sys::close_all_but(theirs.as_fd());
            let ready = sys::set_process_name(c"viv-scribe").and_then(|()| sys::send(theirs.as_fd(), b"r"));
            let ended = ready.and_then(|_| serve(theirs.as_fd(), ring_bytes));
            sys::exit_now(i32::from(ended.is_err()))
        }
        Forked::Parent(pid) => {
            drop(theirs);
            // Until it has let go of them, the keeper's lock and sockets are held twice. No disk is touched before that.
            match sys::read(ours.as_fd(), &mut [0; 1])? {
                1 => Ok((pid, ours)),
                _ => Err(io::Error::other("the scribe ended at once")),
            }
        }
    }
}

/// The scribe's own life: packets to disk until the keeper is gone.
fn serve(channel: BorrowedFd<'_>, ring_bytes: u64) -> io::Result<()> {
    let record = OpenOptions::new().write(true).open(RECORD_FILE)?;
    let mut stderr = Ring::new("stderr.log", ring_bytes);
    let mut console = Ring::new("console.log", ring_bytes);
    let mut packet = vec![0; CHUNK_BYTES + 1];
    loop {
        let length = sys::read(channel, &mut packet)?;
        let Some((kind, bytes)) = packet[..length].split_first() else { return Ok(()) };
        // A full disk loses log lines, and nothing else.
        let _ = match *kind {
            b'S' => stderr.write(bytes),
            b'C' => console.write(bytes),
            _ => publish(&record, bytes, channel),
        };
    }
}

fn publish(record: &File, bytes: &[u8], channel: BorrowedFd<'_>) -> io::Result<()> {
    record.write_all_at(&bytes[..bytes.len().min(RECORD_BYTES)], 0)?;
    sys::send(channel, b"k").map(|_| ())
}
