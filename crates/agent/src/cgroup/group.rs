//! One container's cgroup: everything that happens to all of its processes at once.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{poll, PollFd, PollFlags, PollTimeout};

pub const ROOT: &str = "/sys/fs/cgroup";
const PARENT: &str = "vivarium";
const CONTROLLERS: [&str; 6] = ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"];

/// Hands the kernel's controllers down to where containers are. One that the kernel lacks is left out.
pub fn delegate() -> io::Result<()> {
    let parent = Path::new(ROOT).join(PARENT);
    fs::create_dir_all(&parent)?;
    for directory in [Path::new(ROOT), &parent] {
        let available = fs::read_to_string(directory.join("cgroup.controllers"))?;
        for name in available.split_ascii_whitespace().filter(|name| CONTROLLERS.contains(name)) {
            fs::write(directory.join("cgroup.subtree_control"), format!("+{name}"))?;
        }
    }
    Ok(())
}

#[derive(Debug, Clone)]
pub struct Group {
    path: PathBuf,
}

impl Group {
    pub fn of(container_id: &str) -> Group {
        Group { path: Path::new(ROOT).join(PARENT).join(container_id) }
    }

    /// As the runtime wants it: below the cgroup root, beginning with a slash.
    pub fn name(&self) -> String {
        format!("/{}", self.path.strip_prefix(ROOT).unwrap_or(&self.path).display())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Kills every process in it, also frozen ones and those that fork meanwhile.
    pub fn kill(&self) -> io::Result<()> {
        absent_is_well(fs::write(self.path.join("cgroup.kill"), "1"))
    }

    /// Freezes or thaws, and waits until the kernel says that it is done.
    pub fn freeze(&self, frozen: bool, limit: Duration) -> io::Result<()> {
        let wanted = if frozen { "1" } else { "0" };
        fs::write(self.path.join("cgroup.freeze"), wanted)?;
        self.wait_event("frozen", wanted, limit)
    }

    /// Waits until nothing runs in it, then removes it with all that is below.
    pub fn remove(&self, limit: Duration) -> io::Result<()> {
        absent_is_well(self.wait_event("populated", "0", limit))?;
        absent_is_well(remove_tree(&self.path))
    }

    /// The kernel makes a poll on the file end when a value in it changes.
    fn wait_event(&self, key: &str, value: &str, limit: Duration) -> io::Result<()> {
        let file = fs::File::open(self.path.join("cgroup.events"))?;
        let deadline = Instant::now() + limit;
        loop {
            let events = io::read_to_string(&mut &file)?;
            if lookup(&events, key) == Some(value) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            poll(&mut [PollFd::new(file.as_fd(), PollFlags::POLLPRI)], timeout)?;
            io::Seek::rewind(&mut &file)?;
        }
    }
}

fn absent_is_well(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV) => Ok(()),
        other => other,
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// The value of `key` in a file of `key value` lines.
pub fn lookup<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_has_a_cgroup_by_its_id() {
        assert_eq!(Group::of("c1").name(), "/vivarium/c1");
    }

    #[test]
    fn keys_are_matched_whole() {
        assert_eq!(lookup("oom 1\noom_kill 2\n", "oom_kill"), Some("2"));
        assert_eq!(lookup("oom_kill 2\n", "oom"), None);
    }
}
