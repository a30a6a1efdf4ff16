//! Archives that try to leave their layer, or ask for what no layer may have.

use super::*;

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
fn what_was_given_up_stops() {
    let outcome = Outcome::new();
    let cancel = Cancel::default();
    cancel.give_up(Code::Cancelled);
    let budget = ImageBudget::new(&Limits::default());
    let watch = Watch { budget: &budget, cancel: &cancel, progress: &|_| () };
    let bytes = Archive::new().file("a", "a").bytes();
    let failure = unpack(&mut &bytes[..], &outcome.path(""), &watch).err().expect("given up");
    assert_eq!(failure.code, Code::Cancelled);
}
