//! Archives, layouts and digests for tests.

use serde_json::{json, Value};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::Write;
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// What one layer has in it.
pub enum Item<'a> {
    File(&'a str, &'a [u8]),
    Directory(&'a str),
    Link(&'a str, &'a str),
    HardLink(&'a str, &'a str),
    Char(&'a str, u32, u32),
}

/// An archive, with names as they are given: the usual writers refuse bad ones.
pub fn archive(items: &[Item]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for item in items {
        let (name, link, kind, data): (&str, &str, EntryType, &[u8]) = match *item {
            Item::File(name, data) => (name, "", EntryType::Regular, data),
            Item::Directory(name) => (name, "", EntryType::Directory, &[]),
            Item::Link(name, target) => (name, target, EntryType::Symlink, &[]),
            Item::HardLink(name, target) => (name, target, EntryType::Link, &[]),
            Item::Char(name, _, _) => (name, "", EntryType::Char, &[]),
        };
        let mut header = header(name, kind, data.len() as u64);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        if let Item::Char(_, major, minor) = *item {
            header.set_device_major(major).expect("major");
            header.set_device_minor(minor).expect("minor");
        }
        header.set_cksum();
        builder.append(&header, data).expect("appended");
    }
    builder.into_inner().expect("archive")
}

pub fn header(name: &str, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1_000_000_000);
    header.set_size(size);
    header
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("packed")
}

pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// An image: its layers' archives, each packed by a function.
pub struct Image {
    pub config: Vec<u8>,
    pub manifest: Vec<u8>,
    pub layers: Vec<Vec<u8>>,
}

impl Image {
    pub fn new(layers: &[(Vec<u8>, Vec<u8>)]) -> Image {
        Image::for_platform(layers, "amd64")
    }

    /// Of (archive, packed) pairs.
    pub fn for_platform(layers: &[(Vec<u8>, Vec<u8>)], architecture: &str) -> Image {
        let diff_ids: Vec<String> = layers.iter().map(|(archive, _)| digest(archive)).collect();
        let config = json!({
            "os": "linux", "architecture": architecture,
            "config": {"Cmd": ["/bin/true"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = config.to_string().into_bytes();
        let described: Vec<Value> = layers.iter().map(|(_, packed)| descriptor(packed)).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor(&config), "layers": described,
        });
        let packed = layers.iter().map(|(_, packed)| packed.clone()).collect();
        Image { config, manifest: manifest.to_string().into_bytes(), layers: packed }
    }

    /// One layer, packed with gzip.
    pub fn of(items: &[Item]) -> Image {
        let archive = archive(items);
        let packed = gzip(&archive);
        Image::new(&[(archive, packed)])
    }

    pub fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.layers.iter().chain([&self.config, &self.manifest])
    }

    /// Writes an OCI layout with the image in it.
    pub fn write_layout(&self, directory: &Path, name: &str) {
        let blobs = directory.join("blobs/sha256");
        fs::create_dir_all(&blobs).expect("blobs");
        for blob in self.blobs() {
            fs::write(blobs.join(&digest(blob)[7..]), blob).expect("blob");
        }
        fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).expect("marker");
        let mut described = descriptor(&self.manifest);
        described["annotations"] = json!({"org.opencontainers.image.ref.name": name});
        let index = json!({"schemaVersion": 2, "manifests": [described]});
        fs::write(directory.join("index.json"), index.to_string()).expect("index");
    }
}

pub fn descriptor(blob: &[u8]) -> Value {
    json!({"digest": digest(blob), "size": blob.len()})
}
