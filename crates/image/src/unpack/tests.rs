//! Hostile and odd archives, unpacked into real directories.

use super::budget::ImageBudget;
use super::layer::{unpack, Unpacked, Watch};
use crate::cancel::Cancel;
use crate::failure::{Code, Failure};
use crate::request::Limits;
use rustix::fs::{getxattr, lgetxattr};
use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

/// Writes archives as they are told to: names and links of any kind.
struct Archive {
    builder: Builder<Vec<u8>>,
}

impl Archive {
    fn new() -> Archive {
        Archive { builder: Builder::new(Vec::new()) }
    }

    fn put(mut self, kind: EntryType, name: &str, link: &str, data: &[u8], change: impl FnOnce(&mut Header)) -> Archive {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_entry_type(kind);
        header.set_size(data.len() as u64);
        header.set_mode(0o755);
        header.set_uid(7);
        header.set_gid(8);
        header.set_mtime(1000);
        change(&mut header);
        header.set_cksum();
        self.builder.append(&header, data).expect("appended");
        self
    }

    fn file(self, name: &str, data: &str) -> Archive {
        self.put(EntryType::Regular, name, "", data.as_bytes(), |_| ())
    }

    fn directory(self, name: &str) -> Archive {
        self.put(EntryType::Directory, name, "", b"", |_| ())
    }

    fn link(self, name: &str, target: &str) -> Archive {
        self.put(EntryType::Symlink, name, target, b"", |_| ())
    }

    fn hard_link(self, name: &str, target: &str) -> Archive {
        self.put(EntryType::Link, name, target, b"", |_| ())
    }

    fn device(self, kind: EntryType, name: &str, major: u32, minor: u32) -> Archive {
        self.put(kind, name, "", b"", |header| {
            header.set_device_major(major).expect("major");
            header.set_device_minor(minor).expect("minor");
        })
    }

    fn pax(mut self, records: &[(&str, &[u8])]) -> Archive {
        self.builder.append_pax_extensions(records.iter().copied()).expect("appended");
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.builder.into_inner().expect("archive")
    }

    fn unpack(self) -> (Outcome, Result<Unpacked, Failure>) {
        unpack_bytes(&self.bytes(), &Limits::default())
    }

    fn unpacked(self) -> Outcome {
        let (outcome, result) = self.unpack();
        result.unwrap_or_else(|failure| panic!("{}", failure.message));
        outcome
    }

    /// Fails unless it is refused with this code and nothing outside of the root has changed.
    fn refused(self, code: Code) {
        let (outcome, result) = self.unpack();
        let failure = result.err().expect("refused");
        assert_eq!(failure.code, code, "{}", failure.message);
        assert_eq!(outcome.outside(), ["kept"], "something is outside");
    }
}

/// The root is a directory beside a file that no layer may touch.
struct Outcome {
    directory: TempDir,
}

