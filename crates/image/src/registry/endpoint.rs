//! Where an image may be had: its mirrors in order, then its registry, each with what it is told of who asks.

use super::auth_file::{AuthFile, Known};
use super::reference::Reference;
use crate::failure::{Code, Failure};
use crate::request::{Auth, Mirror, PullRequest};
use reqwest::Url;
use std::sync::{Mutex, OnceLock, PoisonError};

pub struct Endpoint {
    /// For messages: no secret is in it.
    pub name: String,
    /// Of the repository.
    pub path: String,
    /// May be HTTP, and its certificate may be any.
    pub insecure: bool,
    pub credentials: Option<Auth>,
    /// The program that would know credentials.
    pub helper: Option<String>,
    /// Addresses to be tried; the first that answers is kept.
    bases: Vec<Url>,
    answered: OnceLock<Url>,
    authorization: Mutex<Option<String>>,
}

impl Endpoint {
    /// All endpoints of a request, in the order in which they are asked.
    pub fn all(request: &PullRequest, reference: &Reference) -> Result<Vec<Endpoint>, Failure> {
        let file = match &request.auth_file {
            Some(path) => AuthFile::read(path)?,
            None => AuthFile::default(),
        };
        let mirrors = request.mirrors.iter().map(|mirror| Endpoint::mirror(mirror, reference, &file));
        let mut all = mirrors.collect::<Result<Vec<_>, _>>()?;
        all.push(Endpoint::registry(request, reference, &file)?);
        Ok(all)
    }

    fn registry(request: &PullRequest, reference: &Reference, file: &AuthFile) -> Result<Endpoint, Failure> {
        let schemes: &[&str] = if request.insecure { &["https", "http"] } else { &["https"] };
        let server = reference.server();
        let bases = schemes.iter().map(|scheme| parse(&format!("{scheme}://{server}/"))).collect::<Result<_, _>>()?;
        let known = match &request.auth {
            Some(auth) => Known::Credentials(auth.clone()),
            None => file.find(&reference.host, &reference.path)?,
        };
        Ok(Endpoint::new(reference.host.clone(), reference, request.insecure, known, bases))
    }

    fn mirror(mirror: &Mirror, reference: &Reference, file: &AuthFile) -> Result<Endpoint, Failure> {
        let refuse = |why: &str| Failure::new(Code::BadRequest, format_args!("the mirror {:?} {why}", mirror.url));
        let mut base = parse(&mirror.url)?;
        match base.scheme() {
            "https" => {}
            "http" if mirror.insecure => {}
            "http" => return Err(refuse("is HTTP and not marked as insecure")),
            _ => return Err(refuse("is neither HTTP nor HTTPS")),
        }
        if base.query().is_some() || base.fragment().is_some() || !base.username().is_empty() || base.password().is_some() {
            return Err(refuse("has more than host and path"));
        }
        let host = base.host_str().ok_or_else(|| refuse("has no host"))?;
        let host = base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let known = file.find(&host, &reference.path)?;
        Ok(Endpoint::new(host, reference, mirror.insecure, known, vec![base]))
    }

    fn new(name: String, reference: &Reference, insecure: bool, known: Known, bases: Vec<Url>) -> Endpoint {
        let (credentials, helper) = match known {
            Known::Nothing => (None, None),
            Known::Credentials(auth) => (Some(auth), None),
            Known::Helper(helper) => (None, Some(helper)),
        };
        Endpoint {
            name,
            path: reference.path.clone(),
            insecure,
            credentials,
            helper,
            bases,
            answered: OnceLock::new(),
            authorization: Mutex::default(),
        }
    }

    /// The addresses at which to ask: one, once it has answered.
    pub fn bases(&self) -> &[Url] {
        self.answered.get().map_or(&self.bases, std::slice::from_ref)
    }

    pub fn has_answered(&self, base: &Url) {
        self.answered.get_or_init(|| base.clone());
    }

    /// What was found to be wanted in the Authorization header.
    pub fn authorization(&self) -> Option<String> {
        self.authorization.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn authorize(&self, header: String) {
        *self.authorization.lock().unwrap_or_else(PoisonError::into_inner) = Some(header);
    }
}

fn parse(url: &str) -> Result<Url, Failure> {
    Url::parse(url).map_err(|error| Failure::new(Code::BadRequest, format_args!("{url:?}: {error}")))
}
