//! GetMetrics: the guest's and the agent's figures as Prometheus text.

use std::fmt::Write;
use std::fs;
use std::rc::Rc;

use crate::agent::Agent;
use crate::facts::{line, uptime, VERSION};
use crate::proto::grpc;
use crate::ttrpc::status::Result;

const PAGE: u64 = 4096;

pub async fn get(agent: Rc<Agent>, _: grpc::GetMetricsRequest) -> Result<grpc::Metrics> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut text = String::new();
    gauge(&mut text, "vivarium_guest_uptime_seconds", &[("", uptime())]);
    gauge(&mut text, "vivarium_guest_load1", &[("", first_number(&line("/proc/loadavg")))]);
    gauge(&mut text, "vivarium_guest_memory_bytes", &memory(&read("/proc/meminfo")));
    counter(&mut text, "vivarium_guest_cpu_seconds_total", &cpu(&read("/proc/stat")));
    counter(&mut text, "vivarium_guest_network_bytes_total", &network());
    gauge(&mut text, "vivarium_agent_info", &[(&format!("version=\"{VERSION}\""), 1.0)]);
    gauge(&mut text, "vivarium_agent_resident_bytes", &[("", resident(&line("/proc/self/statm")))]);
    gauge(&mut text, "vivarium_agent_containers", &[("", agent.containers().len() as f64)]);
    let processes: usize = agent.containers().iter().map(|container| container.tasks().len()).sum();
    gauge(&mut text, "vivarium_agent_processes", &[("", processes as f64)]);
    Ok(grpc::Metrics { metrics: text })
}

fn gauge(text: &mut String, name: &str, samples: &[(impl AsRef<str>, f64)]) {
    family(text, name, "gauge", samples);
}

fn counter(text: &mut String, name: &str, samples: &[(impl AsRef<str>, f64)]) {
    family(text, name, "counter", samples);
}

fn family(text: &mut String, name: &str, kind: &str, samples: &[(impl AsRef<str>, f64)]) {
    let mut add = |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("writing to a string does not fail");
    add(format_args!("# TYPE {name} {kind}\n"));
    for (labels, value) in samples {
        match labels.as_ref() {
            "" => add(format_args!("{name} {value}\n")),
            labels => add(format_args!("{name}{{{labels}}} {value}\n")),
        }
    }
}

fn first_number(text: &str) -> f64 {
    text.split_ascii_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

fn resident(statm: &str) -> f64 {
    let pages: u64 = statm.split_ascii_whitespace().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    (pages * PAGE) as f64
}

fn memory(meminfo: &str) -> Vec<(String, f64)> {
    const KEYS: [(&str, &str); 6] = [
        ("MemTotal", "total"),
        ("MemFree", "free"),
        ("MemAvailable", "available"),
        ("Cached", "cached"),
        ("Slab", "slab"),
        ("AnonPages", "anonymous"),
    ];
    let value = |key: &str| {
        let rest = meminfo.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        Some(first_number(rest) * 1024.0)
    };
    KEYS.iter().filter_map(|(key, name)| Some((format!("kind=\"{name}\""), value(key)?))).collect()
}

/// From the first line of /proc/stat, in hundredths of a second.
fn cpu(stat: &str) -> Vec<(String, f64)> {
    const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"];
    let ticks = stat.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1);
    MODES.iter().zip(ticks).map(|(mode, t)| (format!("mode=\"{mode}\""), t.parse().unwrap_or(0.0) / 100.0)).collect()
}

fn network() -> Vec<(String, f64)> {
    let interfaces = crate::cgroup::stats::network();
    let sample = |name: &str, way: &str, bytes: u64| (format!("interface=\"{name}\",direction=\"{way}\""), bytes as f64);
    interfaces.iter().flat_map(|i| [sample(&i.name, "receive", i.rx_bytes), sample(&i.name, "transmit", i.tx_bytes)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_prometheus_text() {
        let mut text = String::new();
        gauge(&mut text, "a", &[("", 1.0)]);
        counter(&mut text, "b", &[("k=\"v\"", 2.5)]);
        assert_eq!(text, "# TYPE a gauge\na 1\n# TYPE b counter\nb{k=\"v\"} 2.5\n");
    }

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(
            memory("MemTotal:  2 kB\nMemFree: 1 kB\n"),
            [("kind=\"total\"".into(), 2048.0), ("kind=\"free\"".into(), 1024.0)]
        );
        assert_eq!(cpu("cpu  100 0 250\ncpu0 1")[2], ("mode=\"system\"".into(), 2.5));
        assert_eq!(resident("100 3 2"), 12288.0);
    }
}
