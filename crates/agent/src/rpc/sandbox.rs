//! AgentService: the sandbox.

use std::path::Path;
use std::rc::Rc;

use crate::agent::{Agent, Sandbox};
use crate::boot::{modules, names};
use crate::containers::{layout, remove};
use crate::proto::grpc;
use crate::runtime::job::Job;
use crate::storage::shares;
use crate::storage::table::blocking;
use crate::ttrpc::status::{Result, Status};

/// Longest hostname of the kernel.
const HOSTNAME: usize = 64;
/// Seconds for each container when the sandbox goes.
const DESTROY_LIMIT: u32 = 10;

/// Once a guest. A second one is refused and changes nothing.
pub async fn create(agent: Rc<Agent>, request: grpc::CreateSandboxRequest) -> Result<()> {
    if agent.sandbox_begun.get() {
        let id = agent.sandbox.borrow().as_ref().map(|sandbox| sandbox.id.clone()).unwrap_or_default();
        return Err(Status::exists(format!("this guest has a sandbox already: {id:?}")));
    }
    if request.hostname.len() > HOSTNAME || request.hostname.contains('\0') {
        return Err(Status::invalid("hostname: it takes at most 64 bytes"));
    }
    let hooks = &request.guest_hook_path;
    if !hooks.is_empty() && !Path::new(hooks).is_absolute() {
        return Err(Status::invalid(format!("guest_hook_path: {hooks:?} is not an absolute path")));
    }
    agent.sandbox_begun.set(true);
    let made = make(&agent, request).await;
    match made {
        Ok(sandbox) => *agent.sandbox.borrow_mut() = Some(sandbox),
        Err(status) => {
            agent.storages.detach(&agent.take_kept_storages()).await?;
            agent.sandbox_begun.set(false);
            return Err(status);
        }
    }
    Ok(())
}

async fn make(agent: &Rc<Agent>, request: grpc::CreateSandboxRequest) -> Result<Sandbox> {
    agent.late.done().await;
    let wanted = request.kernel_modules;
    blocking(move || {
        for module in wanted {
            let parameters = module.parameters.join(" ");
            modules::load_named(&module.name, &parameters)
                .map_err(|e| Status::invalid(format!("kernel module {:?}: {e}", module.name)))?;
        }
        Ok(())
    })
    .await?;
    let kept = agent.storages.attach(&request.storages).await?;
    agent.keep_storages(kept);
    if agent.facts.is_init {
        nix::unistd::sethostname(&request.hostname).map_err(|e| Status::os("hostname", e))?;
        names::write(Path::new("/etc"), &request.hostname, &request.dns).map_err(|e| Status::os("names", e))?;
    }
    let shares_pids = request.sandbox_pidns;
    let job = Job::Namespaces { directory: layout::namespaces(), hostname: request.hostname, pid: shares_pids };
    let done = agent.runtime.run(&job, Vec::new(), &tokio::sync::Notify::new()).await?;
    if let Some(pid) = done.pid {
        // Nobody asks how the holder ended; it is registered so that it can be signalled without doubt.
        drop(agent.reaper.register(pid));
    }
    Ok(Sandbox { id: request.sandbox_id, shares_pids, pid_holder: done.pid, hooks: request.guest_hook_path })
}

/// Removes the containers, writes out what is cached, unmounts. After the answer the machine is switched off.
pub async fn destroy(agent: Rc<Agent>, _: grpc::DestroySandboxRequest) -> Result<()> {
    for container in agent.containers() {
        // What is left of it goes with the machine: the others still have to be ended in order.
        if let Err(status) = remove::remove(&agent, &container, DESTROY_LIMIT).await {
            eprintln!("viv-agent: {}: {status}", container.id);
        }
    }
    let sandbox = agent.sandbox.take();
    if let Some(pid) = sandbox.and_then(|sandbox| sandbox.pid_holder) {
        agent.reaper.signal(pid, libc::SIGKILL).map_err(|e| Status::os("pid namespace", e))?;
    }
    blocking(|| {
        nix::unistd::sync();
        Ok(())
    })
    .await?;
    if let Err(status) = agent.storages.detach(&agent.take_kept_storages()).await {
        eprintln!("viv-agent: {status}");
    }
    Ok(())
}

pub async fn update_ephemeral_mounts(_: Rc<Agent>, request: grpc::UpdateEphemeralMountsRequest) -> Result<()> {
    blocking(move || crate::storage::handlers::remount_ephemeral(&request.storages)).await
}

pub async fn remove_stale_mounts(_: Rc<Agent>, _: grpc::RemoveStaleVirtiofsShareMountsRequest) -> Result<()> {
    blocking(shares::remove_stale_mounts).await
}
