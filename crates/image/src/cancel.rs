//! The wish that the work be given up, seen by threads (between two steps) and by tasks (at once).

use crate::failure::{Code, Failure};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

type Wake = Box<dyn Fn() + Send>;

#[derive(Default)]
struct Inner {
    cause: OnceLock<Code>,
    wakes: Mutex<Vec<Wake>>,
}

/// Clones share the wish.
#[derive(Clone, Default)]
pub struct Cancel {
    inner: Arc<Inner>,
}

impl Cancel {
    /// Gives the work up because of a failure with this code. The first cause stays.
    pub fn give_up(&self, cause: Code) {
        let _ = self.inner.cause.set(cause);
        for wake in self.inner.wakes.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            wake();
        }
    }

    /// Why the work is given up, or none while it is not.
    pub fn cause(&self) -> Option<Code> {
        self.inner.cause.get().copied()
    }

    pub fn check(&self) -> Result<(), Failure> {
        match self.cause() {
            Some(_) => Err(Failure::cancelled()),
            None => Ok(()),
        }
    }

    /// Calls `wake` when the work is given up, at once if it was before.
    pub fn on_give_up(&self, wake: impl Fn() + Send + 'static) {
        let mut wakes = self.inner.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        if self.cause().is_some() {
            wake();
        } else {
            wakes.push(Box::new(wake));
        }
    }
}
