//! From facts to a status: one pure table, whose first row that holds decides.
//!
//! The order is the contract's precedence. No row looks at a number like 137: a limit is what a counter or a deadline
//! of ours says, never what an exit code resembles.

pub mod reference;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evidence::{Cause, Exit, Facts};

/// How a job or a case came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It ended by itself with exit code 0, and said what was expected where something was.
    Ok,
    /// It ended well but did not write what was expected.
    WrongAnswer,
    /// It ended with another exit code.
    RuntimeError,
    /// A signal ended it, and the signal was not ours.
    Signaled,
    /// It used up its wall clock or CPU time.
    TimeLimit,
    /// The kernel killed it for memory.
    MemoryLimit,
    /// It wrote more than it may.
    OutputLimit,
    /// It did not compile.
    CompileError,
    /// The worker refused to run it.
    Rejected,
    /// Somebody who may cancelled it.
    Cancelled,
    /// Our fault; the program is not to blame.
    InternalError,
}

impl Status {
    /// Every status there is.
    pub const ALL: &'static [Self] = &[
        Self::Ok,
        Self::WrongAnswer,
        Self::RuntimeError,
        Self::Signaled,
        Self::TimeLimit,
        Self::MemoryLimit,
        Self::OutputLimit,
        Self::CompileError,
        Self::Rejected,
        Self::Cancelled,
        Self::InternalError,
    ];

    /// The name in results and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::WrongAnswer => "wrong_answer",
            Self::RuntimeError => "runtime_error",
            Self::Signaled => "signaled",
            Self::TimeLimit => "time_limit",
            Self::MemoryLimit => "memory_limit",
            Self::OutputLimit => "output_limit",
            Self::CompileError => "compile_error",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::InternalError => "internal_error",
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which limit a status is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LimitHit {
    /// CPU time of the process tree.
    Cpu,
    /// Wall clock time.
    Wall,
    /// Memory.
    Memory,
    /// Bytes of stdout.
    Stdout,
    /// Bytes of stderr.
    Stderr,
}

impl LimitHit {
    /// The name in results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Wall => "wall",
            Self::Memory => "memory",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A status with the limit it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// How it came out.
    pub status: Status,
    /// The limit, for the statuses that are about one.
    pub limit: Option<LimitHit>,
}

/// One row of the table: what must hold, in words, and what follows.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The condition, as the documents print it.
    pub when: &'static str,
    /// The verdict if it holds.
    pub verdict: Verdict,
    holds: fn(&Facts) -> bool,
}

const fn row(when: &'static str, status: Status, limit: Option<LimitHit>, holds: fn(&Facts) -> bool) -> Row {
    Row { when, verdict: Verdict { status, limit }, holds }
}

/// The table. The first row that holds decides; the last one always holds.
pub const TABLE: &[Row] = &[
    row("the job was cancelled", Status::Cancelled, None, |facts| facts.cause == Cause::Cancelled),
    row("more bytes on stdout than the limit", Status::OutputLimit, Some(LimitHit::Stdout), |facts| {
        facts.cause == Cause::Stdout
    }),
    row("more bytes on stderr than the limit", Status::OutputLimit, Some(LimitHit::Stderr), |facts| {
        facts.cause == Cause::Stderr
    }),
    row(
        "the kernel killed a process for memory, and the main process did not end with 0",
        Status::MemoryLimit,
        Some(LimitHit::Memory),
        |facts| facts.oom_killed && facts.exit != Some(Exit::Code(0)),
    ),
    row("the CPU time limit passed", Status::TimeLimit, Some(LimitHit::Cpu), |facts| facts.cause == Cause::Cpu),
    row("the wall clock limit passed", Status::TimeLimit, Some(LimitHit::Wall), |facts| facts.cause == Cause::Wall),
    row("the main process ended by a signal that was not ours", Status::Signaled, None, |facts| {
        matches!(facts.exit, Some(Exit::Signal(_)))
    }),
    row("nobody saw how the main process ended", Status::InternalError, None, |facts| {
        facts.exit.is_none() && facts.cause != Cause::NotExecutable
    }),
    row("the program could not be executed, or ended with another code than 0", Status::RuntimeError, None, |facts| {
        facts.cause == Cause::NotExecutable || facts.exit != Some(Exit::Code(0))
    }),
    row("the test report is incomplete, or no test passed", Status::RuntimeError, None, |facts| {
        facts.report.is_some_and(|report| !report.complete || !report.any_passed)
    }),
    row("the output is not what the case expects", Status::WrongAnswer, None, |facts| {
        facts.output_expected == Some(false)
    }),
    row("none of the above", Status::Ok, None, |_| true),
];

