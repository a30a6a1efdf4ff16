//! Trying: again with patience, then the next source.

use super::answer::Trouble;
use super::endpoint::Endpoint;
use crate::failure::{Code, Failure};
use std::time::Duration;

/// The first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Who says to come back later than this is believed, and not waited for.
const LONGEST_OBEDIENCE: Duration = Duration::from_secs(120);

/// Makes attempts at each endpoint in order. The failure is that of the last, which is the registry itself.
pub async fn persist<T>(
    endpoints: &[Endpoint],
    retries: u32,
    mut attempt: impl AsyncFnMut(&Endpoint) -> Result<T, Trouble>,
) -> Result<T, Failure> {
    let mut last = Failure::new(Code::BadRequest, "there is nobody to ask");
    for (at, endpoint) in endpoints.iter().enumerate() {
        let is_last = at + 1 == endpoints.len();
        let mut tried = 0;
        loop {
            let (failure, after) = match attempt(endpoint).await {
                Ok(done) => return Ok(done),
                Err(Trouble::Fatal(failure)) => return Err(failure),
                Err(Trouble::Next(failure)) => (failure, None),
                Err(Trouble::Again(failure, after)) => {
                    // A mirror that can't be reached has a stand-in; no time is lost on it.
                    let is_worth_it = is_last || failure.code != Code::Unreachable;
                    let pause = pause(tried, after).filter(|_| is_worth_it && tried < retries);
                    (failure, pause)
                }
            };
            last = failure;
            match after {
                Some(pause) => tokio::time::sleep(pause).await,
                None => break,
            }
            tried += 1;
        }
    }
    Err(last)
}

/// How long to wait before the next attempt; None when it would be too long.
fn pause(tried: u32, after: Option<Duration>) -> Option<Duration> {
    let own = FIRST_PAUSE.saturating_mul(1 << tried.min(10)).min(LONGEST_PAUSE);
    match after {
        Some(after) if after > LONGEST_OBEDIENCE => None,
        Some(after) => Some(after.max(FIRST_PAUSE)),
        None => Some(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_obey() {
        assert_eq!(pause(0, None), Some(FIRST_PAUSE));
        assert_eq!(pause(2, None), Some(FIRST_PAUSE * 4));
        assert_eq!(pause(40, None), Some(LONGEST_PAUSE));
        assert_eq!(pause(0, Some(Duration::from_secs(60))), Some(Duration::from_secs(60)));
        assert_eq!(pause(0, Some(Duration::from_secs(3600))), None);
    }
}
