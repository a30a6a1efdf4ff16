//! A host's side of the link, with ttrpc calls on it.

use fake_vmm::agent::frames::{frame, Decoder, Incoming, DATA, REQUEST, RESPONSE};
use fake_vmm::agent::wire::{Builder, Message};
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

pub const BOOT: [u8; 16] = *b"vivarium-boot-00";
pub const AGENT: &str = "grpc.AgentService";
pub const STREAMS: &str = "vivarium.agent.v1.StreamService";
pub const GUEST: &str = "vivarium.agent.v1.GuestService";

pub struct Agent {
    pub stream: UnixStream,
    pub token: [u8; 16],
    pub instance: [u8; 16],
    decoder: Decoder,
    frames: VecDeque<(u32, u8, Vec<u8>)>,
    next_stream: u32,
}

/// `Ok(payload)`, or (code, message).
pub type Answer = Result<Vec<u8>, (u64, String)>;

impl Agent {
    /// Shakes hands: HELLO with `current`, all input discarded up to the ACK, GO.
    pub fn greet(mut stream: UnixStream, current: [u8; 16], seed: u8) -> Agent {
        let next = [seed; 16];
        stream.write_all(&[&current[..], &[1, 1], &next].concat()).expect("HELLO");
        let wanted = [&next[..], &[2, 1]].concat();
        let mut seen = Vec::new();
        let start = loop {
            let mut byte = [0; 1];
            stream.read_exact(&mut byte).expect("an ACK");
            seen.push(byte[0]);
            if seen.ends_with(&wanted) {
                break seen.len();
            }
        };
        let mut instance = [0; 16];
        stream.read_exact(&mut instance).expect("an instance");
        assert!(start >= wanted.len());
        stream.write_all(&[&next[..], &[3]].concat()).expect("GO");
        Agent { stream, token: next, instance, decoder: Decoder::default(), frames: VecDeque::new(), next_stream: 1 }
    }

