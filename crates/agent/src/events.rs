//! What happens in the guest, for those who listen.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::{Rc, Weak};

use tokio::sync::Notify;

use crate::process::task::Task;
use crate::proto::vivarium::agent::v1::{self as agent, events_response::Event};

/// Events that wait for one listener.
const BACKLOG: usize = 1024;
/// Kills for want of memory that wait for a kata client, which asks for one at a time.
const OOM_BACKLOG: usize = 64;

#[derive(Default)]
pub struct Events {
    listeners: RefCell<Vec<Weak<Listener>>>,
    ooms: RefCell<VecDeque<String>>,
    oom_came: Notify,
}

#[derive(Default)]
pub struct Listener {
    queue: RefCell<VecDeque<Event>>,
    lost: Cell<bool>,
    came: Notify,
}

impl Events {
    /// Hears what happens from now on, until the listener is dropped.
    pub fn listen(&self) -> Rc<Listener> {
        let listener = Rc::new(Listener::default());
        self.listeners.borrow_mut().push(Rc::downgrade(&listener));
        listener
    }

    pub fn oom(&self, container_id: &str) {
        let mut ooms = self.ooms.borrow_mut();
        if ooms.len() == OOM_BACKLOG {
            ooms.pop_front();
        }
        ooms.push_back(container_id.to_owned());
        drop(ooms);
        self.oom_came.notify_waiters();
        self.tell(Event::Oom(agent::Oom { container_id: container_id.into() }));
    }

    /// A container's init is there; it waits to be started.
    pub fn created(&self, container_id: &str, pid: i32) {
        let pid = u32::try_from(pid).unwrap_or(0);
        self.tell(Event::ContainerCreated(agent::ContainerCreated { container_id: container_id.into(), pid }));
    }

    /// The process has ended and its output is over.
    pub fn exited(&self, task: &Task) {
        let exit = task.told_exit().map(|exit| exit.message(task.stdout.written(), task.stderr.written()));
        self.tell(Event::ProcessExited(agent::ProcessExited {
            container_id: task.container_id.clone(),
            exec_id: task.exec_id.clone(),
            exit,
        }));
    }

    /// The container of the oldest kill that no such call was told of. Safe to drop while it waits.
    pub async fn next_oom(&self) -> String {
        loop {
            if let Some(id) = self.ooms.borrow_mut().pop_front() {
                return id;
            }
            self.oom_came.notified().await;
        }
    }

    fn tell(&self, event: Event) {
        self.listeners.borrow_mut().retain(|listener| {
            let Some(listener) = listener.upgrade() else {
                return false;
            };
            listener.take(event.clone());
            true
        });
    }
}

impl Listener {
    fn take(&self, event: Event) {
        let mut queue = self.queue.borrow_mut();
        if queue.len() == BACKLOG {
            self.lost.set(true);
        } else {
            queue.push_back(event);
        }
        drop(queue);
        self.came.notify_waiters();
    }

    /// The next event; None once one was lost because they were not fetched in time.
    pub async fn next(&self) -> Option<Event> {
        loop {
            if let Some(event) = self.queue.borrow_mut().pop_front() {
                return Some(event);
            }
            if self.lost.get() {
                return None;
            }
            self.came.notified().await;
        }
    }
}
