//! One simulated process: runs its program, and serves whoever reads, writes and waits.

use crate::agent::wire::Builder;
use crate::guest::program::{script_steps, spewed, Program, Step, Surroundings};
use crate::guest::reply::{Code, Replies};
use crate::guest::streams::{Input, Output, Refusal};
use std::collections::VecDeque;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Largest piece of output in one message.
const CHUNK: usize = 256 << 10;
const DEFAULT_WINDOW: u64 = 1 << 20;

pub const STDOUT: usize = 0;
pub const STDERR: usize = 1;

#[derive(Clone, Copy)]
pub struct Exit {
    pub status: i32,
    /// Since 1970.
    pub at: Duration,
    pub oom_killed: bool,
}

/// One Output call.
struct Reader {
    stream: u32,
    window: u64,
    sent: [u64; 2],
}

/// One ReadStdout or ReadStderr call.
struct Take {
    call: u32,
    most: usize,
}

pub struct Process {
    pub pid: u32,
    pub terminal: bool,
    pub exit: Option<Exit>,
    pub input: Input,
    pub outputs: [Output; 2],
    program: Program,
    env: Vec<String>,
    started: bool,
    wake: Option<Duration>,
    reader: Option<Reader>,
    takes: [VecDeque<Take>; 2],
    waiters: Vec<u32>,
    term_seen: u32,
    exit_told: bool,
}

impl Process {
    pub fn new(pid: u32, program: Program, terminal: bool, env: Vec<String>) -> Process {
        Process {
            pid,
            terminal,
            exit: None,
            input: Input::default(),
            outputs: Default::default(),
            program,
            env,
            started: false,
            wake: None,
            reader: None,
            takes: Default::default(),
            waiters: Vec::new(),
            term_seen: 0,
            exit_told: false,
        }
    }

    pub fn start(&mut self) {
        self.started = true;
    }

    pub fn runs(&self) -> bool {
        self.started && self.exit.is_none()
    }

    /// When the guest's clock has to reach for this process to go on by itself.
    pub fn wake(&self) -> Option<Duration> {
        self.wake.filter(|_| self.runs())
    }

    /// A signal. `first`: the process is pid 1 of its namespace, which the kernel shields from signals it has no handler for; the agent then kills.
    pub fn signal(&mut self, number: u32, first: bool) {
        const IGNORED: [u32; 5] = [17, 18, 19, 23, 28];
        if !self.runs() || IGNORED.contains(&number) {
            return;
        }
        let traps = matches!(self.program.front(), Some(Step::TrapTerm(_)));
        match number {
            15 if traps => self.term_seen += 1,
            15 if first => self.end(128 + 9, false),
            _ => self.end(128 + number as i32, false),
        }
    }

    pub fn end(&mut self, status: i32, oom_killed: bool) {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.exit.get_or_insert(Exit { status, at, oom_killed });
        self.program = Program::new();
        self.wake = None;
    }

    /// Runs as far as it can without waiting. `now` is the guest's clock.
    pub fn run(&mut self, now: Duration) {
        while self.runs() && self.step(now) {}
    }

