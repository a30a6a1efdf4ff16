//! Serves ttrpc over one connected socket.

use std::io;
use std::rc::Rc;

use super::port::{End, Port};
use crate::ttrpc::server::{Budget, Connection, Service};

const CHUNK: usize = 64 * 1024;

/// Serves until the peer closes the connection, it fails, or the last answer was written.
pub async fn serve(port: &mut impl Port, service: Rc<dyn Service>, budget: Rc<Budget>) -> io::Result<End> {
    let mut connection = Connection::new(service, budget);
    let mut chunk = vec![0; CHUNK];
    let mut out = Vec::new();
    let mut written = 0;
    loop {
        if written == out.len() {
            out = connection.outbox().pop().unwrap_or_default();
            written = 0;
        }
        let outbox = connection.outbox().clone();
        if written == out.len() && outbox.is_past_last() {
            return Ok(End::Finished);
        }
        tokio::select! {
            biased;
            ready = port.wait(written < out.len()) => ready?,
            () = outbox.filled(), if written == out.len() => continue,
        }
        if written < out.len() {
            written += would_block_is_none(port.write(&out[written..]))?.unwrap_or(0);
        }
        match would_block_is_none(port.read(&mut chunk))? {
            Some(0) => return Ok(End::Closed),
            Some(count) => connection.feed(&chunk[..count]),
            None => {}
        }
    }
}

fn would_block_is_none(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
