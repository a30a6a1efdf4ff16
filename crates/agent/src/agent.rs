//! What the agent knows: the sandbox, its containers, and what happens to them. One thread, no locks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;

use tokio::sync::oneshot;
use tokio::task::spawn_local;

use crate::cgroup::oom::{kills, Watch};
use crate::containers::container::{Container, State};
use crate::events::Events;
use crate::facts::Facts;
use crate::late::Late;
use crate::process::exit::{status_of, Exit};
use crate::process::reaper::Reaper;
use crate::process::task::Task;
use crate::runtime::client::Runtime;
use crate::storage::table::Storages;
use crate::ttrpc::status::{Code, Result, Status};

const KILLED: i32 = 128 + libc::SIGKILL;

/// The one sandbox of this guest.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pub id: String,
    pub shares_pids: bool,
    pub pid_holder: Option<i32>,
    /// Where the guest's hooks lie; empty for none.
    pub hooks: String,
}

pub struct Agent {
    pub facts: Facts,
    pub runtime: Runtime,
    pub reaper: Rc<Reaper>,
    pub storages: Storages,
    pub events: Events,
    pub late: Late,
    pub sandbox: RefCell<Option<Sandbox>>,
    /// CreateSandbox is under way or done.
    pub sandbox_begun: Cell<bool>,
    oom: Watch,
    containers: RefCell<BTreeMap<String, Rc<Container>>>,
    /// Attached for the sandbox as a whole.
    kept: RefCell<Vec<String>>,
}

impl Agent {
    pub fn new(facts: Facts, runtime: Runtime, late: Late) -> std::io::Result<Rc<Agent>> {
        Ok(Rc::new(Agent {
            facts,
            runtime,
            reaper: Rc::default(),
            storages: Storages::default(),
            events: Events::default(),
            late,
            sandbox: RefCell::default(),
            sandbox_begun: Cell::new(false),
            oom: Watch::new()?,
            containers: RefCell::default(),
            kept: RefCell::default(),
        }))
    }

    /// The container, or an error of the code that the kata protocol has for this call.
    pub fn container(&self, id: &str, absent: Code) -> Result<Rc<Container>> {
        let found = self.containers.borrow().get(id).cloned();
        found.ok_or_else(|| Status { code: absent, message: format!("Invalid container id: there is no container {id:?}") })
    }

    pub fn containers(&self) -> Vec<Rc<Container>> {
        self.containers.borrow().values().cloned().collect()
    }

    pub fn add_container(&self, container: &Rc<Container>) -> Result<()> {
        if self.sandbox.borrow().is_none() {
            return Err(Status::precondition("there is no sandbox yet: CreateSandbox comes first"));
        }
        let mut containers = self.containers.borrow_mut();
        if containers.contains_key(&container.id) {
            return Err(Status::exists(format!("there is a container {} already", container.id)));
        }
        containers.insert(container.id.clone(), container.clone());
        Ok(())
    }

    pub fn forget_container(&self, id: &str) {
        self.containers.borrow_mut().remove(id);
    }

    /// Refuses a container that wants a shared pid namespace that the sandbox does not have.
    pub fn sandbox_shares_pids(&self) -> Result<bool> {
        match &*self.sandbox.borrow() {
            Some(sandbox) if sandbox.shares_pids => Ok(true),
            Some(_) => Err(Status::precondition("the sandbox was created without a shared pid namespace")),
            None => Err(Status::precondition("there is no sandbox yet: CreateSandbox comes first")),
        }
    }

    /// The directory of the guest's hooks, if the sandbox has one.
    pub fn hooks(&self) -> Option<PathBuf> {
        let sandbox = self.sandbox.borrow();
        sandbox.as_ref().filter(|sandbox| !sandbox.hooks.is_empty()).map(|sandbox| PathBuf::from(&sandbox.hooks))
    }

    /// These are detached with the sandbox.
    pub fn keep_storages(&self, mount_points: Vec<String>) {
        self.kept.borrow_mut().extend(mount_points);
    }

    pub fn take_kept_storages(&self) -> Vec<String> {
        self.kept.take()
    }

    /// Waits for a process's end and records it.
    pub fn follow(self: &Rc<Self>, container: Rc<Container>, task: Rc<Task>, ended: oneshot::Receiver<i32>) {
        let agent = self.clone();
        spawn_local(async move {
            let Ok(raw) = ended.await else {
                return;
            };
            let status = status_of(raw);
            let oom_killed = agent.tell_of_oom(&container) || (status == KILLED && container.oom_kills.get() > 0);
            if task.exec_id.is_empty() {
                container.state.set(State::Stopped);
            }
            task.end(Exit::now(status, oom_killed && status == KILLED)).await;
            container.free_old_output();
            agent.events.exited(&task);
        });
    }

    pub fn watch_oom(&self, container: &Container) {
        if let Err(error) = self.oom.add(&container.id, &container.group) {
            eprintln!("viv-agent: {}: kills for want of memory will not be told: {error}", container.id);
        }
    }

    /// Tells of new kills for want of memory; answers whether there were any.
    fn tell_of_oom(&self, container: &Container) -> bool {
        let count = kills(&container.group);
        if count <= container.oom_kills.get() {
            return false;
        }
        container.oom_kills.set(count);
        self.events.oom(&container.id);
        true
    }

    /// Tells of kills for want of memory as they happen.
    pub async fn tell_of_ooms(self: Rc<Self>) -> std::io::Result<()> {
        loop {
            for id in self.oom.next().await? {
                if let Ok(container) = self.container(&id, Code::NotFound) {
                    self.tell_of_oom(&container);
                }
            }
        }
    }
}
