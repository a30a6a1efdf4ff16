//! One monitor and its client: greeting, negotiation, answers, events, and the faults of all that.

use crate::args::Place;
use crate::port::{Event, Port};
use crate::qmp::commands::{self, Failure};
use crate::qmp::split::Splitter;
use crate::vm::Vm;
use std::io;
use viv_launcher::json::{self, object, Value};

/// Longer than a line reader's usual limit, shorter than QMP's own.
const HUGE_LINE: usize = 20 << 20;

pub struct Monitor {
    port: Port,
    splitter: Splitter,
    negotiated: bool,
    handled: u64,
}

impl Monitor {
    pub fn open(place: &Place, vm: &Vm) -> io::Result<Monitor> {
        let mut monitor = Monitor { port: Port::open(place)?, splitter: Splitter::default(), negotiated: false, handled: 0 };
        if monitor.port.is_connected() {
            monitor.greet(vm);
        }
        Ok(monitor)
    }

    pub fn entries(&self) -> [libc::pollfd; 2] {
        self.port.entries(true)
    }

    pub fn flush(&mut self) {
        self.port.flush();
    }

    fn greet(&mut self, vm: &Vm) {
        self.splitter = Splitter::default();
        self.negotiated = false;
        if vm.faults.has("qmp-no-greeting") {
            return;
        }
        if vm.faults.has("qmp-garbage") {
            return self.port.send(b"\x00\xff{\"QMP\": not JSON at all\r\n}}}]\r\n");
        }
        let hello = object([("version", commands::version(vm)), ("capabilities", Value::Array(vec![Value::from("oob")]))]);
        self.write(object([("QMP", hello)]), vm);
    }

    pub fn input(&mut self, buffer: &mut [u8], vm: &mut Vm) -> Vec<String> {
        match self.port.input(buffer) {
            Event::Connected => self.greet(vm),
            Event::Data(count) => return self.splitter.push(&buffer[..count]),
            Event::Disconnected | Event::Nothing => {}
        }
        Vec::new()
    }

    /// Handles one command. Its events are left in `vm.events`, to be told before `answer`'s result is sent.
    pub fn handle(&mut self, text: &str, vm: &mut Vm) -> Option<Value> {
        self.handled += 1;
        if vm.faults.number("qmp-closes-after", 0).is_some_and(|limit| self.handled > limit) {
            vm.faults.take("qmp-closes-after");
            self.port.disconnect();
            return None;
        }
        let muted = vm.faults.number("qmp-mute-after", 0).is_some_and(|limit| self.handled > limit);
        let request = json::parse(text).unwrap_or(Value::Null);
        let id = request.get("id").cloned();
        let result = self.execute(&request, vm);
        if muted || matches!(result, Err(Failure::Silent)) {
            return None;
        }
        let mut entries = match result {
            Ok(value) => vec![("return".to_owned(), value)],
            Err(failure) => vec![("error".to_owned(), failure.to_json())],
        };
        entries.extend(id.map(|id| ("id".to_owned(), id)));
        Some(Value::Object(entries))
    }

    fn execute(&mut self, request: &Value, vm: &mut Vm) -> Result<Value, Failure> {
        let named = request.get("execute").or_else(|| request.get("exec-oob")).and_then(Value::as_str);
        let Some(name) = named else { return Err(Failure::Generic("QMP input lacks member 'execute'".to_owned())) };
        if name == "qmp_capabilities" {
            if self.negotiated {
                return Err(Failure::NotFound("Capabilities negotiation is already complete, command ignored".to_owned()));
            }
            self.negotiated = true;
            return Ok(object([]));
        }
        if !self.negotiated {
            return Err(Failure::NotFound("Expecting capabilities negotiation with 'qmp_capabilities'".to_owned()));
        }
        commands::execute(vm, name, request.get("arguments").unwrap_or(&Value::Null))
    }

    pub fn tell(&mut self, event: &Value, vm: &Vm) {
        if self.negotiated {
            self.write(event.clone(), vm);
            if vm.faults.has("qmp-event-flood") {
                (0..1000).for_each(|_| self.write(event.clone(), vm));
            }
        }
    }

    pub fn write(&mut self, mut value: Value, vm: &Vm) {
        if let (Value::Object(entries), true) = (&mut value, vm.faults.has("qmp-unknown-fields")) {
            entries.insert(0, ("x-from-the-future".to_owned(), Value::Array(vec![object([("deep", Value::Null)])])));
        }
        if let (Value::Object(entries), true) = (&mut value, vm.faults.has("qmp-huge-line")) {
            entries.insert(0, ("x-padding".to_owned(), Value::Str("x".repeat(HUGE_LINE))));
        }
        self.port.send(format!("{value}\r\n").as_bytes());
    }
}
