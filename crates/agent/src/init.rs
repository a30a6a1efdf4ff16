//! PID 1 of a guest, from the kernel's hand-over to the end of the machine.

use std::fs;
use std::time::Duration;

use crate::boot::{console, filesystems, loopback, modules, power, uevents::Uevents};
use crate::cgroup::group;
use crate::facts::Facts;
use crate::late::Late;
use crate::process::reaper::Signals;
use crate::runtime::zygote;
use crate::serve::{self, Prepared};
use crate::transport::channel::{Channel, PORT_NAME};

/// A device that the kernel has not shown by then is not coming.
const DEVICE_LIMIT: Duration = Duration::from_secs(10);

/// Runs the guest. Ends with the machine; if even that fails, the kernel panics, which the host sees.
pub fn main() -> ! {
    let facts = Facts::new(true);
    let result = boot(facts);
    if let Err(error) = result {
        eprintln!("viv-agent: {error}");
    }
    let refused = power::off();
    eprintln!("viv-agent: power off: {refused}");
    std::process::exit(1)
}

fn boot(facts: Facts) -> Result<(), String> {
    filesystems::leave_initramfs().map_err(|e| format!("leaving the initramfs: {e}"))?;
    report(filesystems::mount_first());
    console::settle().map_err(|e| format!("console: {e}"))?;
    let channel = Channel::from_cmdline(&fs::read_to_string("/proc/cmdline").unwrap_or_default());
    let uevents = Uevents::open().map_err(|e| format!("device events: {e}"))?;
    for failure in modules::load(modules::BOOT) {
        eprintln!("viv-agent: module {failure}");
    }
    report(filesystems::mount_rest());
    let zygote = zygote::launch().map_err(|e| format!("zygote: {e}"))?;
    let signals = Signals::block().map_err(|e| format!("signals: {e}"))?;
    report(group::delegate().map_err(|e| format!("cgroups: {e}")));
    report(loopback::bring_up().map_err(|e| format!("lo: {e}")));
    if channel == Channel::Serial && uevents.wait_for(DEVICE_LIMIT, serial_port).is_none() {
        return Err(format!("no virtio-serial port is named {PORT_NAME}"));
    }
    drop(uevents);
    serve::run(Prepared { facts, signals, zygote }, &channel, Late::begin).map_err(|e| format!("channel: {e}"))
}

fn serial_port() -> Option<()> {
    crate::transport::listen::find_port().ok().map(drop)
}

/// What fails here is missed by those who need it; the guest can still answer and say so.
fn report(result: Result<(), String>) {
    if let Err(error) = result {
        eprintln!("viv-agent: {error}");
    }
}
