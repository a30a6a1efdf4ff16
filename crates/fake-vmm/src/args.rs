//! What of QEMU's command line matters here. Everything else is accepted and ignored, as another version's options would be.

use viv_launcher::json::{self, Value};

/// Name of the virtio-serial port that the guest agent speaks on.
const AGENT_PORT: &str = "org.vivarium.agent.0";

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A listening Unix socket.
    Listen(String),
    /// An open descriptor: one end of a socketpair.
    Descriptor(i32),
    Stdio,
}

/// `key=value,…` after an option; the part before the first comma without `=` is `kind`.
#[derive(Debug, Default, Clone)]
struct Properties {
    kind: String,
    pairs: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootPort {
    pub id: String,
    /// Slot and function on the root bus.
    pub address: String,
}

#[derive(Debug, Default)]
pub struct Config {
    /// `-name`'s guest name.
    pub name: String,
    pub uuid: String,
    pub monitors: Vec<Place>,
    pub agent: Option<Place>,
    pub console: Option<Place>,
    /// Kernel parameters.
    pub append: String,
    pub memory_bytes: u64,
    pub cpus: u32,
    /// `-S`: the guest does not run before `cont`.
    pub paused_at_start: bool,
    /// The process stays when the guest shuts down.
    pub stay_after_shutdown: bool,
    /// Of `-action panic=`: pause, shutdown, exit-failure or none.
    pub panic_action: String,
    pub version_only: bool,
    /// The option whose `help` was asked for.
    pub help: Option<String>,
    /// Ids and drivers of the devices given with an id, in order.
    pub devices: Vec<(String, String)>,
    /// PCI Express ports for devices that come later.
    pub root_ports: Vec<RootPort>,
    pub chardevs: Vec<String>,
    /// Sockets that QEMU connects to, such as virtiofsd's.
    pub outgoing: Vec<String>,
    /// A reset ends the machine (`-action reboot=shutdown`).
    pub end_at_reset: bool,
    /// Of `--fake-fault`: for what happens before kernel parameters are read.
    pub fault: String,
    pub accelerator: String,
}

/// Reads an argv without its program name.
pub fn parse(argv: &[String]) -> Config {
    let mut config = Config { memory_bytes: 128 << 20, cpus: 1, accelerator: "tcg".to_owned(), panic_action: "shutdown".to_owned(), ..Config::default() };
    let mut chardevs: Vec<Properties> = Vec::new();
    let mut monitor_ids = Vec::new();
    let mut serial_ids = Vec::new();
    let mut agent_id = None;
    let mut rest = argv.iter();
    while let Some(option) = rest.next() {
        if let Some(fault) = option.strip_prefix("--fake-fault=") {
            config.fault = fault.to_owned();
            continue;
        }
        let option = option.trim_start_matches('-');
        if take_flag(&mut config, option) {
            continue;
        }
        if !takes_value(option) {
            continue;
        }
        let Some(value) = rest.next() else { break };
        if value == "help" {
            config.help = Some(option.to_owned());
        }
        let properties = Properties::parse(value);
        match option {
            "qmp" => config.monitors.extend(properties.place()),
            "chardev" => {
                config.chardevs.push(properties.get("id").unwrap_or_default().to_owned());
                config.outgoing.extend(properties.outgoing());
                chardevs.push(properties);
            }
            "mon" if properties.get("mode") == Some("control") => monitor_ids.push(properties.get("chardev").unwrap_or(&properties.kind).to_owned()),
            "serial" => serial_ids.extend(value.strip_prefix("chardev:").map(str::to_owned)),
            "device" => {
                take_device(&mut config, &properties);
                if properties.get("name") == Some(AGENT_PORT) {
                    agent_id = properties.get("chardev").map(str::to_owned);
                }
                if properties.kind == "isa-serial" {
                    serial_ids.extend(properties.get("chardev").map(str::to_owned));
                }
            }
            _ => take_value(&mut config, option, value, &properties),
        }
    }
    let place_of = |id: &String| chardevs.iter().find(|chardev| chardev.get("id") == Some(id)).and_then(Properties::place);
    config.monitors.extend(monitor_ids.iter().filter_map(place_of));
    config.console = serial_ids.iter().find_map(place_of);
    config.agent = agent_id.as_ref().and_then(place_of);
    config
}

fn take_flag(config: &mut Config, option: &str) -> bool {
    match option {
        "version" => config.version_only = true,
        "S" => config.paused_at_start = true,
        "no-shutdown" => config.stay_after_shutdown = true,
        _ => return false,
    }
    true
}

/// Options without a value, besides those of `take_flag`. All others take one.
fn takes_value(option: &str) -> bool {
    !matches!(
        option,
        "nodefaults" | "no-user-config" | "no-reboot" | "nographic" | "enable-kvm" | "daemonize" | "snapshot" | "no-hpet" | "no-acpi" | "h" | "help" | "only-migratable" | "no-fd-bootchk" | "full-screen"
    )
}

fn take_value(config: &mut Config, option: &str, value: &str, properties: &Properties) {
    match option {
        "append" => config.append = value.to_owned(),
        "name" => config.name = properties.get("guest").unwrap_or(&properties.kind).to_owned(),
        "uuid" => config.uuid = value.to_owned(),
        "m" => config.memory_bytes = size(properties.get("size").unwrap_or(&properties.kind)),
        "smp" => config.cpus = properties.get("cpus").unwrap_or(&properties.kind).parse().unwrap_or(1),
        "action" => {
            config.stay_after_shutdown |= properties.get("shutdown") == Some("pause");
            config.end_at_reset |= properties.get("reboot") == Some("shutdown");
            config.panic_action = properties.get("panic").unwrap_or(&config.panic_action).to_owned();
        }
        "accel" => config.accelerator = properties.kind.clone(),
        "machine" | "M" => {
            if let Some(accelerator) = properties.get("accel") {
                config.accelerator = accelerator.to_owned();
            }
        }
        _ => {}
    }
}

fn take_device(config: &mut Config, properties: &Properties) {
    if let Some(id) = properties.get("id") {
        config.devices.push((id.to_owned(), properties.kind.clone()));
        if let ("pcie-root-port", Some(address)) = (properties.kind.as_str(), properties.get("addr")) {
            config.root_ports.push(RootPort { id: id.to_owned(), address: address.to_owned() });
        }
    }
}

/// `512`, `512M`, `2G`: bytes; without a unit it is mebibytes.
fn size(text: &str) -> u64 {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    let number: u64 = digits.parse().unwrap_or(128);
    match text[digits.len()..].chars().next().map(|unit| unit.to_ascii_uppercase()) {
        Some('K') => number << 10,
        Some('G') => number << 30,
        Some('B') => number,
        _ => number << 20,
    }
}

impl Properties {
    /// Both of QEMU's spellings: `kind,key=value` (`,,` is a comma in a value) and a JSON object.
    fn parse(text: &str) -> Properties {
        match text.starts_with('{').then(|| json::parse(text)) {
            Some(Ok(Value::Object(entries))) => Properties::from_json(&entries),
            _ => Properties::from_list(text),
        }
    }

