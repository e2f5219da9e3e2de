//! The launcher's steps, each a function of its own, in the order that matters.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Gid, Uid};
use rustix::fs::{Access, Mode};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};
use rustix::thread::{CapabilitySet, CapabilitySets};
use tester_runner::walls::{Wall, gone};

use super::{Spec, seccomp};

/// A step: it changes this process, and nothing else.
pub(super) type Step = fn(&Spec) -> io::Result<()>;

/// Everything before the descriptors are closed and the filter is installed.
pub(super) const IN_ORDER: &[(&str, Step)] = &[
    // Needs /proc/self to be root's, so it comes before the ids.
    ("oom_score", prefer_for_oom),
    // A session of its own: no signal reaches it by a shared process group, no terminal can become its own.
    ("session", start_session),
    ("priority", lower_priority),
    ("limits", set_limits),
    ("folder", enter_box),
    ("umask", set_umask),
    // Groups and gid need the capability that the uid takes away.
    ("groups", drop_groups),
    ("gid", set_gid),
    ("uid", set_uid),
    ("capabilities", drop_capabilities),
    ("verify", verify_powerless),
    // Changing ids clears it, so it comes after them.
    ("parent_death", die_with_parent),
    ("signals", unblock_signals),
];

/// The same for a warm interpreter. It stays root's, but for nothing except to become a job's; the limits and the preference
/// of the kernel for it under memory pressure come with that.
pub(super) const OF_A_TEMPLATE: &[(&str, Step)] = &[
    ("session", start_session),
    ("priority", lower_priority),
    ("limits", forbid_core_dumps),
    ("folder", enter_box),
    ("umask", set_umask),
    ("groups", drop_groups),
    ("capabilities", keep_two_capabilities),
    ("verify", verify_template),
    ("parent_death", die_with_parent),
    ("signals", unblock_signals),
];

/// `CAP_SETGID` and `CAP_SETUID`, as `/proc` shows them.
const TWO_CAPABILITIES: &str = "00000000000000c0";

const NO_CAPABILITIES: &str = "0000000000000000";

/// PID 1's process id.
const PID1: i32 = 1;

/// The kernel takes the job before it takes the runner.
fn prefer_for_oom(_: &Spec) -> io::Result<()> {
    fs::write("/proc/self/oom_score_adj", "1000")
}

fn start_session(_: &Spec) -> io::Result<()> {
    rustix::process::setsid()?;
    Ok(())
}

/// PID 1 must get the CPU when a deadline passes, also under a spent quota.
fn lower_priority(_: &Spec) -> io::Result<()> {
    Ok(rustix::process::setpriority_process(None, 19)?)
}

/// `RLIMIT_NPROC` stays alone: it counts a uid over the whole host, so a neighbour could spend it.
fn set_limits(spec: &Spec) -> io::Result<()> {
    limit(Resource::Fsize, spec.file_bytes)?;
    forbid_core_dumps(spec)
}

fn forbid_core_dumps(_: &Spec) -> io::Result<()> {
    limit(Resource::Core, 0)
}

/// Comes when nothing has to be opened any more: the limit may be too low for the steps themselves.
pub(super) fn limit_open_files(spec: &Spec) -> io::Result<()> {
    limit(Resource::Nofile, spec.open_files)
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) })?)
}

fn enter_box(_: &Spec) -> io::Result<()> {
    Ok(rustix::process::chdir(tester_runner::BOX_DIR)?)
}

#[expect(clippy::unnecessary_wraps, reason = "every step has one type")]
fn set_umask(_: &Spec) -> io::Result<()> {
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    Ok(())
}

fn drop_groups(_: &Spec) -> io::Result<()> {
    Ok(nix::unistd::setgroups(&[])?)
}

fn set_gid(spec: &Spec) -> io::Result<()> {
    let gid = Gid::from_raw(spec.uid);
    Ok(nix::unistd::setresgid(gid, gid, gid)?)
}

fn set_uid(spec: &Spec) -> io::Result<()> {
    let uid = Uid::from_raw(spec.uid);
    Ok(nix::unistd::setresuid(uid, uid, uid)?)
}

/// The change of uid emptied all sets but the inheritable one, which old Docker versions fill.
fn drop_capabilities(_: &Spec) -> io::Result<()> {
    hold(CapabilitySet::empty())
}

/// An execution gives root no more than this: no new privileges can be gained.
fn keep_two_capabilities(_: &Spec) -> io::Result<()> {
    hold(CapabilitySet::SETUID | CapabilitySet::SETGID)
}

/// Keeps these capabilities, and hands none on by the inheritable set.
fn hold(kept: CapabilitySet) -> io::Result<()> {
    let sets = CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() };
    Ok(rustix::thread::set_capabilities(None, sets)?)
}

fn verify_template(_: &Spec) -> io::Result<()> {
    check_template(&fs::read_to_string("/proc/self/status")?).map_err(io::Error::other)
}

/// Whether a process with this `status` in `/proc` can do nothing but change its ids.
pub(crate) fn check_template(status: &str) -> Result<(), String> {
    check(status, 0, TWO_CAPABILITIES)
}

/// Believes the kernel and not the steps before: no capability, no privilege to gain, the job's ids everywhere.
fn verify_powerless(spec: &Spec) -> io::Result<()> {
    check_powerless(&fs::read_to_string("/proc/self/status")?, spec.uid).map_err(io::Error::other)
}

