//! What an answer, or the lack of one, means for the next step.

use crate::failure::{Code, Failure};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::StatusCode;
use serde::Deserialize;
use std::error::Error;
use std::time::{Duration, SystemTime};

/// Why an attempt came to nothing, by what is to be done about it.
#[derive(Debug)]
pub enum Trouble {
    /// The same may do later: at once, or when it was said.
    Again(Failure, Option<Duration>),
    /// The same would not do; another source may.
    Next(Failure),
    /// Nothing will do.
    Fatal(Failure),
}

/// A failure here, such as a full disk, is not the registry's.
impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Fatal(failure)
    }
}

/// An answer that is none of what was asked for.
pub fn refusal(name: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Trouble {
    let said = message(body).map(|said| format!(": {said}")).unwrap_or_default();
    let failure = |code| Failure::new(code, format_args!("{name} answered {status}{said}")).with_status(status.as_u16());
    match status.as_u16() {
        401 => Trouble::Next(failure(Code::Unauthorized)),
        403 => Trouble::Next(failure(Code::Forbidden)),
        404 => Trouble::Next(failure(Code::NotFound)),
        429 => Trouble::Again(failure(Code::RateLimited), retry_after(headers, SystemTime::now())),
        503 => Trouble::Again(failure(Code::Registry), retry_after(headers, SystemTime::now())),
        408 | 500.. => Trouble::Again(failure(Code::Registry), None),
        _ => Trouble::Next(failure(Code::Registry)),
    }
}

/// No answer, or half of one. Addresses stay out of messages: those of redirects hold secrets.
pub fn broken(name: &str, error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    let mut message = format!("{name}: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    match error.is_redirect() || error.is_builder() {
        true => Trouble::Next(Failure::new(Code::Registry, message)),
        false => Trouble::Again(Failure::new(Code::Unreachable, message), None),
    }
}

pub fn stalled(name: &str, stall: Duration) -> Trouble {
    let message = format!("{name} sent nothing for {} s", stall.as_secs());
    Trouble::Again(Failure::new(Code::Stalled, message), None)
}

pub fn says_nonsense(name: &str, what: impl std::fmt::Display) -> Trouble {
    Trouble::Next(Failure::new(Code::Registry, format_args!("{name}: {what}")))
}

/// The time to wait: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => Some(httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default()),
    }
}

#[derive(Deserialize)]
struct Errors {
    errors: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What the registry says of its refusal (distribution-spec, "Error Codes").
fn message(body: &[u8]) -> Option<String> {
    let said = serde_json::from_slice::<Errors>(body).ok()?.errors.into_iter().next()?;
    let text = format!("{} {}", said.code, said.message);
    Some(text.trim().chars().filter(|character| !character.is_control()).take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, text.parse().expect("header"));
        retry_after(&headers, SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770))
    }

    #[test]
    fn the_time_to_wait_is_a_number_or_a_date() {
        assert_eq!(after("3"), Some(Duration::from_secs(3)));
        assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::from_secs(7)));
        assert_eq!(after("Sat, 06 Nov 1993 08:49:37 GMT"), Some(Duration::ZERO));
        assert_eq!(after("soon"), None);
    }

    #[test]
    fn what_a_registry_says_is_part_of_the_failure() {
        let body = br#"{"errors":[{"code":"DENIED","message":"no\u0007 way"}]}"#;
        let Trouble::Next(failure) = refusal("h", StatusCode::FORBIDDEN, &HeaderMap::new(), body) else { panic!("again") };
        assert_eq!((failure.code, failure.status), (Code::Forbidden, Some(403)));
        assert!(failure.message.ends_with("DENIED no way"), "{}", failure.message);
    }
}
