//! DeviceService: what the guest's kernel says of a device that was plugged in, or is to go.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use crate::agent::Agent;
use crate::boot::uevents::Uevents;
use crate::devices::block::{self, Disk};
use crate::devices::place::Place;
use crate::proto::vivarium::agent::v1 as agent;
use crate::storage::table::blocking;
use crate::ttrpc::status::{Result, Status};

const ROOT: &str = "/sys/devices/pci0000:00";
const RESCAN: &str = "/sys/bus/pci/rescan";
const LONGEST: Duration = Duration::from_secs(60);

pub async fn await_device(agent: Rc<Agent>, request: agent::AwaitDeviceRequest) -> Result<agent::AwaitDeviceResponse> {
    let (place, limit) = (Place::parse(&request.place)?, limit(request.timeout_ms));
    // The disk's driver is among them.
    agent.late.done().await;
    blocking(move || {
        let events = Uevents::open().map_err(|e| Status::os("device events", e))?;
        let look = || place.find(Path::new(ROOT)).and_then(ready);
        let found = events.wait_for(limit / 2, look).map_or_else(
            || {
                // A guest that was booting, or whose bridge is not listened to, finds it when it looks itself.
                fs::write(RESCAN, "1").map_err(|e| Status::os(RESCAN, e))?;
                Ok(events.wait_for(limit / 2, look))
            },
            |found| Ok(Some(found)),
        )?;
        found.ok_or_else(|| Status::deadline(unseen(&request.place, place.find(Path::new(ROOT)), limit)))
    })
    .await
}

/// The device with its disk, once the disk can be opened.
fn ready(device: PathBuf) -> Option<agent::AwaitDeviceResponse> {
    let Disk { name, size_bytes, serial, read_only } = block::of_device(&device)?;
    let path = format!("/dev/{name}");
    Path::new(&path).exists().then(|| agent::AwaitDeviceResponse {
        pci_address: device.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        path,
        size_bytes,
        serial,
        read_only,
    })
}

fn unseen(place: &str, device: Option<PathBuf>, limit: Duration) -> String {
    match device {
        None => format!("the guest saw no device at {place} within {limit:?}"),
        Some(device) => {
            format!("the guest saw {} at {place}, but no driver made a disk of it within {limit:?}", device.display())
        }
    }
}

pub async fn release_device(_: Rc<Agent>, request: agent::ReleaseDeviceRequest) -> Result<agent::ReleaseDeviceResponse> {
    let place = Place::parse(&request.place)?;
    blocking(move || {
        let disk = place.find(Path::new(ROOT)).and_then(|device| block::of_device(&device));
        disk.map_or(Ok(()), |disk| block::let_go(&Path::new("/dev").join(disk.name)))
    })
    .await?;
    Ok(agent::ReleaseDeviceResponse {})
}

pub async fn await_gone(_: Rc<Agent>, request: agent::AwaitGoneRequest) -> Result<agent::AwaitGoneResponse> {
    let (place, limit) = (Place::parse(&request.place)?, limit(request.timeout_ms));
    blocking(move || {
        let events = Uevents::open().map_err(|e| Status::os("device events", e))?;
        let gone = events.wait_for(limit, || place.find(Path::new(ROOT)).is_none().then_some(()));
        gone.ok_or_else(|| Status::deadline(format!("the guest still had a device at {} after {limit:?}", request.place)))
    })
    .await?;
    Ok(agent::AwaitGoneResponse {})
}

fn limit(timeout_ms: u32) -> Duration {
    Duration::from_millis(timeout_ms.into()).min(LONGEST)
}
