//! DeviceService: what the guest's kernel says of a device that was plugged in, or is to go.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use crate::agent::Agent;
use crate::boot::uevents::Uevents;
use crate::devices::block;
use crate::devices::function::{self, Function};
use crate::devices::place::Place;
use crate::devices::wait::{self, Found, ROOT};
use crate::proto::vivarium::agent::v1 as agent;
use crate::storage::table::blocking;
use crate::ttrpc::status::{Result, Status};

const LONGEST: Duration = Duration::from_secs(60);

pub async fn await_device(agent: Rc<Agent>, request: agent::AwaitDeviceRequest) -> Result<agent::AwaitDeviceResponse> {
    let (place, limit) = (Place::parse(&request.place)?, limit(request.timeout_ms));
    // The disk's driver is among them.
    agent.late.done().await;
    blocking(move || wait::for_disk(&place, limit).map(told)).await
}

fn told(Found { device, disk, node }: Found) -> agent::AwaitDeviceResponse {
    agent::AwaitDeviceResponse {
        pci_address: device.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(),
        path: node.to_string_lossy().into_owned(),
        size_bytes: disk.size_bytes,
        serial: disk.serial,
        read_only: disk.read_only,
    }
}

pub async fn await_function(agent: Rc<Agent>, request: agent::AwaitFunctionRequest) -> Result<agent::AwaitFunctionResponse> {
    let (place, limit) = (Place::parse(&request.place)?, limit(request.timeout_ms));
    agent.late.done().await;
    let found = blocking(move || wait::for_function(&place, limit)).await?;
    let Function { address, class, vendor, device, driver, nodes, interfaces } = found;
    Ok(agent::AwaitFunctionResponse { pci_address: address, class_code: class, vendor, device, driver, nodes, interfaces })
}

pub async fn release_device(_: Rc<Agent>, request: agent::ReleaseDeviceRequest) -> Result<agent::ReleaseDeviceResponse> {
    let place = Place::parse(&request.place)?;
    blocking(move || {
        let disks = place.find(Path::new(ROOT)).map(|device| function::disks_of(&device)).unwrap_or_default();
        disks.iter().try_for_each(|disk| block::let_go(disk))
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