    fn from_json(entries: &[(String, Value)]) -> Properties {
        let mut properties = Properties::default();
        for (key, value) in entries {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            if key == "driver" || key == "qom-type" {
                properties.kind = text;
            } else {
                properties.pairs.push((key.clone(), text));
            }
        }
        properties
    }

    fn from_list(text: &str) -> Properties {
        let mut properties = Properties::default();
        let escaped = text.replace(",,", "\0");
        for (index, part) in escaped.split(',').enumerate() {
            let part = part.replace('\0', ",");
            match part.split_once('=') {
                Some((key, value)) => properties.pairs.push((key.to_owned(), value.to_owned())),
                None if index == 0 => properties.kind = part,
                None => properties.pairs.push((part, "on".to_owned())),
            }
        }
        properties
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The path of a socket that is not ours to listen on.
    fn outgoing(&self) -> Option<String> {
        let listens = matches!(self.get("server"), Some("on" | ""));
        self.get("path").filter(|_| self.kind == "socket" && !listens).map(str::to_owned)
    }

    /// Where a character device leads: `socket,path=…`, `socket,fd=…`, `stdio`, or `unix:PATH` of `-qmp`.
    fn place(&self) -> Option<Place> {
        if self.kind == "stdio" {
            return Some(Place::Stdio);
        }
        if let Some(path) = self.kind.strip_prefix("unix:") {
            return Some(Place::Listen(path.to_owned()));
        }
        let descriptor = self.get("fd").and_then(|number| number.parse().ok()).map(Place::Descriptor);
        descriptor.or_else(|| self.get("path").map(|path| Place::Listen(path.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, Place};

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn what_matters_is_found_in_a_long_argv() {
        let config = parse(&words(
            "-name guest=viv-1,debug-threads=on -nodefaults -machine q35,accel=kvm -m size=256M,slots=2 -smp 2,maxcpus=4 -S \
             -chardev socket,id=q,path=/r/q.sock,server=on,wait=off -mon chardev=q,mode=control \
             -chardev socket,id=a,path=/r/a.sock,server=on,wait=off -device virtserialport,chardev=a,name=org.vivarium.agent.0,id=p0 \
             -device pcie-root-port,id=port9,bus=pcie.0,addr=11.1,chassis=10 -chardev socket,id=console0,fd=7 -serial chardev:console0 -action panic=pause,shutdown=pause -append x=1",
        ));
        assert_eq!(config.monitors, [Place::Listen("/r/q.sock".to_owned())]);
        assert_eq!(config.agent, Some(Place::Listen("/r/a.sock".to_owned())));
        assert_eq!(config.console, Some(Place::Descriptor(7)));
        assert_eq!((config.memory_bytes, config.cpus, config.name.as_str(), config.append.as_str()), (256 << 20, 2, "viv-1", "x=1"));
        assert!(config.paused_at_start && config.stay_after_shutdown);
        assert_eq!(config.accelerator, "kvm");
        assert_eq!(config.devices, [("p0", "virtserialport"), ("port9", "pcie-root-port")].map(|(id, driver)| (id.to_owned(), driver.to_owned())));
        assert_eq!(config.root_ports, [super::RootPort { id: "port9".to_owned(), address: "11.1".to_owned() }]);
    }

    #[test]
    fn short_and_json_forms_are_understood() {
        let mut argv = words("-qmp unix:/q.sock,server,nowait -chardev socket,id=a,path=/r/a,,b.sock,server=on -m 1G -device");
        argv.push(r#"{"driver":"virtserialport","chardev":"a","name":"org.vivarium.agent.0","nr":1}"#.to_owned());
        let config = parse(&argv);
        assert_eq!(config.monitors, [Place::Listen("/q.sock".to_owned())]);
        assert_eq!(config.agent, Some(Place::Listen("/r/a,b.sock".to_owned())));
        assert_eq!(config.memory_bytes, 1 << 30);
    }
}
