//! The agent's port: link, frames and calls, and the faults that spoil them.

use crate::agent::frames::{Decoder, Incoming, REQUEST};
use crate::agent::link::{self, Link, Step};
use crate::agent::spoil;
use crate::agent::service::{self, Call, Effect, Facts};
use crate::agent::wire::Message;
use crate::args::Place;
use crate::faults::Faults;
use crate::guest::reply::{Code, Replies, Reply};
use crate::guest::Guest;
use crate::port::{Event, Port};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

/// How long `agent-out-of-order` keeps an answer back when no other comes.
const SWAP_PATIENCE: Duration = Duration::from_millis(50);

struct Request {
    stream: u32,
    service: String,
    method: String,
    payload: Vec<u8>,
}

/// What the machine has to do because of a call.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    PowerOff,
    Panic,
    /// The VMM itself dies.
    Die,
}

pub struct AgentPort {
    pub port: Port,
    pub guest: Guest,
    link: Link,
    decoder: Decoder,
    booted: bool,
    /// Nothing is answered any more.
    hung: bool,
    /// The channel is broken for good.
    broken: bool,
    requests: u64,
    methods: BTreeMap<u32, String>,
    deferred: Vec<(Duration, Request)>,
    delayed: VecDeque<(Duration, Vec<u8>)>,
    swapped: Option<(Duration, Vec<u8>)>,
    release_held_at: Option<Duration>,
    wishes: Vec<Wish>,
}

impl AgentPort {
    pub fn open(place: &Place) -> io::Result<AgentPort> {
        Ok(AgentPort {
            port: Port::open(place)?,
            guest: Guest::default(),
            link: Link::new(random()?),
            decoder: Decoder::default(),
            booted: false,
            hung: false,
            broken: false,
            requests: 0,
            methods: BTreeMap::new(),
            deferred: Vec::new(),
            delayed: VecDeque::new(),
            swapped: None,
            release_held_at: None,
            wishes: Vec::new(),
        })
    }

    /// The agent is up and has opened its port.
    pub fn boot(&mut self) {
        self.booted = true;
    }

    /// What clients sent before the agent opened its port waits in the socket.
    pub fn entries(&self, running: bool, faults: &Faults) -> [libc::pollfd; 2] {
        let listens = !self.port.is_connected() && (self.booted || faults.has("early-connect-kills-port"));
        self.port.entries(running && !self.broken && (listens || self.booted))
    }

    /// When the guest's clock has to reach for something to happen here.
    pub fn wake(&self) -> Option<Duration> {
        let deferred = self.deferred.iter().map(|(at, _)| *at);
        let delayed = self.delayed.front().map(|(at, _)| *at);
        let swapped = self.swapped.as_ref().map(|(at, _)| *at);
        deferred.chain(delayed).chain(swapped).chain(self.release_held_at).chain(self.guest.wake()).min()
    }

    pub fn input(&mut self, buffer: &mut [u8], faults: &mut Faults, facts: &Facts) {
        match self.port.input(buffer) {
            Event::Data(count) => {
                let steps = self.link.feed(&buffer[..count]);
                self.take(steps, faults, facts);
                self.release_held_at = self.link.holds().then(|| facts.now + link::HOLD);
            }
            Event::Connected => self.broken |= !self.booted && faults.has("early-connect-kills-port"),
            Event::Disconnected | Event::Nothing => {}
        }
    }

    fn take(&mut self, steps: Vec<Step>, faults: &mut Faults, facts: &Facts) {
        for step in steps {
            match step {
                Step::Hello(ack) => self.begin_anew(&ack, faults),
                Step::Go => {}
                Step::Bytes(bytes) => self.frames(&bytes, faults, facts),
            }
        }
    }

    fn begin_anew(&mut self, ack: &[u8], faults: &Faults) {
        self.decoder = Decoder::default();
        self.methods.clear();
        self.delayed.clear();
        self.swapped = None;
        self.guest.forget_calls();
        let half_made = self.deferred.drain(..).filter_map(|(_, request)| Some(Message::parse(&request.payload)?.text(1)));
        self.guest.half_made.extend(half_made);
        self.port.drop_unsent();
        if faults.has("link-garbage") {
            self.port.send(&[0x5a; 200]);
        }
        if !faults.has("link-mute") && !self.hung {
            self.port.send(ack);
        }
    }

    fn frames(&mut self, bytes: &[u8], faults: &mut Faults, facts: &Facts) {
        for incoming in self.decoder.push(bytes) {
            match incoming {
                Incoming::TooLarge { stream } => self.refuse(stream, Code::InvalidArgument, "the message is larger than 4194304 bytes", faults, facts),
                Incoming::Frame { stream, kind: REQUEST, .. } if stream % 2 == 0 => {
                    self.refuse(stream, Code::InvalidArgument, "the stream id is even", faults, facts);
                }
                Incoming::Frame { stream, kind: REQUEST, body } => match parse(stream, &body) {
                    Some(request) => self.request(request, faults, facts),
                    None => self.refuse(stream, Code::InvalidArgument, "the request is malformed", faults, facts),
                },
                Incoming::Frame { .. } => {}
            }
        }
    }

