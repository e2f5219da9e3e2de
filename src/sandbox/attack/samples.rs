//! What a sound sandbox shows, for the tests of the judges.

use std::collections::BTreeMap;

use tester_runner::found::{Folder, Mount, Surroundings};
use tester_runner::message::{Cause, Ended, Exit, MemoryPeakSource};
use tokio::time::Instant;

use super::judge::inside::{ALL_ATTEMPTS, Expected};
use crate::domain::limits::Limits;
use crate::sandbox::blueprint::Blueprint;
use crate::sandbox::session::{End, Session};

pub(super) const UID: u32 = 20_007;

pub(super) fn print() -> Blueprint {
    Blueprint::new(&Limits::default())
}

pub(super) fn session(end: End, stdout: &str) -> Session {
    let now = Instant::now();
    Session {
        end,
        stdout: stdout.as_bytes().to_vec(),
        stderr: Vec::new(),
        report: Vec::new(),
        started_at: Some(now),
        ended_at: now,
    }
}

pub(super) fn ended(cause: Cause, exit: Option<Exit>) -> Ended {
    Ended {
        cause,
        exit,
        launch_error: None,
        wall_nanoseconds: 300_000_000,
        cpu_nanoseconds: 150_000_000,
        throttled_nanoseconds: 0,
        cpu_wait_nanoseconds: 0,
        memory_peak_bytes: 0,
        memory_peak_source: MemoryPeakSource::Cgroup,
        oom_kills: 0,
        pids_limit_hits: 0,
        processes_killed: 0,
        kill_nanoseconds: 1_000_000,
        stdout_bytes_total: 0,
        stderr_bytes_total: 0,
        report_truncated: false,
        clean: true,
    }
}

/// A report of the runner, with what differs.
pub(super) fn reported(change: impl FnOnce(&mut Ended), stdout: &str) -> Session {
    let mut report = ended(Cause::Exited, Some(Exit::Code(0)));
    change(&mut report);
    session(End::Reported(Box::new(report)), stdout)
}

pub(super) fn expected() -> Expected<'static> {
    static VOLUMES: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| vec!["/data/".to_owned()]);
    Expected { uid: UID, print: print(), volumes: &VOLUMES }
}

pub(super) fn mount(point: &str, kind: &str, options: &str, create: &str) -> Mount {
    Mount {
        point: point.to_owned(),
        kind: kind.to_owned(),
        options: options.split(',').map(str::to_owned).collect(),
        create: create.to_owned(),
    }
}

/// What a probe sees where every wall stands.
pub(super) fn surroundings() -> Surroundings {
    let ids = [UID; 4].map(|id| id.to_string()).join("\t");
    let none = "0000000000000000";
    let status = [
        ("Uid", ids.as_str()),
        ("Gid", ids.as_str()),
        ("Groups", ""),
        ("CapInh", none),
        ("CapPrm", none),
        ("CapEff", none),
        ("CapBnd", "00000000000000e0"),
        ("CapAmb", none),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Seccomp_filters", "2"),
    ];
    let print = print();
    let folder = |bytes, files| Folder { bytes, files };
    Surroundings {
        status: status.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        oom_score: "1000".to_owned(),
        descriptors: vec![0, 1, 2],
        devices: vec!["lo".to_owned()],
        mounts: vec![
            mount("/", "overlay", "ro,relatime", "EROFS"),
            mount("/proc", "proc", "rw,nosuid", "ENOENT"),
            mount("/dev", "tmpfs", "rw,nosuid", "EACCES"),
            mount("/proc/keys", "tmpfs", "rw", "ENOTDIR"),
            mount("/box", "tmpfs", "rw,nosuid,nodev", "done"),
            mount("/tmp", "tmpfs", "rw,nosuid,nodev,noexec", "done"),
            mount("/dev/shm", "tmpfs", "rw,nosuid,nodev,noexec", "done"),
            mount("/tester", "tmpfs", "rw,nosuid,nodev,noexec", "EACCES"),
            mount("/data", "tmpfs", "ro,nosuid,nodev,noexec", "EROFS"),
        ],
        folders: BTreeMap::from([
            ("/box".to_owned(), folder(print.scratch_bytes, print.scratch_files)),
            ("/tmp".to_owned(), folder(print.scratch_bytes, print.scratch_files)),
            ("/dev/shm".to_owned(), folder(print.shm_bytes, 1000)),
        ]),
        limits: [("core", 0), ("file_bytes", super::probes::FILE_BYTES), ("open_files", super::probes::OPEN_FILES)]
            .into_iter()
            .map(|(name, value)| (name.to_owned(), (Some(value), Some(value))))
            .collect(),
        attempts: ALL_ATTEMPTS
            .iter()
            .flat_map(|attempts| attempts.iter())
            .map(|(what, accepted)| ((*what).to_owned(), accepted.first().copied().unwrap_or("EPERM").to_owned()))
            .collect(),
    }
}
