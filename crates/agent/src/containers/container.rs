//! One container of the sandbox.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, Notify};

use crate::cgroup::group::Group;
use crate::process::task::Task;
use crate::ttrpc::status::{Result, Status};

/// Execs that have ended are remembered, so that their status can be asked for; the oldest go first.
const KEPT_EXECS: usize = 512;

/// Bytes of output that execs which have ended may hold together for readers that did not come yet.
const KEPT_BYTES: u64 = 8 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Creating,
    Created,
    Running,
    Stopped,
}

pub struct Container {
    pub id: String,
    pub group: Group,
    pub init: Rc<Task>,
    pub state: Cell<State>,
    pub paused: Cell<bool>,
    /// Init shares the sandbox's pid namespace, so it is not pid 1 of one.
    pub shared_pid: bool,
    /// Its processes are under a seccomp filter.
    pub confined: Cell<bool>,
    /// The guest has hooks for it.
    pub has_hooks: Cell<bool>,
    /// Orders create, start and remove of this container; nothing else waits for them.
    pub life: Mutex<()>,
    /// Ends the runtime's work for this container.
    pub cancel: Notify,
    /// Tells of init's exec; there from create to start.
    pub status: RefCell<Option<AsyncFd<OwnedFd>>>,
    /// To be detached with the container.
    pub mount_points: RefCell<Vec<String>>,
    /// Kills for want of memory that were told of.
    pub oom_kills: Cell<u64>,
    execs: RefCell<BTreeMap<String, Rc<Task>>>,
    order: RefCell<Vec<String>>,
}

impl Container {
    pub fn new(id: &str, terminal: bool, shared_pid: bool) -> Rc<Container> {
        Rc::new(Container {
            id: id.into(),
            group: Group::of(id),
            init: Task::new(id, "", terminal),
            state: Cell::new(State::Creating),
            paused: Cell::new(false),
            shared_pid,
            confined: Cell::new(false),
            has_hooks: Cell::new(false),
            life: Mutex::new(()),
            cancel: Notify::new(),
            status: RefCell::default(),
            mount_points: RefCell::default(),
            oom_kills: Cell::new(0),
            execs: RefCell::default(),
            order: RefCell::default(),
        })
    }

    /// The process by its exec id: empty, or the container's own id, is the init process.
    pub fn task(&self, exec_id: &str) -> Result<Rc<Task>> {
        if exec_id.is_empty() || exec_id == self.id {
            return Ok(self.init.clone());
        }
        let task = self.execs.borrow().get(exec_id).cloned();
        task.ok_or_else(|| Status::not_found(format!("InvalidExecId: container {} has no exec {exec_id:?}", self.id)))
    }

    /// All processes that are remembered, init first.
    pub fn tasks(&self) -> Vec<Rc<Task>> {
        std::iter::once(self.init.clone()).chain(self.execs.borrow().values().cloned()).collect()
    }

    /// Takes a new exec in, under an id that is not in use.
    pub fn add_exec(&self, task: &Rc<Task>) -> Result<()> {
        let id = &task.exec_id;
        if *id == self.id || self.execs.borrow().contains_key(id) {
            return Err(Status::exists(format!("container {} has an exec {id:?} already", self.id)));
        }
        self.execs.borrow_mut().insert(id.clone(), task.clone());
        self.order.borrow_mut().push(id.clone());
        self.forget_old_execs();
        Ok(())
    }

    pub fn drop_exec(&self, exec_id: &str) {
        self.execs.borrow_mut().remove(exec_id);
        self.order.borrow_mut().retain(|id| id != exec_id);
    }

    fn forget_old_execs(&self) {
        let mut order = self.order.borrow_mut();
        while order.len() > KEPT_EXECS {
            let over = |id: &String| self.execs.borrow().get(id).is_none_or(|task| task.told_exit().is_some());
            let Some(oldest) = order.iter().position(over) else {
                return;
            };
            let id = order.remove(oldest);
            self.execs.borrow_mut().remove(&id);
        }
    }

    /// Frees the output of the execs that ended first, when all that ended hold too much. The newest keeps its own.
    pub fn free_old_output(&self) {
        let execs = self.execs.borrow();
        let ended: Vec<_> = self
            .order
            .borrow()
            .iter()
            .filter_map(|id| execs.get(id))
            .filter(|task| task.told_exit().is_some())
            .cloned()
            .collect();
        let held = |task: &Rc<Task>| task.stdout.held() + task.stderr.held();
        let mut total: u64 = ended.iter().map(held).sum();
        for task in ended.iter().take(ended.len().saturating_sub(1)) {
            if total <= KEPT_BYTES {
                return;
            }
            total -= held(task);
            task.stdout.discard();
            task.stderr.discard();
        }
    }

    pub fn must_be(&self, wanted: State) -> Result<()> {
        if self.state.get() == wanted {
            return Ok(());
        }
        let state = self.state.get();
        Err(Status::precondition(format!("container {} is {state:?}, not {wanted:?}", self.id)))
    }

    pub fn must_not_be_paused(&self) -> Result<()> {
        if self.paused.get() {
            return Err(Status::precondition(format!("container {} is paused", self.id)));
        }
        Ok(())
    }
}