    fn refuse(&mut self, stream: u32, code: Code, message: &str, faults: &Faults, facts: &Facts) {
        let mut replies = Replies::new(0);
        replies.fail(stream, code, message);
        self.send(replies, faults, facts.now);
    }

    fn request(&mut self, request: Request, faults: &mut Faults, facts: &Facts) {
        self.requests += 1;
        let method = request.method.clone();
        if faults.names("die-on", &method) {
            return self.wishes.push(Wish::Die);
        }
        if faults.number("agent-dies-after", 0).is_some_and(|limit| self.requests > limit) {
            self.hung = true;
        }
        if faults.number("agent-restarts-after", 0).is_some_and(|limit| self.requests > limit) {
            faults.take("agent-restarts-after");
            return self.restart();
        }
        if self.hung || faults.hits("agent-mute", &method) {
            return;
        }
        if faults.names("guest-panic-on", &method) {
            return self.wishes.push(Wish::Panic);
        }
        if faults.names("guest-shutdown-on", &method) {
            return self.wishes.push(Wish::PowerOff);
        }
        match faults.number("cut-create-half-made", 200) {
            Some(delay) if method == "CreateContainer" => self.deferred.push((facts.now + Duration::from_millis(delay), request)),
            _ => self.handle(&request, faults, facts),
        }
    }

    /// The machine was reset: nobody listens until the next boot.
    pub fn reset(&mut self) {
        self.restart();
        (self.booted, self.hung) = (false, false);
    }

    /// Another agent process: it knows nothing, and its link starts from the well-known token.
    fn restart(&mut self) {
        if let Ok(instance) = random() {
            self.link = Link::new(instance);
            self.guest = Guest::default();
            self.decoder = Decoder::default();
        }
    }

    fn handle(&mut self, request: &Request, faults: &Faults, facts: &Facts) {
        let Some(payload) = Message::parse(&request.payload) else {
            return self.refuse(request.stream, Code::InvalidArgument, "the request's payload is malformed", faults, facts);
        };
        self.methods.insert(request.stream, request.method.clone());
        let mut replies = Replies::new(self.port.room());
        let call =
            Call { stream: request.stream, method: &request.method, request: payload, guest: &mut self.guest, faults, replies: &mut replies, facts };
        match service::handle(&request.service, call) {
            Effect::None => {}
            Effect::PowerOff => self.wishes.push(Wish::PowerOff),
            Effect::Panic => self.wishes.push(Wish::Panic),
            Effect::Hang => self.hung = true,
        }
        self.send(replies, faults, facts.now);
    }

    /// Lets time pass: timers, programs, and what was kept back. What the guest asks of its machine.
    pub fn advance(&mut self, faults: &mut Faults, facts: &Facts) -> Vec<Wish> {
        if self.release_held_at.is_some_and(|at| at <= facts.now) {
            self.release_held_at = None;
            let bytes = self.link.release();
            self.frames(&bytes, faults, facts);
        }
        while let Some(at) = self.deferred.iter().position(|(due, _)| *due <= facts.now) {
            let (_, request) = self.deferred.remove(at);
            self.handle(&request, faults, facts);
        }
        let mut replies = Replies::new(self.port.room());
        if let Some(container) = faults.take("oom-event") {
            if !self.guest.oom(&container, &mut replies) && faults.add(&format!("oom-event:{container}")).is_err() {
                return std::mem::take(&mut self.wishes);
            }
        }
        self.guest.run(facts.now, &mut replies);
        self.send(replies, faults, facts.now);
        self.release_due(facts.now);
        std::mem::take(&mut self.wishes)
    }

    fn release_due(&mut self, now: Duration) {
        while let Some((_, bytes)) = self.delayed.pop_front_if(|(at, _)| *at <= now) {
            self.port.send(&bytes);
        }
        if let Some((_, bytes)) = self.swapped.take_if(|(at, _)| *at <= now) {
            self.port.send(&bytes);
        }
    }

    fn send(&mut self, replies: Replies, faults: &Faults, now: Duration) {
        if !self.link.is_live() || self.hung {
            return;
        }
        for reply in replies.list {
            let method = if let Reply::Response { stream, .. } = &reply { self.methods.remove(stream) } else { None };
            let bytes = spoil::encode(reply, &method.unwrap_or_default(), faults);
            if let Some(delay) = faults.number("agent-slow", 100) {
                self.delayed.push_back((now + Duration::from_millis(delay), bytes));
            } else if !faults.has("agent-out-of-order") {
                self.port.send(&bytes);
            } else if let Some((_, earlier)) = self.swapped.take() {
                self.port.send(&bytes);
                self.port.send(&earlier);
            } else {
                self.swapped = Some((now + SWAP_PATIENCE, bytes));
            }
        }
    }
}

/// `ttrpc.Request`
fn parse(stream: u32, body: &[u8]) -> Option<Request> {
    let message = Message::parse(body)?;
    Some(Request { stream, service: message.text(1), method: message.text(2), payload: message.bytes(3).to_vec() })
}

fn random() -> io::Result<[u8; 16]> {
    let mut bytes = [0; 16];
    io::Read::read_exact(&mut std::fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(bytes)
}
