//! Lets so many threads through at once.

use std::sync::{Condvar, Mutex, PoisonError};

pub struct Gate {
    free: Mutex<usize>,
    changed: Condvar,
}

impl Gate {
    pub fn new(slots: usize) -> Gate {
        Gate { free: Mutex::new(slots), changed: Condvar::new() }
    }

    /// Waits for a slot, which is free again when what is returned is dropped.
    pub fn enter(&self) -> Slot<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = self.changed.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Slot { gate: self }
    }
}

pub struct Slot<'a> {
    gate: &'a Gate,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.gate.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.gate.changed.notify_one();
    }
}
