//! CreateContainer.

use std::fs;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::pty::Winsize;

use super::container::{Container, State};
use super::{cwd, layout, mount_point, pipes};
use crate::agent::Agent;
use crate::cgroup::devices as device_rules;
use crate::devices::{nodes, wait};
use crate::oci::{check, hooks, translate};
use crate::process::task::Task;
use crate::proto::grpc;
use crate::runtime::job::Job;
use crate::storage::table::blocking;
use crate::ttrpc::status::{Result, Status};

/// Makes a container whose init waits to be started. A failure leaves nothing behind, and an id in use is refused untouched.
pub async fn create(agent: &Rc<Agent>, request: grpc::CreateContainerRequest) -> Result<()> {
    let id = request.container_id.as_str();
    check::id(id)?;
    refuse_unsupported(&request)?;
    let mut spec = request.oci.clone().ok_or_else(|| Status::invalid("OCI is missing"))?;
    check::spec(&spec)?;
    if !request.devices.is_empty() {
        spec = with_nodes(agent, spec, request.devices.clone()).await?;
        check::spec(&spec)?;
    }
    let spec = &spec;
    let process = with_user(spec.process.clone().unwrap_or_default(), request.string_user.as_ref())?;
    let shared_pid = request.sandbox_pidns && agent.sandbox_shares_pids()?;

    let container = Container::new(id, process.terminal, shared_pid);
    agent.add_container(&container)?;
    let _turn = container.life.lock().await;
    let made = make(agent, &container, &request.storages, spec, &process).await;
    if made.is_err() {
        if let Err(status) = undo(agent, &container).await {
            eprintln!("viv-agent: undoing the creation of {id}: {status}");
        }
        agent.forget_container(id);
    }
    made
}

fn refuse_unsupported(request: &grpc::CreateContainerRequest) -> Result<()> {
    if !request.shared_mounts.is_empty() {
        return Err(Status::unimplemented("shared_mounts are not supported"));
    }
    if request.stdin_port != 0 || request.stdout_port != 0 || request.stderr_port != 0 {
        return Err(Status::unimplemented("streams by port are not supported"));
    }
    Ok(())
}

/// Drivers that are loaded late may bring the nodes that are asked for.
async fn with_nodes(agent: &Agent, mut spec: grpc::Spec, devices: Vec<grpc::Device>) -> Result<grpc::Spec> {
    agent.late.done().await;
    blocking(move || nodes::fill(&mut spec, &devices, Path::new(wait::ROOT)).map(|()| spec)).await
}

/// Numbers in the string user go before those of the spec. Names are for those to resolve who know the image.
pub fn with_user(mut process: grpc::Process, user: Option<&grpc::StringUser>) -> Result<grpc::Process> {
    let Some(user) = user else {
        return Ok(process);
    };
    let number = |text: &str| {
        text.parse().map_err(|_| Status::invalid(format!("string_user: {text:?} is not a number; names are not resolved")))
    };
    let mut numbers = process.user.clone().unwrap_or_default();
    if !user.uid.is_empty() {
        numbers.uid = number(&user.uid)?;
    }
    if !user.gid.is_empty() {
        numbers.gid = number(&user.gid)?;
    }
    for gid in &user.additional_gids {
        numbers.additional_gids.push(number(gid)?);
    }
    process.user = Some(numbers);
    Ok(process)
}

async fn make(
    agent: &Rc<Agent>,
    container: &Rc<Container>,
    storages: &[grpc::Storage],
    spec: &grpc::Spec,
    process: &grpc::Process,
) -> Result<()> {
    let mount_points = agent.storages.attach(storages).await?;
    let private = |path: &String| !storages.iter().any(|storage| storage.shared && storage.mount_point == *path);
    let (own, shared) = mount_points.into_iter().partition(private);
    *container.mount_points.borrow_mut() = own;
    agent.keep_storages(shared);

    prepare_root(spec, process).await?;
    container.confined.set(spec.linux.as_ref().is_some_and(|linux| linux.seccomp.is_some()));
    set_guest_wide(spec)?;
    write_config(agent, container, spec, process)?;
    run(agent, container, process).await?;
    restrict(container, spec)
}

/// After the runtime made the nodes, and before the first line of the container's own runs.
fn restrict(container: &Container, spec: &grpc::Spec) -> Result<()> {
    let rules = spec.linux.as_ref().and_then(|linux| linux.resources.as_ref()).map_or(&[][..], |resources| &resources.devices);
    if rules.is_empty() {
        return Ok(());
    }
    device_rules::restrict(container.group.path(), rules).map_err(|e| Status::os("device rules", e))
}

