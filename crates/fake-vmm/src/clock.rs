//! The guest's clock: stands still while the machine does.

use std::time::{Duration, Instant};

pub struct Clock {
    /// Set while it runs.
    running_since: Option<Instant>,
    before: Duration,
}

impl Clock {
    pub fn stopped() -> Clock {
        Clock { running_since: None, before: Duration::ZERO }
    }

    pub fn now(&self) -> Duration {
        self.before + self.running_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    pub fn start(&mut self) {
        self.running_since.get_or_insert_with(Instant::now);
    }

    pub fn stop(&mut self) {
        self.before = self.now();
        self.running_since = None;
    }
}
