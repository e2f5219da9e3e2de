//! From a session to a record of the run: evidence is gathered here, the verdict is `domain::verdict`'s alone.

use tester_runner::message;

use super::plan::Stage;
use super::session::{End, Session};
use crate::domain::content::Content;
use crate::domain::evidence::{Cause, EndedBy, Evidence, Exit, Facts, MemoryPeakSource, ReportState, Usage};
use crate::domain::outcome::{Output, RunRecord};
use crate::domain::verdict::{Status, Verdict, compiler_verdict, verdict};

/// What else is known of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    /// Whose run it was.
    pub(super) stage: Stage,
    /// What the test report amounts to, when there is one.
    pub(super) report: Option<ReportState>,
    /// Whether the output was what the case expected, when it expected any.
    pub(super) output_expected: Option<bool>,
    /// Whether Docker says that the kernel killed something in the container for memory.
    pub(super) container_oom: bool,
    /// The memory limit, for the record of a runner that died of it.
    pub(super) memory_bytes: u64,
}

/// The record of a session whose end is about the program, with what it wrote. Else the end, which is our fault: nothing
/// can be said of the program.
pub(super) fn record(session: Session, context: Context) -> Result<RunRecord, End> {
    let started = session.started_at.is_some();
    let (cause, ended_by) = match &session.end {
        End::Reported(ended) => return Ok(reported((session.stdout, session.stderr), ended, context)),
        End::Lost if context.container_oom && started => (Cause::Exited, EndedBy::Kernel),
        End::Overdue { started: true } => (Cause::Wall, EndedBy::Worker),
        End::Cancelled => (Cause::Cancelled, EndedBy::Worker),
        End::Lost | End::Fault(_) | End::Overdue { started: false } => return Err(session.end),
    };
    Ok(unreported(session, context, cause, ended_by))
}

fn reported((stdout, stderr): (Vec<u8>, Vec<u8>), ended: &message::Ended, context: Context) -> RunRecord {
    let exit = ended.exit.map(|exit| match exit {
        message::Exit::Code(code) => Exit::Code(code),
        message::Exit::Signal(signal) => Exit::Signal(signal),
    });
    let cause = match ended.cause {
        message::Cause::Exited => Cause::Exited,
        message::Cause::Wall => Cause::Wall,
        message::Cause::Cpu => Cause::Cpu,
        message::Cause::Stdout => Cause::Stdout,
        message::Cause::Stderr => Cause::Stderr,
        message::Cause::Cancelled => Cause::Cancelled,
        message::Cause::Launch => Cause::NotExecutable,
    };
    let facts = Facts {
        exit,
        cause,
        oom_killed: ended.oom_kills > 0,
        report: context.report,
        output_expected: context.output_expected,
    };
    let verdict = judged(context.stage, &facts);
    let (exit_code, signal) = shown_exit(exit, ended.launch_error.as_ref());
    RunRecord {
        status: verdict.status,
        limit: verdict.limit,
        reason: None,
        message: message(&facts, verdict.status, ended.launch_error.as_ref()),
        exit_code,
        signal,
        stdout: output(stdout, ended.stdout_bytes_total),
        stderr: output(stderr, ended.stderr_bytes_total),
        usage: Some(Usage {
            wall_seconds: seconds(ended.wall_nanoseconds),
            cpu_seconds: seconds(ended.cpu_nanoseconds),
            memory_peak_bytes: ended.memory_peak_bytes,
        }),
        evidence: Some(Evidence {
            ended_by: ended_by(&facts),
            oom_kills: ended.oom_kills,
            pids_limit_hits: ended.pids_limit_hits,
            cpu_throttled_seconds: seconds(ended.throttled_nanoseconds),
            cpu_wait_seconds: seconds(ended.cpu_wait_nanoseconds),
            processes_killed: ended.processes_killed,
            kill_seconds: seconds(ended.kill_nanoseconds),
            runner_lost: false,
            memory_peak_source: match ended.memory_peak_source {
                message::MemoryPeakSource::Cgroup => MemoryPeakSource::Cgroup,
                message::MemoryPeakSource::Rusage => MemoryPeakSource::Rusage,
            },
        }),
    }
}

