use super::{parse, substitute, FdKind};

#[test]
fn the_smallest_spec_has_safe_defaults() {
    let spec = parse(r#"{"version":1,"name":"vmm","argv":["/bin/true"],"from_the_future":{"x":1}}"#).expect("a spec");
    assert!(spec.no_new_privs);
    assert_eq!((spec.umask, spec.ring_bytes, spec.console), (0o077, 1 << 20, false));
    assert!(spec.keep_capabilities.is_none() && spec.user.is_none());
}

#[test]
fn a_newer_version_is_read() {
    assert!(parse(r#"{"version":2,"name":"vmm","argv":["/bin/true"]}"#).is_ok());
}

#[test]
fn bad_keys_are_named() {
    let cases = [
        (r#""argv":["true"]"#, "argv[0]"),
        (r#""argv":[]"#, "argv[0]"),
        (r#""argv":["/x","\u0000"]"#, "NUL"),
        (r#""argv":["/x","{fd:console}"]"#, "console"),
        (r#""argv":["/x"],"uid":4294967295"#, "uid"),
        (r#""argv":["/x"],"uid":"0""#, "uid"),
        (r#""argv":["/x"],"uid":1"#, "uid and gid"),
        (r#""argv":["/x"],"groups":[1]"#, "uid and gid"),
        (r#""argv":["/x"],"umask":512"#, "umask"),
        (r#""argv":["/x"],"env":{"A=B":"1"}"#, "env"),
        (r#""argv":["/x"],"cwd":"relative""#, "cwd"),
        (r#""argv":["/x"],"fds":[{"name":"a","kind":"pipe","path":"/x"}]"#, "kind"),
        (r#""argv":["/x"],"fds":[{"name":"a","kind":"open","path":"/x","flags":"rwx"}]"#, "flags"),
        (r#""argv":["/x"],"fds":[{"name":"console","kind":"open","path":"/x"}]"#, "fds"),
        (r#""argv":["/x"],"keep_capabilities":["CAP_FLY"]"#, "CAP_FLY"),
        (r#""argv":["/x"],"namespaces":[{"type":"time-travel"}]"#, "time-travel"),
        (r#""argv":["/x"],"namespaces":[{"type":"user"}]"#, "user"),
        (r#""argv":["/x"],"rlimits":{"sleep":1}"#, "sleep"),
        (r#""argv":["/x"],"rlimits":{"core":-1}"#, "core"),
        (r#""argv":["/x"],"ring_bytes":1"#, "ring_bytes"),
    ];
    for (keys, named) in cases {
        let error = parse(&format!(r#"{{"version":1,"name":"vmm",{keys}}}"#)).expect_err(keys);
        assert!(error.contains(named), "{keys}: {error}");
    }
}

#[test]
fn texts_above_one_mebibyte_are_refused() {
    let text = format!(r#"{{"version":1,"name":"vmm","argv":["/x","{}"]}}"#, "a".repeat(1 << 20));
    assert!(parse(&text).expect_err("too large").contains("1 MiB"));
}

#[test]
fn descriptors_are_parsed() {
    let spec = parse(
        r#"{"version":1,"name":"vmm","argv":["/x","fd={fd:a},b={fd:b}"],"fds":[
            {"name":"a","kind":"unix_listen","path":"/a","mode":384},{"name":"b","kind":"open","path":"/b","flags":"rw"}]}"#,
    )
    .expect("a spec");
    assert_eq!(spec.fds[0].kind, FdKind::UnixListen { mode: 0o600 });
    assert_eq!(spec.fds[1].kind, FdKind::Open { flags: libc::O_RDWR });
}

#[test]
fn markers_are_replaced_everywhere() {
    let number = |name: &str| (name == "a").then_some(7);
    assert_eq!(substitute("x={fd:a},y={fd:a}", number), Ok("x=7,y=7".to_owned()));
    assert_eq!(substitute("{fd:a", number), Ok("{fd:a".to_owned()));
    assert_eq!(substitute("{}", number), Ok("{}".to_owned()));
    assert!(substitute("{fd:b}", number).is_err());
}
