//! Stores without room, and what the dead leave in them.

use crate::pull::{noise, pull};
use crate::support::archive::{archive, digest, gzip, Image, Item};
use crate::support::registry::{Content, Fault, Registry};
use crate::support::tool::Store;
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A file system of its own for a store.
struct SmallDisk {
    path: PathBuf,
}

impl SmallDisk {
    fn mount(store: &Store, options: &str) -> SmallDisk {
        fs::create_dir_all(store.path()).expect("store");
        let disk = SmallDisk { path: store.path() };
        disk.run("mount", &["-t", "tmpfs", "-o", options, "tmpfs"]);
        disk
    }

    fn grow(&self) {
        self.run("mount", &["-o", "remount,size=64m,nr_inodes=10000"]);
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let ended = Command::new(program).args(arguments).arg(&self.path).status().expect(program);
        assert!(ended.success(), "{program} {arguments:?}: this test needs root");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        self.run("umount", &[]);
    }
}

fn image() -> Image {
    // Packs to a tenth: the disk is full while the layer is unpacked, or sooner.
    let text = "line of text that packs well\n".repeat(20_000);
    let first = archive(&[Item::File("noise", &noise(200_000)), Item::File("text", text.as_bytes())]);
    let names: Vec<String> = (0..100).map(|number| format!("file-{number}")).collect();
    let second = archive(&names.iter().map(|name| Item::File(name, b"small")).collect::<Vec<_>>());
    let (packed_first, packed_second) = (gzip(&first), gzip(&second));
    Image::new(&[(first, packed_first), (second, packed_second)])
}

#[test]
fn a_full_disk_leaves_a_clean_store_at_whatever_moment() {
    let registry = Registry::serving(Content::of(&image()));
    let moments = [
        "size=32k",
        "size=120k",
        "size=240k",
        "size=400k",
        "size=700k",
        "size=900k",
        "size=64m,nr_inodes=12",
        "size=64m,nr_inodes=60",
    ];
    for moment in moments {
        let store = Store::new();
        let disk = SmallDisk::mount(&store, moment);
        let ended = pull(&store, &registry.reference(), json!({"limits": {"retries": 0}}));
        assert_eq!(ended.code(), "storage_full", "{moment}: {}", ended.message());
        store.assert_tidy();
        disk.grow();
        pull(&store, &registry.reference(), json!({})).result();
        store.assert_tidy();
    }
}

#[test]
fn a_full_disk_keeps_no_part_of_another_layer() {
    let slow = archive(&[Item::File("noise", &noise(200_000))]);
    let large = archive(&[Item::File("text", "line of text that packs well\n".repeat(40_000).as_bytes())]);
    let (packed_slow, packed_large) = (gzip(&slow), gzip(&large));
    let content = Content::of(&Image::new(&[(slow, packed_slow.clone()), (large, packed_large.clone())]));
    let store = Store::new();
    let disk = SmallDisk::mount(&store, "size=600k");
    let part = store.path().join("partial/sha256").join(&digest(&packed_slow)[7..]);
    let registry = Registry::start(move |asked| {
        let reply = content.answer(asked);
        if asked.is_blob(&packed_slow) {
            return reply.but(Fault::Stall(100_000));
        }
        while asked.is_blob(&packed_large) && fs::metadata(&part).map_or(0, |part| part.len()) == 0 {
            std::thread::yield_now();
        }
        reply
    });
    let ended = pull(&store, &registry.reference(), json!({"limits": {"retries": 0}}));
    assert_eq!(ended.code(), "storage_full", "{}", ended.message());
    store.assert_tidy();
    drop(disk);
}

#[test]
fn what_the_dead_left_is_no_hindrance() {
    let image = Image::of(&[Item::File("a", b"a")]);
    let layout = tempfile::tempdir().expect("directory");
    image.write_layout(layout.path(), "x");
    let store = Store::new();
    let chain_id = digest(&archive(&[Item::File("a", b"a")]));
    let left = store.path().join("work").join(&chain_id[7..]);
    fs::create_dir_all(left.join("fs/of/the")).expect("left");
    fs::write(left.join("fs/of/the/dead"), "dead").expect("left");
    fs::write(store.path().join("work").join(format!("{}.lock", &chain_id[7..])), "").expect("left");
    store.import(layout.path()).result();
    store.assert_tidy();
    assert_eq!(crate::support::tool::names(&store.layer(&json!(chain_id))), ["a"]);
}
