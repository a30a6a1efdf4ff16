//! Forms of archives and packings, broken ones among them.

use super::*;

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
