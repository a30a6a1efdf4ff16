//! Credentials from a file as docker and podman keep it (docker's config.json; containers-auth.json(5)).

use crate::failure::{Code, Failure, OrFail};
use crate::request::Auth;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use base64::Engine;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;

const MAX_FILE: u64 = 1 << 20;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AuthFile {
    auths: HashMap<String, Entry>,
    cred_helpers: HashMap<String, String>,
    creds_store: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

/// What is known for a registry.
pub enum Known {
    Nothing,
    Credentials(Auth),
    /// A program that would have to be run, which is for who uses the tool.
    Helper(String),
}

impl AuthFile {
    /// Reads the file, or config.json of a directory (as DOCKER_CONFIG names it). A file that is not there knows nothing.
    pub fn read(path: &Path) -> Result<AuthFile, Failure> {
        let path = if path.is_dir() { path.join("config.json") } else { path.to_owned() };
        let what = || format!("auth file {}", path.display());
        let metadata = match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(AuthFile::default()),
            metadata => metadata.or_fail(what())?,
        };
        if !metadata.is_file() || metadata.len() > MAX_FILE {
            return Err(Failure::new(Code::BadRequest, format_args!("{} is no file that can be read", what())));
        }
        let text = std::fs::read(&path).or_fail(what())?;
        // The parser's message could quote a secret.
        serde_json::from_slice(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Failure::new(Code::BadRequest, format_args!("{} is malformed at line {line}, column {column}", what()))
        })
    }

    /// The credentials for a repository: those of the longest key that names it or a part of it from the left.
    pub fn find(&self, host: &str, path: &str) -> Result<Known, Failure> {
        let full = format!("{host}/{path}");
        let mut best: Option<(usize, &Entry)> = None;
        for (key, entry) in &self.auths {
            let key = plain_key(key);
            let names_it = full.strip_prefix(key).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if names_it && best.is_none_or(|(length, _)| key.len() > length) {
                best = Some((key.len(), entry));
            }
        }
        if let Some(helper) = self.cred_helpers.iter().find(|(key, _)| plain_key(key) == host).map(|(_, helper)| helper) {
            return Ok(Known::Helper(helper.clone()));
        }
        if let Some(auth) = best.map(|(_, entry)| entry.auth(host)).transpose()?.flatten() {
            return Ok(Known::Credentials(auth));
        }
        match self.creds_store.as_str() {
            "" => Ok(Known::Nothing),
            store => Ok(Known::Helper(store.to_owned())),
        }
    }
}

impl Entry {
    /// None for an empty entry, as docker leaves them when a helper keeps the secret.
    fn auth(&self, host: &str) -> Result<Option<Auth>, Failure> {
        let mut auth =
            Auth { username: self.username.clone(), password: self.password.clone(), identity_token: self.identitytoken.clone() };
        if !self.auth.is_empty() {
            let decoded = STANDARD.decode(&self.auth).or_else(|_| STANDARD_NO_PAD.decode(&self.auth)).ok();
            let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
            let pair = text.as_deref().and_then(|text| text.split_once(':'));
            let (username, password) = pair.ok_or_else(|| {
                Failure::new(Code::BadRequest, format_args!("the auth file's entry for {host} is not base64 of USER:PASSWORD"))
            })?;
            auth.username = username.to_owned();
            // Some writers pad the password with NULs.
            auth.password = password.trim_end_matches('\0').to_owned();
        }
        let is_empty = auth.identity_token.is_empty() && auth.username.is_empty();
        Ok((!is_empty).then_some(auth))
    }
}

/// Docker's keys may be addresses: "https://index.docker.io/v1/".
fn plain_key(key: &str) -> &str {
    let key = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://")).unwrap_or(key);
    let key = key.trim_end_matches('/');
    let key = key.strip_suffix("/v1").or_else(|| key.strip_suffix("/v2")).unwrap_or(key);
    match key {
        "index.docker.io" | "registry-1.docker.io" => "docker.io",
        key => key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> AuthFile {
        serde_json::from_str(text).expect("parsed")
    }

    fn username(file: &AuthFile, host: &str, path: &str) -> Option<String> {
        match file.find(host, path).expect("found") {
            Known::Credentials(auth) => Some(auth.username),
            _ => None,
        }
    }

    #[test]
    fn the_longest_key_wins() {
        let auths = file(
            r#"{"auths":{"h:1":{"auth":"YTpi"},"h:1/team":{"username":"t","password":"p"},"https://index.docker.io/v1/":{"auth":"ZDpl"}}}"#,
        );
        assert_eq!(username(&auths, "h:1", "x").as_deref(), Some("a"));
        assert_eq!(username(&auths, "h:1", "team/x").as_deref(), Some("t"));
        assert_eq!(username(&auths, "h:1", "teamwork/x").as_deref(), Some("a"));
        assert_eq!(username(&auths, "docker.io", "library/x").as_deref(), Some("d"));
        assert_eq!(username(&auths, "h", "x"), None);
    }

    #[test]
    fn a_helper_is_named_and_not_run() {
        let helpers = file(r#"{"auths":{"h":{}},"credsStore":"desktop","credHelpers":{"g":"gcloud"}}"#);
        assert!(matches!(helpers.find("h", "x"), Ok(Known::Helper(name)) if name == "desktop"));
        assert!(matches!(helpers.find("g", "x"), Ok(Known::Helper(name)) if name == "gcloud"));
    }

    #[test]
    fn an_entry_that_is_no_base64_is_refused_without_its_content() {
        let Err(failure) = file(r#"{"auths":{"h":{"auth":"s3cret!"}}}"#).find("h", "x") else { panic!("accepted") };
        assert!(!failure.message.contains("s3cret"), "{}", failure.message);
    }
}
