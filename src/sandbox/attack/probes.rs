//! The hostile programs of an attack, each with small limits of its own.

use tester_runner::message::{Probe, Start};

use crate::sandbox::blueprint::Blueprint;
use crate::sandbox::{hardening, plan};

/// Bytes of output that are kept; what a probe says fits.
const OUTPUT_BYTES: u64 = 1_048_576;

/// Bytes of an endless output that are kept.
pub(super) const FLOOD_BYTES: u64 = 65_536;

/// `RLIMIT_NOFILE` of a probe.
pub(super) const OPEN_FILES: u64 = 64;

/// `RLIMIT_FSIZE` of a probe.
pub(super) const FILE_BYTES: u64 = 1_048_576;

/// CPU time of the probe that spins.
pub(super) const CPU_MILLISECONDS: u64 = 150;

/// Wall time of a probe that ends before it. Generous: a slow host is no broken one.
const WALL_MILLISECONDS: u64 = 20_000;

/// Wall time of the stubborn tree, tried in turn until the host was fast enough to plant it.
pub(super) const KILL_WALL_MILLISECONDS: [u64; 4] = [200, 800, 3_200, 12_800];

/// How far beyond a limit a probe goes before it counts as unlimited.
const MORE_THREADS: u64 = 16;
const MORE_MEMORY_BYTES: u64 = 64 * 1_048_576;

/// Threads that spin, at most.
const SPINNERS_MAX: u64 = 64;

/// The order for one probe.
pub(super) fn start(probe: Probe, print: &Blueprint, uid: u32) -> Start {
    let cpus_milli = plan::milliseconds(print.cpus);
    Start {
        uid,
        // Nothing of the image is executed.
        argv: vec!["probe".to_owned()],
        path: String::new(),
        env: Vec::new(),
        wall_milliseconds: WALL_MILLISECONDS,
        cpu_milliseconds: if matches!(probe, Probe::CpuTime { .. }) { CPU_MILLISECONDS } else { WALL_MILLISECONDS },
        stdout_bytes: if probe == Probe::Output { FLOOD_BYTES } else { OUTPUT_BYTES },
        stderr_bytes: OUTPUT_BYTES,
        file_bytes: FILE_BYTES,
        open_files: OPEN_FILES,
        report: false,
        report_bytes_max: 0,
        cpus_milli,
        warm: false,
        last: false,
        probe: Some(probe),
    }
}

/// More processes than there may be.
pub(super) fn processes(print: &Blueprint) -> Probe {
    Probe::Processes { most: print.processes.saturating_add(MORE_THREADS) }
}

/// More memory than there may be.
pub(super) fn memory(print: &Blueprint) -> Probe {
    let limit = u64::try_from(hardening::container_memory_bytes(print)).unwrap_or(u64::MAX);
    Probe::Memory { most_bytes: limit.saturating_add(MORE_MEMORY_BYTES) }
}

/// One thread more than the quota has CPUs, as far as there may be so many.
pub(super) fn cpu_time(print: &Blueprint) -> Probe {
    let cpus = plan::milliseconds(print.cpus).div_ceil(1000);
    Probe::CpuTime { threads: cpus.saturating_add(1).min(SPINNERS_MAX).min(print.processes) }
}