    /// One step; false when it has to wait.
    fn step(&mut self, now: Duration) -> bool {
        let due = self.wake.is_none_or(|wake| wake <= now);
        let Some(step) = self.program.front_mut() else {
            self.end(0, false);
            return false;
        };
        let done = match step {
            Step::Write { stderr, data } => {
                let output = &mut self.outputs[if *stderr && !self.terminal { STDERR } else { STDOUT }];
                let count = data.len().min(output.room());
                output.push(data.drain(..count));
                data.is_empty()
            }
            Step::Spew { from, until } => {
                let output = &mut self.outputs[STDOUT];
                let to = until.saturating_sub(*from).min(output.room() as u64) + *from;
                output.push((*from..to).map(spewed));
                *from = to;
                to == *until
            }
            Step::Cat => {
                let output = &mut self.outputs[STDOUT];
                let bytes = self.input.take(output.room());
                output.push(bytes.into_iter());
                self.input.at_end()
            }
            Step::Sleep(length) if self.wake.is_none() => {
                self.wake = Some(now + *length);
                return true;
            }
            Step::Sleep(_) => {
                self.wake = self.wake.filter(|_| !due);
                due
            }
            Step::Counter { every, next } => {
                if !due {
                    return false;
                }
                let line = format!("{next}\n");
                if line.len() > self.outputs[STDOUT].room() {
                    return false;
                }
                self.wake = Some(self.wake.unwrap_or(now) + *every);
                *next += 1;
                self.outputs[STDOUT].push(line.bytes());
                return true;
            }
            Step::TrapTerm(code) => {
                if self.term_seen == 0 || self.outputs[STDOUT].room() < 5 {
                    return false;
                }
                self.term_seen -= 1;
                self.outputs[STDOUT].push(b"TERM\n".iter().copied());
                if let Some(code) = *code {
                    self.end(code, false);
                }
                return true;
            }
            Step::Shell => return self.shell_line(),
            Step::Status(_) => true,
            Step::Exit(status) => {
                let status = *status;
                self.end(status, false);
                return false;
            }
        };
        if done {
            self.program.pop_front();
        }
        done
    }

    /// Puts the steps of the next line of stdin before the shell itself.
    fn shell_line(&mut self) -> bool {
        let Some(line) = self.input.take_line() else {
            if self.input.at_end() {
                self.end(0, false);
            }
            return false;
        };
        let around = Surroundings { env: &self.env, cwd: "/", hostname: "fake" };
        let mut steps = script_steps(String::from_utf8_lossy(&line).trim_end(), &around);
        // The exit that ends every script must not end the shell.
        steps.pop_back();
        for step in steps.into_iter().rev() {
            self.program.push_front(step);
        }
        true
    }

    /// WriteStdin of either protocol.
    pub fn write(&mut self, call: u32, offset: Option<u64>, data: &[u8], eof: bool, replies: &mut Replies) {
        match self.input.write(call, offset, data, eof) {
            Ok(()) if self.exit.is_none() => {}
            Ok(()) => self.input.abandon().into_iter().for_each(|call| replies.fail(call, Code::FailedPrecondition, "the process reads no more")),
            Err(Refusal::Gap) => replies.fail(call, Code::OutOfRange, format!("stdin is accepted up to {} only", self.input.accepted())),
            Err(Refusal::Closed) => replies.fail(call, Code::FailedPrecondition, "stdin was closed"),
        }
    }

    /// Output: this reader takes the place of an earlier one.
    pub fn read_from(&mut self, stream: u32, offsets: [u64; 2], window: u64, replies: &mut Replies) {
        if let Some(index) = (0..2).find(|index| !self.outputs[*index].has(offsets[*index])) {
            let output = &self.outputs[index];
            return replies.fail(stream, Code::OutOfRange, format!("stream {} has {} to {}", index + 1, output.acked(), output.written()));
        }
        if let Some(earlier) = self.reader.take() {
            replies.fail(earlier.stream, Code::Aborted, "another reader came");
        }
        let window = if window == 0 { DEFAULT_WINDOW } else { window };
        self.reader = Some(Reader { stream, window, sent: offsets });
    }

    pub fn take_output(&mut self, index: usize, call: u32, most: usize) {
        self.takes[index].push_back(Take { call, most });
    }

    pub fn wait(&mut self, call: u32) {
        self.waiters.push(call);
    }

    /// Waiters that can be answered now.
    pub fn waiters_done(&mut self) -> Vec<u32> {
        if self.exit.is_some() { std::mem::take(&mut self.waiters) } else { Vec::new() }
    }

    pub fn discard_output(&mut self) {
        for output in &mut self.outputs {
            let end = output.written();
            output.ack(end);
        }
    }

    /// The link began anew: nobody waits for these answers any more. What runs goes on.
    pub fn forget_calls(&mut self) {
        self.reader = None;
        self.takes = Default::default();
        self.waiters.clear();
        self.input.forget_calls();
    }

