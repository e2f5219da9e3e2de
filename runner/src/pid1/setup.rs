//! PID 1's start: checks where it is, closes what must be closed, allocates what it will need.

use std::collections::BTreeSet;
use std::io;

use rustix::fs::Mode;
use rustix::thread::CapabilitySet;

use super::evidence::Evidence;
use super::link::Link;
use super::processes::Processes;
use super::reap::Reaper;
use super::{Pid1, identity};
use crate::support;

/// Everything before `Ready`; an error here is for the container's log, because nobody listens to frames yet.
pub(super) fn start() -> Result<Pid1, String> {
    check_place()?;
    #[cfg(feature = "without-walls")]
    tester_runner::walls::asked()?;
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    step("drop the image's groups", nix::unistd::setgroups(&[]).map_err(io::Error::from))?;
    step("become not dumpable", identity::hide())?;
    step("place the support files in /tester", support::place())?;
    Ok(Pid1 {
        link: step("prepare stdin and stdout", Link::new())?,
        evidence: Evidence::open(),
        processes: step("open /proc", Processes::open())?,
        reaper: Reaper::default(),
        previous_uid: None,
        uids: BTreeSet::new(),
        usable: true,
        emptied: false,
        origin: None,
        template: None,
        place_kept: false,
    })
}

/// Killing is `kill(-1)`, so this must never run anywhere but in a PID namespace of its own.
fn check_place() -> Result<(), String> {
    let pid = nix::unistd::getpid();
    if pid.as_raw() != 1 {
        return Err(format!("this is process {pid}; it must be PID 1 of a sandbox's container"));
    }
    if !nix::unistd::geteuid().is_root() {
        return Err("PID 1 must be root inside of the container; start it with `--user 0:0`".to_owned());
    }
    let held = step("read the capabilities", rustix::thread::capabilities(None).map_err(io::Error::from))?.effective;
    let needed = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::KILL;
    if held.contains(needed) {
        Ok(())
    } else {
        Err("the capabilities SETUID, SETGID and KILL are needed; add them to the container".to_owned())
    }
}

fn step<T>(what: &str, result: io::Result<T>) -> Result<T, String> {
    result.map_err(|error| format!("cannot {what}: {error}"))
}
