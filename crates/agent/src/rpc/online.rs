//! OnlineCPUMem: cpus and memory that the VMM has plugged are switched on.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use crate::agent::Agent;
use crate::boot::uevents::Uevents;
use crate::proto::grpc;
use crate::storage::table::blocking;
use crate::ttrpc::status::{Result, Status};

const CPUS: &str = "/sys/devices/system/cpu";
const MEMORY: &str = "/sys/devices/system/memory";
/// What was plugged may take the kernel a while to show.
const LIMIT: Duration = Duration::from_secs(5);

/// `nb_cpus` is how many cpus shall be on in all, those that are on already included; with 0 no cpu is touched. Containers need no
/// change: in cgroup v2 a new cpu is theirs unless they are bound to others.
pub async fn online(_: Rc<Agent>, request: grpc::OnlineCpuMemRequest) -> Result<()> {
    let work = move || {
        if request.nb_cpus > 0 {
            switch_on_cpus(request.nb_cpus)?;
        }
        if !request.cpu_only {
            switch_on(Path::new(MEMORY), "memory", "state", "online", usize::MAX)?;
        }
        Ok(())
    };
    if request.wait {
        return blocking(work).await;
    }
    tokio::task::spawn_blocking(move || {
        if let Err(status) = work() {
            eprintln!("viv-agent: OnlineCPUMem: {status}");
        }
    });
    Ok(())
}

fn switch_on_cpus(wanted: u32) -> Result<()> {
    let events = Uevents::open().map_err(|e| Status::os("device events", e))?;
    let mut last = Ok(0);
    let enough = events.wait_for(LIMIT, || {
        last = cpus_up_to(Path::new(CPUS), wanted as usize);
        // What cannot be read now cannot be read later.
        last.as_ref().map_or(true, |&on| on >= wanted as usize).then_some(())
    });
    let on = last?;
    enough.ok_or_else(|| Status::precondition(format!("{on} cpus are on, {wanted} were asked for")))
}

/// Switches on as many as are missing of `wanted`; answers how many are on then.
fn cpus_up_to(directory: &Path, wanted: usize) -> Result<usize> {
    let list = directory.join("online");
    let on = || fs::read_to_string(&list).map(|text| count(&text)).map_err(|e| Status::os(list.display(), e));
    let before = on()?;
    if before >= wanted {
        return Ok(before);
    }
    switch_on(directory, "cpu", "online", "1", wanted - before)?;
    on()
}

/// How many numbers a list of the kernel's names, such as `0-2,5`.
fn count(list: &str) -> usize {
    let number = |text: &str| text.parse::<usize>().ok();
    let range = |part: &str| match part.split_once('-') {
        Some((first, last)) => Some(number(last)?.checked_sub(number(first)?)? + 1),
        None => number(part).map(|_| 1),
    };
    list.trim().split(',').filter_map(range).sum()
}

/// Writes `on` into the file of directories `prefix` + number that bear something else, until `most` were written.
fn switch_on(directory: &Path, prefix: &str, file: &str, on: &str, most: usize) -> Result<()> {
    let entries = fs::read_dir(directory).map_err(|e| Status::os(directory.display(), e))?;
    let mut left = most;
    for entry in entries.filter_map(|entry| entry.ok()) {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix)).is_some_and(|n| n.parse::<u32>().is_ok());
        let path = entry.path().join(file);
        let off = number && left > 0 && fs::read_to_string(&path).is_ok_and(|state| state.trim() != on);
        if off && fs::write(&path, on).is_ok() {
            left -= 1;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lists_are_counted() {
        let lists = [("0\n", 1), ("0-3\n", 4), ("0-1,4,6-7\n", 5), ("\n", 0), ("3-1", 0)];
        assert_eq!(lists.map(|(list, _)| count(list)), lists.map(|(_, numbers)| numbers));
    }

    #[test]
    fn only_what_is_missing_is_switched_on() {
        let directory = std::env::temp_dir().join(format!("vv-cpus-{}", std::process::id()));
        // The first cpu cannot be switched off and so has no switch.
        for name in ["cpu0", "cpu1", "cpu2", "cpu3", "cpufreq"] {
            fs::create_dir_all(directory.join(name)).unwrap();
        }
        let switches = ["cpu1", "cpu2", "cpu3"].map(|name| directory.join(name).join("online"));
        fs::write(&switches[0], "1").unwrap();
        fs::write(&switches[1], "0").unwrap();
        fs::write(&switches[2], "0").unwrap();
        fs::write(directory.join("online"), "0-1\n").unwrap();
        let on = || switches.iter().filter(|file| fs::read_to_string(file).unwrap() == "1").count();

        assert_eq!(cpus_up_to(&directory, 2).unwrap(), 2);
        assert_eq!(on(), 1, "two are asked for and two are on");
        cpus_up_to(&directory, 3).unwrap();
        assert_eq!(on(), 2, "three are asked for: one more, not three more");
        fs::remove_dir_all(directory).unwrap();
    }
}
