//! Faults on command: from `fake.fault=` in the kernel parameters, `--fake-fault=`, and QMP's `x-fake-fault`. The list is in README.md.

const PARAMETER: &str = "fake.fault=";

/// `NAME[:ARG]`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fault {
    name: String,
    argument: String,
}

#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
}

/// Every name that is understood.
pub const KNOWN: [&str; 43] = [
    "second-sandbox-wipes",
    "start-hangs",
    "create-destroys-first",
    "mute-on-capability",
    "read-aborts",
    "exec-hangs-when-paused",
    "wait-discards",
    "cut-create-half-made",
    "early-connect-kills-port",
    "qmp-no-greeting",
    "qmp-garbage",
    "qmp-unknown-fields",
    "qmp-huge-line",
    "qmp-mute-after",
    "qmp-closes-after",
    "qmp-event-flood",
    "link-mute",
    "link-garbage",
    "agent-mute",
    "agent-garbage",
    "agent-oversized",
    "agent-out-of-order",
    "agent-even-stream",
    "agent-slow",
    "agent-dies-after",
    "agent-restarts-after",
    "agent-backtrace",
    "agent-duplicate",
    "agent-old",
    "boot-delay",
    "boot-hang",
    "boot-panic",
    "exit-at-start",
    "die-on",
    "guest-panic-on",
    "guest-shutdown-on",
    "ignore-powerdown",
    "ignore-quit",
    "device-del-hangs",
    "unplug-refused",
    "plug-unseen",
    "old-version",
    "oom-event",
];

impl Faults {
    /// Reads the kernel parameters.
    pub fn add_from_append(&mut self, append: &str) -> Result<(), String> {
        append.split_ascii_whitespace().filter_map(|word| word.strip_prefix(PARAMETER)).try_for_each(|list| self.add(list))
    }

    /// Adds `NAME[:ARG][,NAME[:ARG]…]`. `clear` removes all. A name that is not known is an error: a test would wait for ever for it.
    pub fn add(&mut self, list: &str) -> Result<(), String> {
        for entry in list.split(',').filter(|entry| !entry.is_empty()) {
            let (name, argument) = entry.split_once(':').unwrap_or((entry, ""));
            if name == "clear" {
                self.list.clear();
                continue;
            }
            if !KNOWN.contains(&name) {
                return Err(format!("unknown fault \"{name}\""));
            }
            self.list.push(Fault { name: name.to_owned(), argument: argument.to_owned() });
        }
        Ok(())
    }

    pub fn has(&self, name: &str) -> bool {
        self.list.iter().any(|fault| fault.name == name)
    }

    /// Whether the fault names `target`, or all of them by naming none.
    pub fn hits(&self, name: &str, target: &str) -> bool {
        self.list.iter().any(|fault| fault.name == name && (fault.argument.is_empty() || fault.argument == target))
    }

    /// Whether the fault names exactly this target.
    pub fn names(&self, name: &str, target: &str) -> bool {
        self.list.iter().any(|fault| fault.name == name && fault.argument == target)
    }

    /// The fault's number, `default` when it has none; `None` without the fault.
    pub fn number(&self, name: &str, default: u64) -> Option<u64> {
        self.list.iter().rev().find(|fault| fault.name == name).map(|fault| fault.argument.parse().unwrap_or(default))
    }

    /// Takes a fault that happens once: its argument.
    pub fn take(&mut self, name: &str) -> Option<String> {
        let at = self.list.iter().position(|fault| fault.name == name)?;
        Some(self.list.remove(at).argument)
    }
}
