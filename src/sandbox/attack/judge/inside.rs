//! Walls that a program sees from inside, and runs against.

use tester_runner::found::{DONE, Surroundings};

use super::super::Verdict;
use super::super::probes::{FILE_BYTES, OPEN_FILES};
use crate::sandbox::blueprint::Blueprint;

/// What a sound sandbox shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected<'a> {
    /// The uid of the probe.
    pub(crate) uid: u32,
    pub(crate) print: Blueprint,
    /// Folders that the image declares as volumes.
    pub(crate) volumes: &'a [String],
}

/// Attempts by name, each with the errors that it may come to. No errors: any will do.
pub(crate) type Attempts = &'static [(&'static str, &'static [&'static str])];

/// There is no way there; `EADDRNOTAVAIL` and `EAFNOSUPPORT` are those of a host without IPv6.
const NO_WAY: &[&str] = &["ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EAFNOSUPPORT"];

const ADDRESSES: Attempts = &[
    ("tcp 169.254.169.254", NO_WAY),
    ("udp 169.254.169.254", NO_WAY),
    ("tcp 192.0.2.1", NO_WAY),
    ("udp 192.0.2.1", NO_WAY),
    ("tcp 2001:db8::1", NO_WAY),
    ("udp 2001:db8::1", NO_WAY),
];

const FAMILIES: Attempts = &[
    ("socket netlink", &["EAFNOSUPPORT"]),
    ("socket packet", &["EAFNOSUPPORT"]),
    ("socket alg", &["EAFNOSUPPORT"]),
    ("socket vsock", &["EAFNOSUPPORT"]),
];

const FILES: Attempts = &[
    ("create /", &[]),
    ("create /var/tmp", &[]),
    ("create /run", &[]),
    ("create /etc", &[]),
    ("create /dev", &[]),
    ("create /tester", &[]),
];

const TERMINALS: Attempts = &[("open /dev/ptmx", &[]), ("open /dev/pts/ptmx", &[])];

const QUEUES: Attempts = &[("create /dev/mqueue", &[])];

const CLOSED: &[&str] = &["EACCES", "EPERM", "ENOENT"];

const RUNNER: Attempts = &[
    ("open /proc/1/mem", CLOSED),
    ("open /proc/1/environ", CLOSED),
    ("open /proc/1/exe", CLOSED),
    ("open /proc/1/maps", CLOSED),
    ("enter /proc/1/fd", CLOSED),
    ("enter /proc/1/root", CLOSED),
    ("enter /proc/1/cwd", CLOSED),
    ("open the runner", CLOSED),
    ("enter the runner's folder", CLOSED),
    ("signal PID 1", &["EPERM"]),
];

const CALLS: Attempts = &[
    ("unshare", &["EPERM"]),
    ("setns", &["EPERM"]),
    ("mount", &["EPERM"]),
    ("umount", &["EPERM"]),
    ("pivot_root", &["EPERM"]),
    ("chroot", &["EPERM"]),
    ("fsopen", &["EPERM"]),
    ("open_tree", &["EPERM"]),
    ("sethostname", &["EPERM"]),
    ("personality", &["EPERM"]),
    ("process_vm_readv", &["EPERM"]),
    ("pidfd_getfd", &["EPERM"]),
    ("ptrace", &["EPERM"]),
    ("mq_open", &["ENOSYS"]),
];

const PROC: Attempts = &[
    ("write /proc/sysrq-trigger", &[]),
    ("write /proc/sys/kernel/core_pattern", &[]),
    ("write /proc/sys/kernel/hostname", &[]),
    ("read /proc/kcore", &[]),
    ("read /proc/keys", &[]),
    ("read /proc/timer_list", &[]),
    ("read /proc/interrupts", &[]),
];

/// All of them.
#[cfg(test)]
pub(crate) const ALL_ATTEMPTS: [Attempts; 8] = [ADDRESSES, FAMILIES, FILES, TERMINALS, QUEUES, RUNNER, CALLS, PROC];

/// Devices that a kernel with tunnel modules puts into every new network namespace. They are down and lead nowhere.
const TUNNELS: [&str; 9] = ["tunl0", "sit0", "gre0", "gretap0", "erspan0", "ip_vti0", "ip6_vti0", "ip6tnl0", "ip6gre0"];

/// Where a program may write.
const SCRATCH: [&str; 3] = ["/box", "/tmp", "/dev/shm"];

