//! Registries that are slow, broken or lie, and mirrors that stand in for them.

use crate::pull::{noise, pull, request};
use crate::support::archive::{archive, gzip, Image, Item};
use crate::support::registry::{Content, Fault, Registry, Reply};
use crate::support::tool::{Running, Store};
use serde_json::json;
use std::fs;
use std::sync::mpsc;
use std::sync::Mutex;

fn image() -> Image {
    Image::of(&[Item::File("a", &noise(400_000))])
}

#[test]
fn a_connection_that_ends_in_the_middle_is_gone_on_with() {
    let image = image();
    let (content, layer) = (Content::of(&image), image.layers[0].clone());
    let registry = Registry::start(move |asked| match asked.before {
        0 if asked.is_blob(&layer) => content.answer(asked).but(Fault::Cut(100_000)),
        _ => content.answer(asked),
    });
    let store = Store::new();
    pull(&store, &registry.reference(), json!({})).result();
    let asked = registry.asked_for(&image.layers[0]);
    assert_eq!(asked.iter().map(|asked| asked.header("range")).collect::<Vec<_>>(), ["", "bytes=100000-"]);
    store.assert_tidy();
}

#[test]
fn a_registry_without_ranges_sends_the_whole_again() {
    let image = image();
    let (content, layer) = (Content::of(&image), image.layers[0].clone());
    let registry = Registry::start(move |asked| match asked.before {
        0 if asked.is_blob(&layer) => Reply::new(200, &layer).but(Fault::Cut(100_000)),
        _ if asked.is_blob(&layer) => Reply::new(200, &layer),
        _ => content.answer(asked),
    });
    let store = Store::new();
    let ended = pull(&store, &registry.reference(), json!({}));
    let wanted = image.blobs().map(Vec::len).sum::<usize>() + 100_000;
    assert_eq!(ended.result()["fetched_bytes"], wanted);
    store.assert_tidy();
}

#[test]
fn what_an_earlier_process_fetched_is_gone_on_with() {
    let image = image();
    let (content, layer) = (Content::of(&image), image.layers[0].clone());
    let (stalled, is_stalled) = mpsc::channel();
    let stalled = Mutex::new(stalled);
    let registry = Registry::start(move |asked| match asked.before {
        0 if asked.is_blob(&layer) => {
            stalled.lock().expect("lock").send(()).expect("told");
            content.answer(asked).but(Fault::Stall(100_000))
        }
        _ => content.answer(asked),
    });
    let store = Store::new();
    let mut first = Running::start(&request(&store, &registry.reference(), json!({})));
    is_stalled.recv().expect("stalled");
    first.wait_for(|line| line["progress"]["step"] == "fetching");
    first.kill();
    pull(&store, &registry.reference(), json!({})).result();
    let asked = registry.asked_for(&image.layers[0]);
    assert!(asked[1].header("range").starts_with("bytes="), "{}", asked[1].header("range"));
    store.assert_tidy();
}

#[test]
fn leftovers_that_are_wrong_are_fetched_anew() {
    let image = image();
    let registry = Registry::serving(Content::of(&image));
    let store = Store::new();
    fs::create_dir_all(store.path().join("partial/sha256")).expect("partial");
    let partial = store.path().join("partial/sha256").join(&crate::support::archive::digest(&image.layers[0])[7..]);
    fs::write(&partial, vec![7; 1000]).expect("rubbish");
    pull(&store, &registry.reference(), json!({})).result();
    assert_eq!(registry.asked_for(&image.layers[0]).len(), 2);
    store.assert_tidy();
}

#[test]
fn the_end_of_the_input_gives_up_and_leaves_what_was_fetched() {
    let image = image();
    let (content, layer) = (Content::of(&image), image.layers[0].clone());
    let registry = Registry::start(move |asked| match asked.is_blob(&layer) {
        true => content.answer(asked).but(Fault::Stall(100_000)),
        false => content.answer(asked),
    });
    for give_up in [Running::close_input, Running::terminate] {
        let store = Store::new();
        let mut running = Running::start(&request(&store, &registry.reference(), json!({})));
        running.wait_for(|line| line["progress"]["step"] == "fetching");
        give_up(&mut running);
        assert_eq!(running.end().code(), "cancelled");
        assert_eq!(store.names("work"), Vec::<String>::new());
        assert_eq!(store.names("partial/sha256").len(), 1);
    }
}

#[test]
fn a_registry_that_sends_nothing_more_is_left() {
    let image = image();
    let (content, layer) = (Content::of(&image), image.layers[0].clone());
    let registry = Registry::start(move |asked| match asked.is_blob(&layer) {
        true => content.answer(asked).but(Fault::Stall(0)),
        false => content.answer(asked),
    });
    let store = Store::new();
    let ended = pull(&store, &registry.reference(), json!({"limits": {"stall_seconds": 1, "retries": 0}}));
    assert_eq!(ended.code(), "stalled");
    assert_eq!(ended.lines.last().expect("line")["error"]["layer"], json!(crate::support::archive::digest(&image.layers[0])));
    store.assert_tidy();
}

