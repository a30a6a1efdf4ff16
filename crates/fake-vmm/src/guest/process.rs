//! One simulated process: runs its program, and serves whoever reads, writes and waits.

use crate::agent::wire::Builder;
use crate::guest::calls::Calls;
use crate::guest::program::{script_steps, spewed_range, Program, Step, Surroundings};
use crate::guest::reply::{Code, Replies};
use crate::guest::streams::{Input, Output, Refusal};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const STDOUT: usize = 0;
pub const STDERR: usize = 1;

#[derive(Clone, Copy)]
pub struct Exit {
    pub status: i32,
    /// Since 1970.
    pub at: Duration,
    pub oom_killed: bool,
}

#[derive(PartialEq, Eq)]
enum Progress {
    Done,
    /// It did something and may do more at once.
    GoesOn,
    Waits,
}

impl Progress {
    fn done_or_waits(done: bool) -> Progress {
        if done { Progress::Done } else { Progress::Waits }
    }
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
    pub calls: Calls,
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
            calls: Calls::default(),
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
        let Some(mut step) = self.program.pop_front() else {
            self.end(0, false);
            return false;
        };
        let progress = match &mut step {
            Step::Write { stderr, data } => self.write_out(*stderr, data),
            Step::Spew { from, until } => self.spew(from, *until),
            Step::Cat => self.copy_input(),
            Step::Sleep(length) => self.sleep(now, *length),
            Step::Counter { every, next } => self.count(now, *every, next),
            Step::TrapTerm(code) => self.trap(*code),
            Step::Shell => return self.shell_line(),
            Step::Status(_) => Progress::Done,
            Step::Exit(status) => {
                self.end(*status, false);
                Progress::Done
            }
        };
        if progress != Progress::Done && self.exit.is_none() {
            self.program.push_front(step);
        }
        progress != Progress::Waits
    }

    fn write_out(&mut self, stderr: bool, data: &mut Vec<u8>) -> Progress {
        let output = &mut self.outputs[if stderr && !self.terminal { STDERR } else { STDOUT }];
        let count = data.len().min(output.room());
        output.push(&data[..count]);
        data.drain(..count);
        Progress::done_or_waits(data.is_empty())
    }

    fn spew(&mut self, from: &mut u64, until: u64) -> Progress {
        let output = &mut self.outputs[STDOUT];
        let to = until.saturating_sub(*from).min(output.room() as u64) + *from;
        output.push(&spewed_range(*from..to));
        *from = to;
        Progress::done_or_waits(to == until)
    }

    fn copy_input(&mut self) -> Progress {
        let output = &mut self.outputs[STDOUT];
        let bytes = self.input.take(output.room());
        output.push(&bytes);
        Progress::done_or_waits(self.input.at_end())
    }

    fn sleep(&mut self, now: Duration, length: Duration) -> Progress {
        let due = *self.wake.get_or_insert(now + length) <= now;
        self.wake = self.wake.filter(|_| !due);
        Progress::done_or_waits(due)
    }

    fn count(&mut self, now: Duration, every: Duration, next: &mut u64) -> Progress {
        let line = format!("{next}\n");
        let due = self.wake.is_none_or(|wake| wake <= now);
        if !due || line.len() > self.outputs[STDOUT].room() {
            return Progress::Waits;
        }
        self.wake = Some(self.wake.unwrap_or(now) + every);
        *next += 1;
        self.outputs[STDOUT].push(line.as_bytes());
        Progress::GoesOn
    }

    fn trap(&mut self, code: Option<i32>) -> Progress {
        const WORD: &[u8] = b"TERM\n";
        if self.term_seen == 0 || self.outputs[STDOUT].room() < WORD.len() {
            return Progress::Waits;
        }
        self.term_seen -= 1;
        self.outputs[STDOUT].push(WORD);
        if let Some(code) = code {
            self.end(code, false);
        }
        Progress::GoesOn
    }

    /// Puts the steps of the next line of stdin before the shell itself.
    fn shell_line(&mut self) -> bool {
        let Some(line) = self.input.take_line() else {
            self.program.push_front(Step::Shell);
            if self.input.at_end() {
                self.end(0, false);
            }
            return false;
        };
        let around = Surroundings { env: &self.env, cwd: "/", hostname: "fake" };
        let mut steps = script_steps(String::from_utf8_lossy(&line).trim_end(), &around);
        // The exit that ends every script must not end the shell.
        steps.pop_back();
        self.program.push_front(Step::Shell);
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

    /// Output, from offsets that are kept.
    pub fn read_from(&mut self, stream: u32, offsets: [u64; 2], window: u64, replies: &mut Replies) {
        if let Some(index) = (0..2).find(|index| !self.outputs[*index].has(offsets[*index])) {
            let output = &self.outputs[index];
            return replies.fail(stream, Code::OutOfRange, format!("stream {} has {} to {}", index + 1, output.acked(), output.written()));
        }
        self.calls.read_from(stream, offsets, window, replies);
    }

    pub fn discard_output(&mut self) {
        for output in &mut self.outputs {
            let end = output.written();
            output.ack(end);
        }
    }

    /// The link began anew: nobody waits for these answers any more. What runs goes on.
    pub fn forget_calls(&mut self) {
        self.calls = Calls::default();
        self.input.forget_calls();
    }

    /// Ends every call, as when the process is removed.
    pub fn end_calls(&mut self, replies: &mut Replies) {
        self.calls.end_all(replies);
        self.input.abandon().into_iter().for_each(|call| replies.fail(call, Code::Aborted, "the container is being removed"));
    }

    /// Serves stdin, readers and takes as far as it goes; tells whether the program may go on because of it.
    pub fn serve(&mut self, replies: &mut Replies) -> bool {
        if self.exit.is_some() {
            self.input.abandon().into_iter().for_each(|call| replies.fail(call, Code::FailedPrecondition, "the process reads no more"));
        }
        let accepted = self.input.accepted();
        let done = self.input.settle();
        let moved = !done.is_empty() || self.input.accepted() != accepted;
        for write in done {
            let Some(call) = write.call else { continue };
            let value = if write.by_offset { write.accepted } else { write.length as u64 };
            replies.answer(call, Ok(Builder::new().number(1, value).finish()));
        }
        self.calls.serve(&mut self.outputs, self.exit, replies) || moved
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
pub fn exit_message(exit: &Exit, outputs: &[Output; 2]) -> Builder {
    let at = Builder::new().number(1, exit.at.as_secs()).number(2, exit.at.subsec_nanos().into());
    Builder::new()
        .signed(1, exit.status.into())
        .message(2, at)
        .number(3, exit.oom_killed.into())
        .number(4, outputs[STDOUT].written())
        .number(5, outputs[STDERR].written())
}
