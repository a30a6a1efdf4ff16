//! Passwords, tokens, auth files, and TLS.

use crate::pull::pull;
use crate::support::archive::{Image, Item};
use crate::support::registry::{Asked, Content, Registry, Reply};
use crate::support::tool::{Running, Store};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::json;
use std::fs;
use std::sync::{Arc, OnceLock};

/// "me:secret"
const BASIC: &str = "Basic bWU6c2VjcmV0";

fn content() -> Content {
    Content::of(&Image::of(&[Item::File("a", b"a")]))
}

/// A registry that gives tokens to who `may` have them.
fn with_tokens(may: impl Fn(&Asked) -> bool + Send + Sync + 'static) -> Registry {
    let content = content();
    let host: Arc<OnceLock<String>> = Arc::default();
    let known = host.clone();
    let registry = Registry::start(move |asked| {
        if asked.path.starts_with("/token") {
            return match may(asked) {
                true => Reply::new(200, br#"{"token":"t0k3n"}"#),
                false => Reply::new(401, b""),
            };
        }
        if asked.header("authorization") == "Bearer t0k3n" {
            return content.answer(asked);
        }
        let host = known.get().map_or("", String::as_str);
        let challenge = format!(r#"Bearer realm="http://{host}/token",service="svc",scope="repository:team/app:pull""#);
        Reply::new(401, b"").with("www-authenticate", &challenge)
    });
    host.get_or_init(|| registry.host());
    registry
}

#[test]
fn a_token_is_got_once_and_used_for_all() {
    let registry = with_tokens(|asked| asked.header("authorization").is_empty());
    let store = Store::new();
    pull(&store, &registry.reference(), json!({})).result();
    let tokens: Vec<_> = registry.log().into_iter().filter(|asked| asked.path.starts_with("/token")).collect();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].path, "/token?scope=repository%3Ateam%2Fapp%3Apull&service=svc");
}

#[test]
fn a_password_is_told_to_who_gives_tokens() {
    let registry = with_tokens(|asked| asked.header("authorization") == BASIC);
    let good = json!({"auth": {"username": "me", "password": "secret"}});
    pull(&Store::new(), &registry.reference(), good).result();
    let ended = pull(&Store::new(), &registry.reference(), json!({"auth": {"username": "me", "password": "wrong"}}));
    assert_eq!(ended.code(), "unauthorized");
    assert!(!ended.lines.iter().any(|line| line.to_string().contains("wrong")));
}

#[test]
fn an_identity_token_is_exchanged() {
    let registry =
        with_tokens(|asked| asked.method == "POST" && String::from_utf8_lossy(&asked.body).contains("refresh_token=id-token"));
    let auth = json!({"auth": {"identity_token": "id-token"}});
    pull(&Store::new(), &registry.reference(), auth).result();
}

fn with_password() -> Registry {
    let content = content();
    Registry::start(move |asked| match asked.header("authorization") {
        BASIC => content.answer(asked),
        _ => Reply::new(401, b"").with("www-authenticate", r#"Basic realm="here""#),
    })
}

#[test]
fn an_auth_file_is_read_as_docker_writes_it() {
    let registry = with_password();
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("config.json");
    let auths = json!({"auths": {registry.host(): {"auth": &BASIC["Basic ".len()..]}}});
    fs::write(&file, auths.to_string()).expect("written");
    pull(&Store::new(), &registry.reference(), json!({"auth_file": file})).result();
    pull(&Store::new(), &registry.reference(), json!({"auth_file": directory.path()})).result();
    assert_eq!(pull(&Store::new(), &registry.reference(), json!({})).code(), "unauthorized");
    fs::write(&file, "{").expect("written");
    assert_eq!(pull(&Store::new(), &registry.reference(), json!({"auth_file": file})).code(), "bad_request");
}

#[test]
fn a_credential_helper_is_named_and_not_run() {
    let registry = with_password();
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("config.json");
    fs::write(&file, r#"{"auths":{},"credsStore":"desktop"}"#).expect("written");
    let ended = pull(&Store::new(), &registry.reference(), json!({"auth_file": file}));
    assert_eq!(ended.code(), "unauthorized");
    assert!(ended.message().contains("desktop"), "{}", ended.message());
    // Who wants no credentials gets none.
    let open = Registry::serving(content());
    pull(&Store::new(), &open.reference(), json!({"auth_file": file})).result();
}

#[test]
fn credentials_are_not_for_mirrors() {
    let mirror = Registry::start(|_| Reply::new(401, b"").with("www-authenticate", r#"Basic realm="here""#));
    let registry = with_password();
    let other = json!({"auth": {"username": "me", "password": "secret"}, "mirrors": [{"url": mirror.url(), "insecure": true}]});
    pull(&Store::new(), &registry.reference(), other).result();
    assert!(mirror.log().iter().all(|asked| asked.header("authorization").is_empty()));
}

#[test]
fn certificates_are_verified_unless_told_otherwise() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".into()]).expect("certificate");
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .expect("configuration");
    let content = content();
    let registry = Registry::listen(Some(Arc::new(config)), move |asked| content.answer(asked));
    let strict = json!({"insecure": false, "limits": {"retries": 0}});
    let ended = pull(&Store::new(), &registry.reference(), strict.clone());
    assert_eq!(ended.code(), "unreachable");
    assert!(ended.message().contains("certificate"), "{}", ended.message());
    pull(&Store::new(), &registry.reference(), json!({"insecure": true})).result();
    let directory = tempfile::tempdir().expect("directory");
    let file = directory.path().join("roots.pem");
    fs::write(&file, made.cert.pem()).expect("written");
    let store = Store::new();
    let request = crate::pull::request(&store, &registry.reference(), strict);
    Running::start_with(&request, &[("SSL_CERT_FILE", file.to_str().expect("path"))]).end().result();
}
