//! Frames on their way to the peer of one connection. Answers go first; the frames of streams wait for one of a few slots,
//! first come first served, so that no stream starves another and none fills the memory.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// Stream frames that may wait to be written at one time.
const SLOTS: usize = 4;

pub struct Outbox {
    answers: RefCell<VecDeque<Vec<u8>>>,
    data: RefCell<VecDeque<(Vec<u8>, Option<OwnedSemaphorePermit>)>>,
    slots: Arc<Semaphore>,
    filled: Notify,
    closed: Cell<bool>,
    last: Cell<bool>,
    closing: Notify,
}

/// The connection is gone.
#[derive(Debug)]
pub struct Closed;

/// The right to send one stream frame.
pub struct Slot {
    outbox: Rc<Outbox>,
    permit: OwnedSemaphorePermit,
}

impl Slot {
    pub fn send(self, frame: Vec<u8>) {
        self.outbox.data.borrow_mut().push_back((frame, Some(self.permit)));
        self.outbox.filled.notify_one();
    }
}

impl Outbox {
    pub fn new() -> Rc<Outbox> {
        Rc::new(Outbox {
            answers: RefCell::default(),
            data: RefCell::default(),
            slots: Arc::new(Semaphore::new(SLOTS)),
            filled: Notify::new(),
            closed: Cell::new(false),
            last: Cell::new(false),
            closing: Notify::new(),
        })
    }

    pub fn answer(&self, frame: Vec<u8>) {
        if !self.closed.get() {
            self.answers.borrow_mut().push_back(frame);
            self.filled.notify_one();
        }
    }

    /// Queues the answer that ends a stream, behind what the stream has sent.
    pub fn end_of_stream(&self, frame: Vec<u8>) {
        if !self.closed.get() {
            self.data.borrow_mut().push_back((frame, None));
            self.filled.notify_one();
        }
    }

    /// Queues the last frame that the peer will get.
    pub fn last_answer(&self, frame: Vec<u8>) {
        self.answer(frame);
        self.last.set(true);
    }

    /// Whether the last frame is written or about to be.
    pub fn is_past_last(&self) -> bool {
        self.last.get() && self.answers.borrow().is_empty()
    }

    /// Waits for the right to send a stream frame.
    pub async fn reserve(self: &Rc<Self>) -> Result<Slot, Closed> {
        let permit = self.slots.clone().acquire_owned().await.map_err(|_| Closed)?;
        Ok(Slot { outbox: self.clone(), permit })
    }

    /// The next frame to write, if there is one.
    pub fn pop(&self) -> Option<Vec<u8>> {
        if let Some(frame) = self.answers.borrow_mut().pop_front() {
            return Some(frame);
        }
        self.data.borrow_mut().pop_front().map(|(frame, _permit)| frame)
    }

    /// Ends once something may be there to pop.
    pub async fn filled(&self) {
        self.filled.notified().await;
    }

    /// Drops what was not written; everything that waits on the connection ends.
    pub fn close(&self) {
        self.closed.set(true);
        self.slots.close();
        self.answers.borrow_mut().clear();
        self.data.borrow_mut().clear();
        self.closing.notify_waiters();
    }

    /// Ends once the connection is closed.
    pub async fn closed(&self) {
        while !self.closed.get() {
            self.closing.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(work: impl std::future::Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work);
    }

    #[test]
    fn answers_overtake_stream_frames() {
        run(async {
            let outbox = Outbox::new();
            outbox.reserve().await.unwrap().send(vec![1]);
            outbox.answer(vec![2]);
            outbox.end_of_stream(vec![3]);
            assert_eq!(outbox.pop(), Some(vec![2]));
            assert_eq!(outbox.pop(), Some(vec![1]));
            assert_eq!(outbox.pop(), Some(vec![3]), "the end of a stream does not overtake its data");
            assert_eq!(outbox.pop(), None);
        });
    }

    #[test]
    fn slots_come_back_when_frames_are_taken_and_end_with_the_connection() {
        run(async {
            let outbox = Outbox::new();
            for _ in 0..SLOTS {
                outbox.reserve().await.unwrap().send(vec![0]);
            }
            assert_eq!(outbox.slots.available_permits(), 0);
            outbox.pop();
            assert_eq!(outbox.slots.available_permits(), 1);
            outbox.close();
            assert!(outbox.reserve().await.is_err());
            outbox.closed().await;
            assert_eq!(outbox.pop(), None);
        });
    }
}
