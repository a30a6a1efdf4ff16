//! A fetcher: a thread's own event loop with its own connections, so that bytes go from the socket to hash and file in one place.

use super::client::Client;
use crate::cancel::Cancel;
use crate::failure::{Failure, OrFail};
use crate::request::Limits;
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

pub struct Fetcher {
    runtime: Runtime,
    client: Client,
}

impl Fetcher {
    pub fn new(limits: &Limits) -> Result<Fetcher, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build().or_fail("event loop")?;
        Ok(Fetcher { runtime, client: Client::new(limits.stall()) })
    }

    /// Runs to the end, or until the work is given up.
    pub fn run<T>(&self, cancel: &Cancel, work: impl AsyncFnOnce(&Client) -> Result<T, Failure>) -> Result<T, Failure> {
        let given_up = Arc::new(Notify::new());
        let notify = given_up.clone();
        cancel.on_give_up(move || notify.notify_one());
        self.runtime.block_on(async {
            tokio::select! {
                done = work(&self.client) => done,
                () = given_up.notified() => Err(Failure::cancelled()),
            }
        })
    }
}
