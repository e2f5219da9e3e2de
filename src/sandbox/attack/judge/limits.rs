//! Walls that end a program, by what ended it and what was counted.

use serde::de::DeserializeOwned;
use tester_runner::found::{self, Made, NO_TREE, STUBBORN, Touched};
use tester_runner::message::{Cause, Ended, Exit};

use super::super::Verdict;
use super::super::probes::{CPU_MILLISECONDS, FLOOD_BYTES};
use super::reported;
use crate::sandbox::blueprint::Blueprint;
use crate::sandbox::hardening;
use crate::sandbox::session::{End, Session};

/// The counters without which a verdict would be a guess, and the limits that need them cannot be kept.
pub(crate) const NEEDED: [&str; 2] = [CPU_SECONDS, OOM_KILLS];

const CPU_SECONDS: &str = "cpu_seconds";
const OOM_KILLS: &str = "oom_kills";
const PIDS_LIMIT_HITS: &str = "pids_limit_hits";

/// The signal that cannot be refused.
const SIGKILL: Exit = Exit::Signal(9);

/// CPU time that the kernel may hand out before it counts it against the quota: two periods of it, and a slice a CPU.
const QUOTA_PERIODS: f64 = 2.0;
const PERIOD_NANOSECONDS: f64 = 20_000_000.0;
const QUOTA_SLACK_NANOSECONDS: f64 = 20_000_000.0;

/// Processes of the stubborn tree that were not refused: its root, three that stay, and one that moves.
const TREE: u64 = 5;

fn lacks(missing: &[String], name: &str) -> bool {
    missing.iter().any(|lacking| lacking == name)
}

