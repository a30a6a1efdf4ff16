//! Asking a registry: one request, with whatever it wants to know of who asks.

use super::answer::{broken, refusal, says_nonsense, stalled, Trouble};
use super::challenge::Challenge;
use super::endpoint::Endpoint;
use super::tls;
use super::token::basic;
use crate::failure::{Code, Failure};
use crate::oci::ACCEPTED;
use reqwest::header::{ACCEPT, AUTHORIZATION, RANGE, WWW_AUTHENTICATE};
use reqwest::redirect::Policy;
use reqwest::{RequestBuilder, Response, StatusCode, Url};
use std::cell::OnceCell;
use std::path::Path;
use std::time::Duration;

const USER_AGENT: &str = concat!("viv-image/", env!("CARGO_PKG_VERSION"));
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_REDIRECTS: usize = 5;
const MAX_REFUSAL: u64 = 64 << 10;

pub struct Client {
    stall: Duration,
    strict: OnceCell<reqwest::Client>,
    lax: OnceCell<reqwest::Client>,
}

/// What is asked for.
pub struct Ask<'a> {
    /// Below the repository: "manifests/…" or "blobs/…".
    pub path: &'a str,
    /// From which byte on.
    pub from: u64,
}

impl Client {
    pub fn new(stall: Duration) -> Client {
        Client { stall, strict: OnceCell::new(), lax: OnceCell::new() }
    }

    /// Asks, and once more with a token or password when one is wanted. The answer is 200, 206 or 416.
    pub async fn get(&self, endpoint: &Endpoint, ask: &Ask<'_>) -> Result<Response, Trouble> {
        let before = endpoint.authorization();
        let response = self.ask(endpoint, ask, before.as_deref()).await?;
        let response = match response.status() {
            StatusCode::UNAUTHORIZED => {
                let authorization = self.authorize(endpoint, response).await?;
                let response = self.ask(endpoint, ask, Some(&authorization)).await?;
                endpoint.authorize(authorization);
                response
            }
            _ => response,
        };
        match response.status().as_u16() {
            200 | 206 | 416 => Ok(response),
            _ => Err(self.refused(endpoint, response).await),
        }
    }

    /// Reads a body that is expected to be small.
    pub async fn body(&self, endpoint: &Endpoint, mut response: Response, limit: u64) -> Result<Vec<u8>, Trouble> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(endpoint, &mut response).await? {
            body.extend_from_slice(chunk.as_ref());
            if body.len() as u64 > limit {
                return Err(says_nonsense(&endpoint.name, format_args!("an answer of more than {limit} bytes")));
            }
        }
        Ok(body)
    }

    /// The next bytes of a body; to wait too long for them is a failure.
    pub async fn chunk(&self, endpoint: &Endpoint, response: &mut Response) -> Result<Option<impl AsRef<[u8]>>, Trouble> {
        match tokio::time::timeout(self.stall, response.chunk()).await {
            Err(_) => Err(stalled(&endpoint.name, self.stall)),
            Ok(chunk) => chunk.map_err(|error| broken(&endpoint.name, error)),
        }
    }

    pub async fn refused(&self, endpoint: &Endpoint, response: Response) -> Trouble {
        let (status, headers) = (response.status(), response.headers().clone());
        // A refusal that can't be read is a refusal all the same.
        let body = self.body(endpoint, response, MAX_REFUSAL).await.unwrap_or_default();
        refusal(&endpoint.name, status, &headers, &body)
    }

    /// Sends a request and waits for the head of its answer.
    pub async fn send(&self, endpoint: &Endpoint, request: RequestBuilder) -> Result<Response, Trouble> {
        match tokio::time::timeout(self.stall, request.send()).await {
            Err(_) => Err(stalled(&endpoint.name, self.stall)),
            Ok(answer) => answer.map_err(|error| broken(&endpoint.name, error)),
        }
    }

    pub fn http(&self, endpoint: &Endpoint) -> Result<&reqwest::Client, Failure> {
        let cell = if endpoint.insecure { &self.lax } else { &self.strict };
        if let Some(client) = cell.get() {
            return Ok(client);
        }
        let client = build(endpoint.insecure)?;
        Ok(cell.get_or_init(|| client))
    }

    async fn ask(&self, endpoint: &Endpoint, ask: &Ask<'_>, authorization: Option<&str>) -> Result<Response, Trouble> {
        let mut trouble = says_nonsense(&endpoint.name, "it has no address");
        for base in endpoint.bases() {
            let mut request = self.http(endpoint)?.get(address(base, endpoint, ask)?).header(ACCEPT, ACCEPTED);
            if let Some(authorization) = authorization {
                request = request.header(AUTHORIZATION, authorization);
            }
            if ask.from > 0 {
                request = request.header(RANGE, format!("bytes={}-", ask.from));
            }
            match self.send(endpoint, request).await {
                Ok(response) => {
                    endpoint.has_answered(base);
                    return Ok(response);
                }
                // What is no HTTPS may be HTTP, where that is allowed.
                Err(Trouble::Again(failure, after)) if failure.code == Code::Unreachable => {
                    trouble = Trouble::Again(failure, after);
                }
                Err(other) => return Err(other),
            }
        }
        Err(trouble)
    }

    /// Finds out what to say in the Authorization header.
    async fn authorize(&self, endpoint: &Endpoint, response: Response) -> Result<String, Trouble> {
        let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let wanted: Vec<&str> = headers.filter_map(|header| header.to_str().ok()).collect();
        let challenge = Challenge::parse(&wanted.join(", "));
        match (&challenge, &endpoint.credentials, &endpoint.helper) {
            (Some(Challenge::Bearer { .. }), _, None) | (Some(Challenge::Bearer { .. }), Some(_), _) => {}
            (Some(Challenge::Basic), Some(auth), _) if !auth.username.is_empty() => return Ok(basic(auth)),
            (Some(_), None, Some(helper)) => return Err(self.needs_helper(endpoint, helper)),
            _ => return Err(self.refused(endpoint, response).await),
        }
        match challenge {
            Some(Challenge::Bearer { realm, service, scope }) => self.token(endpoint, &realm, service, scope).await,
            _ => Err(self.refused(endpoint, response).await),
        }
    }

    fn needs_helper(&self, endpoint: &Endpoint, helper: &str) -> Trouble {
        let name = &endpoint.name;
        let message =
            format!("{name} wants credentials, which the auth file leaves to the helper {helper:?}: it is not run here");
        Trouble::Next(Failure::new(Code::Unauthorized, message).with_status(401))
    }
}

fn address(base: &Url, endpoint: &Endpoint, ask: &Ask) -> Result<Url, Trouble> {
    let joined = base.join(&format!("v2/{}/{}", endpoint.path, ask.path));
    joined.map_err(|error| says_nonsense(&endpoint.name, error))
}

fn build(insecure: bool) -> Result<reqwest::Client, Failure> {
    let config = if insecure { tls::trusting()? } else { tls::verifying()? };
    let redirects = Policy::custom(move |attempt| {
        let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("too many redirects")
        } else if was_secure && attempt.url().scheme() != "https" && !insecure {
            attempt.error("a redirect from HTTPS to HTTP")
        } else {
            attempt.follow()
        }
    });
    let builder = reqwest::Client::builder()
        .tls_backend_preconfigured(config)
        // Without its file the resolver would ask a public server.
        .hickory_dns(Path::new("/etc/resolv.conf").exists())
        .user_agent(USER_AGENT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(redirects)
        .tcp_nodelay(true);
    builder.build().map_err(|error| Failure::new(Code::Io, format_args!("HTTP: {error}")))
}
