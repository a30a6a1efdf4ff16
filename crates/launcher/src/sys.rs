//! The system calls that the standard library has no name for, each with an `io::Result`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Turns a system call's `-1` into the error that `errno` names.
pub fn check<N: PartialEq + From<i8>>(result: N) -> io::Result<N> {
    if result == N::from(-1) {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

fn owned_pair(pair: [RawFd; 2]) -> (OwnedFd, OwnedFd) {
    // SAFETY: the kernel has just made both for us; nobody else owns them.
    unsafe { (OwnedFd::from_raw_fd(pair[0]), OwnedFd::from_raw_fd(pair[1])) }
}

/// A pipe, close-on-exec: (read end, write end).
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut pair = [0; 2];
    // SAFETY: `pair` has room for two descriptors.
    check(unsafe { libc::pipe2(pair.as_mut_ptr(), libc::O_CLOEXEC) })?;
    Ok(owned_pair(pair))
}

/// A connected pair of Unix sockets, close-on-exec. `kind` is SOCK_STREAM or SOCK_SEQPACKET.
pub fn socket_pair(kind: i32) -> io::Result<(OwnedFd, OwnedFd)> {
    let mut pair = [0; 2];
    // SAFETY: `pair` has room for two descriptors.
    check(unsafe { libc::socketpair(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0, pair.as_mut_ptr()) })?;
    Ok(owned_pair(pair))
}

pub fn set_nonblocking(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fcntl on a live descriptor with integer arguments.
    unsafe {
        let flags = check(libc::fcntl(fd.as_raw_fd(), libc::F_GETFL))?;
        check(libc::fcntl(fd.as_raw_fd(), libc::F_SETFL, flags | libc::O_NONBLOCK))?;
    }
    Ok(())
}

/// Lets a descriptor through the next execve.
pub fn keep_over_exec(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: fcntl on a live descriptor with integer arguments.
    check(unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_SETFD, 0) })?;
    Ok(())
}

/// Marks every descriptor from 3 on as close-on-exec.
pub fn close_all_on_exec() -> io::Result<()> {
    let flag = libc::CLOSE_RANGE_CLOEXEC as i32;
    // SAFETY: changes flags only.
    check(unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, flag) })?;
    Ok(())
}

/// Closes every descriptor from 3 on but one.
pub fn close_all_but(kept: BorrowedFd<'_>) {
    let kept = kept.as_raw_fd();
    // SAFETY: the caller is a process that has just been forked and owns none of them but `kept`. Closing can't fail in a way that matters.
    unsafe {
        if kept > 3 {
            libc::syscall(libc::SYS_close_range, 3, kept - 1, 0);
        }
        libc::syscall(libc::SYS_close_range, kept + 1, libc::c_uint::MAX, 0);
    }
}

pub enum Forked {
    Child,
    Parent(i32),
}

/// Forks. The launcher never has a second thread, so the child may go on as any process may.
pub fn fork() -> io::Result<Forked> {
    // SAFETY: single-threaded, see above.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid)),
    }
}

/// Ends this process at once: no destructors, no buffered output of the parent written twice.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: never returns.
    unsafe { libc::_exit(code) }
}

pub fn pidfd_open(pid: i32) -> io::Result<OwnedFd> {
    // SAFETY: makes a descriptor that nobody else owns; pidfds are close-on-exec.
    unsafe {
        let fd = check(libc::syscall(libc::SYS_pidfd_open, pid, 0))?;
        Ok(OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// Sends a signal to exactly the process the pidfd stands for.
pub fn pidfd_send_signal(pidfd: BorrowedFd<'_>, signal: i32) -> io::Result<()> {
    let no_info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: a null siginfo means that of kill(2).
    check(unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, no_info, 0) })?;
    Ok(())
}

/// How a process ended, and what it used.
pub struct Reaped {
    pub status: i32,
    pub usage: libc::rusage,
}

/// wait4(2) without waiting; `None` while the process still runs.
pub fn try_reap(pid: i32) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    // SAFETY: rusage is plain numbers, for which zero is valid; both pointers live for the call.
    let (found, usage) = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        (check(libc::wait4(pid, &mut status, libc::WNOHANG, &mut usage))?, usage)
    };
    Ok((found == pid).then_some(Reaped { status, usage }))
}

pub fn poll_entry(fd: RawFd, events: i16) -> libc::pollfd {
    libc::pollfd { fd, events, revents: 0 }
}

/// poll(2). A signal ends it early with nothing ready. `timeout_ms` of -1 waits for ever.
pub fn poll(entries: &mut [libc::pollfd], timeout_ms: i32) -> io::Result<()> {
    // SAFETY: the pointer and the count are those of one live slice.
    match check(unsafe { libc::poll(entries.as_mut_ptr(), entries.len() as libc::nfds_t, timeout_ms) }) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => {
            entries.iter_mut().for_each(|entry| entry.revents = 0);
            Ok(())
        }
        other => other.map(|_| ()),
    }
}

pub fn read(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: the pointer and the length are those of one live slice.
    let count = check(unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) })?;
    Ok(count as usize)
}

/// send(2) that neither waits nor raises SIGPIPE.
pub fn send(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT;
    // SAFETY: the pointer and the length are those of one live slice.
    let count = check(unsafe { libc::send(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) })?;
    Ok(count as usize)
}

const NONE: libc::c_ulong = 0;

/// prctl(2) with one argument.
pub fn prctl(option: i32, argument: libc::c_ulong) -> io::Result<i32> {
    // SAFETY: only options with integer arguments are used.
    check(unsafe { libc::prctl(option, argument, NONE, NONE, NONE) })
}

/// Names the process as `ps` shows it.
pub fn set_process_name(name: &std::ffi::CStr) -> io::Result<()> {
    // SAFETY: a C string that outlives the call.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr(), NONE, NONE, NONE) })?;
    Ok(())
}

/// Points a standard descriptor (0, 1 or 2) at another file.
pub fn replace_standard(fd: BorrowedFd<'_>, standard: RawFd) -> io::Result<()> {
    // SAFETY: duplicates a live descriptor over one of ours.
    check(unsafe { libc::dup2(fd.as_raw_fd(), standard) })?;
    Ok(())
}

/// Sets what a signal does: SIG_DFL or SIG_IGN.
pub fn set_signal(signal: i32, action: libc::sighandler_t) {
    // SAFETY: no handler of ours is installed. Signals that can't be set (9, 19, the libc's own) refuse, and that is right.
    unsafe { libc::signal(signal, action) };
}

/// Gives memory that is free in this process back to the kernel.
pub fn release_memory() {
    // SAFETY: touches the allocator's free memory only.
    unsafe { libc::malloc_trim(0) };
}

/// Writes all of it, waiting as long as it takes. SIGPIPE is ignored by every program of the standard library's, so a reader that went is an error.
pub fn write_all(fd: BorrowedFd<'_>, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and the length are those of one live slice.
        match check(unsafe { libc::write(fd.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) }) {
            Ok(count) => bytes = &bytes[count as usize..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Closes every descriptor from 3 on.
pub fn close_all() {
    // SAFETY: the caller is a process that has just been forked and uses none of them further.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
}