/// The lines that a probe said; a line that was cut short by its end is left out.
fn lines<T: DeserializeOwned>(session: &Session) -> Vec<T> {
    session.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

fn judged(session: &Session, judge: impl FnOnce(&Ended) -> Verdict) -> Verdict {
    reported(session).map_or_else(Verdict::Broken, judge)
}

/// The first bytes are kept, and the runner ended it.
pub(crate) fn output(session: &Session) -> Verdict {
    judged(session, |ended| {
        let kept = u64::try_from(session.stdout.len()).unwrap_or(u64::MAX);
        let right = session.stdout.iter().copied().eq(found::flood(0).take(session.stdout.len()));
        if ended.cause != Cause::Stdout || ended.exit != Some(SIGKILL) {
            Verdict::Broken(format!("an endless output ended by {:?} with {:?}", ended.cause, ended.exit))
        } else if kept != FLOOD_BYTES || !right {
            Verdict::Broken(format!("of an endless output {kept} bytes were kept and not the first {FLOOD_BYTES}"))
        } else {
            Verdict::Held(format!("the first {kept} bytes of {} were kept", ended.stdout_bytes_total))
        }
    })
}

/// Refused at the limit, and counted.
pub(crate) fn processes(session: &Session, print: &Blueprint, missing: &[String]) -> Verdict {
    judged(session, |ended| {
        let made = lines::<Made>(session).pop();
        let counted = lacks(missing, PIDS_LIMIT_HITS) || ended.pids_limit_hits > 0;
        match made {
            None => Verdict::Broken(format!("the probe ended with {:?} before it could say anything", ended.exit)),
            Some(Made { threads, .. }) if threads > print.processes => {
                Verdict::Broken(format!("there could be {threads} processes and not {} at most", print.processes))
            }
            Some(Made { refused: None, threads }) => {
                Verdict::Broken(format!("only {threads} processes were tried and none was refused"))
            }
            Some(_) if !counted => Verdict::Broken("a refused process was not counted".to_owned()),
            Some(Made { threads, .. }) => {
                Verdict::Held(format!("refused after {threads}, {} times counted", ended.pids_limit_hits))
            }
        }
    })
}

/// Ended by the runner because of its CPU time.
pub(crate) fn cpu_time(session: &Session, missing: &[String]) -> Verdict {
    if lacks(missing, CPU_SECONDS) {
        return Verdict::Broken("this host does not count the CPU time of a sandbox: no limit can be kept".to_owned());
    }
    judged(session, |ended| {
        let used = ended.cpu_nanoseconds / 1_000_000;
        match ended.cause {
            Cause::Cpu => Verdict::Held(format!("ended after {used} ms of {CPU_MILLISECONDS}")),
            Cause::Wall if used < CPU_MILLISECONDS => {
                Verdict::NotAttacked(format!("the host was too busy: it gave a probe {used} ms of CPU time"))
            }
            cause
            @ (Cause::Exited | Cause::Wall | Cause::Stdout | Cause::Stderr | Cause::Cancelled | Cause::Launch) => {
                Verdict::Broken(format!("a probe that spins ended by {cause:?} after {used} ms of CPU time"))
            }
        }
    })
}

/// Not more CPU time than the quota gives in the time that passed.
pub(crate) fn cpu_quota(session: &Session, print: &Blueprint, missing: &[String]) -> Verdict {
    if lacks(missing, CPU_SECONDS) {
        return Verdict::NotAttacked("this host does not count the CPU time of a sandbox".to_owned());
    }
    judged(session, |ended| {
        let seconds = |nanoseconds: u64| std::time::Duration::from_nanos(nanoseconds).as_secs_f64();
        let (cpu, wall) = (seconds(ended.cpu_nanoseconds), seconds(ended.wall_nanoseconds));
        let ahead = (print.cpus * QUOTA_PERIODS * PERIOD_NANOSECONDS + QUOTA_SLACK_NANOSECONDS) / 1e9;
        let most = print.cpus * wall + ahead;
        if cpu > most {
            Verdict::Broken(format!("{cpu:.3} s of CPU time in {wall:.3} s are more than {} CPUs", print.cpus))
        } else {
            Verdict::Held(format!("{cpu:.3} s of CPU time in {wall:.3} s"))
        }
    })
}

/// Ended by the runner at its wall clock limit; the worker behind it did not have to.
pub(crate) fn wall_time(session: &Session, wall_milliseconds: u64) -> Verdict {
    judged(session, |ended| {
        let wall = ended.wall_nanoseconds / 1_000_000;
        if ended.cause == Cause::Wall && wall >= wall_milliseconds {
            Verdict::Held(format!("ended after {wall} ms of {wall_milliseconds}"))
        } else {
            Verdict::Broken(format!("a probe that sleeps ended by {:?} after {wall} ms", ended.cause))
        }
    })
}

/// A tree that does not want to die is dead. `None`: the host was too slow to plant it in the time it had.
pub(crate) fn kill(session: &Session, print: &Blueprint) -> Option<Verdict> {
    let said =
        |wanted: &str| session.stdout.split(|byte| *byte == b'\n').filter(|line| *line == wanted.as_bytes()).count();
    let stood = u64::try_from(said(STUBBORN)).unwrap_or(u64::MAX);
    Some(match reported(session) {
        Err(seen) => Verdict::Broken(seen),
        Ok(ended) if !ended.clean => Verdict::Broken(format!(
            "of a stubborn tree something lived on after {} ms",
            ended.kill_nanoseconds / 1_000_000
        )),
        Ok(ended) if ended.cause == Cause::Exited => {
            let said = String::from_utf8_lossy(&session.stderr).trim().to_owned();
            Verdict::Broken(format!("the stubborn tree ended by itself with {:?}: {said}", ended.exit))
        }
        Ok(ended) if ended.exit != Some(SIGKILL) => {
            Verdict::Broken(format!("the root of a stubborn tree ended with {:?}", ended.exit))
        }
        Ok(_) if said(NO_TREE) > 0 => Verdict::CannotBeGiven(format!("one stubborn process was killed; {NO_TREE}")),
        Ok(_) if stood < TREE.min(print.processes) => return None,
        Ok(ended) => {
            let took = ended.kill_nanoseconds / 1_000;
            Verdict::Held(format!(
                "{stood} stubborn processes, {} alive at the end, gone in {took} us",
                ended.processes_killed + 1
            ))
        }
    })
}

/// Killed by the kernel, which counted it, at the limit.
pub(crate) fn memory(session: &Session, print: &Blueprint, missing: &[String]) -> Verdict {
    if lacks(missing, OOM_KILLS) {
        let text = "this host does not count OOM kills in a sandbox: memory_limit could not be told from a signal";
        return Verdict::Broken(text.to_owned());
    }
    judged(session, |ended| {
        let touched = touched(session);
        let mebibytes = touched.bytes / 1_048_576;
        if ended.cause != Cause::Exited || ended.exit != Some(SIGKILL) {
            let how = format!("it ended by {:?} with {:?}", ended.cause, ended.exit);
            Verdict::Broken(format!("a probe touched {mebibytes} MiB and was not killed for it: {how}"))
        } else if ended.oom_kills == 0 {
            Verdict::Broken(format!("a probe was killed after {mebibytes} MiB, and the kernel counted no OOM kill"))
        } else {
            let limit = print.memory_bytes / 1_048_576;
            Verdict::Held(format!(
                "killed for memory after {mebibytes} MiB, with a limit of {limit} and the runner's share"
            ))
        }
    })
}

/// Nothing beyond the container's memory, and nothing swapped out.
pub(crate) fn swap(session: &Session, print: &Blueprint) -> Verdict {
    judged(session, |_ended| {
        let touched = touched(session);
        let limit = u64::try_from(hardening::container_memory_bytes(print)).unwrap_or(u64::MAX);
        if touched.swapped_bytes > 0 {
            Verdict::Broken(format!("{} bytes of a probe were swapped out", touched.swapped_bytes))
        } else if touched.bytes > limit && lives_within(session) {
            Verdict::Broken(format!("{} bytes could be touched before the kernel killed for {limit}", touched.bytes))
        } else {
            Verdict::Held("nothing was swapped out".to_owned())
        }
    })
}

/// Whether the kernel did limit the memory; without that the wall `memory` says what is wrong.
fn lives_within(session: &Session) -> bool {
    matches!(&session.end, End::Reported(ended) if ended.oom_kills > 0)
}

fn touched(session: &Session) -> Touched {
    lines::<Touched>(session).pop().unwrap_or_default()
}

#[cfg(test)]
mod tests;
