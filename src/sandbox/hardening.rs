//! From a blueprint to the container's configuration: one pure function, held by a snapshot.
//!
//! Every wall that Docker can give is here; those that only a process can put up itself (rlimits, seccomp deny-list,
//! uid, priority) are the runner's. docs/sandbox.md says what each stops and which test shows it.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount, MountType,
    MountVolumeOptions, ResourcesUlimits,
};
use tester_runner::{BOX_DIR, SUPPORT_DIR};

use super::blueprint::{Blueprint, RUNNER_MEMORY_BYTES, TEMPLATE_MEMORY_BYTES};
use super::image::ImageFacts;

/// Where the runner volume is mounted.
pub(super) const RUNNER_MOUNT: &str = "/.tester-runner";

/// The runner inside its volume: a folder of root's that no job can enter, for a lock on a shared inode would be seen
/// by other sandboxes.
pub(super) const RUNNER_PATH: &str = "/.tester-runner/bin/tester-runner";

/// One period of the CPU quota. Short, so that the runner is never held back long by what the job used up: with
/// Docker's 100 ms, its timers were up to a second late.
const CPU_PERIOD_MICROSECONDS: i64 = 20_000;

/// The kernel refuses a smaller quota.
const CPU_QUOTA_MICROSECONDS_MIN: i64 = 1_000;

/// Buffers of a connection over the sandbox's own loopback: least, default and most, in bytes (tcp(7)). With the kernel's
/// own megabytes, connections that are filled and never read held twenty times a sandbox's memory under cgroup v1, which
/// does not count them.
const SYSCTLS: [(&str, &str); 2] =
    [("net.ipv4.tcp_rmem", "4096 16384 32768"), ("net.ipv4.tcp_wmem", "4096 16384 32768")];

/// Covered by nothing: what Docker covers in any of its versions, and what else tells of the host or of its neighbours.
/// A path that a kernel does not have is passed over.
const MASKED_PATHS: [&str; 17] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/bootconfig",
    "/proc/interrupts",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/keys",
    "/proc/key-users",
    "/proc/latency_stats",
    "/proc/locks",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/softirqs",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Read-only, as Docker has them.
const READ_ONLY_PATHS: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What a container is made of besides its blueprint.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// The image.
    pub(super) image: &'a ImageFacts,
    /// Name of the runner volume.
    pub(super) runner_volume: &'a str,
    /// OCI runtime; empty: the daemon's default.
    pub(super) runtime: &'a str,
    /// Labels, by which anybody can find what a dead worker left.
    pub(super) labels: &'a HashMap<String, String>,
}

/// CPU quota of a period, in microseconds.
pub(super) fn cpu_quota_microseconds(cpus: f64) -> i64 {
    let thousandths = format!("{:.0}", (cpus * 1000.0).clamp(1.0, 1e9)).parse::<i64>().unwrap_or(1);
    (thousandths * CPU_PERIOD_MICROSECONDS / 1000).max(CPU_QUOTA_MICROSECONDS_MIN)
}

/// The memory of the container, in bytes: the job's, the runner's, and that of a warm interpreter.
pub(super) fn container_memory_bytes(print: &Blueprint) -> i64 {
    let template = if print.template { TEMPLATE_MEMORY_BYTES } else { 0 };
    i64::try_from(print.memory_bytes.saturating_add(RUNNER_MEMORY_BYTES + template)).unwrap_or(i64::MAX)
}

/// The process limit of the container: the job's, the runner, and a warm interpreter.
pub(super) fn container_pids(print: &Blueprint) -> i64 {
    i64::try_from(print.processes).unwrap_or(i64::MAX).saturating_add(1 + i64::from(print.template))
}