impl Outcome {
    fn new() -> Outcome {
        let directory = tempfile::tempdir().expect("directory");
        fs::write(directory.path().join("kept"), "kept").expect("kept");
        fs::create_dir(directory.path().join("fs")).expect("root");
        Outcome { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("fs").join(name)
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect(name)
    }

    fn stat(&self, name: &str) -> fs::Metadata {
        fs::symlink_metadata(self.path(name)).expect(name)
    }

    fn is_whiteout(&self, name: &str) -> bool {
        let stat = self.stat(name);
        stat.mode() & 0o170000 == 0o020000 && stat.rdev() == 0
    }

    fn is_opaque(&self, name: &str) -> bool {
        lgetxattr(self.path(name), "trusted.overlay.opaque", &mut [0u8; 1][..]) == Ok(1)
    }

    fn outside(&self) -> Vec<String> {
        assert_eq!(fs::read_to_string(self.directory.path().join("kept")).expect("kept"), "kept");
        let names = fs::read_dir(self.directory.path()).expect("directory");
        names.map(|entry| entry.expect("entry").file_name().into_string().expect("name")).filter(|name| name != "fs").collect()
    }
}

fn unpack_bytes(bytes: &[u8], limits: &Limits) -> (Outcome, Result<Unpacked, Failure>) {
    let outcome = Outcome::new();
    let watch = Watch { budget: &ImageBudget::new(limits), cancel: &Cancel::default(), progress: &|_| () };
    let result = unpack(&mut &bytes[..], &outcome.path(""), &watch);
    (outcome, result)
}

#[test]
fn names_and_links_that_leave_the_layer_are_refused() {
    let new = Archive::new;
    new().file("../kept", "bad").refused(Code::BadImage);
    new().file("a/../../kept", "bad").refused(Code::BadImage);
    new().link("out", "..").file("out/kept", "bad").refused(Code::BadImage);
    new().link("out", "/tmp").file("out/viv-escaped", "bad").refused(Code::BadImage);
    new().link("one", "two").link("two", "../..").file("one/kept", "bad").refused(Code::BadImage);
    new().link("loop", "loop").file("loop/a", "bad").refused(Code::BadImage);
    new().directory("d").link("d/up", "../..").file("d/up/kept", "bad").refused(Code::BadImage);
    new().hard_link("mine", "../kept").refused(Code::BadImage);
    new().link("out", "..").hard_link("mine", "out/kept").refused(Code::BadImage);
    new().hard_link("mine", "/etc/hostname-that-is-not-here").refused(Code::BadImage);
    new().link("out", "..").file("out/.wh.kept", "").refused(Code::BadImage);
    new().file(".wh...", "").refused(Code::BadImage);
    new().pax(&[("path", b"../kept")]).file("a", "bad").refused(Code::BadImage);
    new().link("out", "..").file("out/.wh..wh..opq", "").refused(Code::BadImage);
}

#[test]
fn a_hard_link_to_a_link_that_leads_out_is_one_to_the_link() {
    let outcome = Archive::new().link("out", "../kept").hard_link("mine", "out").unpacked();
    assert!(outcome.stat("mine").is_symlink());
    // Writing over it replaces the link, not what it names.
    let outcome = Archive::new().link("out", "../kept").file("out", "mine").unpacked();
    assert_eq!(outcome.text("out"), "mine");
    assert_eq!(outcome.outside(), ["kept"]);
}

#[test]
fn links_that_stay_inside_are_followed_in_parents() {
    let outcome = Archive::new().directory("usr/lib").link("lib", "usr/lib").file("lib/a", "a").unpacked();
    assert_eq!(outcome.text("usr/lib/a"), "a");
    assert!(outcome.stat("lib").is_symlink());
}

#[test]
fn an_absolute_name_is_one_of_the_layer() {
    let outcome = Archive::new().file("/etc/viv-absolute", "a").unpacked();
    assert_eq!(outcome.text("etc/viv-absolute"), "a");
}

#[test]
fn devices_are_made_only_when_they_are_harmless() {
    let outcome = Archive::new()
        .device(EntryType::Char, "dev/null", 1, 3)
        .device(EntryType::Char, "gone", 0, 0)
        .device(EntryType::Fifo, "pipe", 0, 0)
        .unpacked();
    assert_eq!(outcome.stat("dev/null").rdev(), rustix::fs::makedev(1, 3));
    assert!(outcome.is_whiteout("gone"));
    assert_eq!(outcome.stat("pipe").mode() & 0o170000, 0o010000);
    Archive::new().device(EntryType::Char, "dev/mem", 1, 1).refused(Code::BadImage);
    Archive::new().device(EntryType::Block, "dev/sda", 8, 0).refused(Code::BadImage);
    Archive::new().device(EntryType::Block, "dev/null", 1, 3).refused(Code::BadImage);
}

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
fn what_is_below_a_file_or_a_link_of_nothing_is_refused() {
    Archive::new().file("f", "f").file("f/in", "in").refused(Code::BadImage);
    Archive::new().hard_link("a", "nothing").refused(Code::BadImage);
    Archive::new().directory("d").hard_link("a", "d").refused(Code::BadImage);
    Archive::new().link("a", "").refused(Code::BadImage);
    Archive::new()
        .put(EntryType::Regular, "./", "", b"", |header| header.set_entry_type(EntryType::Symlink))
        .refused(Code::BadImage);
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

#[test]
fn long_names_come_in_both_forms() {
    let long = "x".repeat(150);
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(4);
    header.set_mode(0o644);
    builder.append_data(&mut header, format!("{long}/gnu"), &b"long"[..]).expect("appended");
    let (outcome, result) = unpack_bytes(&builder.into_inner().expect("archive"), &Limits::default());
    result.unwrap_or_else(|failure| panic!("{}", failure.message));
    assert_eq!(outcome.text(&format!("{long}/gnu")), "long");
    let outcome = Archive::new().pax(&[("path", format!("{long}/pax").as_bytes())]).file("short", "pax").unpacked();
    assert_eq!(outcome.text(&format!("{long}/pax")), "pax");
    Archive::new().pax(&[("path", "y".repeat(256).as_bytes())]).file("a", "").refused(Code::BadImage);
    Archive::new().pax(&[("path", "y/".repeat(3000).as_bytes())]).file("a", "").refused(Code::BadImage);
}

#[test]
fn the_size_that_counts_is_that_of_the_extension() {
    // Readers that disagree on the size see different archives.
    let mut inner = Archive::new().file("hidden", "hidden").bytes();
    inner.truncate(1024);
    let size = inner.len().to_string();
    let archive =
        Archive::new().pax(&[("size", size.as_bytes())]).put(EntryType::Regular, "a", "", &inner, |header| header.set_size(0));
    let outcome = archive.file("b", "b").unpacked();
    assert_eq!(outcome.stat("a").size(), inner.len() as u64);
    assert_eq!(outcome.text("b"), "b");
    assert!(!outcome.path("hidden").exists());
}

fn code_of(bytes: &[u8]) -> Code {
    unpack_bytes(bytes, &Limits::default()).1.err().expect("refused").code
}

#[test]
fn broken_archives_are_refused() {
    let whole = Archive::new().file("a", "content").bytes();
    for cut in [100, 511, 515, 1000] {
        assert_eq!(code_of(&whole[..cut]), Code::BadImage, "cut at {cut}");
    }
    let mut wrong = whole.clone();
    wrong[0] ^= 1;
    assert_eq!(code_of(&wrong), Code::BadImage);
    let unknown = Archive::new().put(EntryType::new(b'M'), "a", "", b"", |_| ()).bytes();
    assert_eq!(code_of(&unknown), Code::BadImage);
    let huge = Archive::new().put(EntryType::XHeader, "a", "", b"", |header| header.set_size(1 << 40)).bytes();
    assert_eq!(code_of(&huge), Code::BadImage);
    let vast = Archive::new().put(EntryType::Regular, "a", "", b"", |header| header.set_size(1 << 60)).bytes();
    assert_eq!(code_of(&vast), Code::TooLarge);
    let extensions = (0..40).fold(Archive::new(), |archive, _| archive.pax(&[("uid", b"1")])).file("a", "");
    assert_eq!(code_of(&extensions.bytes()), Code::BadImage);
}

#[test]
fn broken_packings_are_refused() {
    let mut packed = Vec::new();
    let mut encoder = flate2::write::GzEncoder::new(&mut packed, flate2::Compression::fast());
    encoder.write_all(&Archive::new().file("a", &"a".repeat(5000)).bytes()).expect("packed");
    encoder.finish().expect("packed");
    assert_eq!(code_of(&packed[..packed.len() - 10]), Code::BadImage);
    let middle = packed.len() / 2;
    packed[middle] ^= 0xff;
    assert_eq!(code_of(&packed), Code::BadImage);
    assert_eq!(code_of(b"\xfd7zXZ\0rest"), Code::BadImage);
    assert_eq!(code_of(b"\x28\xb5\x2f\xfd\xff\xff\xff\xff\xff\xff"), Code::BadImage);
}

#[test]
fn what_follows_the_end_of_an_archive_is_limited_too() {
    let mut archive = Archive::new().file("a", "a").bytes();
    archive.resize(8 << 20, 0);
    let limits: Limits = serde_json::from_str(r#"{"layer_bytes":1000000,"files":1}"#).expect("limits");
    let (_, result) = unpack_bytes(&archive, &limits);
    assert_eq!(result.err().expect("refused").code, Code::TooLarge);
}

#[test]
fn a_name_that_is_given_again_counts_again() {
    let limits: Limits = serde_json::from_str(r#"{"layer_bytes":5}"#).expect("limits");
    let (_, result) = unpack_bytes(&Archive::new().file("a", "aaa").file("a", "aaa").bytes(), &limits);
    assert_eq!(result.err().expect("refused").code, Code::TooLarge);
}

#[test]
fn a_sparse_file_has_its_holes() {
    let map = b"0,4,1048576,4";
    let sparse: [(&str, &[u8]); 4] =
        [("GNU.sparse.major", b"0"), ("GNU.sparse.minor", b"1"), ("GNU.sparse.size", b"2097152"), ("GNU.sparse.map", map)];
    let outcome = Archive::new().pax(&sparse).file("sparse", "headtail").unpacked();
    let content = fs::read(outcome.path("sparse")).expect("sparse");
    assert_eq!((content.len(), &content[..4], &content[1048576..1048580]), (2097152, &b"head"[..], &b"tail"[..]));
    assert!(outcome.stat("sparse").blocks() * 512 < 1 << 20);
    for map in [&b"0,4"[..], b"4,4,0,4", b"0,4,2097150,4", b"0,4,1,4", b"0,18446744073709551615", b"0,x"] {
        let bad = [sparse[0], sparse[1], sparse[2], ("GNU.sparse.map", map)];
        Archive::new().pax(&bad).file("sparse", "headtail").refused(Code::BadImage);
    }
}

#[test]
fn sparse_files_of_gnu_tar_in_all_its_formats_are_read() {
    let directory = tempfile::tempdir().expect("directory");
    let file = fs::File::create(directory.path().join("sparse")).expect("file");
    // Parts enough for more than one block of the map.
    for part in 0..60u64 {
        std::os::unix::fs::FileExt::write_all_at(&file, b"part", part * 65536).expect("written");
    }
    file.set_len(60 * 65536).expect("size");
    let formats: [&[&str]; 4] = [
        &["--format=gnu"],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ];
    for format in formats {
        let mut command = std::process::Command::new("tar");
        command.arg("-S").args(format).args(["-cf", "-", "-C"]).arg(directory.path()).arg("sparse");
        let archive = command.output().expect("tar").stdout;
        let (outcome, result) = unpack_bytes(&archive, &Limits::default());
        result.unwrap_or_else(|failure| panic!("{format:?}: {}", failure.message));
        let wanted = fs::read(directory.path().join("sparse")).expect("file");
        assert!(fs::read(outcome.path("sparse")).expect("sparse") == wanted, "{format:?}");
    }
}

#[test]
fn what_was_given_up_stops() {
    let outcome = Outcome::new();
    let cancel = Cancel::default();
    cancel.give_up();
    let budget = ImageBudget::new(&Limits::default());
    let watch = Watch { budget: &budget, cancel: &cancel, progress: &|_| () };
    let bytes = Archive::new().file("a", "a").bytes();
    let failure = unpack(&mut &bytes[..], &outcome.path(""), &watch).err().expect("given up");
    assert_eq!(failure.code, Code::Cancelled);
}