/// The verdict on a run.
pub fn verdict(facts: &Facts) -> Verdict {
    TABLE
        .iter()
        .find(|row| (row.holds)(facts))
        .map_or(Verdict { status: Status::InternalError, limit: None }, |row| row.verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::evidence::ReportState;

    const QUIET: Facts = Facts {
        exit: Some(Exit::Code(0)),
        cause: Cause::Exited,
        oom_killed: false,
        report: None,
        output_expected: None,
    };
    const KILLED: Facts = Facts { exit: Some(Exit::Signal(9)), ..QUIET };

    #[track_caller]
    fn is(facts: Facts, status: Status, limit: Option<LimitHit>) {
        assert_eq!(verdict(&facts), Verdict { status, limit }, "{facts:?}");
    }

    #[test]
    fn each_row_of_the_table_gives_its_status() {
        is(QUIET, Status::Ok, None);
        is(Facts { cause: Cause::Cancelled, ..KILLED }, Status::Cancelled, None);
        is(Facts { cause: Cause::Stdout, ..KILLED }, Status::OutputLimit, Some(LimitHit::Stdout));
        is(Facts { cause: Cause::Stderr, ..KILLED }, Status::OutputLimit, Some(LimitHit::Stderr));
        is(Facts { oom_killed: true, ..KILLED }, Status::MemoryLimit, Some(LimitHit::Memory));
        is(Facts { cause: Cause::Cpu, ..KILLED }, Status::TimeLimit, Some(LimitHit::Cpu));
        is(Facts { cause: Cause::Wall, ..KILLED }, Status::TimeLimit, Some(LimitHit::Wall));
        is(KILLED, Status::Signaled, None);
        is(Facts { exit: None, ..QUIET }, Status::InternalError, None);
        is(Facts { exit: Some(Exit::Code(3)), ..QUIET }, Status::RuntimeError, None);
        is(Facts { exit: None, cause: Cause::NotExecutable, ..QUIET }, Status::RuntimeError, None);
        is(Facts { output_expected: Some(false), ..QUIET }, Status::WrongAnswer, None);
        is(Facts { output_expected: Some(true), ..QUIET }, Status::Ok, None);
    }

    #[test]
    fn exit_137_and_sigkill_and_an_oom_kill_are_three_answers() {
        is(Facts { exit: Some(Exit::Code(137)), ..QUIET }, Status::RuntimeError, None);
        is(KILLED, Status::Signaled, None);
        is(Facts { oom_killed: true, ..KILLED }, Status::MemoryLimit, Some(LimitHit::Memory));
    }

    #[test]
    fn an_oom_kill_that_the_main_process_survives_is_evidence_only() {
        is(Facts { oom_killed: true, ..QUIET }, Status::Ok, None);
        is(Facts { oom_killed: true, exit: Some(Exit::Code(1)), ..QUIET }, Status::MemoryLimit, Some(LimitHit::Memory));
    }

    #[test]
    fn a_runner_that_died_of_memory_is_memory_limit() {
        is(Facts { exit: None, oom_killed: true, ..QUIET }, Status::MemoryLimit, Some(LimitHit::Memory));
    }

    #[test]
    fn a_test_report_must_be_complete_and_have_a_pass() {
        for (complete, any_passed, status) in
            [(true, true, Status::Ok), (false, true, Status::RuntimeError), (true, false, Status::RuntimeError)]
        {
            is(Facts { report: Some(ReportState { complete, any_passed }), ..QUIET }, status, None);
        }
    }

    #[test]
    fn every_combination_of_facts_has_one_verdict_and_only_limits_name_a_limit() {
        let exits = [None, Some(Exit::Code(0)), Some(Exit::Code(1)), Some(Exit::Signal(9))];
        let causes = [
            Cause::Exited,
            Cause::NotExecutable,
            Cause::Wall,
            Cause::Cpu,
            Cause::Stdout,
            Cause::Stderr,
            Cause::Cancelled,
        ];
        for exit in exits {
            for cause in causes {
                for oom_killed in [false, true] {
                    for output_expected in [None, Some(false), Some(true)] {
                        let found = verdict(&Facts { exit, cause, oom_killed, report: None, output_expected });
                        let about_a_limit =
                            matches!(found.status, Status::TimeLimit | Status::MemoryLimit | Status::OutputLimit);
                        assert_eq!(found.limit.is_some(), about_a_limit);
                    }
                }
            }
        }
    }
}