/// Whether a process with this `status` in `/proc` has the job's ids and no power.
pub(crate) fn check_powerless(status: &str, uid: u32) -> Result<(), String> {
    check(status, uid, NO_CAPABILITIES)
}

fn check(status: &str, uid: u32, capabilities: &str) -> Result<(), String> {
    let ids = [uid; 4].map(|id| id.to_string()).join("\t");
    let expected = [
        ("Uid", ids.as_str()),
        ("Gid", ids.as_str()),
        ("Groups", ""),
        ("CapInh", NO_CAPABILITIES),
        ("CapPrm", capabilities),
        ("CapEff", capabilities),
        ("CapAmb", NO_CAPABILITIES),
        ("NoNewPrivs", "1"),
    ];
    for (name, value) in expected {
        let found = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .ok_or_else(|| format!("the kernel does not show {name}"))?
            .trim();
        if found != value {
            return Err(format!("{name} is `{found}` and not `{value}`"));
        }
    }
    Ok(())
}

fn die_with_parent(_: &Spec) -> io::Result<()> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    let parent = nix::unistd::getppid();
    if parent.as_raw() == PID1 {
        Ok(())
    } else {
        Err(io::Error::other(format!("the parent is {parent} and not PID 1")))
    }
}

/// PID 1 blocks the signals that it polls for, and the mask is inherited.
fn unblock_signals(_: &Spec) -> io::Result<()> {
    Ok(SigSet::empty().thread_set_mask()?)
}

/// Installs the deny-list, for this process and everything that comes from it.
pub(super) fn deny_system_calls() -> io::Result<()> {
    // The kernel takes a filter only from who can gain no privileges, so one wall does not go without the other.
    if gone(Wall::NoNewPrivileges) {
        return Ok(());
    }
    seccompiler::apply_filter(&seccomp::program()).map_err(io::Error::other)
}

/// Becomes the program; returns only with the reason why not.
///
/// The standard library's `exec` also sets `SIGPIPE`, which every Rust program ignores, back to its default. Every other
/// disposition is the default already: handlers do not survive an execution, and PID 1 ignores none.
pub(super) fn execute(spec: &Spec) -> io::Error {
    let Some((program, arguments)) = spec.argv.split_first() else {
        return io::Error::from_raw_os_error(super::ERRNO_INVALID);
    };
    let environment = spec.env.iter().map(|(name, value)| (name, value));
    match look_up(program, &spec.path) {
        Ok(program) => Command::new(program).args(arguments).env_clear().envs(environment).exec(),
        Err(error) => error,
    }
}

/// The program's file. The standard library would look it up in the `PATH` that the program itself gets, which is the job's
/// to set: an interpreter that the job brings along would come in place of the image's.
pub(crate) fn look_up(program: &str, path: &str) -> io::Result<PathBuf> {
    if program.contains('/') {
        return Ok(PathBuf::from(program));
    }
    let mut found = io::Error::from_raw_os_error(Errno::NOENT.raw_os_error());
    for folder in path.split(':').filter(|folder| !folder.is_empty()) {
        let candidate = Path::new(folder).join(program);
        match rustix::fs::access(&candidate, Access::EXEC_OK) {
            Ok(()) if candidate.is_file() => return Ok(candidate),
            // As a shell does: a file that may not be executed is told of only if there is no other.
            Err(Errno::ACCESS) => found = Errno::ACCESS.into(),
            Ok(()) | Err(_) => {}
        }
    }
    Err(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POWERLESS: &str = "Name:\tx\nUid:\t7\t7\t7\t7\nGid:\t7\t7\t7\t7\nGroups:\t \nNoNewPrivs:\t1\n\
        CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\nCapAmb:\t0000000000000000\n";

    #[test]
    fn a_process_without_any_power_passes() {
        assert_eq!(check_powerless(POWERLESS, 7), Ok(()));
    }

    #[test]
    fn a_program_is_looked_up_where_the_order_says_and_one_with_a_slash_is_taken_as_it_is() {
        assert_eq!(look_up("sh", "/nowhere::/etc:/bin").unwrap(), Path::new("/bin/sh"));
        assert_eq!(look_up("./sh", "/bin").unwrap(), Path::new("./sh"));
        for (path, error) in [("/nowhere", Errno::NOENT), ("", Errno::NOENT), ("/bin/sh", Errno::NOENT)] {
            assert_eq!(look_up("sh", path).unwrap_err().raw_os_error(), Some(error.raw_os_error()), "{path}");
        }
        // A folder is not a program.
        assert!(look_up("bin", "/usr").is_err());
    }

    #[test]
    fn any_power_left_is_found() {
        for (held, instead) in [
            ("Uid:\t7\t7\t7\t7", "Uid:\t7\t7\t0\t7"),
            ("Gid:\t7\t7\t7\t7", "Gid:\t0\t7\t7\t7"),
            ("Groups:\t ", "Groups:\t0 "),
            ("NoNewPrivs:\t1", "NoNewPrivs:\t0"),
            ("CapInh:\t0000000000000000", "CapInh:\t00000000000000e0"),
            ("CapAmb:\t0000000000000000\n", ""),
        ] {
            assert!(check_powerless(&POWERLESS.replace(held, instead), 7).is_err(), "{instead}");
        }
    }
}
