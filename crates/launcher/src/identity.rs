//! What tells one process from a later one with the same pid: start time and boot id.

use std::fs;
use std::io;

/// Field 22 of `/proc/PID/stat`: clock ticks since boot.
pub fn start_time(pid: i32) -> io::Result<i64> {
    let stat = fs::read(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses; it may hold spaces and parentheses itself, so fields are counted behind the last one.
    let text = String::from_utf8_lossy(&stat);
    let after_name = text.rfind(')').map_or("", |at| &text[at + 1..]);
    let field = after_name.split_ascii_whitespace().nth(19);
    field.and_then(|digits| digits.parse().ok()).ok_or_else(|| io::Error::other("no start time in /proc/PID/stat"))
}

pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned())
}

/// A zombie counts as ended: it runs nothing and only waits for its parent.
pub fn is_running(pid: i32, started: i64, boot: &str) -> bool {
    let alive = || -> io::Result<bool> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let state = stat.rfind(')').and_then(|at| stat[at + 1..].trim_start().chars().next());
        Ok(start_time(pid)? == started && boot_id()? == boot && !matches!(state, Some('Z' | 'X')))
    };
    alive().unwrap_or(false)
}
