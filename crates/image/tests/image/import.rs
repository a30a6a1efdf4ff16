//! Imports: the real program, real files.

use crate::support::archive::{archive, digest, gzip, zstd, Image, Item};
use crate::support::tool::Store;
use serde_json::{json, Value};
use std::fs;
use std::os::unix::fs::{symlink, MetadataExt, PermissionsExt};
use std::path::Path;
use tempfile::tempdir;

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn two_layers() -> Image {
    let below = archive(&[Item::File("a", b"one"), Item::File("b", b"two")]);
    let above = archive(&[Item::File(".wh.a", b""), Item::File("c", b"three")]);
    let (packed_below, packed_above) = (gzip(&below), zstd(&above));
    Image::new(&[(below, packed_below), (above, packed_above)])
}

#[test]
fn an_oci_layout_becomes_layers_named_by_their_chains() {
    let layout = tempdir().expect("directory");
    let image = two_layers();
    image.write_layout(layout.path(), "example.org/two:latest");
    let store = Store::new();
    let ended = store.import(layout.path());
    let result = ended.result();
    assert_eq!(result["source"], "oci-layout");
    let imported = &result["images"][0];
    assert_eq!(imported["names"], json!(["example.org/two:latest"]));
    assert_eq!(imported["manifest_digest"], json!(digest(&image.manifest)));
    assert_eq!(imported["config"]["config"]["Cmd"], json!(["/bin/true"]));
    let layers = imported["layers"].as_array().expect("layers");
    assert_eq!(text(&store.layer(&layers[0]["chain_id"]).join("b")), "two");
    assert_eq!(text(&store.layer(&layers[1]["chain_id"]).join("c")), "three");
    let whiteout = fs::symlink_metadata(store.layer(&layers[1]["chain_id"]).join("a")).expect("whiteout");
    assert_eq!((whiteout.mode() & 0o170000, whiteout.rdev()), (0o020000, 0));
    assert_eq!(layers[0]["unpacked"], 6);
    store.assert_tidy();
}

#[test]
fn what_is_there_already_is_not_made_again() {
    let layout = tempdir().expect("directory");
    two_layers().write_layout(layout.path(), "two");
    let store = Store::new();
    store.import(layout.path()).result();
    let again = store.import(layout.path());
    assert_eq!(again.steps(), ["exists"]);
    again.result();
}

#[test]
fn a_layout_in_a_packed_archive_is_imported_too() {
    let layout = tempdir().expect("directory");
    two_layers().write_layout(layout.path(), "two");
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_dir_all(".", layout.path()).expect("packed");
    let file = layout.path().join("image.tar.gz");
    fs::write(&file, gzip(&builder.into_inner().expect("archive"))).expect("written");
    let store = Store::new();
    assert_eq!(store.import(&file).result()["source"], "oci-layout");
}

/// Writes what `docker save` wrote for years: layers that are links to each other's files.
fn docker_archive(image: &Image, layers: &[Vec<u8>]) -> Vec<u8> {
    let config_name = format!("{}.json", &digest(&image.config)[7..]);
    let manifest =
        json!([{"Config": config_name, "RepoTags": ["old:1"], "Layers": ["one/layer.tar", "two/layer.tar", "three/layer.tar"]}]);
    let manifest = manifest.to_string().into_bytes();
    archive(&[
        Item::File("one/layer.tar", &layers[0]),
        Item::File("two/layer.tar", &layers[1]),
        Item::Link("three/layer.tar", "../one/layer.tar"),
        Item::File(&config_name, &image.config),
        Item::File("manifest.json", &manifest),
    ])
}

#[test]
fn a_docker_archive_gets_the_manifest_that_it_lacks() {
    let one = archive(&[Item::File("one", b"1")]);
    let two = archive(&[Item::File("two", b"2")]);
    let layers = [one.clone(), two.clone(), one.clone()].map(|layer| (layer.clone(), layer));
    let image = Image::new(&layers);
    let directory = tempdir().expect("directory");
    let file = directory.path().join("saved.tar");
    fs::write(&file, docker_archive(&image, &[one, gzip(&two)])).expect("written");
    let store = Store::new();
    let ended = store.import(&file);
    let result = ended.result();
    assert_eq!(result["source"], "docker-archive");
    assert_eq!(result["images"][0]["names"], json!(["old:1"]));
    assert_eq!(result["images"][0]["layers"].as_array().map(Vec::len), Some(3));
    let manifest = result["images"][0]["manifest_digest"].as_str().expect("a digest");
    let kept = fs::read(store.path().join("blobs/sha256").join(&manifest[7..])).expect("kept");
    assert_eq!(digest(&kept), manifest);
}

fn make_root(root: &Path) {
    fs::create_dir_all(root.join("usr/bin")).expect("usr");
    fs::write(root.join("usr/bin/tool"), "tool").expect("tool");
    fs::set_permissions(root.join("usr/bin/tool"), fs::Permissions::from_mode(0o4755)).expect("mode");
    fs::hard_link(root.join("usr/bin/tool"), root.join("usr/bin/other")).expect("link");
    symlink("usr/bin", root.join("bin")).expect("link");
    let long = "x".repeat(200);
    fs::write(root.join(&long), "long").expect("long");
    symlink(&long, root.join("to-long")).expect("link");
    std::os::unix::fs::chown(root.join("usr"), Some(1000), Some(2_000_000)).expect("owner");
}

