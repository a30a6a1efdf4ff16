//! Tokens (distribution's token authentication specification, and its OAuth2 variant for identity tokens).

use super::answer::{says_nonsense, Trouble};
use super::client::Client;
use super::endpoint::Endpoint;
use crate::request::Auth;
use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

const MAX_TOKEN: u64 = 1 << 20;
const CLIENT_ID: &str = "vivarium";
const FORM: &str = "application/x-www-form-urlencoded";

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// The Authorization header of a name and a password.
pub fn basic(auth: &Auth) -> String {
    format!("Basic {}", STANDARD.encode(format!("{}:{}", auth.username, auth.password)))
}

impl Client {
    /// Gets a token that allows to pull; returns the Authorization header.
    pub async fn token(
        &self,
        endpoint: &Endpoint,
        realm: &str,
        service: Option<String>,
        scope: Option<String>,
    ) -> Result<String, Trouble> {
        let mut realm = Url::parse(realm).map_err(|error| says_nonsense(&endpoint.name, format_args!("token realm: {error}")))?;
        if realm.scheme() != "https" && !(endpoint.insecure && realm.scheme() == "http") {
            return Err(says_nonsense(&endpoint.name, "its tokens are not to be had by HTTPS"));
        }
        let scope = scope.unwrap_or_else(|| format!("repository:{}:pull", endpoint.path));
        let mut asked = vec![("scope", scope)];
        asked.extend(service.map(|service| ("service", service)));
        let http = self.http(endpoint)?;
        let request = match &endpoint.credentials {
            Some(auth) if !auth.identity_token.is_empty() => {
                asked.push(("grant_type", "refresh_token".into()));
                asked.push(("client_id", CLIENT_ID.into()));
                asked.push(("refresh_token", auth.identity_token.clone()));
                http.post(realm).header(CONTENT_TYPE, FORM).body(form(&asked))
            }
            credentials => {
                realm.query_pairs_mut().extend_pairs(&asked);
                let request = http.get(realm);
                match credentials {
                    Some(auth) => request.header(AUTHORIZATION, basic(auth)),
                    None => request,
                }
            }
        };
        let response = self.send(endpoint, request).await?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(endpoint, response).await);
        }
        let body = self.body(endpoint, response, MAX_TOKEN).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| says_nonsense(&endpoint.name, "its token is no JSON"))?;
        let token = if answer.token.is_empty() { answer.access_token } else { answer.token };
        match token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Err(says_nonsense(&endpoint.name, "its token is none")),
            false => Ok(format!("Bearer {token}")),
        }
    }
}

fn form(pairs: &[(&str, String)]) -> String {
    reqwest::Url::parse_with_params("form:", pairs).ok().and_then(|url| url.query().map(str::to_owned)).unwrap_or_default()
}
