//! Manifests and configurations: small documents, verified whole.

use super::answer::{says_nonsense, Trouble};
use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::persist::persist;
use super::reference::Wanted;
use crate::digest::Digest;
use crate::failure::{Code, Failure};
use crate::oci::{choose, Document, Manifest, MAX_MANIFEST};
use crate::platform::Platform;

/// An index that names an index that names an index… ends here.
const MAX_DEPTH: usize = 4;

pub struct Resolved {
    pub digest: Digest,
    pub bytes: Vec<u8>,
    pub manifest: Manifest,
}

/// Where documents may be had without asking.
pub type Stored<'a> = &'a dyn Fn(&Digest) -> Option<Vec<u8>>;

/// Finds the manifest of a platform.
pub async fn resolve(
    client: &Client,
    endpoints: &[Endpoint],
    wanted: &Wanted,
    platform: &Platform,
    (retries, stored): (u32, Stored<'_>),
) -> Result<Resolved, Failure> {
    let mut wanted = wanted.clone();
    for _ in 0..MAX_DEPTH {
        let found = match &wanted {
            Wanted::Digest(digest) => stored(digest),
            Wanted::Tag(_) => None,
        };
        let bytes = match found {
            Some(bytes) => bytes,
            None => {
                let path = format!("manifests/{wanted}");
                let digest = match &wanted {
                    Wanted::Digest(digest) => Some(digest),
                    Wanted::Tag(_) => None,
                };
                document(client, endpoints, &path, (digest, MAX_MANIFEST), retries).await?
            }
        };
        match Document::parse(&bytes)? {
            Document::Index(manifests) => wanted = Wanted::Digest(choose(&manifests, platform)?.digest.clone()),
            Document::Manifest(manifest) => return Ok(Resolved { digest: Digest::of(&bytes), bytes, manifest }),
        }
    }
    Err(Failure::bad_image("too many indexes one in the other"))
}

/// Fetches a document of at most so many bytes and, where its digest is known, verifies it.
pub async fn document(
    client: &Client,
    endpoints: &[Endpoint],
    path: &str,
    (digest, limit): (Option<&Digest>, u64),
    retries: u32,
) -> Result<Vec<u8>, Failure> {
    persist(endpoints, retries, async |endpoint: &Endpoint| {
        let response = client.get(endpoint, &Ask { path, from: 0 }).await?;
        if response.status().as_u16() != 200 {
            return Err(says_nonsense(&endpoint.name, format_args!("it answered {} to a whole document", response.status())));
        }
        let told =
            response.headers().get("docker-content-digest").and_then(|header| header.to_str().ok()).and_then(Digest::parse);
        let bytes = client.body(endpoint, response, limit).await?;
        let found = Digest::of(&bytes);
        match digest.or(told.as_ref()) {
            Some(digest) if *digest != found => {
                let message = format!("{} sent {path} with the digest {found}; it should be {digest}", endpoint.name);
                Err(Trouble::Next(Failure::new(Code::DigestMismatch, message)))
            }
            _ => Ok(bytes),
        }
    })
    .await
}
