use super::*;
use crate::link::search::{KIND_GO, KIND_HELLO};
use crate::ttrpc::frame::{Decoder, Header, Incoming, MAX_BODY, TYPE_REQUEST};

const INSTANCE: Token = [0x11; TOKEN];
const A: Token = [0xa0; TOKEN];
const B: Token = *b"bbbb-next-token-";

#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Hello(Vec<u8>),
    Go,
    Bytes(Vec<u8>),
}

fn hello(current: Token, next: Token) -> Vec<u8> {
    [current.as_slice(), &[KIND_HELLO, VERSION], &next].concat()
}

fn go(token: Token) -> Vec<u8> {
    [token.as_slice(), &[KIND_GO]].concat()
}

fn ack(token: Token) -> Seen {
    Seen::Hello([token.as_slice(), &[KIND_ACK, VERSION], &INSTANCE].concat())
}

fn feed(link: &mut Link, bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    link.feed(bytes, &mut |step| record(&mut seen, step));
    seen
}

fn record(seen: &mut Vec<Seen>, step: Step<'_>) {
    match (step, seen.last_mut()) {
        (Step::Bytes(bytes), Some(Seen::Bytes(before))) => before.extend_from_slice(bytes),
        (Step::Bytes(bytes), _) => seen.push(Seen::Bytes(bytes.to_vec())),
        (Step::Hello { ack }, _) => seen.push(Seen::Hello(ack)),
        (Step::Go, _) => seen.push(Seen::Go),
    }
}

fn live(token: Token) -> Link {
    let mut link = Link::new(INSTANCE);
    feed(&mut link, &hello(BOOT, token));
    feed(&mut link, &go(token));
    link
}

#[test]
fn the_first_hello_bears_the_boot_token() {
    let mut link = Link::new(INSTANCE);
    assert_eq!(feed(&mut link, b"console noise"), []);
    assert_eq!(feed(&mut link, &hello(BOOT, A)), [ack(A)]);
    assert_eq!(feed(&mut link, &[go(A), b"frames".to_vec()].concat()), [Seen::Go, Seen::Bytes(b"frames".to_vec())]);
}

#[test]
fn greetings_that_are_repeated_do_not_open_the_link_too_early() {
    // Kind bytes are left out: the host draws no such token (docs/protocols/agent-link.md).
    for first in (0..=u8::MAX).filter(|first| !(KIND_HELLO..=KIND_GO).contains(first)) {
        let mut next = B;
        next[0] = first;
        let mut link = Link::new(INSTANCE);
        let wire = [hello(BOOT, next), hello(BOOT, next), hello(A, next), go(next), b"frames\x01".to_vec()].concat();
        assert_eq!(feed(&mut link, &wire), [ack(next), Seen::Go, Seen::Bytes(b"frames\x01".to_vec())], "{first}");
    }
}

#[test]
fn the_handshake_is_found_however_it_is_cut() {
    let wire = [hello(BOOT, A), go(A), b"frames".to_vec()].concat();
    for cut in 1..wire.len() {
        let mut link = Link::new(INSTANCE);
        let mut seen = feed(&mut link, &wire[..cut]);
        link.feed(&wire[cut..], &mut |step| record(&mut seen, step));
        assert_eq!(seen, [ack(A), Seen::Go, Seen::Bytes(b"frames".to_vec())], "cut at {cut}");
    }
}

#[test]
fn bytes_between_hello_and_go_are_discarded() {
    let mut link = Link::new(INSTANCE);
    feed(&mut link, &hello(BOOT, A));
    assert_eq!(feed(&mut link, b"late bytes of the last connection"), []);
    assert_eq!(feed(&mut link, &hello(BOOT, A)), [], "a repeated HELLO bears an outdated token");
    assert_eq!(feed(&mut link, &hello(A, B)), [ack(B)], "another reconnect before GO");
    assert_eq!(feed(&mut link, &go(A)), []);
    assert_eq!(feed(&mut link, &go(B)), [Seen::Go]);
}

#[test]
fn a_hello_in_the_middle_of_a_full_frame_resets_and_nothing_of_the_frame_is_answered() {
    let header = Header { length: MAX_BODY as u32, stream: 1, kind: TYPE_REQUEST, flags: 0 };
    let mut wire = header.bytes().to_vec();
    wire.resize(1_234_567, b'x');
    wire.extend(hello(A, B));
    wire.extend(go(B));
    let after = Header { length: 4, stream: 3, kind: TYPE_REQUEST, flags: 0 };
    wire.extend(after.bytes());
    wire.extend(b"next");

    for size in [7, 4096, 65536, wire.len()] {
        let mut link = live(A);
        let mut decoder = Decoder::default();
        let mut frames = Vec::new();
        for chunk in wire.chunks(size) {
            link.feed(chunk, &mut |step| match step {
                Step::Hello { .. } => decoder = Decoder::default(),
                Step::Go => {}
                Step::Bytes(bytes) => decoder.push(bytes, &mut |frame| frames.push(frame)),
            });
        }
        assert_eq!(frames, [Incoming::Frame { header: after, body: b"next".to_vec() }], "pieces of {size}");
    }
}

#[test]
fn a_hello_never_completes_a_frame_that_was_left_half_written() {
    for missing in 1..40u32 {
        let header = Header { length: 8 + missing, stream: 1, kind: TYPE_REQUEST, flags: 0 };
        let wire = [header.bytes().as_slice(), b"8 bytes.", &hello(A, B)].concat();
        for cut in 1..wire.len() {
            let mut link = live(A);
            let mut decoder = Decoder::default();
            for chunk in [&wire[..cut], &wire[cut..]] {
                link.feed(chunk, &mut |step| {
                    if let Step::Bytes(bytes) = step {
                        decoder.push(bytes, &mut |frame| panic!("{frame:?} was made of a HELLO, cut at {cut}"));
                    }
                });
            }
        }
    }
}

#[test]
fn replayed_old_tokens_are_ordinary_bytes() {
    let mut link = live(A);
    feed(&mut link, &hello(A, B));
    feed(&mut link, &go(B));
    let replay = [hello(BOOT, [1; TOKEN]), hello(A, [2; TOKEN]), go(A), go(B)].concat();
    assert_eq!(feed(&mut link, &replay), [Seen::Bytes(replay.clone())]);
}

#[test]
fn two_hellos_with_one_next_agree_once() {
    let next = [0xcc; TOKEN];
    let wire = [hello(A, next), hello(B, next), go(next)].concat();
    for known in [A, B] {
        assert_eq!(feed(&mut live(known), &wire), [ack(next), Seen::Go]);
    }
}

#[test]
fn held_bytes_are_let_go_when_no_hello_follows() {
    let mut link = live(B);
    assert_eq!(feed(&mut link, b"frame ending in bb"), [Seen::Bytes(b"frame ending in ".to_vec())]);
    assert_eq!(link.hold_for(), Some(HOLD_CHANCE));
    let mut seen = Vec::new();
    link.release(&mut |step| record(&mut seen, step));
    assert_eq!(seen, [Seen::Bytes(b"bb".to_vec())]);
    assert_eq!(link.hold_for(), None);
    feed(&mut link, b"bbbb-n");
    assert_eq!(link.hold_for(), Some(HOLD_LIKELY));
}