/// The configuration of one sandbox.
pub(super) fn container(print: &Blueprint, around: Surroundings<'_>) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(around.image.id.clone()),
        // The image's own idea of what to run, as whom and where has no say.
        entrypoint: Some(vec![RUNNER_PATH.to_owned()]),
        cmd: Some(vec!["pid1".to_owned()]),
        user: Some("0:0".to_owned()),
        working_dir: Some("/".to_owned()),
        // An image may name one that the runner does not take.
        stop_signal: Some("SIGTERM".to_owned()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        hostname: Some("sandbox".to_owned()),
        network_disabled: Some(true),
        // The runner ends when its stdin does, so the worker's death ends every sandbox: StdinOnce closes it when the
        // attached connection goes. Never a TTY: its output would be unframed.
        open_stdin: Some(true),
        stdin_once: Some(true),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(false),
        labels: Some(around.labels.clone()),
        host_config: Some(host_config(print, around)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(print: &Blueprint, around: Surroundings<'_>) -> HostConfig {
    let strings = |list: &[&str]| Some(list.iter().map(|item| (*item).to_owned()).collect::<Vec<_>>());
    HostConfig {
        network_mode: Some("none".to_owned()),
        readonly_rootfs: Some(true),
        privileged: Some(false),
        cap_drop: strings(&["ALL"]),
        // For the runner alone: to become the job's uid, and to kill it. The job's processes keep none.
        cap_add: strings(&["SETUID", "SETGID", "KILL"]),
        security_opt: strings(&["no-new-privileges"]),
        memory: Some(container_memory_bytes(print)),
        // Equal to memory: no swap at all.
        memory_swap: Some(container_memory_bytes(print)),
        oom_kill_disable: Some(false),
        pids_limit: Some(container_pids(print)),
        cpu_period: Some(CPU_PERIOD_MICROSECONDS),
        cpu_quota: Some(cpu_quota_microseconds(print.cpus)),
        tmpfs: Some(tmpfs(print, around.image)),
        sysctls: Some(SYSCTLS.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
        masked_paths: strings(&MASKED_PATHS),
        readonly_paths: strings(&READ_ONLY_PATHS),
        mounts: Some(vec![runner_mount(around.runner_volume)]),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        ulimits: Some(ulimits()),
        // Output goes through the runner; a log on the host's disk would be without bound.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        runtime: (!around.runtime.is_empty()).then(|| around.runtime.to_owned()),
        auto_remove: Some(false),
        init: Some(false),
        ..HostConfig::default()
    }
}

fn tmpfs(print: &Blueprint, image: &ImageFacts) -> HashMap<String, String> {
    let scratch = |flags: &str| {
        format!("rw,{flags},nosuid,nodev,mode=1777,size={},nr_inodes={}", print.scratch_bytes, print.scratch_files)
    };
    // An image's volume would stay writable under a read-only root; an empty read-only mount takes its place.
    let sealed =
        image.volumes.iter().map(|volume| (volume.clone(), "ro,noexec,nosuid,nodev,size=4k,mode=0555".to_owned()));
    let ours = [
        // Compiled programs run from here.
        (BOX_DIR.to_owned(), scratch("exec")),
        ("/tmp".to_owned(), scratch("noexec")),
        // Instead of Docker's own, which has a size and as many inodes as memory can hold.
        (
            "/dev/shm".to_owned(),
            format!("rw,noexec,nosuid,nodev,mode=1777,size={},nr_inodes={}", print.shm_bytes, print.scratch_files),
        ),
        // Pseudo-terminals are counted for the whole host: one sandbox could take all that there are. So there is none.
        ("/dev/pts".to_owned(), "ro,noexec,nosuid,nodev,size=4k,mode=0555".to_owned()),
        (SUPPORT_DIR.to_owned(), "rw,noexec,nosuid,nodev,mode=0755,size=1m,nr_inodes=64".to_owned()),
    ];
    sealed.chain(ours).collect()
}

fn runner_mount(volume: &str) -> Mount {
    Mount {
        typ: Some(MountType::VOLUME),
        source: Some(volume.to_owned()),
        target: Some(RUNNER_MOUNT.to_owned()),
        read_only: Some(true),
        // Docker would otherwise fill an empty volume from the image.
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..Mount::default()
    }
}

fn ulimits() -> Vec<ResourcesUlimits> {
    let both =
        |name: &str, value: i64| ResourcesUlimits { name: Some(name.to_owned()), soft: Some(value), hard: Some(value) };
    vec![
        both("core", 0),
        // POSIX message queues are charged to this.
        both("msgqueue", 0),
        both("memlock", 65_536),
        // Open files are the runner's to limit, job by job: a ceiling here above the daemon's own would be refused.
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::limits::Limits;

    fn sample() -> ContainerCreateBody {
        let image = ImageFacts {
            id: "sha256:1234".to_owned(),
            digest: "sha256:1234".to_owned(),
            env: BTreeMap::from([("SECRET".to_owned(), "of the image".to_owned())]),
            volumes: vec!["/var/lib/data".to_owned()],
        };
        let labels = HashMap::from([("tester-worker.id".to_owned(), "w1".to_owned())]);
        let around = Surroundings { image: &image, runner_volume: "tester-runner-abc", runtime: "", labels: &labels };
        container(&Blueprint::new(&Limits::default()), around)
    }

    #[test]
    fn the_container_of_the_default_limits_has_every_wall() {
        insta::assert_json_snapshot!(serde_json::to_value(sample()).unwrap());
    }

    #[test]
    fn swap_is_equal_to_memory_so_that_there_is_none() {
        let host = sample().host_config.unwrap();
        assert_eq!(host.memory, host.memory_swap);
        assert_eq!(host.memory, Some(268_435_456 + 16_777_216));
    }

    #[test]
    fn the_quota_follows_the_cpus_and_never_falls_below_the_kernels_least() {
        for (cpus, quota) in [(0.5, 10_000), (1.0, 20_000), (2.0, 40_000), (0.25, 5_000), (0.001, 1_000)] {
            assert_eq!(cpu_quota_microseconds(cpus), quota, "{cpus}");
        }
    }
}
