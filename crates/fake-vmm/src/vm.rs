//! The machine as its monitor sees it: run state, devices, events, and the guest inside.

use crate::agent::port::{AgentPort, Wish};
use crate::agent::service::Facts;
use crate::args::Config;
use crate::clock::Clock;
use crate::disks::Disks;
use crate::faults::Faults;
use crate::port::Port;
use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use viv_launcher::json::{object, Value};

/// RunState of QAPI, as far as it is reached here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunState {
    Prelaunch,
    Running,
    Paused,
    Shutdown,
    GuestPanicked,
}

impl RunState {
    pub fn name(self) -> &'static str {
        match self {
            RunState::Prelaunch => "prelaunch",
            RunState::Running => "running",
            RunState::Paused => "paused",
            RunState::Shutdown => "shutdown",
            RunState::GuestPanicked => "guest-panicked",
        }
    }
}

/// Asked over the monitor; answered first, done then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    Quit,
    PowerDown,
    Reset,
}

/// Lines that a guest says while it boots, and one it repeats when it hangs.
const BOOT_LINES: [&str; 3] = ["[    0.000000] Linux version 6.1.0-fake", "[    0.001000] fake: kernel command line accepted", "[    0.002000] Run /init as init process"];
const HANG_LINE: &str = "fake: waiting for root device /dev/nothing";
const HANG_INTERVAL: Duration = Duration::from_millis(200);

pub struct Vm {
    pub config: Config,
    pub faults: Faults,
    pub state: RunState,
    pub agent: Option<AgentPort>,
    pub console: Option<Port>,
    /// (id, driver)
    pub devices: Vec<(String, String)>,
    pub disks: Disks,
    /// To be told to all monitors.
    pub events: Vec<Value>,
    /// Devices whose removal the guest has still to confirm, with the moment when it does.
    pub leaving: VecDeque<(Duration, String)>,
    /// What a monitor asked for and was answered; done at the next turn.
    pub asked: Option<Ask>,
    /// The process ends with this code.
    pub exit: Option<i32>,
    clock: Clock,
    boot_id: String,
    boot_at: Duration,
    booted: bool,
    hang_line_at: Option<Duration>,
    /// Held so that the other side sees our end.
    _outgoing: Vec<UnixStream>,
}

impl Vm {
    pub fn new(mut config: Config, faults: Faults) -> io::Result<Vm> {
        let agent = config.agent.as_ref().map(AgentPort::open).transpose()?;
        let console = config.console.as_ref().map(Port::open).transpose()?;
        let connect = |path: &String| UnixStream::connect(path).map_err(|error| io::Error::other(format!("Failed to connect to '{path}': {error}")));
        let outgoing = config.outgoing.iter().map(connect).collect::<io::Result<Vec<UnixStream>>>()?;
        let devices = std::mem::take(&mut config.devices);
        let disks = Disks::new(std::mem::take(&mut config.root_ports));
        let boot_at = Duration::from_millis(faults.number("boot-delay", 1000).unwrap_or(0));
        let mut vm = Vm {
            state: RunState::Prelaunch,
            agent,
            console,
            devices,
            disks,
            events: Vec::new(),
            leaving: VecDeque::new(),
            asked: None,
            exit: None,
            clock: Clock::stopped(),
            boot_id: std::fs::read_to_string("/proc/sys/kernel/random/uuid")?.trim().to_owned(),
            boot_at,
            booted: false,
            _outgoing: outgoing,
            hang_line_at: faults.has("boot-hang").then_some(Duration::ZERO),
            config,
            faults,
        };
        if !vm.config.paused_at_start {
            vm.state = RunState::Running;
            vm.clock.start();
        }
        Ok(vm)
    }

    pub fn is_running(&self) -> bool {
        self.state == RunState::Running
    }

    pub fn now(&self) -> Duration {
        self.clock.now()
    }

    fn facts(&self) -> Facts {
        let disks = if self.faults.has("plug-unseen") { Vec::new() } else { self.disks.seen_by_guest() };
        Facts { memory_bytes: self.config.memory_bytes, cpus: self.config.cpus, boot_id: self.boot_id.clone(), now: self.now(), disks }
    }

    /// How long nothing happens by itself; `None`: for ever.
    pub fn quiet_for(&self) -> Option<Duration> {
        if !self.is_running() {
            return None;
        }
        let boot = (!self.booted && self.hang_line_at.is_none()).then_some(self.boot_at);
        let agent = self.agent.as_ref().filter(|_| self.booted).and_then(AgentPort::wake);
        let leaving = self.leaving.front().map(|(at, _)| *at);
        let next = boot.into_iter().chain(self.hang_line_at).chain(agent).chain(leaving).min();
        next.map(|at| at.saturating_sub(self.now()))
    }

    /// The driver of the device at a QOM path.
    pub fn device_at(&self, path: &str) -> Option<&str> {
        let id = path.strip_prefix("/machine/peripheral/")?;
        self.devices.iter().find(|(known, _)| known == id).map(|(_, driver)| driver.as_str())
    }

    pub fn agent_input(&mut self, buffer: &mut [u8]) {
        let facts = self.facts();
        if let Some(agent) = &mut self.agent {
            agent.input(buffer, &mut self.faults, &facts);
        }
    }

