//! The attack of a worker on its own walls, before it trusts them with a job.
//!
//! It runs in a sandbox made like any other of the profile, by the same daemon and runtime, of the same image. The
//! hostile programs are the runner's own ([`tester_runner::message::Probe`]), so any image will do. What they say is
//! taken together with what the runner and the kernel counted; neither is believed alone.
//!
//! ```text
//! run ── probe ──▶ session ──▶ judge::inside   what a program sees and tries
//!                          └─▶ judge::limits   what ended it, and what was counted
//! ```

mod judge;
mod probes;
mod run;
#[cfg(test)]
mod samples;

use std::fmt;

pub(super) use run::attack;

/// A wall, by the name that documents and findings give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::enum_variant_names, reason = "the time of a wall clock is no part of a wall's name")]
pub(super) enum Wall {
    Network,
    SocketFamilies,
    ReadOnlyRoot,
    ImageVolumes,
    Capabilities,
    NoNewPrivileges,
    JobUid,
    RunnerHidden,
    Descriptors,
    DenyList,
    ProcMasks,
    OomPreference,
    ScratchSize,
    ScratchFiles,
    SharedMemory,
    PseudoTerminals,
    FileSize,
    OpenFiles,
    CoreDumps,
    Output,
    Processes,
    CpuTime,
    CpuQuota,
    WallTime,
    Kill,
    Memory,
    Swap,
    /// Not a wall, but what a truthful result needs: the kernel's counters.
    Evidence,
}

impl Wall {
    /// Its name.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::SocketFamilies => "socket_families",
            Self::ReadOnlyRoot => "read_only_root",
            Self::ImageVolumes => "image_volumes",
            Self::Capabilities => "capabilities",
            Self::NoNewPrivileges => "no_new_privileges",
            Self::JobUid => "job_uid",
            Self::RunnerHidden => "runner_hidden",
            Self::Descriptors => "descriptors",
            Self::DenyList => "deny_list",
            Self::ProcMasks => "proc_masks",
            Self::OomPreference => "oom_preference",
            Self::ScratchSize => "scratch_size",
            Self::ScratchFiles => "scratch_files",
            Self::SharedMemory => "shared_memory",
            Self::PseudoTerminals => "pseudo_terminals",
            Self::FileSize => "file_size",
            Self::OpenFiles => "open_files",
            Self::CoreDumps => "core_dumps",
            Self::Output => "output",
            Self::Processes => "processes",
            Self::CpuTime => "cpu_time",
            Self::CpuQuota => "cpu_quota",
            Self::WallTime => "wall_time",
            Self::Kill => "kill",
            Self::Memory => "memory",
            Self::Swap => "swap",
            Self::Evidence => "evidence",
        }
    }

    /// What to do when it does not hold.
    pub(super) const fn mend(self) -> &'static str {
        match self {
            Self::Network => {
                "docker.runtime must honour `--network none`; look for a plugin or proxy that changes containers"
            }
            Self::ReadOnlyRoot | Self::ImageVolumes => {
                "docker.runtime must honour `--read-only` and `--tmpfs`; look for a plugin that adds mounts"
            }
            Self::SocketFamilies | Self::DenyList => {
                "the kernel needs CONFIG_SECCOMP_FILTER, and the daemon its own profile (no `seccomp-profile: unconfined`)"
            }
            Self::Capabilities | Self::NoNewPrivileges => {
                "look for a daemon option, plugin or proxy that adds capabilities or privileges to containers"
            }
            Self::JobUid | Self::RunnerHidden | Self::Descriptors | Self::OomPreference => {
                "try the daemon's default runtime (docker.runtime = \"\"); else tell us of this host"
            }
            Self::ProcMasks => {
                "the runtime must mask /proc as runc does; `systempaths=unconfined` must not be the default"
            }
            Self::ScratchSize | Self::ScratchFiles | Self::SharedMemory | Self::PseudoTerminals => {
                "docker.runtime must honour `--tmpfs` and its options, also over its own mounts in /dev"
            }
            Self::FileSize | Self::OpenFiles | Self::CoreDumps => {
                "docker.runtime must honour resource limits (setrlimit)"
            }
            Self::Output | Self::Kill | Self::WallTime => {
                "the sandbox was not ended in time: look at the load of this host, then try the daemon's default runtime"
            }
            Self::Processes => "the kernel needs the pids controller of cgroups, and the runtime must use it",
            Self::CpuTime => "the sandbox must see its cgroup's cpu.stat (v2) or cpuacct.usage (v1)",
            Self::CpuQuota => "the kernel needs CONFIG_CFS_BANDWIDTH, and the runtime must use it",
            Self::Memory => {
                "boot with cgroup_enable=memory; the sandbox must see memory.events (v2) or memory.oom_control (v1)"
            }
            Self::Swap => "turn swap off (swapoff -a), or boot with swapaccount=1",
            Self::Evidence => "results show 0 for it; a newer kernel with cgroup v2 counts it",
        }
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What came of the attack on one wall, and what was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It stands.
    Held(String),
    /// It does not.
    Broken(String),
    /// This host has nothing to make it of; the promises can be kept without.
    CannotBeGiven(String),
    /// Nothing can be said of it, because something before it failed.
    NotAttacked(String),
}

/// One wall, tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) wall: Wall,
    pub(super) verdict: Verdict,
}

/// The walls that hold no job, for the first reason that there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fallen {
    pub(super) wall: Wall,
    pub(super) seen: String,
}

/// The first wall that does not hold, if any; one that was not attacked does not hold either.
pub(super) fn fallen(tried: &[Tried]) -> Option<Fallen> {
    let broken = tried.iter().find_map(|Tried { wall, verdict }| match verdict {
        Verdict::Broken(seen) => Some(Fallen { wall: *wall, seen: seen.clone() }),
        Verdict::Held(_) | Verdict::CannotBeGiven(_) | Verdict::NotAttacked(_) => None,
    });
    broken.or_else(|| {
        tried.iter().find_map(|Tried { wall, verdict }| match verdict {
            Verdict::NotAttacked(seen) => Some(Fallen { wall: *wall, seen: seen.clone() }),
            Verdict::Held(_) | Verdict::CannotBeGiven(_) | Verdict::Broken(_) => None,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(verdicts: &[Verdict]) -> Vec<Tried> {
        let walls = [Wall::Network, Wall::Memory, Wall::Evidence];
        walls.into_iter().zip(verdicts).map(|(wall, verdict)| Tried { wall, verdict: verdict.clone() }).collect()
    }

    #[test]
    fn what_this_host_cannot_give_is_named_and_holds_nothing_up() {
        let held = || Verdict::Held(String::new());
        assert_eq!(fallen(&tried(&[held(), held(), Verdict::CannotBeGiven("no counter".to_owned())])), None);
    }

    #[test]
    fn a_broken_wall_comes_before_one_that_was_not_attacked_and_neither_will_do() {
        let (broken, not) = (Verdict::Broken("b".to_owned()), Verdict::NotAttacked("n".to_owned()));
        assert_eq!(fallen(&tried(&[not.clone(), broken])), Some(Fallen { wall: Wall::Memory, seen: "b".to_owned() }));
        assert_eq!(fallen(&tried(&[not])), Some(Fallen { wall: Wall::Network, seen: "n".to_owned() }));
    }
}
