//! The counters of the container's control group, in either version of the hierarchy.
//!
//! Each counter looks for its own file, because hosts mix the versions and kernels lack some of them. Files are opened
//! and read once at the start, so that reading them later needs neither a descriptor nor memory.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use tester_runner::message::CgroupVersion;

/// Where Docker shows a container its control group.
const ROOT: &str = "/sys/fs/cgroup";

/// The longest file that is read; the counters stand near its beginning.
const FILE_BYTES_MAX: usize = 4096;

const NANOSECONDS_PER_MICROSECOND: u64 = 1000;

/// One number out of a file.
pub(super) struct Counter {
    file: File,
    place: &'static Place,
}

/// Where a number stands: a file, a key in it, and what one unit of it is.
pub(super) struct Place {
    version: CgroupVersion,
    /// The controller's folder in version 1; empty in version 2.
    controller: &'static str,
    file: &'static str,
    /// The word before the number; empty when the file is the number.
    key: &'static str,
    /// What to multiply by: everything here is in nanoseconds, bytes or events.
    unit: u64,
}

const fn v2(file: &'static str, key: &'static str, unit: u64) -> Place {
    Place { version: CgroupVersion::V2, controller: "", file, key, unit }
}

const fn v1(controller: &'static str, file: &'static str, key: &'static str) -> Place {
    Place { version: CgroupVersion::V1, controller, file, key, unit: 1 }
}

/// CPU time of all processes, in nanoseconds.
pub(super) const CPU: &[Place] = &[
    v2("cpu.stat", "usage_usec", NANOSECONDS_PER_MICROSECOND),
    v1("cpuacct", "cpuacct.usage", ""),
    v1("cpu,cpuacct", "cpuacct.usage", ""),
];

/// Time for which the CPU quota stopped the group, in nanoseconds.
pub(super) const THROTTLED: &[Place] = &[
    v2("cpu.stat", "throttled_usec", NANOSECONDS_PER_MICROSECOND),
    v1("cpu", "cpu.stat", "throttled_time"),
    v1("cpu,cpuacct", "cpu.stat", "throttled_time"),
];

/// High-water mark of memory, in bytes.
pub(super) const MEMORY_PEAK: &[Place] = &[v2("memory.peak", "", 1), v1("memory", "memory.max_usage_in_bytes", "")];

/// Processes that the kernel killed because the group's memory was at its limit.
pub(super) const OOM_KILLS: &[Place] =
    &[v2("memory.events", "oom_kill", 1), v1("memory", "memory.oom_control", "oom_kill")];

/// Forks that the limit of processes refused.
pub(super) const PIDS_HITS: &[Place] = &[v2("pids.events", "max", 1), v1("pids", "pids.events", "max")];

/// Memory of processes, in bytes.
pub(super) const ANONYMOUS: &[Place] = &[v2("memory.stat", "anon", 1), v1("memory", "memory.stat", "rss")];

/// Memory of files that are nowhere else, in bytes.
pub(super) const SHARED: &[Place] = &[v2("memory.stat", "shmem", 1), v1("memory", "memory.stat", "shmem")];

impl Counter {
    /// The first of the places that can be read.
    pub(super) fn open(places: &'static [Place]) -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        places.iter().find_map(|place| Self::open_at(place, Path::new(ROOT), &own))
    }

    fn open_at(place: &'static Place, root: &Path, own: &str) -> Option<Self> {
        let counter = Self { file: File::open(folder(place, root, own).join(place.file)).ok()?, place };
        counter.read().map(|_| counter)
    }

    /// The number now; `None` when the kernel does not give it any more.
    pub(super) fn read(&self) -> Option<u64> {
        let mut buffer = [0; FILE_BYTES_MAX];
        let bytes = self.file.read_at(&mut buffer, 0).ok()?;
        number(buffer.get(..bytes)?, self.place.key)?.checked_mul(self.place.unit)
    }
}

/// Which version the sandbox sees.
pub(super) fn version() -> CgroupVersion {
    if Path::new(ROOT).join("cgroup.controllers").exists() { CgroupVersion::V2 } else { CgroupVersion::V1 }
}

