//! Capabilities: names, and dropping all but some. See capabilities(7).

use crate::failure::{Code, Failure, OrFail};
use crate::sys;
use std::io;

/// One bit a capability, as in linux/capability.h.
pub type CapSet = u64;

/// In the order of their numbers.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

const SETPCAP: u32 = 8;

/// `["CAP_NET_ADMIN", …]` as a set.
pub fn parse(names: &[String]) -> Result<CapSet, String> {
    let bit = |name: &String| {
        let short = name.strip_prefix("CAP_").unwrap_or_default();
        NAMES.iter().position(|known| *known == short).map(|at| 1 << at).ok_or_else(|| format!("unknown capability \"{name}\""))
    };
    names.iter().try_fold(0, |set, name| Ok(set | bit(name)?))
}

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Words {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// _LINUX_CAPABILITY_VERSION_3: two words a set.
const HEADER_VERSION: u32 = 0x2008_0522;

fn permitted() -> io::Result<CapSet> {
    let mut header = Header { version: HEADER_VERSION, pid: 0 };
    let mut words = [Words::default(); 2];
    // SAFETY: the structures have the kernel's layout for this version.
    sys::check(unsafe { libc::syscall(libc::SYS_capget, &mut header, words.as_mut_ptr()) })?;
    Ok(u64::from(words[0].permitted) | u64::from(words[1].permitted) << 32)
}

fn set_all(kept: CapSet) -> io::Result<()> {
    let mut header = Header { version: HEADER_VERSION, pid: 0 };
    let word = |bits: u32| Words { effective: bits, permitted: bits, inheritable: bits };
    let words = [word(kept as u32), word((kept >> 32) as u32)];
    // SAFETY: the structures have the kernel's layout for this version.
    sys::check(unsafe { libc::syscall(libc::SYS_capset, &mut header, words.as_ptr()) })?;
    Ok(())
}

/// First half, while still privileged: empties the bounding set but for `kept`.
pub fn drop_bounding(kept: CapSet) -> Result<(), Failure> {
    let have = permitted().or_fail(Code::Credentials, "capget")?;
    if kept & !have != 0 {
        return Err(Failure::new(
            Code::Credentials,
            format_args!("capabilities {:#x} are not the launcher's to keep", kept & !have),
        ));
    }
    // Without CAP_SETPCAP the bounding set can't be changed; with nothing permitted it gives nothing either, since no_new_privs
    // or the lack of a set-user-id program keeps it so.
    if have & (1 << SETPCAP) == 0 {
        return Ok(());
    }
    for number in 0..64 {
        let known = sys::prctl(libc::PR_CAPBSET_READ, number).is_ok();
        if known && kept & (1 << number) == 0 {
            sys::prctl(libc::PR_CAPBSET_DROP, number).or_fail(Code::Credentials, "drop a capability from the bounding set")?;
        }
    }
    Ok(())
}

/// Second half, after the change of user (with PR_SET_KEEPCAPS): sets what is kept, as ambient too when the user is not root.
pub fn drop_rest(kept: CapSet) -> Result<(), Failure> {
    let clear_all = libc::PR_CAP_AMBIENT_CLEAR_ALL as libc::c_ulong;
    sys::prctl(libc::PR_CAP_AMBIENT, clear_all).or_fail(Code::Credentials, "clear the ambient capabilities")?;
    set_all(kept).or_fail(Code::Credentials, "capset")?;
    // SAFETY: can't fail.
    if unsafe { libc::getuid() } == 0 {
        return Ok(());
    }
    for number in (0..64).filter(|number| kept & (1 << number) != 0) {
        const NONE: libc::c_ulong = 0;
        let raise = libc::PR_CAP_AMBIENT_RAISE as libc::c_ulong;
        // SAFETY: integer arguments only.
        let raised = sys::check(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, raise, number as libc::c_ulong, NONE, NONE) });
        raised.or_fail(Code::Credentials, "raise an ambient capability")?;
    }
    Ok(())
}