#[test]
fn a_directory_is_one_layer_and_always_the_same_image() {
    let root = tempdir().expect("directory");
    make_root(root.path());
    let (store, other) = (Store::new(), Store::new());
    let (first, second) = (store.import(root.path()), other.import(root.path()));
    assert_eq!(first.layers_told(), [""], "its digest is known at the end");
    let image = &first.result()["images"][0];
    assert_eq!(image["manifest_digest"], second.result()["images"][0]["manifest_digest"]);
    let layer = store.layer(&image["layers"][0]["chain_id"]);
    let tool = fs::metadata(layer.join("usr/bin/tool")).expect("tool");
    assert_eq!((tool.mode() & 0o7777, tool.nlink()), (0o4755, 2));
    assert_eq!(fs::read_link(layer.join("bin")).expect("link"), Path::new("usr/bin"));
    assert_eq!(text(&layer.join("to-long")), "long");
    let owner = fs::metadata(layer.join("usr")).expect("usr");
    assert_eq!((owner.uid(), owner.gid()), (1000, 2_000_000));
    let times = [root.path(), &layer].map(|at| fs::metadata(at.join("usr/bin")).expect("bin").modified().expect("time"));
    assert_eq!(times[0], times[1]);
    store.assert_tidy();
}

#[test]
fn an_archive_of_a_root_file_system_is_one_layer() {
    let directory = tempdir().expect("directory");
    let file = directory.path().join("root.tar.gz");
    fs::write(&file, gzip(&archive(&[Item::Directory("etc/"), Item::File("etc/name", b"me")]))).expect("written");
    let store = Store::new();
    let ended = store.import(&file);
    let image = &ended.result()["images"][0];
    assert_eq!(ended.result()["source"], "directory");
    assert_eq!(text(&store.layer(&image["layers"][0]["chain_id"]).join("etc/name")), "me");
    assert_eq!(image["config"]["rootfs"]["diff_ids"][0], image["layers"][0]["diff_id"]);
}

fn import_layout(image: &Image, change: impl Fn(&Path), limits: Value) -> (Store, crate::support::tool::Ended) {
    let layout = tempdir().expect("directory");
    image.write_layout(layout.path(), "x");
    change(layout.path());
    let store = Store::new();
    let ended = store.import_with(layout.path(), limits);
    store.assert_tidy();
    assert_eq!(store.names("layers/sha256"), Vec::<String>::new());
    (store, ended)
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_refused() {
    let image = Image::of(&[Item::File("a", b"a")]);
    let blob = format!("blobs/sha256/{}", &digest(&image.layers[0])[7..]);
    let other = gzip(&archive(&[Item::File("a", b"b")]));
    let (_, ended) = import_layout(&image, |layout| fs::write(layout.join(&blob), &other).expect("changed"), json!({}));
    assert_eq!(ended.code(), "digest_mismatch");
    let (_, ended) = import_layout(&image, |layout| fs::remove_file(layout.join(&blob)).expect("removed"), json!({}));
    assert_eq!(ended.code(), "bad_image");
}

#[test]
fn an_archive_that_the_configuration_does_not_name_is_refused() {
    let told = archive(&[Item::File("a", b"a")]);
    let packed = gzip(&archive(&[Item::File("a", b"b")]));
    let (_, ended) = import_layout(&Image::new(&[(told, packed)]), |_| (), json!({}));
    assert_eq!(ended.code(), "digest_mismatch");
    assert!(ended.lines.last().expect("line")["error"]["layer"].is_string());
}

#[test]
fn limits_hold() {
    let image = Image::of(&[Item::File("a", &[0; 5000]), Item::File("b", b"b")]);
    for limits in [json!({"layer_bytes": 4999}), json!({"image_bytes": 5000}), json!({"files": 1}), json!({"layers": 0})] {
        let (_, ended) = import_layout(&image, |_| (), limits);
        assert_eq!(ended.code(), "too_large");
    }
}

#[test]
fn an_image_for_another_platform_is_refused_with_what_there_is() {
    let layer = archive(&[]);
    let (_, ended) = import_layout(&Image::for_platform(&[(layer.clone(), layer)], "s390x"), |_| (), json!({}));
    assert_eq!(ended.code(), "wrong_platform");
    assert!(ended.message().contains("linux/s390x"), "{}", ended.message());
}

#[test]
fn what_is_not_there_or_no_image_is_told() {
    let store = Store::new();
    assert_eq!(store.import(Path::new("/nonexistent/image")).code(), "not_found");
    assert_eq!(store.import(Path::new("/dev/null")).code(), "bad_request");
    let file = tempfile::NamedTempFile::new().expect("file");
    fs::write(file.path(), [7; 2000]).expect("written");
    assert_eq!(store.import(file.path()).code(), "bad_image");
}
