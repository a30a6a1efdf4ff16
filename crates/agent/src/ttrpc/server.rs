//! One connection's calls: frames in, requests handled side by side, answers into the outbox.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use prost::bytes::Bytes;
use prost::Message;
use tokio::task::{spawn_local, JoinHandle};

use super::frame::{Decoder, Header, Incoming, TYPE_REQUEST};
use super::message::{response_frame, Request};
use super::outbox::{Closed, Outbox, Slot};
use super::status::{Result, Status};

/// Bytes of request bodies that may be under work at one time, and how many requests.
const MAX_BYTES: usize = 16 * 1024 * 1024;
const MAX_CALLS: usize = 1024;

pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T>>>>;

/// How a call is carried out.
pub enum Route {
    /// Changes something: goes on to its end even when nobody waits for the answer any more.
    Work(Answer<Vec<u8>>),
    /// Waits for something: dropped with the connection or at its deadline. Must be safe to drop at any await.
    Wait(Answer<Vec<u8>>),
    /// As `Work`, and the connection ends once its answer has been written.
    Last(Answer<Vec<u8>>),
    /// Sends messages until it ends.
    Stream(Box<dyn FnOnce(Sink) -> Answer<()>>),
}

pub trait Service {
    fn route(&self, service: &str, method: &str, payload: Bytes) -> Result<Route>;
}

/// Where a server stream's messages go.
pub struct Sink {
    pub stream: u32,
    outbox: Rc<Outbox>,
}

impl Sink {
    /// Waits until a frame may be sent.
    pub async fn reserve(&self) -> std::result::Result<Slot, Closed> {
        self.outbox.reserve().await
    }
}

/// What is under work, over all connections: bounds what a flood of requests can cost.
#[derive(Default)]
pub struct Budget {
    bytes: Cell<usize>,
    calls: Cell<usize>,
}

struct Share {
    budget: Rc<Budget>,
    bytes: usize,
}

impl Budget {
    fn take(self: &Rc<Self>, bytes: usize) -> Result<Share> {
        if self.calls.get() >= MAX_CALLS || self.bytes.get() + bytes > MAX_BYTES {
            return Err(Status::exhausted("too many requests are under way"));
        }
        self.calls.set(self.calls.get() + 1);
        self.bytes.set(self.bytes.get() + bytes);
        Ok(Share { budget: self.clone(), bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.calls.set(self.budget.calls.get() - 1);
        self.budget.bytes.set(self.budget.bytes.get() - self.bytes);
    }
}

/// A task that ends with its handle.
struct Tied(JoinHandle<Result<Vec<u8>>>);

impl Drop for Tied {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub struct Connection {
    service: Rc<dyn Service>,
    budget: Rc<Budget>,
    outbox: Rc<Outbox>,
    decoder: Decoder,
}

impl Connection {
    pub fn new(service: Rc<dyn Service>, budget: Rc<Budget>) -> Connection {
        Connection { service, budget, outbox: Outbox::new(), decoder: Decoder::default() }
    }

    pub fn outbox(&self) -> &Rc<Outbox> {
        &self.outbox
    }

    /// Takes in bytes from the peer and starts the calls that they complete.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Connection { service, budget, outbox, decoder } = self;
        decoder.push(bytes, &mut |incoming| accept(service, budget, outbox, incoming));
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.outbox.close();
    }
}

fn accept(service: &Rc<dyn Service>, budget: &Rc<Budget>, outbox: &Rc<Outbox>, incoming: Incoming) {
    let (header, body) = match incoming {
        Incoming::Frame { header, body } => (header, Ok(body)),
        Incoming::Oversized { header } => (header, Err(Status::invalid("the message is larger than 4 MiB"))),
    };
    if header.kind != TYPE_REQUEST {
        return;
    }
    if let Err(status) = body.and_then(|body| start(service, budget, outbox, header, body)) {
        outbox.answer(response_frame(header.stream, Err(status)));
    }
}

fn start(service: &Rc<dyn Service>, budget: &Rc<Budget>, outbox: &Rc<Outbox>, header: Header, body: Vec<u8>) -> Result<()> {
    if header.stream.is_multiple_of(2) {
        return Err(Status::invalid("a client's stream id is odd"));
    }
    let share = budget.take(body.len())?;
    let request = Request::decode(Bytes::from(body)).map_err(|e| Status::unknown(format!("request: {e}")))?;
    let route = service.route(&request.service, &request.method, request.payload)?;
    let outbox = outbox.clone();
    spawn_local(async move {
        let limit = u64::try_from(request.timeout_nano).ok().filter(|&nano| nano > 0).map(Duration::from_nanos);
        let (last, streamed) = (matches!(route, Route::Last(_)), matches!(route, Route::Stream(_)));
        let result = carry_out(route, limit, header.stream, &outbox).await;
        drop(share);
        match result {
            Some(Ok(payload)) if last => outbox.last_answer(response_frame(header.stream, Ok(payload))),
            Some(result) if streamed => outbox.end_of_stream(response_frame(header.stream, result)),
            Some(result) => outbox.answer(response_frame(header.stream, result)),
            None => {}
        }
    });
    Ok(())
}

/// Answers None when the connection ended before the call did.
async fn carry_out(route: Route, limit: Option<Duration>, stream: u32, outbox: &Rc<Outbox>) -> Option<Result<Vec<u8>>> {
    match route {
        Route::Work(work) | Route::Last(work) => {
            let mut task = spawn_local(work);
            Some(within(limit, &mut task).await)
        }
        Route::Wait(wait) => tied(spawn_local(wait), limit, outbox).await,
        Route::Stream(begin) => {
            let work = begin(Sink { stream, outbox: outbox.clone() });
            tied(spawn_local(async move { work.await.map(|()| Vec::new()) }), limit, outbox).await
        }
    }
}

async fn tied(task: JoinHandle<Result<Vec<u8>>>, limit: Option<Duration>, outbox: &Outbox) -> Option<Result<Vec<u8>>> {
    let mut task = Tied(task);
    tokio::select! {
        result = within(limit, &mut task.0) => Some(result),
        () = outbox.closed() => None,
    }
}

/// The task's result, or what became of it. A panic stays within its call.
async fn within(limit: Option<Duration>, task: &mut JoinHandle<Result<Vec<u8>>>) -> Result<Vec<u8>> {
    let joined = match limit {
        None => task.await,
        Some(limit) => match tokio::time::timeout(limit, task).await {
            Ok(joined) => joined,
            Err(_) => return Err(Status::deadline("the call's time-out has passed")),
        },
    };
    joined.unwrap_or_else(|error| Err(Status::internal(format!("the call broke down: {error}"))))
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
