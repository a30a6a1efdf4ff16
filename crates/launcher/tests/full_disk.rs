//! A disk without room: refused before the start, harmless after it.

mod support;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{int, privileged, Launch};

/// A file system of 64 KiB on a launch's directory; without the right to mount, none.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(directory: &Path) -> Option<SmallDisk> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(directory)
            .status()
            .is_ok_and(|status| status.success());
        assert_eq!(mounted, privileged(), "only root may mount");
        mounted.then(|| SmallDisk(directory.to_owned()))
    }

    fn fill(&self) {
        let mut ballast = fs::File::create(self.0.join("ballast")).expect("ballast");
        while ballast.write(&[0; 1024]).is_ok_and(|written| written > 0) {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The last of the launcher's processes may still be leaving the directory.
        let unmounted = || Command::new("umount").arg(&self.0).status().is_ok_and(|status| status.success());
        for _ in 0..500 {
            if unmounted() {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
}

fn write_spec(launch: &Launch) {
    launch.write_spec(r#"{"version":1,"name":"test","argv":["/bin/sh","-c","echo line; while :; do echo more; sleep 0.01; done"],"env":{"PATH":"/bin"}}"#);
}

#[test]
fn without_room_for_the_record_nothing_is_started() {
    let launch = Launch::empty();
    let Some(disk) = SmallDisk::mount(&launch.dir) else { return };
    write_spec(&launch);
    disk.fill();
    assert_eq!(launch.refused().0, "record");
}

#[test]
fn a_disk_that_fills_later_loses_output_and_not_the_end() {
    let launch = Launch::empty();
    let Some(disk) = SmallDisk::mount(&launch.dir) else { return };
    write_spec(&launch);
    launch.start();
    disk.fill();
    let mut control = launch.control();
    control.line();
    control.ask(r#"{"cmd":"signal","signal":9}"#);
    assert_eq!(int(&control.line().expect("the end"), "signal"), 9);
    assert_eq!(control.line(), None);
    assert_eq!(int(&launch.record(), "signal"), 9);
}
