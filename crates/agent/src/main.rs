//! viv-agent, the guest agent of Vivarium: PID 1 of a sandbox's virtual machine.

use std::process::ExitCode;

mod agent;
mod boot;
mod cgroup;
mod containers;
mod descriptor;
mod devices;
mod events;
mod facts;
mod init;
mod late;
mod link;
mod oci;
mod process;
mod proto;
mod rpc;
mod runtime;
mod serve;
mod storage;
mod transport;
mod ttrpc;

const USAGE: &str = "usage: viv-agent --version | --serve unix:PATH | --serve unix-plain:PATH";

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::main();
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version"] => {
            println!("viv-agent {}", facts::VERSION);
            ExitCode::SUCCESS
        }
        [runtime::zygote::WORD] => runtime::zygote::main(),
        ["--serve", address] => match transport::channel::Channel::from_argument(address) {
            Some(channel) => serve_here(&channel),
            None => usage(),
        },
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::from(2)
}

/// The same server as an ordinary process, for tests: what needs a guest of its own fails with the reason.
fn serve_here(channel: &transport::channel::Channel) -> ExitCode {
    let prepared = || -> nix::Result<serve::Prepared> {
        let facts = facts::Facts::new(false);
        let zygote = runtime::zygote::launch()?;
        // Containers' processes become ours when the worker that made them ends, as they do for PID 1.
        nix::sys::prctl::set_child_subreaper(true)?;
        let signals = process::reaper::Signals::block()?;
        Ok(serve::Prepared { facts, signals, zygote })
    };
    let served =
        prepared().map_err(std::io::Error::from).and_then(|prepared| serve::run(prepared, channel, || Ok(late::Late::none())));
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("viv-agent: {error}");
            ExitCode::FAILURE
        }
    }
}