/// A run whose runner was gone or silent at the end. Its counters went with it.
fn unreported(session: Session, context: Context, cause: Cause, ended_by: EndedBy) -> RunRecord {
    let by_memory = context.container_oom && cause == Cause::Exited;
    let facts = Facts { exit: None, cause, oom_killed: by_memory, report: None, output_expected: None };
    let verdict = judged(context.stage, &facts);
    let wall = session.started_at.map_or(0.0, |started| session.ended_at.duration_since(started).as_secs_f64());
    let arrived = |bytes: Vec<u8>| {
        let total = bytes_total(&bytes);
        output(bytes, total)
    };
    RunRecord {
        status: verdict.status,
        limit: verdict.limit,
        reason: None,
        message: Some("the sandbox ended before it could report; the output is what had arrived by then".to_owned()),
        exit_code: None,
        signal: None,
        stdout: arrived(session.stdout),
        stderr: arrived(session.stderr),
        usage: Some(Usage {
            wall_seconds: wall,
            cpu_seconds: 0.0,
            memory_peak_bytes: if by_memory { context.memory_bytes } else { 0 },
        }),
        evidence: Some(Evidence {
            ended_by,
            oom_kills: u64::from(context.container_oom),
            pids_limit_hits: 0,
            cpu_throttled_seconds: 0.0,
            cpu_wait_seconds: 0.0,
            processes_killed: 0,
            kill_seconds: 0.0,
            runner_lost: true,
            memory_peak_source: MemoryPeakSource::Cgroup,
        }),
    }
}

fn judged(stage: Stage, facts: &Facts) -> Verdict {
    match stage {
        Stage::Compile => compiler_verdict(facts),
        Stage::Run => verdict(facts),
    }
}

const fn ended_by(facts: &Facts) -> EndedBy {
    match (facts.cause, facts.exit) {
        (Cause::Exited, Some(Exit::Signal(9))) if facts.oom_killed => EndedBy::Kernel,
        (Cause::Exited | Cause::NotExecutable, _) => EndedBy::Program,
        (Cause::Wall | Cause::Cpu | Cause::Stdout | Cause::Stderr | Cause::Cancelled, _) => EndedBy::Runner,
    }
}

/// Exit code and signal as a result shows them. A program that could not be executed gets the codes that a shell uses.
fn shown_exit(exit: Option<Exit>, launch_error: Option<&message::LaunchError>) -> (Option<i32>, Option<i32>) {
    /// "No such file or directory", on every Linux.
    const ENOENT: i32 = 2;
    match (exit, launch_error) {
        (Some(Exit::Code(code)), _) => (Some(code), None),
        (Some(Exit::Signal(signal)), _) => (None, Some(signal)),
        (None, Some(error)) => (Some(if error.errno == ENOENT { 127 } else { 126 }), None),
        (None, None) => (None, None),
    }
}

fn message(facts: &Facts, status: Status, launch_error: Option<&message::LaunchError>) -> Option<String> {
    if let Some(error) = launch_error {
        return Some(format!("the program could not be executed: {}", error.message));
    }
    let report = facts.report.filter(|_| status == Status::RuntimeError && facts.exit == Some(Exit::Code(0)))?;
    let what = if report.complete { "no test passed" } else { "the test report is incomplete" };
    Some(format!("exit code 0, but {what}"))
}

fn output(kept: Vec<u8>, total: u64) -> Output {
    let truncated = total > bytes_total(&kept);
    Output { content: Content::new(kept), bytes_total: total, truncated }
}

