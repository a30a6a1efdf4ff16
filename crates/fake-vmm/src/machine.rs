//! The loop: one poll over monitors, the agent's port, the console and signals.

use crate::args::Config;
use crate::faults::Faults;
use crate::port::Event;
use crate::qmp::monitor::Monitor;
use crate::vm::Vm;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use viv_launcher::json::{object, Value};
use viv_launcher::sys;

const BUFFER: usize = 64 << 10;

/// Each port has two entries in the poll: input and output.
const ENTRIES: usize = 2;

pub struct Machine {
    vm: Vm,
    monitors: Vec<Monitor>,
    signals: OwnedFd,
}

impl Machine {
    pub fn new(config: Config, faults: Faults) -> io::Result<Machine> {
        let places = config.monitors.clone();
        let vm = Vm::new(config, faults)?;
        let monitors = places.iter().map(|place| Monitor::open(place, &vm)).collect::<io::Result<Vec<Monitor>>>()?;
        Ok(Machine { vm, monitors, signals: ending_signals()? })
    }

    /// Runs to the end of the VM: the exit code.
    pub fn run(mut self) -> io::Result<i32> {
        let mut buffer = vec![0; BUFFER];
        loop {
            self.vm.advance();
            self.tell_events();
            if let Some(code) = self.vm.exit {
                return Ok(code);
            }
            self.turn(&mut buffer)?;
        }
    }

    fn turn(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut entries = vec![sys::poll_entry(self.signals.as_raw_fd(), libc::POLLIN)];
        entries.extend(self.monitors.iter().flat_map(Monitor::entries));
        let agent_at = entries.len();
        let running = self.vm.is_running();
        entries.extend(self.vm.agent.iter().flat_map(|agent| agent.entries(running, &self.vm.faults)));
        let console_at = entries.len();
        entries.extend(self.vm.console.iter().flat_map(|console| console.entries(true)));
        // Rounded up, so that a timer is due when the poll ends.
        let timeout = self.vm.quiet_for().map_or(-1, |quiet| i32::try_from(quiet.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
        sys::poll(&mut entries, timeout)?;

        let ready: Vec<bool> = entries.iter().map(|entry| entry.revents != 0).collect();
        if ready[0] {
            self.end_by_signal();
        }
        for (index, ports) in ready[1..agent_at].chunks(ENTRIES).enumerate() {
            self.serve_monitor(index, ports, buffer);
        }
        if let Some([input, output]) = ready[agent_at..console_at].first_chunk() {
            self.serve_agent(*input, *output, buffer);
        }
        if let Some([input, output]) = ready[console_at..].first_chunk() {
            self.serve_console(*input, *output, buffer);
        }
        Ok(())
    }

    fn serve_monitor(&mut self, index: usize, ready: &[bool], buffer: &mut [u8]) {
        if ready.get(1) == Some(&true) {
            self.monitors[index].flush();
        }
        if !ready[0] {
            return;
        }
        for text in self.monitors[index].input(buffer, &mut self.vm) {
            let answer = self.monitors[index].handle(&text, &mut self.vm);
            // QEMU tells of what a command did before it answers it.
            self.tell_events();
            if let Some(answer) = answer {
                self.monitors[index].write(answer, &self.vm);
            }
        }
    }

    fn serve_agent(&mut self, input: bool, output: bool, buffer: &mut [u8]) {
        if let Some(agent) = self.vm.agent.as_mut().filter(|_| output) {
            agent.port.flush();
        }
        // A monitor's command may just have stopped the guest.
        if input && self.vm.is_running() {
            self.vm.agent_input(buffer);
        }
    }

    /// What is typed comes back, as from a terminal.
    fn serve_console(&mut self, input: bool, output: bool, buffer: &mut [u8]) {
        let Some(console) = &mut self.vm.console else { return };
        if output {
            console.flush();
        }
        if let Event::Data(count) = if input { console.input(buffer) } else { Event::Nothing } {
            console.send(&buffer[..count]);
        }
    }

    fn tell_events(&mut self) {
        for event in std::mem::take(&mut self.vm.events) {
            self.monitors.iter_mut().for_each(|monitor| monitor.tell(&event, &self.vm));
        }
    }

    fn end_by_signal(&mut self) {
        let mut information = [0; 128];
        if sys::read(self.signals.as_fd(), &mut information).is_ok() {
            self.vm.emit("SHUTDOWN", Some(object([("guest", Value::from(false)), ("reason", Value::from("host-signal"))])));
            self.vm.exit = Some(0);
        }
    }
}

/// SIGTERM, SIGINT and SIGHUP end the machine in order, as with QEMU.
fn ending_signals() -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised before it is used; the new descriptor is ours alone.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(&mut set, signal);
        }
        sys::check(libc::sigprocmask(libc::SIG_BLOCK, &set, std::ptr::null_mut()))?;
        let fd = sys::check(libc::signalfd(-1, &set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}