    fn do_asked(&mut self) {
        match self.asked.take() {
            Some(Ask::Quit) => {
                self.emit("SHUTDOWN", Some(object([("guest", Value::from(false)), ("reason", Value::from("host-qmp-quit"))])));
                self.exit = Some(0);
            }
            Some(Ask::PowerDown) => {
                self.emit("POWERDOWN", None);
                if self.is_running() && !self.faults.has("ignore-powerdown") {
                    self.guest_shutdown();
                }
            }
            Some(Ask::Reset) => self.reset(),
            None => {}
        }
    }

    /// Lets the guest go on as far as its clock allows.
    pub fn advance(&mut self) {
        self.do_asked();
        if !self.is_running() {
            return;
        }
        self.advance_boot();
        let facts = self.facts();
        while let Some((_, id)) = self.leaving.pop_front_if(|(at, _)| *at <= facts.now) {
            self.devices.retain(|(known, _)| *known != id);
            if self.disks.is_disk(&id) {
                // Its backend goes first, and has a path and no id.
                let backend = object([("path", Value::Str(format!("/machine/peripheral/{id}/virtio-backend")))]);
                self.emit("DEVICE_DELETED", Some(backend));
            }
            self.disks.unplug(&id);
            let data = object([("device", Value::from(id.as_str())), ("path", Value::Str(format!("/machine/peripheral/{id}")))]);
            self.emit("DEVICE_DELETED", Some(data));
        }
        let Some(agent) = self.agent.as_mut().filter(|_| self.booted) else { return };
        for wish in agent.advance(&mut self.faults, &facts) {
            match wish {
                Wish::PowerOff => self.guest_shutdown(),
                Wish::Panic => self.guest_panic(),
                Wish::Die => die(),
            }
        }
    }

    fn advance_boot(&mut self) {
        let now = self.now();
        if let Some(at) = self.hang_line_at.filter(|at| *at <= now) {
            self.hang_line_at = Some(at + HANG_INTERVAL);
            self.say(HANG_LINE);
        }
        if self.booted || self.hang_line_at.is_some() || now < self.boot_at {
            return;
        }
        BOOT_LINES.iter().for_each(|line| self.say(line));
        if self.faults.take("boot-panic").is_some() {
            self.say("[    0.003000] Kernel panic - not syncing: fake");
            return self.guest_panic();
        }
        self.booted = true;
        self.say("fake-agent: ready");
        if let Some(agent) = &mut self.agent {
            agent.boot();
        }
    }

    /// A line on the console.
    pub fn say(&mut self, line: &str) {
        if let Some(console) = &mut self.console {
            console.send(format!("{line}\r\n").as_bytes());
        }
    }

    pub fn emit(&mut self, event: &str, data: Option<Value>) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = object([("seconds", Value::from(since.as_secs() as i64)), ("microseconds", Value::from(i64::from(since.subsec_micros())))]);
        let mut entries = vec![("timestamp".to_owned(), stamp), ("event".to_owned(), Value::from(event))];
        entries.extend(data.map(|data| ("data".to_owned(), data)));
        self.events.push(Value::Object(entries));
    }

    pub fn stop(&mut self, state: RunState) {
        if self.is_running() {
            self.clock.stop();
            self.emit("STOP", None);
        }
        self.state = state;
    }

    pub fn resume(&mut self) {
        if !self.is_running() {
            self.state = RunState::Running;
            self.clock.start();
            self.emit("RESUME", None);
        }
    }

    /// The guest has powered itself off.
    fn guest_shutdown(&mut self) {
        self.say("[   99.000000] reboot: Power down");
        self.emit("SHUTDOWN", Some(object([("guest", Value::from(true)), ("reason", Value::from("guest-shutdown"))])));
        self.end_or_stay(RunState::Shutdown, 0);
    }

    fn guest_panic(&mut self) {
        self.say("[   99.000000] Kernel panic - not syncing: fake");
        let action = if self.config.panic_action == "pause" { "pause" } else { "poweroff" };
        self.emit("GUEST_PANICKED", Some(object([("action", Value::from(action))])));
        match self.config.panic_action.as_str() {
            "pause" => self.stop(RunState::GuestPanicked),
            "exit-failure" => self.exit = Some(1),
            _ => {
                self.emit("SHUTDOWN", Some(object([("guest", Value::from(true)), ("reason", Value::from("guest-panic"))])));
                self.end_or_stay(RunState::Shutdown, 0);
            }
        }
    }

    fn end_or_stay(&mut self, state: RunState, code: i32) {
        if self.config.stay_after_shutdown {
            self.stop(state);
        } else {
            self.exit = Some(code);
        }
    }

    /// The guest begins from its kernel again.
    fn reset(&mut self) {
        let why = object([("guest", Value::from(false)), ("reason", Value::from("host-qmp-system-reset"))]);
        if self.config.end_at_reset {
            self.emit("SHUTDOWN", Some(why));
            return self.end_or_stay(RunState::Shutdown, 0);
        }
        self.emit("RESET", Some(why));
        self.boot_at = self.now();
        self.booted = false;
        if let Some(agent) = &mut self.agent {
            agent.reset();
        }
    }
}

/// The end that a crash of the VMM is.
pub fn die() -> ! {
    // SAFETY: signals this very process.
    unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    std::process::abort()
}
