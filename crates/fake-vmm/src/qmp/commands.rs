//! What the commands do and answer. Names, arguments and shapes are those of QEMU's QAPI schema.

use crate::qmp::commands::Failure::{Generic, NotFound, Silent};
use crate::vm::{die, Ask, RunState, Vm};
use std::time::Duration;
use viv_launcher::json::{object, Value};

/// How long a guest takes to let go of a device.
const UNPLUG_TIME: Duration = Duration::from_millis(5);

pub enum Failure {
    Generic(String),
    /// Class CommandNotFound.
    NotFound(String),
    /// Class DeviceNotFound.
    NoDevice(String),
    /// A fault: no answer at all.
    Silent,
}

impl Failure {
    pub fn to_json(&self) -> Value {
        let (class, text) = match self {
            Generic(text) => ("GenericError", text.as_str()),
            NotFound(text) => ("CommandNotFound", text.as_str()),
            Failure::NoDevice(text) => ("DeviceNotFound", text.as_str()),
            Silent => ("GenericError", ""),
        };
        object([("class", Value::from(class)), ("desc", Value::from(text))])
    }
}

type Outcome = Result<Value, Failure>;

fn nothing() -> Outcome {
    Ok(object([]))
}

fn empty_list() -> Outcome {
    Ok(Value::Array(Vec::new()))
}

fn number(value: u64) -> Value {
    Value::from(value as i64)
}

/// `{"qemu":{"micro":…},"package":…}`
pub fn version(vm: &Vm) -> Value {
    let (major, minor, micro) = if vm.faults.has("old-version") { (4, 2, 0) } else { (7, 2, 22) };
    let qemu = object([("micro", number(micro)), ("minor", number(minor)), ("major", number(major))]);
    object([("qemu", qemu), ("package", Value::from("fake-vmm"))])
}

/// Executes a command after the negotiation.
pub fn execute(vm: &mut Vm, name: &str, arguments: &Value) -> Outcome {
    if vm.faults.names("die-on", name) {
        die();
    }
    if name == "x-fake-fault" {
        let list = text(arguments, "fault")?;
        return vm.faults.add(&list).map_err(Generic).and_then(|()| nothing());
    }
    if let Some(outcome) = run_state(vm, name) {
        return outcome;
    }
    if let Some(outcome) = devices(vm, name, arguments) {
        return outcome;
    }
    if let Some(outcome) = objects(vm, name, arguments) {
        return outcome;
    }
    queries(vm, name).unwrap_or_else(|| Err(NotFound(format!("The command {name} has not been found"))))
}

fn text(arguments: &Value, key: &str) -> Result<String, Failure> {
    arguments.get(key).and_then(Value::as_str).map(str::to_owned).ok_or_else(|| Generic(format!("Parameter '{key}' is missing")))
}

fn run_state(vm: &mut Vm, name: &str) -> Option<Outcome> {
    match name {
        "query-status" => {
            let running = vm.is_running();
            let status = [("status", Value::from(vm.state.name())), ("singlestep", Value::from(false)), ("running", Value::from(running))];
            return Some(Ok(object(status)));
        }
        "stop" if matches!(vm.state, RunState::Running) => vm.stop(RunState::Paused),
        "stop" => {}
        "cont" if matches!(vm.state, RunState::Shutdown | RunState::GuestPanicked) => {
            return Some(Err(Generic("Resetting the Virtual Machine is required".to_owned())));
        }
        "cont" => vm.resume(),
        "system_reset" => vm.asked = Some(Ask::Reset),
        "system_powerdown" => vm.asked = Some(Ask::PowerDown),
        "quit" if vm.faults.has("ignore-quit") => return Some(Err(Silent)),
        "quit" => vm.asked = Some(Ask::Quit),
        _ => return None,
    }
    Some(nothing())
}

fn devices(vm: &mut Vm, name: &str, arguments: &Value) -> Option<Outcome> {
    match name {
        "device_add" => Some(text(arguments, "driver").and_then(|driver| {
            let id = arguments.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            if !id.is_empty() && vm.devices.iter().any(|(known, _)| *known == id) {
                return Err(Generic(format!("Duplicate device ID '{id}'")));
            }
            vm.disks.plug(&id, arguments).map_err(Generic)?;
            vm.devices.push((id, driver));
            nothing()
        })),
        "device_del" => Some(text(arguments, "id").and_then(|id| {
            if !vm.devices.iter().any(|(known, _)| *known == id) {
                return Err(Failure::NoDevice(format!("Device '{id}' not found")));
            }
            if vm.leaving.iter().any(|(_, leaving)| *leaving == id) {
                return Err(Generic(format!("Device {id} is already in the process of unplug")));
            }
            if vm.faults.has("unplug-refused") {
                let data = object([("device", Value::from(id.as_str())), ("path", Value::Str(format!("/machine/peripheral/{id}")))]);
                vm.emit("DEVICE_UNPLUG_GUEST_ERROR", Some(data));
            } else if !vm.faults.has("device-del-hangs") {
                vm.leaving.push_back((vm.now() + UNPLUG_TIME, id));
            }
            nothing()
        })),
        "blockdev-add" => Some(vm.disks.add_node(arguments).map_err(Generic).and_then(|()| nothing())),
        "blockdev-del" => Some(text(arguments, "node-name").and_then(|name| vm.disks.remove_node(&name).map_err(Generic)).and_then(|()| nothing())),
        "query-named-block-nodes" => Some(Ok(vm.disks.nodes())),
        _ => None,
    }
}

