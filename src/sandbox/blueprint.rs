//! What one sandbox is made of: the container's side of a profile and its limits.

use crate::domain::limits::Limits;

/// Memory beyond the job's limit, for the runner. What the job leaves in scratch folders stays charged after an OOM
/// kill, and the runner must still be able to report.
pub(super) const RUNNER_MEMORY_BYTES: u64 = 16 * 1_048_576;

/// Memory beyond the job's limit, for a warm interpreter that has imported something the size of pytest. One that becomes
/// the program leaves this to it; one with larger modules needs a larger `memory_bytes` in its profile.
pub(super) const TEMPLATE_MEMORY_BYTES: u64 = 32 * 1_048_576;

/// Size of `/dev/shm`, which POSIX semaphores and `multiprocessing` need.
const SHM_BYTES: u64 = 16 * 1_048_576;

/// The part of the limits that is fixed in a container: its cgroup and its mounts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Blueprint {
    /// The job's memory, without the runner's share, in bytes.
    pub(super) memory_bytes: u64,
    /// The job's processes, without the runner.
    pub(super) processes: u64,
    /// CPUs, as a share of one.
    pub(super) cpus: f64,
    /// Size of `/box` and of `/tmp`, in bytes.
    pub(super) scratch_bytes: u64,
    /// Files in `/box` and in `/tmp`.
    pub(super) scratch_files: u64,
    /// Size of `/dev/shm`, in bytes.
    pub(super) shm_bytes: u64,
    /// Whether there is room for a warm interpreter, too.
    pub(super) template: bool,
}

/// How a sandbox that exists is brought to what a job needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    /// It is that already.
    AsIs,
    /// Its cgroup must be changed, which Docker can do while it runs.
    Update,
    /// Its mounts differ: another container is needed.
    Fresh,
}

impl Blueprint {
    /// The blueprint for these limits.
    ///
    /// Shared memory is memory too, and held to a quarter of it like each scratch folder.
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory_bytes: limits.memory_bytes,
            processes: limits.processes,
            cpus: limits.cpus,
            scratch_bytes: limits.scratch_bytes_in_force(),
            scratch_files: limits.scratch_files,
            shm_bytes: SHM_BYTES.min(limits.memory_bytes / 4),
            template: false,
        }
    }

    /// The same with or without room for a warm interpreter.
    pub(super) const fn with_template(self, template: bool) -> Self {
        Self { template, ..self }
    }

    /// What it takes to run a job of the blueprint `wanted` in a sandbox of this one.
    pub(super) fn fit(&self, wanted: &Self) -> Fit {
        let mounts = |print: &Self| (print.scratch_bytes, print.scratch_files, print.shm_bytes);
        if self == wanted {
            Fit::AsIs
        } else if mounts(self) == mounts(wanted) {
            Fit::Update
        } else {
            Fit::Fresh
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scratch_folders_never_hold_more_than_three_quarters_of_the_memory() {
        for memory_bytes in [8_388_608, 67_108_864, 268_435_456, 1 << 31] {
            let print = Blueprint::new(&Limits { memory_bytes, ..Limits::default() });
            assert!(2 * print.scratch_bytes + print.shm_bytes <= memory_bytes / 4 * 3);
        }
    }

    #[test]
    fn a_cgroup_can_be_changed_and_a_mount_cannot() {
        let limits = Limits::default();
        let warm = Blueprint::new(&limits);
        assert_eq!(warm.fit(&Blueprint::new(&limits)), Fit::AsIs);
        let more_memory = Limits { memory_bytes: 2 * limits.memory_bytes, ..limits };
        assert_eq!(warm.fit(&Blueprint::new(&more_memory)), Fit::Update);
        assert_eq!(warm.fit(&Blueprint::new(&Limits { cpus: 1.0, ..limits })), Fit::Update);
        assert_eq!(warm.fit(&Blueprint::new(&Limits { scratch_files: 9, ..limits })), Fit::Fresh);
        let less_memory = Limits { memory_bytes: 33_554_432, ..limits };
        assert_eq!(warm.fit(&Blueprint::new(&less_memory)), Fit::Fresh, "its scratch folders would be too large");
        assert_eq!(warm.fit(&Blueprint::new(&Limits { wall_seconds: 1.0, ..limits })), Fit::AsIs);
    }
}
