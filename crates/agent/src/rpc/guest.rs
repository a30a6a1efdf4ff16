//! AgentService and Health: the guest as a whole.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::rc::Rc;

use nix::sys::time::TimeSpec;
use nix::time::{clock_settime, ClockId};

use crate::agent::Agent;
use crate::facts::{line, PROTOCOL_VERSION, VERSION};
use crate::proto::grpc;
use crate::storage::handlers::DRIVERS;
use crate::ttrpc::status::{Result, Status};

const MEMORY: &str = "/sys/devices/system/memory";
/// Seed bytes that are taken; more of them add nothing.
const MAX_SEED: usize = 4096;

pub async fn check() -> Result<grpc::HealthCheckResponse> {
    Ok(grpc::HealthCheckResponse { status: grpc::health_check_response::ServingStatus::Serving as i32 })
}

pub async fn version() -> Result<grpc::VersionCheckResponse> {
    Ok(grpc::VersionCheckResponse { grpc_version: PROTOCOL_VERSION.into(), agent_version: VERSION.into() })
}

pub async fn oom_event(agent: Rc<Agent>, _: grpc::GetOomEventRequest) -> Result<grpc::OomEvent> {
    Ok(grpc::OomEvent { container_id: agent.events.next_oom().await })
}

pub async fn details(agent: Rc<Agent>, request: grpc::GuestDetailsRequest) -> Result<grpc::GuestDetailsResponse> {
    let block_size = || u64::from_str_radix(line(&format!("{MEMORY}/block_size_bytes")).as_str(), 16).unwrap_or(0);
    Ok(grpc::GuestDetailsResponse {
        mem_block_size_bytes: if request.mem_block_size { block_size() } else { 0 },
        agent_details: Some(grpc::AgentDetails {
            version: VERSION.into(),
            init_daemon: agent.facts.is_init,
            device_handlers: Vec::new(),
            storage_handlers: DRIVERS.iter().map(|&driver| driver.into()).collect(),
            supports_seccomp: true,
            extra_features: Vec::new(),
        }),
        support_mem_hotplug_probe: request.mem_hotplug_probe && PathBuf::from(MEMORY).join("probe").exists(),
    })
}

pub async fn probe_memory(_: Rc<Agent>, request: grpc::MemHotplugByProbeRequest) -> Result<()> {
    for address in request.mem_hotplug_probe_addr {
        fs::write(format!("{MEMORY}/probe"), format!("{address:#x}")).map_err(|e| Status::os("memory probe", e))?;
    }
    Ok(())
}

/// Mixes the bytes into the kernel's pool, counts them as random, and has its generator use them.
pub async fn reseed(_: Rc<Agent>, request: grpc::ReseedRandomDevRequest) -> Result<()> {
    #[repr(C)]
    struct Entropy {
        bits: libc::c_int,
        bytes: libc::c_int,
        data: [u8; MAX_SEED],
    }
    nix::ioctl_write_ptr!(add, b'R', 0x03, [libc::c_int; 2]);
    nix::ioctl_none!(reseed_generator, b'R', 0x07);
    let length = request.data.len().min(MAX_SEED);
    let mut entropy = Entropy { bits: (length * 8) as i32, bytes: length as i32, data: [0; MAX_SEED] };
    entropy.data[..length].copy_from_slice(&request.data[..length]);
    let device = fs::File::options().write(true).open("/dev/urandom").map_err(|e| Status::os("/dev/urandom", e))?;
    // SAFETY: the request reads two numbers and as many bytes behind them as the second says; the structure holds them all.
    unsafe { add(device.as_raw_fd(), (&raw const entropy).cast()) }.map_err(|e| Status::os("seed", e))?;
    // SAFETY: this request takes nothing.
    unsafe { reseed_generator(device.as_raw_fd()) }.map(drop).map_err(|e| Status::os("seed", e))
}

pub async fn set_time(_: Rc<Agent>, request: grpc::SetGuestDateTimeRequest) -> Result<()> {
    if !(0..1_000_000).contains(&request.usec) {
        return Err(Status::invalid("Usec: it takes 0 to 999999"));
    }
    let time = TimeSpec::new(request.sec, request.usec * 1000);
    clock_settime(ClockId::CLOCK_REALTIME, time).map_err(|e| Status::os("clock", e))
}
