//! Seccomp profiles.

use serde_json::{json, Value};

use super::json::object;
use crate::proto::grpc;

pub fn profile(seccomp: &grpc::LinuxSeccomp) -> Value {
    object([
        ("defaultAction", Some(json!(seccomp.default_action))),
        ("architectures", (!seccomp.architectures.is_empty()).then(|| json!(seccomp.architectures))),
        ("flags", (!seccomp.flags.is_empty()).then(|| json!(seccomp.flags))),
        ("syscalls", Some(seccomp.syscalls.iter().map(rule).collect())),
    ])
}

fn rule(rule: &grpc::LinuxSyscall) -> Value {
    let errno = rule.errno_ret.map(|grpc::linux_syscall::ErrnoRet::Errnoret(errno)| json!(errno));
    object([
        ("names", Some(json!(rule.names))),
        ("action", Some(json!(rule.action))),
        ("errnoRet", errno),
        ("args", (!rule.args.is_empty()).then(|| rule.args.iter().map(argument).collect())),
    ])
}

fn argument(argument: &grpc::LinuxSeccompArg) -> Value {
    json!({ "index": argument.index, "value": argument.value, "valueTwo": argument.value_two, "op": argument.op })
}
