//! Serves ttrpc over a byte stream that is never closed, only disturbed: the link says where a connection begins.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::port::{End, Port};
use crate::link::machine::{Link, Step};
use crate::link::search::Token;
use crate::ttrpc::server::{Budget, Connection, Service};

const CHUNK: usize = 64 * 1024;

/// The connection of the moment, and the bytes that are being written.
struct Session {
    service: Rc<dyn Service>,
    budget: Rc<Budget>,
    connection: Option<Connection>,
    out: Vec<u8>,
    written: usize,
}

impl Session {
    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Hello { ack } => {
                self.connection = None;
                self.out = ack;
                self.written = 0;
            }
            Step::Go => self.connection = Some(Connection::new(self.service.clone(), self.budget.clone())),
            Step::Bytes(bytes) => {
                if let Some(connection) = &mut self.connection {
                    connection.feed(bytes);
                }
            }
        }
    }

    fn has_output(&mut self) -> bool {
        if self.written < self.out.len() {
            return true;
        }
        match self.connection.as_ref().and_then(|connection| connection.outbox().pop()) {
            Some(frame) => {
                self.out = frame;
                self.written = 0;
                true
            }
            None => false,
        }
    }

    fn is_over(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.outbox().is_past_last())
    }

    async fn filled(&self) {
        match &self.connection {
            Some(connection) => connection.outbox().filled().await,
            None => std::future::pending().await,
        }
    }
}

/// A guest's side of one link: lives as long as the agent, over any number of streams.
pub struct Linked {
    link: Link,
    session: Session,
    chunk: Vec<u8>,
}

impl Linked {
    pub fn new(instance: Token, service: Rc<dyn Service>, budget: Rc<Budget>) -> Linked {
        let session = Session { service, budget, connection: None, out: Vec::new(), written: 0 };
        Linked { link: Link::new(instance), session, chunk: vec![0; CHUNK] }
    }

    /// Serves until the stream ends or fails, or the last answer was written.
    pub async fn serve(&mut self, port: &mut impl Port) -> io::Result<End> {
        loop {
            let output = self.session.has_output();
            if !output && self.session.is_over() {
                return Ok(End::Finished);
            }
            let hold = self.link.hold_for();
            tokio::select! {
                biased;
                ready = port.wait(output) => {
                    ready?;
                    self.write(port)?;
                    if !self.read(port)? {
                        return Ok(End::Closed);
                    }
                }
                () = self.session.filled(), if !output => {}
                () = tokio::time::sleep(hold.unwrap_or(Duration::MAX)), if hold.is_some() => {
                    self.link.release(&mut |step| self.session.step(step));
                }
            }
        }
    }

    fn write(&mut self, port: &mut impl Port) -> io::Result<()> {
        while self.session.written < self.session.out.len() {
            match port.write(&self.session.out[self.session.written..]) {
                Ok(count) => self.session.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// False at the end of the stream.
    fn read(&mut self, port: &mut impl Port) -> io::Result<bool> {
        match port.read(&mut self.chunk) {
            Ok(0) => Ok(false),
            Ok(count) => {
                self.link.feed(&self.chunk[..count], &mut |step| self.session.step(step));
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        }
    }
}
