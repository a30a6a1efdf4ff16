//! Who the child is: user, groups, capabilities, no_new_privs.

use crate::caps;
use crate::failure::{Code, Failure, OrFail};
use crate::spec::{Spec, User};
use crate::sys;

/// Applies all of it to this process, in the order in which each step still has the right to be done.
pub fn apply(spec: &Spec) -> Result<(), Failure> {
    if let Some(kept) = spec.keep_capabilities {
        caps::drop_bounding(kept)?;
        sys::prctl(libc::PR_SET_KEEPCAPS, 1).or_fail(Code::Credentials, "PR_SET_KEEPCAPS")?;
    }
    if let Some(user) = &spec.user {
        change_user(user)?;
    }
    if let Some(kept) = spec.keep_capabilities {
        caps::drop_rest(kept)?;
    }
    if spec.no_new_privs {
        sys::prctl(libc::PR_SET_NO_NEW_PRIVS, 1).or_fail(Code::Sandbox, "PR_SET_NO_NEW_PRIVS")?;
    }
    Ok(())
}

fn change_user(user: &User) -> Result<(), Failure> {
    // SAFETY: neither call can fail.
    let own = unsafe { (libc::getuid(), libc::getgid()) };
    // A launcher without privileges may still start what asks for nothing else than it is.
    if own.0 != 0 && user.groups.is_empty() && (user.uid, user.gid) == own {
        return Ok(());
    }
    // SAFETY: the slice lives for the call; the others take integers.
    unsafe {
        sys::check(libc::setgroups(user.groups.len(), user.groups.as_ptr())).or_fail(Code::Credentials, "setgroups")?;
        sys::check(libc::setresgid(user.gid, user.gid, user.gid)).or_fail(Code::Credentials, "setresgid")?;
        sys::check(libc::setresuid(user.uid, user.uid, user.uid)).or_fail(Code::Credentials, "setresuid")?;
    }
    Ok(())
}
