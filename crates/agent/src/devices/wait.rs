//! Waiting for what was plugged in.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::block::{self, Disk};
use super::function::Function;
use super::place::Place;
use crate::boot::uevents::Uevents;
use crate::ttrpc::status::{Result, Status};

pub const ROOT: &str = "/sys/devices/pci0000:00";
const RESCAN: &str = "/sys/bus/pci/rescan";

/// A function that is there may have no driver in this guest, or one that makes nothing with a name of it: so long it is waited for.
const DRIVER: Duration = Duration::from_secs(2);

/// A device of the PCI bus, and the disk that a driver made of it.
pub struct Found {
    pub device: PathBuf,
    pub disk: Disk,
    /// `/dev/vda`
    pub node: PathBuf,
}

/// Blocks until there is a disk at this place that can be opened. DEADLINE_EXCEEDED tells what was seen instead.
pub fn for_disk(place: &Place, limit: Duration) -> Result<Found> {
    let look = || place.find(Path::new(ROOT)).and_then(ready);
    // A guest that was booting, or whose bridge is not listened to, finds it when it looks itself.
    let rescan = || fs::write(RESCAN, "1").map_err(|e| Status::os(RESCAN, e));
    until(limit, look, rescan)?.ok_or_else(|| Status::deadline(unseen(place, place.find(Path::new(ROOT)), limit)))
}

/// Blocks until there is a PCI function at this place, and its driver had the time to take it. DEADLINE_EXCEEDED when there is none.
pub fn for_function(place: &Place, limit: Duration) -> Result<Function> {
    let events = Uevents::open().map_err(|e| Status::os("device events", e))?;
    let look = || place.find(Path::new(ROOT));
    let rescan = || fs::write(RESCAN, "1").map_err(|e| Status::os(RESCAN, e));
    let device = until(limit, look, rescan)?;
    let device = device.ok_or_else(|| Status::deadline(unseen(place, None, limit)))?;
    let ready = events.wait_for(DRIVER.min(limit), || Some(Function::read(&device)).filter(Function::is_ready));
    Ok(ready.unwrap_or_else(|| Function::read(&device)))
}

/// Looks after each event of the kernel; half of the time gone, `nudge` makes it look anew.
pub fn until<T>(limit: Duration, look: impl Fn() -> Option<T>, nudge: impl FnOnce() -> Result<()>) -> Result<Option<T>> {
    let events = Uevents::open().map_err(|e| Status::os("device events", e))?;
    if let Some(found) = events.wait_for(limit / 2, &look) {
        return Ok(Some(found));
    }
    nudge()?;
    Ok(events.wait_for(limit / 2, &look))
}

/// A disk has its node a moment before it can be opened (ENXIO until then); the kernel tells of it once it can.
pub fn can_be_opened(node: &Path) -> bool {
    fs::File::open(node).is_ok()
}

fn ready(device: PathBuf) -> Option<Found> {
    let disk = block::of_device(&device)?;
    let node = Path::new("/dev").join(&disk.name);
    can_be_opened(&node).then_some(Found { device, disk, node })
}

fn unseen(place: &Place, device: Option<PathBuf>, limit: Duration) -> String {
    match device {
        None => format!("the guest saw no device at {place} within {limit:?}"),
        Some(device) => {
            format!("the guest saw {} at {place}, but no driver made a disk of it within {limit:?}", device.display())
        }
    }
}
