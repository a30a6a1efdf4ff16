//! A process that looks like QEMU with a guest in it: same command line, same sockets, simulated inside. See README.md.

use fake_vmm::args::{self, Config};
use fake_vmm::faults::Faults;
use fake_vmm::machine::Machine;
use std::process::ExitCode;

/// Larger pieces of memory go back to the kernel as soon as they are free: hundreds of these run at once.
const RETURN_BYTES: libc::c_int = 64 << 10;

fn main() -> ExitCode {
    // SAFETY: sets two numbers of the allocator before any thread exists.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, RETURN_BYTES);
        libc::mallopt(libc::M_TRIM_THRESHOLD, RETURN_BYTES);
    }
    let argv: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let config = args::parse(&argv);
    let mut faults = Faults::default();
    if let Err(problem) = faults.add(&config.fault).and_then(|()| faults.add_from_append(&config.append)) {
        eprintln!("fake-vmm: {problem}");
        return ExitCode::from(2);
    }
    if config.version_only {
        println!("QEMU emulator version {} (fake-vmm)", if faults.has("old-version") { "4.2.0" } else { "7.2.22" });
        return ExitCode::SUCCESS;
    }
    if let Some(option) = &config.help {
        return help(option);
    }
    if let Some(code) = faults.number("exit-at-start", 1) {
        eprintln!("fake-vmm: exit-at-start: could not set up the machine");
        return ExitCode::from(code as u8);
    }
    run(config, faults)
}

fn run(config: Config, faults: Faults) -> ExitCode {
    match Machine::new(config, faults).and_then(Machine::run) {
        Ok(code) => ExitCode::from(code as u8),
        Err(problem) => {
            eprintln!("fake-vmm: {problem}");
            ExitCode::FAILURE
        }
    }
}

const DEVICES: &str = "name \"vhost-user-fs-pci\", bus PCI\nname \"pvpanic-pci\", bus PCI\nname \"virtio-serial-pci\", bus PCI, alias \"virtio-serial\"\n\
    name \"virtio-rng-pci\", bus PCI\nname \"virtio-blk-pci\", bus PCI\nname \"virtio-net-pci\", bus PCI\nname \"virtio-mem-pci\", bus PCI\n\
    name \"virtio-balloon-pci\", bus PCI";

/// `-accel help` and its like.
fn help(option: &str) -> ExitCode {
    let text = match option {
        // No kvm: nothing runs on a processor here, and a probe that tries would wait for it.
        "accel" => "Accelerators supported in QEMU binary:\ntcg",
        "machine" | "M" => "Supported machines are:\nmicrovm              microvm (i386)\nq35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)",
        "device" => DEVICES,
        "cpu" => "Available CPUs:\nx86 host\nx86 max",
        _ => "",
    };
    println!("{text}");
    ExitCode::SUCCESS
}
