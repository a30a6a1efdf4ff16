//! The simulated guest: what an agent would know of its containers.

pub mod calls;
pub mod container;
pub mod process;
pub mod program;
pub mod reply;
pub mod streams;

use crate::agent::wire::Builder;
use container::Container;
use process::Process;
use reply::{Code, Replies};
use std::collections::BTreeMap;
use std::time::Duration;

pub struct Guest {
    pub sandbox: Option<String>,
    pub hostname: String,
    pub containers: BTreeMap<String, Container>,
    /// Containers whose creation was cut off: the next create fails.
    pub half_made: Vec<String>,
    /// GetOOMEvent calls that wait, and OOMs that nobody has been told of by them.
    oom_calls: Vec<u32>,
    ooms: Vec<String>,
    /// Events calls.
    listeners: Vec<u32>,
    next_pid: u32,
}

impl Default for Guest {
    fn default() -> Guest {
        Guest {
            sandbox: None,
            hostname: "fake".to_owned(),
            containers: BTreeMap::new(),
            half_made: Vec::new(),
            oom_calls: Vec::new(),
            ooms: Vec::new(),
            listeners: Vec::new(),
            next_pid: 100,
        }
    }
}

impl Guest {
    pub fn new_pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }

    pub fn container(&mut self, id: &str) -> Result<&mut Container, (Code, String)> {
        self.containers.get_mut(id).ok_or_else(|| (Code::NotFound, format!("InvalidContainerId: there is no container {id:?}")))
    }

    pub fn process(&mut self, id: &str, exec: &str) -> Result<&mut Process, (Code, String)> {
        let container = self.container(id)?;
        container.process(exec).ok_or_else(|| (Code::NotFound, format!("InvalidExecId: container {id} has no exec {exec:?}")))
    }

    /// When the guest's clock has to reach for something to happen by itself.
    pub fn wake(&self) -> Option<Duration> {
        let running = self.containers.values().filter(|container| !container.paused);
        running.flat_map(Container::processes).filter_map(|(_, process)| process.wake()).min()
    }

    /// Lets everything go on as far as it can.
    pub fn run(&mut self, now: Duration, replies: &mut Replies) {
        let mut ended = Vec::new();
        for (id, container) in &mut self.containers {
            let paused = container.paused;
            for (exec, process) in container.processes_mut() {
                loop {
                    if !paused {
                        process.run(now);
                    }
                    if !process.serve(replies) {
                        break;
                    }
                }
                if let Some(exit) = process.exit_to_tell() {
                    ended.push(Builder::new().text(1, id).text(2, exec).message(3, exit));
                }
            }
        }
        for event in ended {
            self.tell(2, event, replies);
        }
    }

    /// Sends an event to all that listen.
    fn tell(&self, field: u64, event: Builder, replies: &mut Replies) {
        let message = Builder::new().message(field, event).finish();
        self.listeners.iter().for_each(|stream| replies.data(*stream, message.clone()));
    }

    pub fn listen(&mut self, stream: u32) {
        self.listeners.push(stream);
    }

    pub fn await_oom(&mut self, call: u32, replies: &mut Replies) {
        self.oom_calls.push(call);
        self.answer_oom_calls(replies);
    }

    /// The kernel killed a container for want of memory. Without an id: the first that runs. False when there is none.
    pub fn oom(&mut self, id: &str, replies: &mut Replies) -> bool {
        let found = self.containers.iter_mut().find(|(key, container)| (id.is_empty() || *key == id) && container.init.runs());
        let Some((id, container)) = found else { return false };
        container.init.end(128 + 9, true);
        let id = id.clone();
        self.tell(1, Builder::new().text(1, &id), replies);
        self.ooms.push(id);
        self.answer_oom_calls(replies);
        true
    }

    fn answer_oom_calls(&mut self, replies: &mut Replies) {
        while !self.oom_calls.is_empty() && !self.ooms.is_empty() {
            let (call, id) = (self.oom_calls.remove(0), self.ooms.remove(0));
            replies.answer(call, Ok(Builder::new().text(1, &id).finish()));
        }
    }

    /// The link began anew.
    pub fn forget_calls(&mut self) {
        self.oom_calls.clear();
        self.listeners.clear();
        for container in self.containers.values_mut() {
            container.stuck = false;
            container.processes_mut().for_each(|(_, process)| process.forget_calls());
        }
    }
}
