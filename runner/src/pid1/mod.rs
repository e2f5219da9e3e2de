//! PID 1 of a sandbox: one thread that works, one poll loop, no timer while nothing runs.
//!
//! ```text
//! main ── serve ──┬── between: waits for `Start`, reaps; lists, sends and removes what the last run left
//!                 ├── warm_up     once, before the first run: an interpreter that waits
//!                 └── run ──┬── reset      empties what an earlier run left, and proves that all is as it was
//!                           ├── unpack     the tar, as the job
//!                           ├── launch     pipes; the launcher, or the warm interpreter
//!                           ├── supervise  until the main process ends or a limit does
//!                           └── finish     kill, prove, drain, read the evidence
//! ```

mod between;
mod cgroup;
mod deadline;
mod events;
mod evidence;
mod identity;
mod input;
mod kill;
mod link;
mod output;
mod parser;
mod places;
mod processes;
mod reap;
mod reset;
mod run;
mod setup;
mod signals;
mod spawn;
mod stdin;
mod stop;
mod stream;
mod supervise;
mod template;
mod traces;
mod warm;
#[cfg(feature = "without-walls")]
mod without;

use std::collections::BTreeSet;
use std::process::ExitCode;

use tester_runner::frame::Kind;
use tester_runner::message::Fault;

use crate::complain;
use evidence::Evidence;
use link::Link;
use processes::Processes;
use reap::Reaper;
use reset::Origin;
use template::Template;

pub(crate) use identity::as_job;
pub(crate) use link::TarStream;
pub(crate) use stop::Stop;

/// PID 1's lasting state. Everything it needs while a job runs is allocated before the first one.
struct Pid1 {
    link: Link,
    evidence: Evidence,
    processes: Processes,
    reaper: Reaper,
    /// The uid of the run before this one, whose leavings must go first.
    previous_uid: Option<u32>,
    /// The uids of all runs: none is used twice, so nobody can take what another left for its own.
    uids: BTreeSet<u32>,
    /// Whether every process of the run before is gone.
    usable: bool,
    /// Whether what the run before left has been removed already.
    emptied: bool,
    /// How the sandbox was before its first run.
    origin: Option<Origin>,
    /// The warm interpreter, while it waits or has a child that runs.
    template: Option<Template>,
    /// Whether a thread has the interpreter's place among the processes.
    place_kept: bool,
}

/// Serves until the worker is gone or something of ours fails.
pub(crate) fn main() -> ExitCode {
    let mut pid1 = match setup::start() {
        Ok(pid1) => pid1,
        Err(message) => {
            complain(&message);
            return ExitCode::FAILURE;
        }
    };
    let Err(stop) = serve(&mut pid1);
    // Whatever happened: nothing of the job outlives this.
    let killed = kill::everything(&pid1.processes, &mut pid1.reaper, &pid1.link.signals);
    match stop {
        Stop::Gone => ExitCode::SUCCESS,
        Stop::Fault(fault) => {
            report(&mut pid1.link, &fault, killed.clean);
            ExitCode::FAILURE
        }
    }
}

fn serve(pid1: &mut Pid1) -> Result<std::convert::Infallible, Stop> {
    let ready = pid1.evidence.ready();
    pid1.link.send_message(Kind::Ready, &ready)?;
    loop {
        let start = between::next_start(pid1)?;
        let ended = run::run(pid1, start)?;
        pid1.link.send_message(Kind::Ended, &ended)?;
    }
}

/// Tells the worker of a fault and stays until the worker has let go, so that the message cannot be lost with the container.
fn report(link: &mut Link, fault: &Fault, clean: bool) {
    let message =
        if clean { fault.message.clone() } else { format!("{}; and processes could not be killed", fault.message) };
    let fault = Fault { message, ..fault.clone() };
    if link.send_message(Kind::Fault, &fault).is_ok() {
        link.wait_gone();
    }
}
