//! The wish that the work be given up, seen by threads (between two steps) and by tasks (at once).

use crate::failure::Failure;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Wake = Box<dyn Fn() + Send>;

#[derive(Default)]
struct Inner {
    given_up: AtomicBool,
    wakes: Mutex<Vec<Wake>>,
}

/// Clones share the wish.
#[derive(Clone, Default)]
pub struct Cancel {
    inner: Arc<Inner>,
}

impl Cancel {
    pub fn give_up(&self) {
        self.inner.given_up.store(true, Ordering::SeqCst);
        for wake in self.inner.wakes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            wake();
        }
    }

    pub fn is_given_up(&self) -> bool {
        self.inner.given_up.load(Ordering::SeqCst)
    }

    pub fn check(&self) -> Result<(), Failure> {
        match self.is_given_up() {
            true => Err(Failure::cancelled()),
            false => Ok(()),
        }
    }

    /// Calls `wake` when the work is given up, at once if it was before.
    pub fn on_give_up(&self, wake: impl Fn() + Send + 'static) {
        let mut wakes = self.inner.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_given_up() {
            wake();
        } else {
            wakes.push(Box::new(wake));
        }
    }
}