    /// Sends a request: its stream.
    pub fn send(&mut self, service: &str, method: &str, payload: Builder) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        let request = Builder::new().text(1, service).text(2, method).data(3, &payload.finish()).finish();
        self.stream.write_all(&frame(stream, REQUEST, &request)).expect("send");
        stream
    }

    /// The next frame of any stream.
    pub fn any_frame(&mut self) -> (u32, u8, Vec<u8>) {
        let mut buffer = vec![0; 65536];
        while self.frames.is_empty() {
            let count = match self.stream.read(&mut buffer) {
                // A signal to this process is no answer.
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                read => read.expect("a frame"),
            };
            assert_ne!(count, 0, "the port was closed");
            for incoming in self.decoder.push(&buffer[..count]) {
                match incoming {
                    Incoming::Frame { stream, kind, body } => self.frames.push_back((stream, kind, body)),
                    Incoming::TooLarge { stream } => panic!("an oversized frame for {stream}"),
                }
            }
        }
        self.frames.pop_front().expect("a frame")
    }

    /// The next frame of this stream; others are kept.
    pub fn frame_of(&mut self, stream: u32) -> (u8, Vec<u8>) {
        let mut others = VecDeque::new();
        loop {
            let (found, kind, body) = self.any_frame();
            if found == stream {
                others.append(&mut self.frames);
                self.frames = others;
                return (kind, body);
            }
            others.push_back((found, kind, body));
        }
    }

    pub fn answer_to(&mut self, stream: u32) -> Answer {
        let (kind, body) = self.frame_of(stream);
        assert_eq!(kind, RESPONSE);
        answer(&body)
    }

    pub fn call(&mut self, service: &str, method: &str, payload: Builder) -> Answer {
        let stream = self.send(service, method, payload);
        self.answer_to(stream)
    }

    pub fn check(&mut self) {
        assert_eq!(self.call("grpc.Health", "Check", Builder::new()), Ok(vec![8, 1]));
    }

    pub fn ok(&mut self, method: &str, payload: Builder) -> Vec<u8> {
        self.call(AGENT, method, payload).unwrap_or_else(|error| panic!("{method}: {error:?}"))
    }

    pub fn code(&mut self, method: &str, payload: Builder) -> u64 {
        self.call(AGENT, method, payload).expect_err(method).0
    }

    /// CreateSandbox, CreateContainer and StartContainer.
    pub fn run(&mut self, id: &str, args: &[&str]) {
        self.ok("CreateContainer", container(id, args));
        self.ok("StartContainer", Builder::new().text(1, id));
    }

    pub fn exec(&mut self, id: &str, exec: &str, args: &[&str]) -> Answer {
        self.call(AGENT, "ExecProcess", Builder::new().text(1, id).text(2, exec).message(4, process(args)))
    }

    /// Reads all output from the start, acknowledging as it comes: (stdout, stderr, status).
    pub fn output(&mut self, id: &str, exec: &str) -> (Vec<u8>, Vec<u8>, i32) {
        let stream = self.send(STREAMS, "Output", target(id, exec));
        let mut streams = [Vec::new(), Vec::new()];
        loop {
            match self.next_output(stream) {
                Output::Chunk { index, offset, data } => {
                    assert_eq!(offset as usize, streams[index].len());
                    streams[index].extend(data);
                    let [stdout, stderr] = [0, 1].map(|index: usize| streams[index].len() as u64);
                    self.send(STREAMS, "Ack", target(id, exec).number(3, stdout).number(4, stderr));
                }
                Output::Exit { status, ends } => {
                    assert_eq!(ends, [0, 1].map(|index: usize| streams[index].len() as u64));
                    assert_eq!(self.answer_to(stream), Ok(Vec::new()));
                    let [stdout, stderr] = streams;
                    return (stdout, stderr, status);
                }
            }
        }
    }

    pub fn next_output(&mut self, stream: u32) -> Output {
        let (kind, body) = self.frame_of(stream);
        assert_eq!(kind, DATA, "{:?}", answer(&body));
        let message = Message::parse(&body).expect("well-formed");
        for index in 0..2 {
            if let Some(bytes) = message.all_bytes(index as u64 + 1).next() {
                let chunk = Message::parse(bytes).expect("well-formed");
                return Output::Chunk { index, offset: chunk.number(1), data: chunk.bytes(2).to_vec() };
            }
        }
        let exit = message.message(3);
        Output::Exit { status: exit.number(1) as i32, ends: [exit.number(4), exit.number(5)] }
    }

    pub fn wait(&mut self, id: &str, exec: &str) -> i32 {
        let answer = self.ok("WaitProcess", target(id, exec));
        Message::parse(&answer).expect("well-formed").number(1) as i32
    }

    pub fn signal(&mut self, id: &str, exec: &str, number: u64) {
        self.ok("SignalProcess", target(id, exec).number(3, number));
    }
}

#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    Chunk { index: usize, offset: u64, data: Vec<u8> },
    Exit { status: i32, ends: [u64; 2] },
}

fn answer(body: &[u8]) -> Answer {
    let message = Message::parse(body).expect("well-formed");
    let status = message.message(1);
    match status.number(1) {
        0 => Ok(message.bytes(2).to_vec()),
        code => Err((code, status.text(2))),
    }
}

pub fn target(id: &str, exec: &str) -> Builder {
    Builder::new().text(1, id).text(2, exec)
}

pub fn process(args: &[&str]) -> Builder {
    args.iter().fold(Builder::new(), |process, arg| process.text(4, arg)).text(5, "PATH=/bin").text(6, "/")
}

pub fn container(id: &str, args: &[&str]) -> Builder {
    let spec = Builder::new().message(2, process(args)).message(3, Builder::new().text(1, "/rootfs"));
    Builder::new().text(1, id).message(6, spec)
}