fn objects(vm: &Vm, name: &str, arguments: &Value) -> Option<Outcome> {
    match name {
        "object-add" | "object-del" | "netdev_add" | "netdev_del" | "chardev-remove" | "getfd" | "closefd"
        | "migrate-set-capabilities" | "migrate-set-parameters" | "set_link" | "block_resize" | "balloon" => Some(nothing()),
        "chardev-add" => Some(nothing()),
        "human-monitor-command" => Some(Ok(Value::from(""))),
        "qom-list" => Some(text(arguments, "path").and_then(|path| qom_list(vm, &path))),
        "qom-get" => Some(text(arguments, "path").and_then(|path| qom_get(vm, &path, &text(arguments, "property")?))),
        _ => None,
    }
}

fn qom_list(vm: &Vm, path: &str) -> Outcome {
    let entry = |name: &str, kind: &str| object([("name", Value::from(name)), ("type", Value::from(kind))]);
    let list = match path {
        "/machine/peripheral" => vm.devices.iter().map(|(id, driver)| entry(id, &format!("child<{driver}>"))).collect(),
        "/machine" => vec![entry("type", "string"), entry("peripheral", "child<container>")],
        _ => vm.device_at(path).map(|_| vec![entry("type", "string"), entry("realized", "bool")]).ok_or_else(|| no_path(path))?,
    };
    Ok(Value::Array(list))
}

fn qom_get(vm: &Vm, path: &str, property: &str) -> Outcome {
    let kind = match path {
        "/machine" => "pc-q35-7.2-machine",
        _ => vm.device_at(path).ok_or_else(|| no_path(path))?,
    };
    match property {
        "type" => Ok(Value::from(kind)),
        "realized" => Ok(Value::from(true)),
        _ => Err(Generic(format!("Property '{kind}.{property}' not found"))),
    }
}

fn no_path(path: &str) -> Failure {
    Failure::NoDevice(format!("Device '{path}' not found"))
}

fn queries(vm: &Vm, name: &str) -> Option<Outcome> {
    let value = match name {
        "query-version" => version(vm),
        "query-name" => object([("name", Value::from(vm.config.name.as_str()))]),
        "query-uuid" => object([("UUID", Value::from(vm.config.uuid.as_str()))]),
        "query-target" => object([("arch", Value::from("x86_64"))]),
        "query-kvm" => object([("enabled", Value::from(vm.config.accelerator.starts_with("kvm"))), ("present", Value::from(true))]),
        "query-memory-size-summary" => object([("base-memory", number(vm.config.memory_bytes)), ("plugged-memory", number(0))]),
        "query-migrate" => object([]),
        "query-cpus-fast" => return Some(Ok(Value::Array((0..vm.config.cpus).map(cpu).collect()))),
        "query-hotpluggable-cpus" => return Some(Ok(Value::Array((0..vm.config.cpus).map(plugged_cpu).collect()))),
        "query-chardev" => return Some(Ok(Value::Array(vm.config.chardevs.iter().map(|id| chardev(id)).collect()))),
        "query-commands" => return Some(Ok(Value::Array(COMMANDS.iter().map(|name| object([("name", Value::from(*name))])).collect()))),
        "query-machines" => return Some(Ok(Value::Array(vec![machine("pc-q35-7.2", "q35"), machine("microvm", "microvm")]))),
        "query-memory-devices" | "query-block" | "query-pci" | "query-iothreads" | "query-block-jobs"
        | "query-rx-filter" | "query-memdev" => return Some(empty_list()),
        _ => return None,
    };
    Some(Ok(value))
}

/// What `query-commands` tells of.
const COMMANDS: [&str; 14] = [
    "qmp_capabilities", "query-status", "stop", "cont", "quit", "system_powerdown", "system_reset", "device_add", "device_del", "query-version",
    "query-cpus-fast", "query-chardev", "qom-list", "qom-get",
];

fn cpu(index: u32) -> Value {
    let properties = object([("core-id", number(0)), ("thread-id", number(0)), ("socket-id", number(index.into()))]);
    object([
        ("thread-id", Value::from(i64::from(std::process::id()))),
        ("props", properties),
        ("qom-path", Value::Str(format!("/machine/unattached/device[{index}]"))),
        ("cpu-index", number(index.into())),
        ("target", Value::from("x86_64")),
    ])
}

fn plugged_cpu(index: u32) -> Value {
    let properties = object([("core-id", number(0)), ("thread-id", number(0)), ("socket-id", number(index.into()))]);
    object([
        ("props", properties),
        ("vcpus-count", number(1)),
        ("qom-path", Value::Str(format!("/machine/unattached/device[{index}]"))),
        ("type", Value::from("max-x86_64-cpu")),
    ])
}

fn chardev(id: &str) -> Value {
    object([("frontend-open", Value::from(true)), ("filename", Value::from("unix:fake")), ("label", Value::from(id))])
}

fn machine(name: &str, alias: &str) -> Value {
    object([("name", Value::from(name)), ("alias", Value::from(alias)), ("cpu-max", number(288)), ("hotpluggable-cpus", Value::from(true))])
}
