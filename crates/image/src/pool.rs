//! Things that several threads share, each for a time: who finds none waits.

use std::sync::{Condvar, Mutex, PoisonError};

pub struct Pool<T> {
    free: Mutex<Vec<T>>,
    changed: Condvar,
}

impl<T> Pool<T> {
    pub fn new(things: Vec<T>) -> Pool<T> {
        Pool { free: Mutex::new(things), changed: Condvar::new() }
    }

    /// Waits for one and does something with it.
    pub fn with<R>(&self, work: impl FnOnce(&T) -> R) -> R {
        let thing = self.take();
        let done = work(&thing);
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(thing);
        self.changed.notify_one();
        done
    }

    fn take(&self) -> T {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(thing) = free.pop() {
                return thing;
            }
            free = self.changed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
