//! What a layer of overlayfs needs: whiteouts, attributes, and the order of entries.

use super::*;

#[test]
fn whiteouts_become_those_of_overlayfs() {
    let outcome = Archive::new().directory("d").file("d/.wh.a", "").file("e/.wh..wh..opq", "").file("e/b", "b").unpacked();
    assert!(outcome.is_whiteout("d/a"));
    assert!(outcome.is_opaque("e") && !outcome.is_opaque("d"));
    assert_eq!(outcome.text("e/b"), "b");
}

#[test]
fn a_name_that_is_hidden_and_given_anew_hides_what_is_below() {
    let outcome = Archive::new().file(".wh.a", "").directory("a").file(".wh.f", "").file("f", "new").unpacked();
    assert!(outcome.is_opaque("a"));
    assert_eq!(outcome.text("f"), "new");
    let outcome =
        Archive::new().directory("a").file("a/in", "in").file(".wh.a", "").file("f", "new").file(".wh.f", "").unpacked();
    assert!(outcome.is_opaque("a"));
    assert_eq!(outcome.text("a/in") + &outcome.text("f"), "innew");
    let outcome = Archive::new().file(".wh.a", "").file("a/in", "in").unpacked();
    assert!(outcome.is_opaque("a"));
}

#[test]
fn later_entries_win() {
    let outcome = Archive::new().file("a", "one").file("a", "two").unpacked();
    assert_eq!(outcome.text("a"), "two");
    let outcome = Archive::new().directory("d").file("d/in", "in").file("d", "now a file").unpacked();
    assert_eq!(outcome.text("d"), "now a file");
    let outcome = Archive::new().file("f", "f").directory("f").file("f/in", "in").unpacked();
    assert_eq!(outcome.text("f/in"), "in");
    let outcome = Archive::new().directory("d").file("d/in", "in").directory("d").unpacked();
    assert_eq!(outcome.text("d/in"), "in");
    let outcome =
        Archive::new().directory("d/e").file("d/e/x", "x").link("d", "other").directory("other").file("d/y", "y").unpacked();
    assert_eq!(outcome.text("other/y"), "y");
}

#[test]
fn owner_mode_and_times_are_the_archive_s() {
    let set_uid = |header: &mut Header| header.set_mode(0o6755);
    let outcome = Archive::new()
        .put(EntryType::Directory, "d", "", b"", |header| header.set_mode(0o2555))
        .put(EntryType::Regular, "d/tool", "", b"tool", set_uid)
        .link("d/link", "tool")
        .pax(&[("mtime", b"2000.5"), ("uid", b"3000000")])
        .file("d/late", "late")
        .put(EntryType::Directory, "./", "", b"", |header| header.set_mode(0o700))
        .unpacked();
    let (tool, directory, late) = (outcome.stat("d/tool"), outcome.stat("d"), outcome.stat("d/late"));
    assert_eq!((tool.mode() & 0o7777, tool.uid(), tool.gid(), tool.mtime()), (0o6755, 7, 8, 1000));
    assert_eq!((directory.mode() & 0o7777, directory.mtime()), (0o2555, 1000));
    assert_eq!((late.uid(), late.gid(), late.mtime(), late.mtime_nsec()), (3_000_000, 8, 2000, 500_000_000));
    assert_eq!((outcome.stat("d/link").uid(), outcome.stat("d/link").mtime()), (7, 1000));
    assert_eq!((outcome.stat("").mode() & 0o7777, outcome.stat("").uid()), (0o700, 7));
}

#[test]
fn attributes_of_the_image_are_kept_and_those_of_the_host_refused() {
    // VFS_CAP_REVISION_2, CAP_NET_RAW permitted and effective.
    let capability = [1u8, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let outcome = Archive::new()
        .pax(&[("SCHILY.xattr.security.capability", &capability), ("SCHILY.xattr.security.selinux", b"x")])
        .file("ping", "ping")
        .unpacked();
    let mut found = [0u8; 64];
    assert_eq!(getxattr(outcome.path("ping"), "security.capability", &mut found[..]), Ok(capability.len()));
    assert_eq!(found[..capability.len()], capability);
    assert!(getxattr(outcome.path("ping"), "security.selinux", &mut found[..]).is_err());
    Archive::new().pax(&[("SCHILY.xattr.trusted.overlay.redirect", b"/etc")]).directory("d").refused(Code::BadImage);
    Archive::new().pax(&[("SCHILY.xattr.security.capability", b"short")]).file("f", "").refused(Code::BadImage);
}
