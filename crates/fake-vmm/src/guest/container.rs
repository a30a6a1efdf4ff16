//! One container: its first process and the execs in it.

use crate::guest::process::Process;
use std::collections::BTreeMap;

pub struct Container {
    pub id: String,
    pub init: Process,
    pub execs: BTreeMap<String, Process>,
    pub started: bool,
    pub paused: bool,
    /// An exec hangs in it and holds whatever else is asked of it.
    pub stuck: bool,
    /// Bytes; 0 is no limit.
    pub memory_limit: u64,
    /// Only the start finds out that it is not.
    pub command_found: bool,
}

impl Container {
    /// An empty exec id, or the container's own, is its first process.
    pub fn process(&mut self, exec: &str) -> Option<&mut Process> {
        if exec.is_empty() || exec == self.id { Some(&mut self.init) } else { self.execs.get_mut(exec) }
    }

    /// With exec ids; the first process has an empty one.
    pub fn processes(&self) -> impl Iterator<Item = (&str, &Process)> {
        std::iter::once(("", &self.init)).chain(self.execs.iter().map(|(id, process)| (id.as_str(), process)))
    }

    pub fn processes_mut(&mut self) -> impl Iterator<Item = (&str, &mut Process)> {
        std::iter::once(("", &mut self.init)).chain(self.execs.iter_mut().map(|(id, process)| (id.as_str(), process)))
    }

    pub fn kill_all(&mut self) {
        for (_, process) in self.processes_mut().filter(|(_, process)| process.runs()) {
            process.end(128 + 9, false);
        }
    }
}