#[test]
fn a_registry_that_has_too_much_to_do_is_asked_again() {
    let image = image();
    let content = Content::of(&image);
    let registry = Registry::start(move |asked| match asked.before {
        0 => Reply::new(429, b"").with("retry-after", "0"),
        1 => Reply::new(500, b""),
        _ => content.answer(asked),
    });
    let store = Store::new();
    pull(&store, &registry.reference(), json!({})).result();
}

#[test]
fn a_registry_that_always_fails_is_left_with_its_last_word() {
    let cases = [(429, "rate_limited"), (500, "registry"), (503, "registry")];
    for (status, code) in cases {
        let registry = Registry::start(move |_| Reply::new(status, b""));
        let store = Store::new();
        let ended = pull(&store, &registry.reference(), json!({"limits": {"retries": 1}}));
        assert_eq!(ended.code(), code);
        assert_eq!(registry.log().len(), 2);
    }
    let registry = Registry::start(|_| Reply::new(429, b"").with("retry-after", "86400"));
    let ended = pull(&Store::new(), &registry.reference(), json!({}));
    assert_eq!((ended.code(), registry.log().len()), ("rate_limited", 1));
    let ended = pull(&Store::new(), "127.0.0.1:1/a:b", json!({"limits": {"retries": 1}}));
    assert_eq!(ended.code(), "unreachable");
}

#[test]
fn lies_about_a_digest_are_found_out() {
    let image = image();
    let (content, layer) = (Content::of(&image), image.layers[0].clone());
    let other = gzip(&archive(&[Item::File("a", &noise(400_001))]));
    let mut same_size = layer.clone();
    same_size[200_000] ^= 1;
    for lie in [other, same_size, [layer.as_slice(), b"more"].concat(), layer[..layer.len() - 1].to_vec()] {
        let (content, layer) = (content.clone(), layer.clone());
        let registry = Registry::start(move |asked| match asked.is_blob(&layer) {
            true => Reply::new(200, &lie),
            false => content.answer(asked),
        });
        let store = Store::new();
        assert_eq!(pull(&store, &registry.reference(), json!({})).code(), "digest_mismatch");
        store.assert_tidy();
        assert_eq!(store.names("layers/sha256"), Vec::<String>::new());
    }
    let registry =
        Registry::start(move |asked| content.answer(asked).with("docker-content-digest", &format!("sha256:{}", "0".repeat(64))));
    assert_eq!(pull(&Store::new(), &registry.reference(), json!({})).code(), "digest_mismatch");
}

#[test]
fn mirrors_are_asked_in_order_and_the_registry_last() {
    let image = image();
    let (content, layer) = (Content::of(&image), image.layers[0].clone());
    let mut lie = layer.clone();
    lie[300_000] ^= 1;
    let liar_content = content.clone();
    let liar = Registry::start(move |asked| match asked.is_blob(&layer) {
        true => Reply::new(200, &lie),
        false => liar_content.answer(asked),
    });
    let empty = Registry::start(|_| Reply::new(404, b""));
    let registry = Registry::serving(content);
    let mirror = |url: String| json!({"url": url, "insecure": true});
    let mirrors = json!([mirror("http://127.0.0.1:1".into()), mirror(empty.url() + "/some/prefix"), mirror(liar.url())]);
    let store = Store::new();
    let ended = pull(&store, &registry.reference(), json!({"mirrors": mirrors}));
    let layers = ended.result()["images"][0]["layers"].clone();
    assert_eq!(fs::read(store.layer(&layers[0]["chain_id"]).join("a")).expect("file"), noise(400_000));
    assert!(empty.log()[0].path.starts_with("/some/prefix/v2/team/app/manifests/"), "{}", empty.log()[0].path);
    assert_eq!(liar.asked_for(&image.layers[0]).len(), 1);
    let asked = registry.log();
    assert_eq!(asked.len(), 1, "only the blob that the mirror lied about");
    store.assert_tidy();
}

#[test]
fn a_layer_that_breaks_out_leaves_nothing() {
    let good = archive(&[Item::File("good", b"good")]);
    let bad = archive(&[Item::Link("out", ".."), Item::File("out/escaped", b"bad")]);
    let (packed_good, packed_bad) = (gzip(&good), gzip(&bad));
    let registry = Registry::serving(Content::of(&Image::new(&[(good, packed_good), (bad, packed_bad.clone())])));
    let store = Store::new();
    let ended = pull(&store, &registry.reference(), json!({}));
    assert_eq!(ended.code(), "bad_image");
    assert_eq!(ended.lines.last().expect("line")["error"]["layer"], json!(crate::support::archive::digest(&packed_bad)));
    assert_eq!(store.names("work"), Vec::<String>::new());
    for (kind, item) in [("hard link", Item::HardLink("a", "../../x")), ("device", Item::Char("mem", 1, 1))] {
        let registry = Registry::serving(Content::of(&Image::of(&[item])));
        let store = Store::new();
        assert_eq!(pull(&store, &registry.reference(), json!({})).code(), "bad_image", "{kind}");
        store.assert_tidy();
    }
}
