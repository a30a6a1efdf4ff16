//! Large blobs: gone on with where an earlier attempt ended, at whatever source.

use super::answer::{says_nonsense, Trouble};
use super::client::{Ask, Client};
use super::endpoint::Endpoint;
use super::growing::Growing;
use super::persist::persist;
use crate::digest::{Digest, Hasher};
use crate::failure::{Code, Failure};
use crate::report::LayerReport;
use reqwest::header::CONTENT_RANGE;
use reqwest::Response;

pub struct BlobFetch<'a> {
    pub client: &'a Client,
    pub growing: &'a Growing,
    /// Knows what is in `growing`.
    pub hasher: Hasher,
    pub digest: &'a Digest,
    pub size: u64,
    pub report: &'a LayerReport,
    /// True while there may be bytes from before, which nobody of now has sent.
    pub was_resumed: bool,
}

impl BlobFetch<'_> {
    /// Fetches what is missing and verifies the whole.
    pub async fn run(mut self, endpoints: &[Endpoint], retries: u32) -> Result<(), Failure> {
        persist(endpoints, retries, async |endpoint: &Endpoint| self.attempt(endpoint).await).await
    }

    async fn attempt(&mut self, endpoint: &Endpoint) -> Result<(), Trouble> {
        loop {
            if self.growing.written() < self.size {
                self.fetch_rest(endpoint).await?;
            }
            if self.growing.written() == self.size && self.hasher.digest() == *self.digest {
                return Ok(());
            }
            let found = self.hasher.digest();
            self.start_over()?;
            // What was there from before is not the fault of who sent the rest.
            if !std::mem::take(&mut self.was_resumed) {
                let message = format!("{} sent a blob with the digest {found}; it should be {}", endpoint.name, self.digest);
                return Err(Trouble::Next(Failure::new(Code::DigestMismatch, message)));
            }
        }
    }

    async fn fetch_rest(&mut self, endpoint: &Endpoint) -> Result<(), Trouble> {
        let from = self.growing.written();
        let path = format!("blobs/{}", self.digest);
        let mut response = self.client.get(endpoint, &Ask { path: &path, from }).await?;
        let mut skip = match response.status().as_u16() {
            206 => self.check_range(endpoint, &response, from)?,
            // Ranges are optional: what is here already comes again.
            200 => self.check_length(endpoint, &response, from)?,
            _ => {
                self.start_over()?;
                return Err(says_nonsense(&endpoint.name, format_args!("it has less of a blob than {from} bytes")));
            }
        };
        while let Some(chunk) = self.client.chunk(endpoint, &mut response).await? {
            let chunk = chunk.as_ref();
            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= known as u64;
            self.take(endpoint, &chunk[known..], chunk.len())?;
        }
        match self.growing.written() {
            written if written == self.size => Ok(()),
            written => {
                let message = format!("{} ended a blob after {written} of {} bytes", endpoint.name, self.size);
                Err(Trouble::Again(Failure::new(Code::Unreachable, message), None))
            }
        }
    }

    fn take(&mut self, endpoint: &Endpoint, bytes: &[u8], fetched: usize) -> Result<(), Trouble> {
        if self.growing.written() + bytes.len() as u64 > self.size {
            self.start_over()?;
            return Err(self.wrong_size(endpoint, "more"));
        }
        self.hasher.update(bytes);
        self.growing.append(bytes)?;
        self.report.fetched(self.growing.written(), fetched as u64);
        Ok(())
    }

    fn check_range(&mut self, endpoint: &Endpoint, response: &Response, from: u64) -> Result<u64, Trouble> {
        let header = response.headers().get(CONTENT_RANGE).and_then(|header| header.to_str().ok()).unwrap_or("");
        let (start, total) = range(header).ok_or_else(|| says_nonsense(&endpoint.name, "a part without its place"))?;
        if start != from {
            return Err(says_nonsense(&endpoint.name, format_args!("a part from byte {start}; {from} was asked for")));
        }
        match total {
            Some(total) if total != self.size => Err(self.wrong_size(endpoint, &total.to_string())),
            _ => Ok(0),
        }
    }

    fn check_length(&mut self, endpoint: &Endpoint, response: &Response, from: u64) -> Result<u64, Trouble> {
        match response.content_length() {
            Some(length) if length != self.size => Err(self.wrong_size(endpoint, &length.to_string())),
            _ => Ok(from),
        }
    }

    fn wrong_size(&self, endpoint: &Endpoint, found: &str) -> Trouble {
        let message = format!("{} has {found} bytes of a blob; it should be {}", endpoint.name, self.size);
        Trouble::Next(Failure::new(Code::DigestMismatch, message))
    }

    fn start_over(&mut self) -> Result<(), Trouble> {
        self.hasher = Hasher::default();
        Ok(self.growing.start_over()?)
    }
}

/// Start and total of "bytes START-END/TOTAL" (RFC 9110, 14.4).
fn range(header: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = header.strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::range;

    #[test]
    fn a_range_tells_where_it_starts() {
        assert_eq!(range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((5, None)));
        for header in ["", "bytes */10", "items 1-2/3", "bytes x-9/10"] {
            assert_eq!(range(header), None);
        }
    }
}
