//! SignalProcess.

use std::fs;
use std::rc::Rc;

use super::container::Container;
use crate::agent::Agent;
use crate::process::task::Task;
use crate::ttrpc::status::{Result, Status};

const LAST_SIGNAL: u32 = 64;

/// Sends a signal to one process. SIGKILL with an empty exec id goes to all of the container's.
pub fn send(agent: &Rc<Agent>, container: &Container, exec_id: &str, signal: u32) -> Result<()> {
    if !(1..=LAST_SIGNAL).contains(&signal) {
        return Err(Status::invalid(format!("{signal} is not a signal")));
    }
    let signal = signal as i32;
    if exec_id.is_empty() && signal == libc::SIGKILL {
        return container.group.kill().map_err(|e| Status::os("cgroup", e));
    }
    let task = container.task(exec_id)?;
    let signal = effective(container, &task, signal);
    match task.pid() {
        Some(pid) => agent.reaper.signal(pid, signal).map_err(|e| Status::os("signal", e)),
        None => Ok(()),
    }
}

/// The kernel drops a signal to pid 1 of a namespace that has no handler for it. A polite end must still be an end.
fn effective(container: &Container, task: &Rc<Task>, signal: i32) -> i32 {
    let is_first = task.exec_id.is_empty() && !container.shared_pid;
    let Some(pid) = task.pid().filter(|_| is_first && signal == libc::SIGTERM) else {
        return signal;
    };
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    if catches(&status, signal) {
        signal
    } else {
        libc::SIGKILL
    }
}

/// Whether the process has a handler for the signal, by its /proc/PID/status.
fn catches(status: &str, signal: i32) -> bool {
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let bits = caught.and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok()).unwrap_or(0);
    bits & (1 << (signal - 1)) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handlers_are_read_from_the_kernels_mask() {
        let status = "Name:\tsh\nSigIgn:\t0000000000004000\nSigCgt:\t0000000000014002\n";
        assert!(catches(status, libc::SIGTERM));
        assert!(!catches(status, libc::SIGHUP));
        assert!(!catches("", libc::SIGTERM));
    }
}
