//! A cgroup's measures as the kata protocol tells them. Units there: nanoseconds and bytes.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use super::group::{lookup, Group};
use crate::proto::grpc::{
    BlkioStats, BlkioStatsEntry, CgroupStats, CpuStats, CpuUsage, HugetlbStats, MemoryData, MemoryStats, NetworkStats, PidsStats,
    ThrottlingData,
};

pub fn read(group: &Group) -> CgroupStats {
    let path = group.path();
    CgroupStats {
        cpu_stats: Some(cpu(path)),
        memory_stats: Some(memory(path)),
        pids_stats: Some(PidsStats { current: number(path, "pids.current"), limit: limit(path, "pids.max") }),
        blkio_stats: Some(blkio(&text(path, "io.stat"))),
        hugetlb_stats: hugetlb(path),
    }
}

fn text(path: &Path, file: &str) -> String {
    fs::read_to_string(path.join(file)).unwrap_or_default()
}

/// 0 where the kernel has no such file.
fn number(path: &Path, file: &str) -> u64 {
    text(path, file).trim().parse().unwrap_or(0)
}

/// 0 for "max".
fn limit(path: &Path, file: &str) -> u64 {
    number(path, file)
}

fn value(text: &str, key: &str) -> u64 {
    lookup(text, key).and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn cpu(path: &Path) -> CpuStats {
    let stat = text(path, "cpu.stat");
    let nanos = |key| value(&stat, key) * 1000;
    CpuStats {
        cpu_usage: Some(CpuUsage {
            total_usage: nanos("usage_usec"),
            percpu_usage: Vec::new(),
            usage_in_kernelmode: nanos("system_usec"),
            usage_in_usermode: nanos("user_usec"),
        }),
        throttling_data: Some(ThrottlingData {
            periods: value(&stat, "nr_periods"),
            throttled_periods: value(&stat, "nr_throttled"),
            throttled_time: nanos("throttled_usec"),
        }),
    }
}

fn memory(path: &Path) -> MemoryStats {
    let stat = text(path, "memory.stat");
    let stats: HashMap<String, u64> = stat
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(key, value)| Some((key.to_owned(), value.trim().parse().ok()?)))
        .collect();
    let data = |prefix: &str| MemoryData {
        usage: number(path, &format!("{prefix}.current")),
        max_usage: number(path, &format!("{prefix}.peak")),
        failcnt: value(&text(path, &format!("{prefix}.events")), "max"),
        limit: limit(path, &format!("{prefix}.max")),
    };
    MemoryStats {
        cache: value(&stat, "file"),
        usage: Some(data("memory")),
        swap_usage: Some(data("memory.swap")),
        kernel_usage: Some(MemoryData { usage: value(&stat, "kernel"), ..Default::default() }),
        use_hierarchy: true,
        stats,
    }
}

/// Lines such as `254:0 rbytes=1 wbytes=2 rios=3 wios=4`.
fn blkio(text: &str) -> BlkioStats {
    let mut stats = BlkioStats::default();
    for line in text.lines() {
        let mut words = line.split(' ');
        let Some((major, minor)) = words.next().and_then(|device| device.split_once(':')) else {
            continue;
        };
        let (Ok(major), Ok(minor)) = (major.parse(), minor.parse()) else {
            continue;
        };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            let entry = |op: &str| BlkioStatsEntry { major, minor, op: op.into(), value: value.parse().unwrap_or(0) };
            match key {
                "rbytes" => stats.io_service_bytes_recursive.push(entry("read")),
                "wbytes" => stats.io_service_bytes_recursive.push(entry("write")),
                "rios" => stats.io_serviced_recursive.push(entry("read")),
                "wios" => stats.io_serviced_recursive.push(entry("write")),
                _ => {}
            }
        }
    }
    stats
}

fn hugetlb(path: &Path) -> HashMap<String, HugetlbStats> {
    let Ok(entries) = fs::read_dir(path) else {
        return HashMap::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let sizes = names.filter_map(|name| Some(name.strip_prefix("hugetlb.")?.strip_suffix(".current")?.to_owned()));
    sizes
        .filter(|size| !size.ends_with("rsvd"))
        .map(|size| {
            let usage = number(path, &format!("hugetlb.{size}.current"));
            let failcnt = value(&text(path, &format!("hugetlb.{size}.events")), "max");
            (size, HugetlbStats { usage, max_usage: 0, failcnt })
        })
        .collect()
}

/// The guest's interfaces: containers share them.
pub fn network() -> Vec<NetworkStats> {
    interfaces(&fs::read_to_string("/proc/net/dev").unwrap_or_default())
}

fn interfaces(table: &str) -> Vec<NetworkStats> {
    let rows = table.lines().skip(2).filter_map(|line| line.split_once(':'));
    rows.map(|(name, counts)| {
        let counts: Vec<u64> = counts.split_ascii_whitespace().map(|count| count.parse().unwrap_or(0)).collect();
        let count = |at: usize| counts.get(at).copied().unwrap_or(0);
        NetworkStats {
            name: name.trim().into(),
            rx_bytes: count(0),
            rx_packets: count(1),
            rx_errors: count(2),
            rx_dropped: count(3),
            tx_bytes: count(8),
            tx_packets: count(9),
            tx_errors: count(10),
            tx_dropped: count(11),
        }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_lines_become_entries_by_device() {
        let stats = blkio("254:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5\n");
        let bytes: Vec<_> = stats.io_service_bytes_recursive.iter().map(|e| (e.major, e.minor, e.value)).collect();
        assert_eq!(bytes, [(254, 16, 1), (254, 16, 2)]);
        assert_eq!(stats.io_serviced_recursive[1].value, 4);
    }

    #[test]
    fn interfaces_are_read_from_the_kernels_table() {
        let table = "Inter-| Receive\n face |bytes\n  eth0: 10 1 2 3 0 0 0 0 20 4 5 6 0 0 0 0\n";
        let all = interfaces(table);
        assert_eq!((all[0].name.as_str(), all[0].rx_bytes, all[0].tx_dropped), ("eth0", 10, 6));
    }
}
