//! Pulls from a registry on loopback: what is fetched, shared, chosen and refused.

use crate::support::archive::{archive, digest, gzip, zstd, Image, Item};
use crate::support::registry::{Content, Registry, Reply};
use crate::support::tool::{Ended, Store};
use serde_json::{json, Value};
use std::fs;

/// A pull with defaults, and what a test wants other than that.
pub fn pull(store: &Store, reference: &str, other: Value) -> Ended {
    store.ask(&request(store, reference, other))
}

pub fn request(store: &Store, reference: &str, other: Value) -> Value {
    let mut request = json!({"version": 1, "cmd": "pull", "store": store.path(), "reference": reference, "insecure": true});
    for (key, value) in other.as_object().expect("an object") {
        request[key] = value.clone();
    }
    request
}

/// Bytes that hardly pack, so that sizes are what they seem.
pub fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn an_image_is_fetched_verified_and_unpacked() {
    let plain = archive(&[Item::File("plain", b"1")]);
    let gzipped = archive(&[Item::File("gzip", &noise(300_000))]);
    let zstdded = archive(&[Item::File("zstd", &noise(200_000))]);
    let (packed_gzip, packed_zstd) = (gzip(&gzipped), zstd(&zstdded));
    let image = Image::new(&[(plain.clone(), plain), (gzipped, packed_gzip), (zstdded, packed_zstd)]);
    let registry = Registry::serving(Content::of(&image));
    let store = Store::new();
    let ended = pull(&store, &registry.reference(), json!({}));
    let result = ended.result();
    assert_eq!(result["source"], "registry");
    assert_eq!(result["images"][0]["names"], json!([registry.reference()]));
    let layers = result["images"][0]["layers"].as_array().expect("layers");
    assert_eq!(fs::read(store.layer(&layers[1]["chain_id"]).join("gzip")).expect("file"), noise(300_000));
    assert_eq!(fs::read(store.layer(&layers[2]["chain_id"]).join("zstd")).expect("file"), noise(200_000));
    let sizes: usize = image.blobs().map(Vec::len).sum();
    assert_eq!(result["fetched_bytes"], sizes);
    assert_eq!(store.names("blobs/sha256").len(), 5);
    store.assert_tidy();
}

#[test]
fn what_the_store_has_is_not_fetched_again() {
    let image = Image::of(&[Item::File("a", b"a")]);
    let registry = Registry::serving(Content::of(&image));
    let store = Store::new();
    pull(&store, &registry.reference(), json!({})).result();
    let by_digest = format!("{}/team/app@{}", registry.host(), digest(&image.manifest));
    let asked = registry.log().len();
    pull(&store, &by_digest, json!({})).result();
    assert_eq!(registry.log().len(), asked, "asked again");
    fs::remove_dir_all(store.path().join("layers/sha256")).expect("removed");
    pull(&store, &by_digest, json!({})).result();
    assert_eq!(registry.log().len(), asked, "the layer is made of its blob");
}

#[test]
fn a_blob_that_went_bad_in_the_store_is_fetched_again() {
    let image = Image::of(&[Item::File("a", b"a")]);
    let registry = Registry::serving(Content::of(&image));
    let store = Store::new();
    pull(&store, &registry.reference(), json!({})).result();
    fs::remove_dir_all(store.path().join("layers/sha256")).expect("removed");
    fs::write(store.path().join("blobs/sha256").join(&digest(&image.layers[0])[7..]), b"rubbish").expect("spoiled");
    pull(&store, &registry.reference(), json!({})).result();
    assert_eq!(registry.asked_for(&image.layers[0]).len(), 2);
    store.assert_tidy();
}

#[test]
fn a_blob_that_is_two_layers_is_fetched_once() {
    let layer = archive(&[Item::File("a", &noise(50_000))]);
    let packed = gzip(&layer);
    let image = Image::new(&[(layer.clone(), packed.clone()), (layer, packed)]);
    let registry = Registry::serving(Content::of(&image));
    let store = Store::new();
    pull(&store, &registry.reference(), json!({})).result();
    assert_eq!(registry.asked_for(&image.layers[0]).len(), 1);
    assert_eq!(store.names("layers/sha256").len(), 2);
    store.assert_tidy();
}

#[test]
fn pulls_of_one_image_at_the_same_time_share_the_work() {
    let image = Image::of(&[Item::File("a", &noise(2_000_000))]);
    let registry = Registry::serving(Content::of(&image));
    let store = Store::new();
    let asked = request(&store, &registry.reference(), json!({}));
    let running: Vec<_> = (0..4).map(|_| crate::support::tool::Running::start(&asked)).collect();
    for one in running {
        one.end().result();
    }
    assert_eq!(registry.asked_for(&image.layers[0]).len(), 1);
    store.assert_tidy();
}

#[test]
fn an_index_leads_to_the_platform_s_image() {
    let layer = |name: &'static str| {
        let layer = archive(&[Item::File(name, b"")]);
        (layer.clone(), layer)
    };
    let ours = Image::for_platform(&[layer("amd64")], "amd64");
    let other = Image::for_platform(&[layer("s390x")], "s390x");
    let mut content = Content::default();
    content.index("latest", &[("s390x", &other), ("amd64", &ours)]);
    let registry = Registry::serving(content);
    let store = Store::new();
    let ended = pull(&store, &registry.reference(), json!({}));
    assert_eq!(ended.result()["images"][0]["manifest_digest"], json!(digest(&ours.manifest)));
    let ended =
        pull(&store, &registry.reference(), json!({"cmd": "resolve", "platform": {"os": "linux", "architecture": "s390x"}}));
    assert_eq!(ended.result()["manifest_digest"], json!(digest(&other.manifest)));
    let ended = pull(&store, &registry.reference(), json!({"platform": {"os": "linux", "architecture": "riscv64"}}));
    assert_eq!(ended.code(), "wrong_platform");
    assert!(ended.message().contains("linux/s390x, linux/amd64"), "{}", ended.message());
}

#[test]
fn refusals_have_codes_and_statuses() {
    for (status, code) in [(401, "unauthorized"), (403, "forbidden"), (404, "not_found"), (400, "registry")] {
        let registry = Registry::start(move |_| Reply::new(status, br#"{"errors":[{"code":"X","message":"because"}]}"#));
        let store = Store::new();
        let ended = pull(&store, &registry.reference(), json!({}));
        assert_eq!(ended.code(), code);
        let error = &ended.lines.last().expect("line")["error"];
        assert_eq!(error["status"], status);
        assert!(ended.message().contains("because"));
        assert_eq!(registry.log().len(), 1, "asked again");
    }
}

#[test]
fn requests_that_can_t_be_are_refused_before_anyone_is_asked() {
    let store = Store::new();
    assert_eq!(pull(&store, "no-registry:tag", json!({})).code(), "bad_request");
    let mirrors = json!({"mirrors": [{"url": "http://127.0.0.1:1"}]});
    assert_eq!(pull(&store, "127.0.0.1:1/a:b", mirrors).code(), "bad_request");
    assert_eq!(pull(&store, "127.0.0.1:1/a:b", json!({"unknown": 1})).code(), "bad_request");
}
