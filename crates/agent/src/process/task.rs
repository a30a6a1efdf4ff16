//! One process of a container: its init or an exec.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;
use tokio::task::{spawn_local, AbortHandle};

use super::exit::Exit;
use super::output::Output;
use super::stdin::Stdin;

/// How long a stream that something else holds open is waited for after the process ended.
const LINGER: Duration = Duration::from_secs(2);

/// Our ends of a process's streams. With a terminal, all of them are its master.
pub struct Streams {
    pub stdin: Rc<AsyncFd<OwnedFd>>,
    pub stdout: Rc<AsyncFd<OwnedFd>>,
    pub stderr: Option<Rc<AsyncFd<OwnedFd>>>,
}

pub struct Task {
    pub container_id: String,
    /// Empty for the init process.
    pub exec_id: String,
    pub terminal: bool,
    pub stdin: Stdin,
    pub stdout: Output,
    pub stderr: Output,
    /// Told of every change to what this process wrote, and of its end.
    pub changed: Rc<Notify>,
    pid: Cell<Option<i32>>,
    master: RefCell<Option<Rc<AsyncFd<OwnedFd>>>>,
    exit: Cell<Option<Exit>>,
    told: Cell<bool>,
    reader: Cell<u64>,
    pumps: RefCell<Vec<AbortHandle>>,
}

impl Task {
    pub fn new(container_id: &str, exec_id: &str, terminal: bool) -> Rc<Task> {
        let changed = Rc::new(Notify::new());
        Rc::new(Task {
            container_id: container_id.into(),
            exec_id: exec_id.into(),
            terminal,
            stdin: Stdin::default(),
            stdout: Output::new(changed.clone()),
            stderr: Output::new(changed.clone()),
            changed,
            pid: Cell::new(None),
            master: RefCell::new(None),
            exit: Cell::new(None),
            told: Cell::new(false),
            reader: Cell::new(0),
            pumps: RefCell::default(),
        })
    }

    /// The process is there: its streams flow from here on.
    pub fn begin(self: &Rc<Self>, pid: i32, streams: Streams) {
        self.pid.set(Some(pid));
        if self.terminal {
            *self.master.borrow_mut() = Some(streams.stdin.clone());
        }
        let task = self.clone();
        let mut pumps = self.pumps.borrow_mut();
        pumps.push(spawn_local(async move { task.stdin.pump(streams.stdin, task.terminal).await }).abort_handle());
        let task = self.clone();
        pumps.push(spawn_local(async move { task.stdout.pump(streams.stdout).await }).abort_handle());
        match streams.stderr {
            Some(stderr) => {
                let task = self.clone();
                pumps.push(spawn_local(async move { task.stderr.pump(stderr).await }).abort_handle());
            }
            None => self.stderr.end(),
        }
    }

    /// In the guest's root pid namespace; None before it was started and after it has ended.
    pub fn pid(&self) -> Option<i32> {
        self.pid.get()
    }

    pub fn exit(&self) -> Option<Exit> {
        self.exit.get()
    }

    /// The exit, once everything that the process wrote has been read from it.
    pub fn told_exit(&self) -> Option<Exit> {
        self.exit.get().filter(|_| self.told.get())
    }

    pub fn master(&self) -> Option<Rc<AsyncFd<OwnedFd>>> {
        self.master.borrow().clone()
    }

    /// Waits for the end of the process, not of its streams.
    pub async fn exited(&self) -> Exit {
        loop {
            if let Some(exit) = self.exit.get() {
                return exit;
            }
            self.changed.notified().await;
        }
    }

    /// Makes the caller the one reader of the output; the one before sees it by `is_reader`.
    pub fn take_over_reading(&self) -> u64 {
        self.reader.set(self.reader.get() + 1);
        self.changed.notify_waiters();
        self.reader.get()
    }

    pub fn is_reader(&self, reader: u64) -> bool {
        self.reader.get() == reader
    }

    /// The process has ended. Its streams are read on, to their ends or for as long as `LINGER`.
    pub async fn end(&self, exit: Exit) {
        self.pid.set(None);
        self.exit.set(Some(exit));
        self.stdin.close();
        self.changed.notify_waiters();
        while !(self.stdout.has_ended() && self.stderr.has_ended()) {
            if tokio::time::timeout(LINGER, self.both_ended()).await.is_err() {
                // A stream with room that gave nothing: somebody else keeps it open. A full one only waits for its reader.
                for output in [&self.stdout, &self.stderr] {
                    if !output.is_full() {
                        output.end();
                    }
                }
            }
        }
        for pump in self.pumps.borrow_mut().drain(..) {
            pump.abort();
        }
        self.master.borrow_mut().take();
        self.told.set(true);
        self.changed.notify_waiters();
    }

    async fn both_ended(&self) {
        while !(self.stdout.has_ended() && self.stderr.has_ended()) {
            self.changed.notified().await;
        }
    }
}
