//! What the agent asks of a worker, and what a worker answers. One message each, with descriptors beside it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub enum Job {
    /// Makes a container from `<bundle>/config.json`, up to the point where its command would be executed.
    /// Descriptors: status, then stdin, stdout, stderr unless `terminal`.
    Create { id: String, bundle: PathBuf, states: PathBuf, terminal: bool },
    /// Lets a created container execute its command.
    Start { id: String, states: PathBuf },
    /// Starts the process described in the file `process` in a running container. Descriptors as in `Create`.
    /// `seccomp`: the container has a filter, which goes for this process too.
    Exec { id: String, states: PathBuf, process: PathBuf, terminal: bool, seccomp: bool },
    /// Runs the hooks of a container that has stopped.
    Stopped { id: String, states: PathBuf },
    /// Makes the namespaces that a sandbox's containers share, bound to files in `directory`.
    Namespaces { directory: PathBuf, hostname: String, pid: bool },
}

#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub enum Answer {
    /// The first message: the worker is at work. Descriptor: its pidfd.
    Working,
    /// The last message. Descriptor: the terminal's master, if there is one. `pid` stays the worker's child until the agent hangs up.
    Done {
        pid: Option<i32>,
    },
    Failed {
        reason: String,
    },
}

/// Largest message, in bytes; a job names files and holds no specs.
pub const MAX_MESSAGE: usize = 16 * 1024;
/// Most descriptors beside a message: the answer's socket, status, stdin, stdout, stderr.
pub const MAX_FDS: usize = 5;