fn bytes_total(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

fn seconds(nanoseconds: u64) -> f64 {
    std::time::Duration::from_nanos(nanoseconds).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::domain::verdict::LimitHit;

    const CONTEXT: Context =
        Context { stage: Stage::Run, report: None, output_expected: None, container_oom: false, memory_bytes: 1000 };

    fn session(end: End) -> Session {
        let now = Instant::now();
        Session {
            end,
            stdout: b"part".to_vec(),
            stderr: Vec::new(),
            report: Vec::new(),
            started_at: Some(now),
            ended_at: now,
        }
    }

    fn ended(cause: message::Cause, exit: Option<message::Exit>, oom_kills: u64) -> End {
        End::Reported(Box::new(message::Ended {
            cause,
            exit,
            launch_error: None,
            wall_nanoseconds: 1_500_000_000,
            cpu_nanoseconds: 0,
            throttled_nanoseconds: 0,
            cpu_wait_nanoseconds: 0,
            memory_peak_bytes: 5,
            memory_peak_source: message::MemoryPeakSource::Cgroup,
            oom_kills,
            pids_limit_hits: 0,
            processes_killed: 0,
            kill_nanoseconds: 0,
            stdout_bytes_total: 9,
            stderr_bytes_total: 0,
            report_truncated: false,
            clean: true,
        }))
    }

    #[test]
    fn a_wall_limit_of_the_runner_and_one_of_the_worker_differ_in_who_ended_it() {
        let by_runner = ended(message::Cause::Wall, Some(message::Exit::Signal(9)), 0);
        let runner = record(session(by_runner), CONTEXT).unwrap();
        let worker = record(session(End::Overdue { started: true }), CONTEXT).unwrap();
        for (record, by) in [(&runner, EndedBy::Runner), (&worker, EndedBy::Worker)] {
            assert_eq!((record.status, record.limit), (Status::TimeLimit, Some(LimitHit::Wall)));
            assert_eq!(record.evidence.unwrap().ended_by, by);
        }
        assert!(worker.evidence.unwrap().runner_lost);
    }

    #[test]
    fn partial_output_is_kept_on_every_ending_and_says_that_it_is_partial() {
        let by_runner = ended(message::Cause::Stdout, Some(message::Exit::Signal(9)), 0);
        let shown = record(session(by_runner), CONTEXT).unwrap().stdout;
        assert_eq!((shown.content.as_bytes(), shown.bytes_total, shown.truncated), (b"part".as_slice(), 9, true));
        let lost = record(session(End::Lost), Context { container_oom: true, ..CONTEXT }).unwrap();
        assert_eq!(lost.stdout.content.as_bytes(), b"part");
    }

    #[test]
    fn a_lost_runner_is_memory_limit_only_when_docker_saw_the_oom_kill() {
        let lost = record(session(End::Lost), Context { container_oom: true, ..CONTEXT }).unwrap();
        assert_eq!((lost.status, lost.evidence.unwrap().ended_by), (Status::MemoryLimit, EndedBy::Kernel));
        assert!(record(session(End::Lost), CONTEXT).is_err());
        assert!(record(session(End::Overdue { started: false }), CONTEXT).is_err());
    }

    #[test]
    fn the_kernel_ended_it_only_when_it_killed_the_main_process() {
        let killed =
            record(session(ended(message::Cause::Exited, Some(message::Exit::Signal(9)), 1)), CONTEXT).unwrap();
        assert_eq!(killed.evidence.unwrap().ended_by, EndedBy::Kernel);
        let survived =
            record(session(ended(message::Cause::Exited, Some(message::Exit::Code(0)), 1)), CONTEXT).unwrap();
        assert_eq!((survived.status, survived.evidence.unwrap().ended_by), (Status::Ok, EndedBy::Program));
        let own = record(session(ended(message::Cause::Exited, Some(message::Exit::Signal(9)), 0)), CONTEXT).unwrap();
        assert_eq!((own.status, own.signal), (Status::Signaled, Some(9)));
    }
}
