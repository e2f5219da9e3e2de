//! Killing everything, and proving it. It needs no new process and no memory.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::processes::Processes;
use super::reap::Reaper;
use super::signals::Signals;
use crate::clock::Instant;

/// How long killing may take before it counts as failed.
const KILL_TIME_MAX: Duration = Duration::from_secs(5);

/// How long to wait for the next end of a process before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How often what is left is killed one by one while a warm interpreter is spared. What forks faster than that takes the
/// interpreter with it.
const SPARING_ROUNDS: u32 = 20;

/// Every process that this one may signal, except itself.
const EVERY_PROCESS: Pid = Pid::from_raw(-1);

/// What killing came to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Killed {
    /// Processes besides the main one that were alive before.
    pub(crate) count: u64,
    /// From the first kill until the proof.
    pub(crate) took: Duration,
    /// Whether `/proc` shows no process but PID 1 and a spared warm interpreter.
    pub(crate) clean: bool,
    /// Whether a warm interpreter went with them.
    pub(crate) template_too: bool,
}

/// Kills every process of a run, again and again, until there is none. A warm interpreter that waits for the next run
/// is spared, unless the job's processes outrun that.
pub(crate) fn of_a_run(processes: &Processes, reaper: &mut Reaper, signals: &Signals) -> Killed {
    if reaper.template().is_none() {
        return everything(processes, reaper, signals);
    }
    let began = Instant::now();
    reaper.reap();
    let count = processes.count_alive_besides(reaper.main(), reaper.template());
    for _ in 0..SPARING_ROUNDS {
        // Asked each time: when it has ended, its number may be another's.
        let Some(template) = reaper.template() else { break };
        if processes.any_besides_pid1(Some(template)).is_ok_and(|any| !any) {
            return Killed { count, took: began.elapsed(), clean: true, template_too: false };
        }
        // An error is found again by the proof.
        drop(processes.kill_each_besides(template));
        reaper.reap();
        signals.pause(LOOK_AGAIN);
        reaper.reap();
    }
    let template_too = reaper.template().is_some();
    let killed = everything(processes, reaper, signals);
    Killed { template_too, count: count.max(killed.count), took: began.elapsed(), ..killed }
}

/// Kills every process but this one, again and again, until there is none.
pub(crate) fn everything(processes: &Processes, reaper: &mut Reaper, signals: &Signals) -> Killed {
    #[cfg(feature = "without-walls")]
    if let Some(killed) = super::without::main_only(reaper) {
        return killed;
    }
    let began = Instant::now();
    reaper.reap();
    // Counting the killed ones when they are reaped would miss those whose parents ignore their ends. A fork between
    // this look and the kill is missed too; it dies all the same.
    let count = processes.count_alive_besides(reaper.main(), reaper.template());
    loop {
        // The whole list of processes is held still meanwhile, so a fork cannot slip through.
        let nobody = kill(EVERY_PROCESS, Signal::SIGKILL) == Err(Errno::ESRCH);
        reaper.reap();
        let empty = processes.any_besides_pid1(None).is_ok_and(|any| !any);
        let took = began.elapsed();
        if nobody && empty {
            return Killed { count, took, clean: true, template_too: false };
        }
        if took > KILL_TIME_MAX {
            return Killed { count, took, clean: false, template_too: false };
        }
        if !empty {
            signals.pause(LOOK_AGAIN);
        }
    }
}
