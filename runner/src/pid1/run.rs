//! One run, from `Start` to `Ended`.

use std::time::Duration;

use tester_runner::message::{Cause, Ended, LaunchError, MemoryPeakSource, Start};

use super::deadline::Deadlines;
use super::evidence::{self, Counts};
use super::kill::{self, Killed};
use super::link::{TarBreak, TarStream};
use super::reset::Origin;
use super::spawn::{self, Spawned};
use super::supervise::{Launch, Limits, Program};
use super::{Pid1, Stop, between, warm};
use crate::clock::Instant;
use crate::unpack;

/// Runs one program. May be called again: the sandbox is emptied first, and shown to be empty.
pub(super) fn run(pid1: &mut Pid1, start: Start) -> Result<Ended, Stop> {
    check(&start)?;
    if !pid1.uids.insert(start.uid) {
        return Err(Stop::ours("start", format!("uid {} has been used here before", start.uid)));
    }
    #[cfg(feature = "without-walls")]
    let start = super::without::altered(start);
    if pid1.previous_uid.is_some() {
        between::reset(pid1)?;
    } else if !start.last {
        pid1.origin = Some(Origin::find()?);
    }
    // A warm interpreter beside it has had memory, too.
    let first_run = pid1.previous_uid.is_none() && (pid1.template.is_none() || start.last);
    (pid1.previous_uid, pid1.emptied) = (Some(start.uid), false);
    let mut tar = TarStream::new(&mut pid1.link, &mut pid1.reaper);
    match unpack::unpack(&mut tar, start.uid) {
        Ok(()) => {}
        Err(failed) => {
            return match (tar.take_break(), failed) {
                (Some(TarBreak::Cancelled), _) => Ok(never_ran(Cause::Cancelled, None)),
                (Some(TarBreak::Stop(stop)), _) | (None, stop) => Err(stop),
            };
        }
    }
    let limits = Limits::of(&start);
    let (counts, memory_record) = (pid1.evidence.counts(), evidence::record_bytes());
    let before = Before { first_run, counts, memory_record, launched: Instant::now() };
    let mut deadlines = Deadlines::new(&start, before.launched);
    match warm::launch(pid1, start)? {
        Ok((main, spawned)) => {
            pid1.reaper.watch(main);
            run_spawned(pid1, spawned, &limits, &mut deadlines, &before)
        }
        Err(error) => Ok(never_ran(Cause::Launch, Some(error))),
    }
}

/// What was true just before the launch.
struct Before {
    first_run: bool,
    counts: Counts,
    memory_record: u64,
    launched: Instant,
}

fn run_spawned(
    pid1: &mut Pid1,
    spawned: Spawned,
    limits: &Limits,
    deadlines: &mut Deadlines,
    before: &Before,
) -> Result<Ended, Stop> {
    let mut program = Program::new(spawned, limits);
    let cause = program.supervise(pid1, deadlines, before.counts)?;
    let killed = kill::of_a_run(&pid1.processes, &mut pid1.reaper, &pid1.link.signals);
    pid1.usable = killed.clean;
    pid1.hear_of_child(true);
    let counts = pid1.evidence.counts().since(before.counts);
    pid1.settle_template(killed.template_too, counts)?;
    program.drain(pid1)?;
    spawn::remove_report_pipe().map_err(|error| Stop::ours("remove the report pipe", error))?;
    Ok(ended(pid1, cause, &program, &Counted { killed, counts }, before))
}

/// A `Start` that the worker must not send.
fn check(start: &Start) -> Result<(), Stop> {
    // The highest number means "leave as it is" to the calls that set ids.
    if start.uid == 0 || start.uid == u32::MAX {
        return Err(Stop::ours("start", format!("uid {} is refused", start.uid)));
    }
    if start.argv.is_empty() {
        return Err(Stop::ours("start", "there is no program to run"));
    }
    Ok(())
}

/// What was counted just after the last process was gone.
struct Counted {
    killed: Killed,
    counts: Counts,
}

fn ended(pid1: &Pid1, cause: Cause, program: &Program, counted: &Counted, before: &Before) -> Ended {
    let Counted { killed, counts } = counted;
    // One that could not be killed has not ended, and its time runs until now.
    let main = pid1.reaper.main_end();
    let exit = main.map(|end| end.exit);
    let ended_at = main.map_or_else(Instant::now, |end| end.at);
    let (memory_peak_bytes, memory_peak_source) =
        pid1.evidence.memory_peak(before.first_run, main.map_or(0, |end| end.memory_peak_bytes), before.memory_record);
    let (cause, exit, launch_error) = match &program.launch {
        Launch::Done => (over_limit(cause, program), exit, None),
        Launch::Failed(error) if cause == Cause::Exited => (Cause::Launch, None, Some(error.clone())),
        // A limit or the worker ended the run before the program was there.
        Launch::Failed(_) | Launch::Under(..) => (cause, None, None),
    };
    Ended {
        cause,
        exit,
        launch_error,
        wall_nanoseconds: nanoseconds(ended_at.saturating_duration_since(before.launched)),
        cpu_nanoseconds: counts.cpu,
        throttled_nanoseconds: counts.throttled,
        cpu_wait_nanoseconds: main.map_or(0, |end| nanoseconds(end.cpu_wait)),
        memory_peak_bytes,
        memory_peak_source,
        oom_kills: counts.oom_kills,
        pids_limit_hits: counts.pids_limit_hits,
        processes_killed: killed.count,
        kill_nanoseconds: nanoseconds(killed.took),
        stdout_bytes_total: program.stdout.total(),
        stderr_bytes_total: program.stderr.total(),
        report_truncated: program.report.is_over(),
        clean: killed.clean,
    }
}

/// A program that ends by itself while its last bytes are still in the pipe was over its limit all the same; whether it
/// was caught in time must not decide.
fn over_limit(cause: Cause, program: &Program) -> Cause {
    if cause != Cause::Exited {
        cause
    } else if program.stdout.is_over() {
        Cause::Stdout
    } else if program.stderr.is_over() {
        Cause::Stderr
    } else {
        cause
    }
}

fn never_ran(cause: Cause, launch_error: Option<LaunchError>) -> Ended {
    Ended {
        cause,
        exit: None,
        launch_error,
        wall_nanoseconds: 0,
        cpu_nanoseconds: 0,
        throttled_nanoseconds: 0,
        cpu_wait_nanoseconds: 0,
        memory_peak_bytes: 0,
        memory_peak_source: MemoryPeakSource::Rusage,
        oom_kills: 0,
        pids_limit_hits: 0,
        processes_killed: 0,
        kill_nanoseconds: 0,
        stdout_bytes_total: 0,
        stderr_bytes_total: 0,
        report_truncated: false,
        clean: true,
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