/// The folder of the container's own group. Without a cgroup namespace the mount may show the whole host, and the own
/// group is further down; otherwise the mount itself is the own group.
fn folder(place: &Place, root: &Path, own: &str) -> PathBuf {
    let mount = root.join(place.controller);
    let below = own_group(place, own).map(|group| mount.join(group.trim_start_matches('/')));
    below.filter(|folder| folder.is_dir()).unwrap_or(mount)
}

/// The group in `/proc/self/cgroup`, whose lines are `number:controllers:path`.
fn own_group<'text>(place: &Place, own: &'text str) -> Option<&'text str> {
    own.lines().find_map(|line| {
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let here = match place.version {
            CgroupVersion::V2 => controllers.is_empty(),
            CgroupVersion::V1 => place.controller.split(',').all(|one| controllers.split(',').any(|it| it == one)),
        };
        here.then_some(path)
    })
}

/// The number after `key` at the beginning of a line, or the only number of the file when the key is empty.
fn number(text: &[u8], key: &str) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    if key.is_empty() {
        return text.trim().parse().ok();
    }
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(' ')?;
        (name == key).then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CPU_STAT_V2: &[u8] = b"usage_usec 1234567\nuser_usec 1000000\nsystem_usec 234567\n\
        nr_periods 10\nnr_throttled 3\nthrottled_usec 4200\n";
    const OOM_CONTROL_V1: &[u8] = b"oom_kill_disable 0\nunder_oom 0\noom_kill 3\n";
    const MEMORY_EVENTS_V2: &[u8] = b"low 0\nhigh 0\nmax 17\noom 2\noom_kill 1\noom_group_kill 0\n";

    #[test]
    fn numbers_are_found_in_files_of_both_versions() {
        assert_eq!(number(CPU_STAT_V2, "usage_usec"), Some(1_234_567));
        assert_eq!(number(CPU_STAT_V2, "throttled_usec"), Some(4200));
        assert_eq!(number(MEMORY_EVENTS_V2, "oom_kill"), Some(1));
        assert_eq!(number(OOM_CONTROL_V1, "oom_kill"), Some(3));
        assert_eq!(number(b"max 5\n", "max"), Some(5));
        assert_eq!(number(b"10485760\n", ""), Some(10_485_760));
    }

    #[test]
    fn a_file_without_the_number_is_missing_evidence_and_not_zero() {
        assert_eq!(number(b"oom_kill_disable 0\nunder_oom 0\n", "oom_kill"), None);
        assert_eq!(number(b"usage_usec 5\n", "throttled_usec"), None);
        assert_eq!(number(b"max\n", ""), None);
        assert_eq!(number(b"", ""), None);
        assert_eq!(number(b"\xff\xfe", ""), None);
    }

    #[test]
    fn the_own_group_is_found_by_controller() {
        let v1_lines = "11:cpu,cpuacct:/docker/abc\n7:memory:/docker/def\n0::/init.scope\n";
        assert_eq!(own_group(&MEMORY_PEAK[1], v1_lines), Some("/docker/def"));
        assert_eq!(own_group(&CPU[1], v1_lines), Some("/docker/abc"));
        assert_eq!(own_group(&CPU[2], v1_lines), Some("/docker/abc"));
        assert_eq!(own_group(&CPU[0], v1_lines), Some("/init.scope"));
        assert_eq!(own_group(&PIDS_HITS[1], v1_lines), None);
    }

    #[test]
    fn a_group_below_the_mount_is_preferred_to_the_hosts_own() {
        let root = std::env::temp_dir().join(format!("tester-runner-cgroup-{}", std::process::id()));
        let below = root.join("docker/abc");
        fs::create_dir_all(&below).unwrap();
        fs::write(root.join("memory.events"), "oom_kill 100\n").unwrap();
        fs::write(below.join("memory.events"), MEMORY_EVENTS_V2).unwrap();
        let read = |own| Counter::open_at(&OOM_KILLS[0], &root, own).and_then(|counter| counter.read());
        assert_eq!(read("0::/docker/abc\n"), Some(1));
        assert_eq!(read("0::/\n"), Some(100));
        assert_eq!(read("0::/not/shown\n"), Some(100));
        fs::remove_dir_all(&root).unwrap();
    }
}
