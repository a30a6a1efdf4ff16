use super::*;
use crate::ttrpc::status::Code;

pub fn good() -> grpc::Spec {
    grpc::Spec {
        root: Some(grpc::Root { path: "/run/rootfs".into(), readonly: false }),
        process: Some(grpc::Process { args: vec!["true".into()], ..Default::default() }),
        linux: Some(grpc::Linux {
            namespaces: vec![grpc::LinuxNamespace { r#type: "mount".into(), path: String::new() }],
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn refusal(change: impl FnOnce(&mut grpc::Spec)) -> String {
    let mut changed = good();
    change(&mut changed);
    let status = spec(&changed).unwrap_err();
    assert_eq!(status.code, Code::InvalidArgument);
    status.message
}

fn process_of(spec: &mut grpc::Spec) -> &mut grpc::Process {
    spec.process.as_mut().unwrap()
}

#[test]
fn the_smallest_spec_passes() {
    assert_eq!(spec(&good()), Ok(()));
}

#[test]
fn an_unknown_capability_is_refused() {
    let sets = grpc::LinuxCapabilities { bounding: vec!["CAP_FLY".into()], ..Default::default() };
    let message = refusal(|spec| process_of(spec).capabilities = Some(sets));
    assert!(message.contains("FLY"), "{message}");
}

#[test]
fn every_capability_of_the_runtime_passes() {
    let mut changed = good();
    let bounding = CAPABILITIES.iter().map(|name| format!("CAP_{name}")).collect();
    process_of(&mut changed).capabilities = Some(grpc::LinuxCapabilities { bounding, ..Default::default() });
    assert_eq!(spec(&changed), Ok(()));
}

#[test]
fn an_unknown_rlimit_is_refused() {
    let limit = grpc::PosixRlimit { r#type: "RLIMIT_FUN".into(), hard: 1, soft: 1 };
    assert!(refusal(|spec| process_of(spec).rlimits.push(limit)).contains("FUN"));
}

#[test]
fn a_device_of_unknown_type_is_refused() {
    let device = grpc::LinuxDevice { path: "/dev/x".into(), r#type: "q".into(), ..Default::default() };
    assert!(refusal(|spec| spec.linux.as_mut().unwrap().devices.push(device)).contains("\"q\""));
}

#[test]
fn a_variable_without_a_value_is_refused() {
    assert!(refusal(|spec| process_of(spec).env.push("BAD".into())).contains("BAD"));
    assert!(refusal(|spec| process_of(spec).env.push("=x".into())).contains("=x"));
}

#[test]
fn zero_bytes_are_refused() {
    assert!(refusal(|spec| process_of(spec).args.push("a\0b".into())).contains("zero byte"));
}

#[test]
fn a_relative_root_and_no_mount_namespace_are_refused() {
    assert!(refusal(|spec| spec.root.as_mut().unwrap().path = "rootfs".into()).contains("rootfs"));
    assert!(refusal(|spec| spec.linux.as_mut().unwrap().namespaces.clear()).contains("mount"));
}

#[test]
fn an_id_is_a_plain_name() {
    assert_eq!(id("a1.b-c_d"), Ok(()));
    for bad in ["", "a", ".x", "a/b", "..", "a b", &"x".repeat(129)] {
        assert!(id(bad).is_err(), "{bad:?}");
    }
}