/// Writable mounts of which every file is the kernel's or root's; making a file there was tried like anywhere else.
const ROOTS_OWN: [&str; 3] = ["/dev", "/tester", "/proc"];
const KERNEL_KINDS: [&str; 7] = ["proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "devtmpfs"];

/// Capabilities in the bounding set: those of the runner, KILL, SETGID and SETUID.
const RUNNER_CAPABILITIES: u64 = 0xe0;

/// The kernel rounds the size of a file system up to a page, of at most 64 KiB.
const PAGE_BYTES: u64 = 65_536;

/// The first attempt that was not refused as it must be.
fn came_through(found: &Surroundings, attempts: Attempts) -> Option<String> {
    attempts.iter().find_map(|(what, accepted)| match found.attempts.get(*what) {
        None => Some(format!("`{what}` was not tried")),
        Some(came) if came.starts_with(DONE) => Some(format!("`{what}` was possible")),
        Some(came) if accepted.is_empty() || accepted.contains(&came.as_str()) => None,
        Some(came) => Some(format!("`{what}` ended with {came} and not with {}", accepted.join(" or "))),
    })
}

fn verdict(hole: Option<String>, held: impl Into<String>) -> Verdict {
    hole.map_or_else(|| Verdict::Held(held.into()), Verdict::Broken)
}

fn status<'a>(found: &'a Surroundings, name: &str) -> &'a str {
    found.status.get(name).map_or("not shown", String::as_str)
}

/// Loopback only, and no way out.
pub(crate) fn network(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    let foreign = found.devices.iter().find(|device| *device != "lo" && !TUNNELS.contains(&device.as_str()));
    let device = foreign.map(|device| format!("there is the device {device}"));
    verdict(device.or_else(|| came_through(found, ADDRESSES)), "no device but loopback, and no way to any address")
}

/// Sockets of local families only.
pub(crate) fn socket_families(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    verdict(came_through(found, FAMILIES), "netlink, packet, alg and vsock are refused")
}

/// Nothing can be written but the scratch folders.
pub(crate) fn read_only_root(found: &Surroundings, expected: &Expected<'_>) -> Verdict {
    let root = found.mounts.iter().rev().find(|mount| mount.point == "/");
    let root = match root {
        None => Some("the root is not among the mounts".to_owned()),
        Some(root) if is_writable(&root.options) => Some("the root is mounted writable".to_owned()),
        Some(_) => None,
    };
    let mount = || {
        let others = found.mounts.iter().filter(|mount| mount.point != "/" && !is_volume(&mount.point, expected));
        let mut others = others.filter(|mount| !SCRATCH.contains(&mount.point.as_str()));
        others.find_map(|mount| {
            let point = mount.point.as_str();
            let known = KERNEL_KINDS.contains(&mount.kind.as_str())
                || ROOTS_OWN.contains(&point)
                || ["/dev/", "/proc/", "/sys/"].iter().any(|below| point.starts_with(below));
            if mount.create.starts_with(DONE) {
                Some(format!("a file could be made in {point}"))
            } else if is_writable(&mount.options) && !known {
                Some(format!("{point} is mounted writable ({})", mount.kind))
            } else {
                None
            }
        })
    };
    let hole = root.or_else(mount).or_else(|| came_through(found, FILES));
    verdict(hole, "only /box, /tmp and /dev/shm can be written")
}

fn is_writable(options: &[String]) -> bool {
    !options.iter().any(|option| option == "ro")
}

fn is_volume(point: &str, expected: &Expected<'_>) -> bool {
    expected.volumes.iter().any(|volume| volume.trim_end_matches('/') == point)
}

/// No volume of the image can be written.
pub(crate) fn image_volumes(found: &Surroundings, expected: &Expected<'_>) -> Verdict {
    let mut volumes = found.mounts.iter().filter(|mount| is_volume(&mount.point, expected));
    let open = volumes.find(|mount| is_writable(&mount.options) || mount.create.starts_with(DONE));
    let held = match expected.volumes.len() {
        0 => "the image declares none".to_owned(),
        count => format!("{count} sealed"),
    };
    verdict(open.map(|mount| format!("the volume {} is writable", mount.point)), held)
}

/// None held, and none to be had but the runner's own three.
pub(crate) fn capabilities(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    let set = |name: &str| u64::from_str_radix(status(found, name), 16).ok();
    let held = ["CapInh", "CapPrm", "CapEff", "CapAmb"].into_iter().find(|name| set(name) != Some(0));
    let held = held.map(|name| format!("{name} is {}", status(found, name)));
    let bounding = set("CapBnd").is_none_or(|bits| bits & !RUNNER_CAPABILITIES != 0);
    let bounding =
        bounding.then(|| format!("CapBnd is {}: the container has more than it needs", status(found, "CapBnd")));
    verdict(held.or(bounding), "none")
}

/// No privilege is gained by an execution.
pub(crate) fn no_new_privileges(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    let value = status(found, "NoNewPrivs");
    verdict((value != "1").then(|| format!("NoNewPrivs is {value}")), "NoNewPrivs is 1")
}

/// The job's ids everywhere, and no group.
pub(crate) fn job_uid(found: &Surroundings, expected: &Expected<'_>) -> Verdict {
    let ids = [expected.uid; 4].map(|id| id.to_string()).join("\t");
    let wanted = [("Uid", ids.as_str()), ("Gid", ids.as_str()), ("Groups", "")];
    let wrong = wanted.into_iter().find(|(name, value)| status(found, name) != *value);
    verdict(wrong.map(|(name, _)| format!("{name} is `{}`", status(found, name))), "a uid and gid of its own, no group")
}