/// The root has to be there, and the working directory is made as other runtimes make it, unless a mount will bring it.
async fn prepare_root(spec: &grpc::Spec, process: &grpc::Process) -> Result<()> {
    let root = PathBuf::from(spec.root.clone().unwrap_or_default().path);
    let cwd = process.cwd.clone();
    let mut mounts = crate::oci::mounts::complete(&spec.mounts).into_iter();
    let brought = mounts.any(|mount| Path::new(&cwd).starts_with(&mount.destination));
    let given = spec.mounts.clone();
    blocking(move || {
        if !fs::metadata(&root).is_ok_and(|meta| meta.is_dir()) {
            return Err(Status::invalid("Root.Path is not a directory in the guest"));
        }
        mount_point::make(&root, &given)?;
        if brought || cwd.is_empty() {
            return Ok(());
        }
        cwd::make(&root, &cwd)
    })
    .await
}

/// Settings of the network are the guest's: the runtime would refuse them in a container without a network of its own.
fn set_guest_wide(spec: &grpc::Spec) -> Result<()> {
    let settings = spec.linux.iter().flat_map(|linux| &linux.sysctl);
    for (name, value) in settings.filter(|(name, _)| translate::is_guest_wide(name)) {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        fs::write(path, value).map_err(|e| Status::invalid(format!("Linux.Sysctl: {name}={value}: {e}")))?;
    }
    Ok(())
}

fn write_config(agent: &Agent, container: &Container, spec: &grpc::Spec, process: &grpc::Process) -> Result<()> {
    let namespaces = layout::namespaces();
    let hooks = match agent.hooks() {
        Some(directory) => hooks::gather(&directory).map_err(|e| Status::os("guest hooks", e))?,
        None => None,
    };
    container.has_hooks.set(hooks.is_some());
    let around = translate::Surroundings {
        namespaces: &namespaces,
        shared_pid: container.shared_pid,
        cgroup: &container.group.name(),
        hooks,
    };
    let config = translate::config(spec, process, &around).to_string();
    let bundle = layout::bundle(&container.id);
    let written = fs::create_dir_all(layout::states())
        .and_then(|()| fs::create_dir_all(&bundle))
        .and_then(|()| fs::write(bundle.join("config.json"), config));
    written.map_err(|e| Status::os("bundle", e))
}

async fn run(agent: &Rc<Agent>, container: &Rc<Container>, process: &grpc::Process) -> Result<()> {
    let ends = pipes::open(process.terminal).map_err(|e| Status::os("streams", e))?;
    let job = Job::Create {
        id: container.id.clone(),
        bundle: layout::bundle(&container.id),
        states: layout::states(),
        terminal: process.terminal,
    };
    let mut done = agent.runtime.run(&job, ends.theirs, &container.cancel).await?;
    let pid = done.pid.ok_or_else(|| Status::internal("the runtime told no pid"))?;
    let streams = match done.master.take() {
        Some(master) => pipes::terminal(master).map_err(|e| Status::os("terminal", e))?,
        None => ends.streams.ok_or_else(|| Status::internal("the runtime gave no terminal"))?,
    };
    let ended = agent.reaper.register(pid);
    container.init.begin(pid, streams);
    drop(done);
    resize(&container.init, process.console_size.as_ref())?;
    *container.status.borrow_mut() = Some(ends.status);
    container.state.set(State::Created);
    agent.events.created(&container.id, pid);
    agent.watch_oom(container);
    agent.follow(container.clone(), container.init.clone(), ended);
    Ok(())
}

/// Gives a terminal the size that the spec asks for.
pub fn resize(task: &Task, size: Option<&grpc::Box>) -> Result<()> {
    match (task.master(), size) {
        (Some(master), Some(size)) if size.height > 0 && size.width > 0 => {
            set_size(master.as_raw_fd(), size.height, size.width).map_err(|e| Status::os("terminal size", e))
        }
        _ => Ok(()),
    }
}

pub fn set_size(terminal: i32, rows: u32, columns: u32) -> nix::Result<()> {
    nix::ioctl_write_ptr_bad!(set, libc::TIOCSWINSZ, Winsize);
    let cells = |count: u32| u16::try_from(count).unwrap_or(u16::MAX);
    let size = Winsize { ws_row: cells(rows), ws_col: cells(columns), ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the request takes a winsize, which lives for the call.
    unsafe { set(terminal, &size) }.map(drop)
}

/// What a container leaves in the guest: processes, cgroup, files, mounts.
pub async fn undo(agent: &Rc<Agent>, container: &Rc<Container>) -> Result<()> {
    let group = container.group.clone();
    let id = container.id.clone();
    let cleared = blocking(move || {
        group.kill().map_err(|e| Status::os("cgroup", e))?;
        group.remove(super::remove::KILL_LIMIT).map_err(|e| Status::os("cgroup", e))?;
        for directory in [layout::bundle(&id), layout::states().join(&id)] {
            match fs::remove_dir_all(&directory) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Status::os(directory.display(), error));
                }
                _ => {}
            }
        }
        Ok(())
    })
    .await;
    let mount_points = container.mount_points.take();
    let detached = agent.storages.detach(&mount_points).await;
    cleared.and(detached)
}
