//! The agent at work, as PID 1 of a guest or, for tests, as an ordinary process.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use tokio::task::{spawn_local, LocalSet};

use crate::agent::Agent;
use crate::facts::{uptime, Facts};
use crate::late::Late;
use crate::process::reaper::Signals;
use crate::rpc::routes::Services;
use crate::runtime::client::Runtime;
use crate::transport::channel::Channel;
use crate::transport::listen::Server;

/// Stack of a thread that does blocking work: mounts, file copies, cgroup files.
const STACK: usize = 256 * 1024;

/// What was made before threads may exist.
pub struct Prepared {
    pub facts: Facts,
    pub signals: Signals,
    pub zygote: OwnedFd,
}

/// Serves until told to end: by DestroySandbox, a signal, or the channel's failure.
pub fn run(prepared: Prepared, channel: &Channel, late: impl FnOnce() -> io::Result<Late>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_stack_size(STACK)
        .max_blocking_threads(32)
        .build()?;
    let Prepared { facts, signals, zygote } = prepared;
    let local = LocalSet::new();
    local.block_on(&runtime, async move {
        let agent = Agent::new(facts, Runtime::new(zygote), late()?)?;
        let server = Server { instance: agent.facts.instance, service: Rc::new(Services(agent.clone())), budget: Rc::default() };
        if matches!(channel, Channel::Vsock { .. }) {
            // Its drivers may be among the late modules: they are not needed where the channel is serial.
            agent.late.done().await;
        }
        agent.facts.ready.set(uptime());
        let watch = spawn_local(agent.clone().tell_of_ooms());
        tokio::select! {
            served = server.run(channel) => served,
            signalled = signals.run(agent.reaper.clone()) => signalled,
            watched = watch => watched.map_err(io::Error::other).and_then(|result| result),
        }
    })
}