    /// Ends every call, as when the process is removed.
    pub fn end_calls(&mut self, replies: &mut Replies) {
        let takes = self.takes.iter_mut().flat_map(|takes| takes.drain(..)).map(|take| take.call);
        let calls: Vec<u32> = takes.chain(self.waiters.drain(..)).chain(self.reader.take().map(|reader| reader.stream)).collect();
        for call in calls.into_iter().chain(self.input.abandon()) {
            replies.fail(call, Code::Aborted, "the container is being removed");
        }
    }

    /// Serves stdin, readers and takes as far as it goes; tells whether the program may go on because of it.
    pub fn serve(&mut self, replies: &mut Replies) -> bool {
        if self.exit.is_some() {
            self.input.abandon().into_iter().for_each(|call| replies.fail(call, Code::FailedPrecondition, "the process reads no more"));
        }
        let accepted = self.input.accepted();
        let done = self.input.settle();
        let mut moved = !done.is_empty() || self.input.accepted() != accepted;
        for write in done {
            let Some(call) = write.call else { continue };
            let value = if write.by_offset { write.accepted } else { write.length as u64 };
            replies.answer(call, Ok(Builder::new().number(1, value).finish()));
        }
        moved |= self.serve_takes(replies);
        self.serve_reader(replies);
        moved
    }

    fn serve_takes(&mut self, replies: &mut Replies) -> bool {
        let mut moved = false;
        for (output, takes) in self.outputs.iter_mut().zip(&mut self.takes) {
            while let Some(take) = takes.front() {
                let bytes = output.copy(output.acked(), take.most);
                if bytes.is_empty() && self.exit.is_none() && take.most > 0 {
                    break;
                }
                moved |= output.ack(output.acked() + bytes.len() as u64);
                replies.answer(take.call, Ok(Builder::new().data(1, &bytes).finish()));
                takes.pop_front();
            }
        }
        moved
    }

    fn serve_reader(&mut self, replies: &mut Replies) {
        let Some(reader) = &mut self.reader else { return };
        for (index, output) in self.outputs.iter().enumerate() {
            loop {
                // Acknowledged before it was sent: the reader has it from elsewhere.
                reader.sent[index] = reader.sent[index].max(output.acked());
                let until = output.written().min(output.acked() + reader.window);
                let most = until.saturating_sub(reader.sent[index]).min(CHUNK as u64) as usize;
                if most == 0 || replies.room == 0 {
                    break;
                }
                let data = output.copy(reader.sent[index], most);
                let chunk = Builder::new().number(1, reader.sent[index]).data(2, &data);
                reader.sent[index] += data.len() as u64;
                replies.data(reader.stream, Builder::new().message(index as u64 + 1, chunk).finish());
            }
        }
        let all_sent = (0..2).all(|index| reader.sent[index] == self.outputs[index].written());
        if let (Some(exit), true) = (self.exit, all_sent) {
            replies.data(reader.stream, Builder::new().message(3, exit_message(&exit, &self.outputs)).finish());
            replies.answer(reader.stream, Ok(Vec::new()));
            self.reader = None;
        }
    }

    /// The exit, once.
    pub fn exit_to_tell(&mut self) -> Option<Builder> {
        let first = !std::mem::replace(&mut self.exit_told, self.exit.is_some());
        self.exit_message().filter(|_| first)
    }

    pub fn exit_message(&self) -> Option<Builder> {
        self.exit.map(|exit| exit_message(&exit, &self.outputs))
    }
}

/// `vivarium.agent.v1.Exit`
fn exit_message(exit: &Exit, outputs: &[Output; 2]) -> Builder {
    let at = Builder::new().number(1, exit.at.as_secs()).number(2, exit.at.subsec_nanos().into());
    Builder::new()
        .signed(1, exit.status.into())
        .message(2, at)
        .number(3, exit.oom_killed.into())
        .number(4, outputs[STDOUT].written())
        .number(5, outputs[STDERR].written())
}