/// PID 1 and its program are out of reach.
pub(crate) fn runner_hidden(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    verdict(came_through(found, RUNNER), "it can neither be opened, entered nor signalled")
}

/// Exactly three.
pub(crate) fn descriptors(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    let wrong = found.descriptors != [0, 1, 2];
    verdict(wrong.then(|| format!("a program starts with {:?}", found.descriptors)), "0, 1 and 2")
}

/// Our filter and the daemon's, by what they refuse.
pub(crate) fn deny_list(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    let mode = status(found, "Seccomp");
    let mode = (mode != "2").then(|| format!("Seccomp is {mode}: no filter is in force"));
    // Kernels before 5.9 do not show how many there are.
    let filters = found.status.get("Seccomp_filters").and_then(|count| count.parse::<u64>().ok());
    let one = filters.filter(|count| *count < 2).map(|_| "the daemon's own seccomp filter is not there".to_owned());
    verdict(mode.or_else(|| came_through(found, CALLS)).or(one), "refused, each with its error")
}

/// The kernel's files that a container must not have.
pub(crate) fn proc_masks(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    verdict(came_through(found, PROC), "nothing of /proc/sys can be written, nothing masked read")
}

/// The kernel takes the job first.
pub(crate) fn oom_preference(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    let wrong = found.oom_score != "1000";
    verdict(wrong.then(|| format!("oom_score_adj is {}", found.oom_score)), "oom_score_adj is 1000")
}

fn folders_over(found: &Surroundings, folders: &[&str], over: impl Fn(u64, u64) -> Option<String>) -> Option<String> {
    folders.iter().find_map(|path| match found.folders.get(*path) {
        None => Some(format!("{path} cannot be looked at")),
        Some(folder) => over(folder.bytes, folder.files).map(|hole| format!("{path} has room for {hole}")),
    })
}

/// Size and options of the scratch folders.
pub(crate) fn scratch_size(found: &Surroundings, expected: &Expected<'_>) -> Verdict {
    let most = expected.print.scratch_bytes;
    let over =
        |bytes: u64, _| (bytes == 0 || bytes > most.saturating_add(PAGE_BYTES)).then(|| format!("{bytes} bytes"));
    let options = [("/box", ["nosuid", "nodev"].as_slice()), ("/tmp", &["nosuid", "nodev", "noexec"])];
    let lacks = options.into_iter().find_map(|(path, wanted)| {
        let mount = found.mounts.iter().rev().find(|mount| mount.point == path)?;
        let lack = wanted.iter().find(|wanted| !mount.options.iter().any(|option| option == *wanted))?;
        Some(format!("{path} is mounted without {lack}"))
    });
    verdict(folders_over(found, &["/box", "/tmp"], over).or(lacks), format!("{most} bytes in each of /box and /tmp"))
}

/// Number of files in the scratch folders.
pub(crate) fn scratch_files(found: &Surroundings, expected: &Expected<'_>) -> Verdict {
    let most = expected.print.scratch_files;
    let over = |_, files: u64| (files == 0 || files > most).then(|| format!("{files} files (0: without limit)"));
    verdict(folders_over(found, &["/box", "/tmp"], over), format!("{most} files in each of /box and /tmp"))
}

/// Private, small, and no kernel queues.
pub(crate) fn shared_memory(found: &Surroundings, expected: &Expected<'_>) -> Verdict {
    let (most, files_most) = (expected.print.shm_bytes, expected.print.scratch_files);
    let over = |bytes: u64, files: u64| {
        let large = bytes == 0 || bytes > most.saturating_add(PAGE_BYTES) || files == 0 || files > files_most;
        large.then(|| format!("{bytes} bytes in {files} files (0: without limit)"))
    };
    let hole = folders_over(found, &["/dev/shm"], over).or_else(|| came_through(found, QUEUES));
    verdict(hole, format!("{most} bytes, and no queues"))
}

/// Pseudo-terminals are counted for the whole host, so there is none.
pub(crate) fn pseudo_terminals(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    verdict(came_through(found, TERMINALS), "none can be opened")
}

fn resource(found: &Surroundings, name: &str, wanted: u64) -> Option<String> {
    let (soft, hard) = found.limits.get(name).copied().unwrap_or_default();
    let shown = |limit: Option<u64>| limit.map_or_else(|| "unlimited".to_owned(), |limit| limit.to_string());
    let right = soft == Some(wanted) && hard == Some(wanted);
    (!right).then(|| format!("the limit is {} (hard {}) and not {wanted}", shown(soft), shown(hard)))
}

/// `RLIMIT_FSIZE`.
pub(crate) fn file_size(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    verdict(resource(found, "file_bytes", FILE_BYTES), "as asked")
}

/// `RLIMIT_NOFILE`.
pub(crate) fn open_files(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    verdict(resource(found, "open_files", OPEN_FILES), "as asked")
}

/// `RLIMIT_CORE`.
pub(crate) fn core_dumps(found: &Surroundings, _: &Expected<'_>) -> Verdict {
    verdict(resource(found, "core", 0), "none")
}

#[cfg(test)]
mod tests;
