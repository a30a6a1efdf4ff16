//! StreamService.Output: what a process wrote, by offset, then how it ended.

use std::cell::Cell;
use std::rc::Rc;

use prost::bytes::Bytes;
use prost::encoding::{encode_key, encode_varint, encoded_len_varint, WireType};
use prost::Message;

use crate::agent::Agent;
use crate::process::output::Output;
use crate::process::task::Task;
use crate::proto::vivarium::agent::v1::{self as agent, output_response::Event};
use crate::ttrpc::frame::{Header, HEADER, TYPE_DATA};
use crate::ttrpc::message::data_frame;
use crate::ttrpc::server::{Route, Sink};
use crate::ttrpc::status::{Code, Result, Status};

/// A write to the port takes at most this much at a time (the kernel's virtio console driver); each costs an exit to the VMM.
const PORT_WRITE: usize = 32 * 1024;
/// The most that a frame with a chunk has beside its bytes.
const AROUND: usize = 32;
/// Most bytes of one message: whole writes of the port with nothing left over, and short enough for others to come between.
const CHUNK: usize = 8 * PORT_WRITE - AROUND;
const WINDOW: u64 = 1 << 20;

/// Field numbers of OutputResponse.
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

pub fn open(agent: &Rc<Agent>, payload: Bytes) -> Result<Route> {
    let request = agent::OutputRequest::decode(payload).map_err(|e| Status::unknown(format!("Output: {e}")))?;
    let task = agent.container(&request.container_id, Code::NotFound)?.task(&request.exec_id)?;
    for (output, offset) in [(&task.stdout, request.stdout_offset), (&task.stderr, request.stderr_offset)] {
        if offset < output.acked() || offset > output.written() {
            let (from, to) = (output.acked(), output.written());
            return Err(Status::out_of_range(format!("offset {offset} is not within {from} to {to}")));
        }
    }
    Ok(Route::Stream(Box::new(move |sink| Box::pin(async move { Sender::new(task, &request).run(&sink).await }))))
}

struct Sender {
    task: Rc<Task>,
    reader: u64,
    window: u64,
    sent: [Cell<u64>; 2],
}

impl Sender {
    fn new(task: Rc<Task>, request: &agent::OutputRequest) -> Sender {
        let reader = task.take_over_reading();
        let window = if request.window == 0 { WINDOW } else { request.window.into() };
        Sender { task, reader, window, sent: [Cell::new(request.stdout_offset), Cell::new(request.stderr_offset)] }
    }

    async fn run(&self, sink: &Sink) -> Result<()> {
        loop {
            if !self.task.is_reader(self.reader) {
                return Err(Status::aborted("another Output took over, or the process was removed"));
            }
            let sent = [(STDOUT, &self.task.stdout), (STDERR, &self.task.stderr)];
            let mut progress = false;
            for (at, (field, output)) in sent.into_iter().enumerate() {
                progress |= self.send(sink, field, output, &self.sent[at]).await?;
            }
            if progress {
                continue;
            }
            if let Some(exit) = self.over() {
                let slot = sink.reserve().await.map_err(|_| gone())?;
                slot.send(data_frame(sink.stream, &agent::OutputResponse { event: Some(Event::Exit(exit)) }));
                return Ok(());
            }
            self.task.changed.notified().await;
        }
    }

    /// The exit, once every byte was sent.
    fn over(&self) -> Option<agent::Exit> {
        let exit = self.task.told_exit()?;
        let ends = [self.task.stdout.written(), self.task.stderr.written()];
        let all = self.sent.iter().zip(ends).all(|(sent, end)| sent.get() >= end);
        all.then(|| exit.message(ends[0], ends[1]))
    }

    /// Sends one chunk, if the stream has one and the window lets it.
    async fn send(&self, sink: &Sink, field: u32, output: &Output, sent: &Cell<u64>) -> Result<bool> {
        if self.sendable(output, sent) == 0 {
            return Ok(false);
        }
        let slot = sink.reserve().await.map_err(|_| gone())?;
        // More may have come, and another reader, while the slot was waited for.
        let length = self.sendable(output, sent);
        if length == 0 || !self.task.is_reader(self.reader) {
            return Ok(true);
        }
        let frame = chunk_frame(sink.stream, field, output, sent.get(), length)?;
        sent.set(sent.get() + length as u64);
        slot.send(frame);
        Ok(true)
    }

    fn sendable(&self, output: &Output, sent: &Cell<u64>) -> usize {
        let until = output.written().min(output.acked().saturating_add(self.window));
        (until.saturating_sub(sent.get()) as usize).min(CHUNK)
    }
}

fn gone() -> Status {
    Status::aborted("the connection is gone")
}

/// An OutputResponse with one chunk, as a whole frame. Encoded by hand: the bytes go from the ring to the frame in one copy.
fn chunk_frame(stream: u32, field: u32, output: &Output, offset: u64, length: usize) -> Result<Vec<u8>> {
    let of_offset = if offset == 0 { 0 } else { 1 + encoded_len_varint(offset) };
    let chunk = of_offset + 1 + encoded_len_varint(length as u64) + length;
    let message = 1 + encoded_len_varint(chunk as u64) + chunk;
    let mut frame = Vec::with_capacity(HEADER + message);
    frame.extend(Header { length: message as u32, stream, kind: TYPE_DATA, flags: 0 }.bytes());
    encode_key(field, WireType::LengthDelimited, &mut frame);
    encode_varint(chunk as u64, &mut frame);
    if offset != 0 {
        encode_key(1, WireType::Varint, &mut frame);
        encode_varint(offset, &mut frame);
    }
    encode_key(2, WireType::LengthDelimited, &mut frame);
    encode_varint(length as u64, &mut frame);
    match output.copy(offset, length, &mut frame) {
        Ok(count) if count == length => Ok(frame),
        _ => Err(Status::aborted("the bytes were acknowledged elsewhere")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_encoded_as_the_generated_code_reads_it() {
        let output = Output::new(Rc::default());
        output.append_for_test(b"hello world");
        for offset in [0, 6] {
            let frame = chunk_frame(9, STDERR, &output, offset, 5).unwrap();
            let header = Header::parse(frame[..HEADER].try_into().unwrap());
            assert_eq!((header.length as usize, header.stream, header.kind), (frame.len() - HEADER, 9, TYPE_DATA));
            let Some(Event::Stderr(chunk)) = agent::OutputResponse::decode(&frame[HEADER..]).unwrap().event else {
                panic!("not a chunk of stderr");
            };
            assert_eq!((chunk.offset, &chunk.data[..]), (offset, &b"hello world"[offset as usize..][..5]));
        }
    }
}
