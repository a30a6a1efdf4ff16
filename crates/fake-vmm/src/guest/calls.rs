//! Who waits for something of a process: readers of its output, in both protocols, and waiters for its end.

use crate::agent::wire::Builder;
use crate::guest::process::{exit_message, Exit};
use crate::guest::reply::{Code, Replies};
use crate::guest::streams::Output;
use std::collections::VecDeque;

/// Largest piece of output in one message.
const CHUNK: usize = 256 << 10;
const DEFAULT_WINDOW: u64 = 1 << 20;

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

#[derive(Default)]
pub struct Calls {
    reader: Option<Reader>,
    takes: [VecDeque<Take>; 2],
    waiters: Vec<u32>,
}

impl Calls {
    /// Output: this reader takes the place of an earlier one. `window` 0 is the default.
    pub fn read_from(&mut self, stream: u32, offsets: [u64; 2], window: u64, replies: &mut Replies) {
        if let Some(earlier) = self.reader.take() {
            replies.fail(earlier.stream, Code::Aborted, "another reader came");
        }
        let window = if window == 0 { DEFAULT_WINDOW } else { window };
        self.reader = Some(Reader { stream, window, sent: offsets });
    }

    pub fn take(&mut self, index: usize, call: u32, most: usize) {
        self.takes[index].push_back(Take { call, most });
    }

    pub fn wait(&mut self, call: u32) {
        self.waiters.push(call);
    }

    /// Ends every call, as when the process is removed.
    pub fn end_all(&mut self, replies: &mut Replies) {
        let takes = self.takes.iter_mut().flat_map(|takes| takes.drain(..)).map(|take| take.call);
        for call in takes.chain(self.waiters.drain(..)).chain(self.reader.take().map(|reader| reader.stream)) {
            replies.fail(call, Code::Aborted, "the container is being removed");
        }
    }

    /// Answers what can be answered; tells whether that made room for more output.
    pub fn serve(&mut self, outputs: &mut [Output; 2], exit: Option<Exit>, replies: &mut Replies) -> bool {
        let moved = self.serve_takes(outputs, exit.is_some(), replies);
        self.serve_reader(outputs, exit, replies);
        if let Some(exit) = exit {
            let answer = Builder::new().signed(1, exit.status.into()).finish();
            self.waiters.drain(..).for_each(|call| replies.answer(call, Ok(answer.clone())));
        }
        moved
    }

    fn serve_takes(&mut self, outputs: &mut [Output; 2], ended: bool, replies: &mut Replies) -> bool {
        let mut moved = false;
        for (output, takes) in outputs.iter_mut().zip(&mut self.takes) {
            while let Some(take) = takes.front() {
                let bytes = output.copy(output.acked(), take.most);
                if bytes.is_empty() && !ended && take.most > 0 {
                    break;
                }
                moved |= output.ack(output.acked() + bytes.len() as u64);
                replies.answer(take.call, Ok(Builder::new().data(1, &bytes).finish()));
                takes.pop_front();
            }
        }
        moved
    }

    fn serve_reader(&mut self, outputs: &[Output; 2], exit: Option<Exit>, replies: &mut Replies) {
        let Some(reader) = &mut self.reader else { return };
        for (index, output) in outputs.iter().enumerate() {
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
        let all_sent = (0..2).all(|index| reader.sent[index] == outputs[index].written());
        if let (Some(exit), true) = (exit, all_sent) {
            replies.data(reader.stream, Builder::new().message(3, exit_message(&exit, outputs)).finish());
            replies.answer(reader.stream, Ok(Vec::new()));
            self.reader = None;
        }
    }
}
