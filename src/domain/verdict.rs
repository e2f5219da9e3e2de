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

/// The verdict on a run of the compiler. Whatever it failed of, the program did not compile; a limit it met is named.
pub fn compiler_verdict(facts: &Facts) -> Verdict {
    let found = verdict(facts);
    match found.status {
        Status::Ok | Status::Cancelled | Status::InternalError => found,
        Status::WrongAnswer
        | Status::RuntimeError
        | Status::Signaled
        | Status::TimeLimit
        | Status::MemoryLimit
        | Status::OutputLimit
        | Status::CompileError
        | Status::Rejected => Verdict { status: Status::CompileError, limit: found.limit },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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
    fn a_compiler_that_fails_in_any_way_is_a_compile_error_that_names_its_limit() {
        let compiler = |facts: Facts| {
            let Verdict { status, limit } = compiler_verdict(&facts);
            (status, limit)
        };
        assert_eq!(compiler(QUIET), (Status::Ok, None));
        assert_eq!(compiler(Facts { exit: Some(Exit::Code(1)), ..QUIET }), (Status::CompileError, None));
        assert_eq!(compiler(KILLED), (Status::CompileError, None));
        let by = |cause| compiler(Facts { cause, ..KILLED });
        assert_eq!(by(Cause::Wall), (Status::CompileError, Some(LimitHit::Wall)));
        assert_eq!(by(Cause::Cpu), (Status::CompileError, Some(LimitHit::Cpu)));
        assert_eq!(by(Cause::Stderr), (Status::CompileError, Some(LimitHit::Stderr)));
        let memory = Facts { oom_killed: true, exit: Some(Exit::Code(1)), ..QUIET };
        assert_eq!(compiler(memory), (Status::CompileError, Some(LimitHit::Memory)));
        assert_eq!(by(Cause::Cancelled), (Status::Cancelled, None));
        assert_eq!(compiler(Facts { exit: None, ..QUIET }), (Status::InternalError, None));
    }

    /// Any facts at all.
    fn any_facts() -> impl Strategy<Value = Facts> {
        let exit = prop_oneof![
            Just(None),
            Just(Some(Exit::Code(0))),
            any::<i32>().prop_map(|code| Some(Exit::Code(code))),
            (1..65).prop_map(|signal| Some(Exit::Signal(signal))),
        ];
        let cause = prop::sample::select(vec![
            Cause::Exited,
            Cause::NotExecutable,
            Cause::Wall,
            Cause::Cpu,
            Cause::Stdout,
            Cause::Stderr,
            Cause::Cancelled,
        ]);
        let report = prop::option::of(
            any::<(bool, bool)>().prop_map(|(complete, any_passed)| ReportState { complete, any_passed }),
        );
        (exit, cause, any::<bool>(), report, prop::option::of(any::<bool>())).prop_map(
            |(exit, cause, oom_killed, report, output_expected)| Facts {
                exit,
                cause,
                oom_killed,
                report,
                output_expected,
            },
        )
    }

    /// What a result says of these facts, worked out from the definition of each status alone and in no order. It is
    /// the table's meaning said a second time: a row that is moved, lost or too wide disagrees with it.
    fn by_definition(facts: &Facts) -> Vec<Status> {
        let Facts { exit, cause, oom_killed, report, output_expected } = *facts;
        let flooded = matches!(cause, Cause::Stdout | Cause::Stderr);
        let cancelled = cause == Cause::Cancelled;
        let out_of_memory = oom_killed && exit != Some(Exit::Code(0)) && !flooded && !cancelled;
        let late = matches!(cause, Cause::Wall | Cause::Cpu) && !out_of_memory;
        let by_itself = matches!(cause, Cause::Exited | Cause::NotExecutable) && !out_of_memory;
        let signal = matches!(exit, Some(Exit::Signal(_)));
        let code = match exit {
            Some(Exit::Code(code)) => Some(code),
            Some(Exit::Signal(_)) | None => None,
        };
        let unseen = exit.is_none() && cause == Cause::Exited;
        let not_executed = cause == Cause::NotExecutable;
        let failed = not_executed || code.is_some_and(|code| code != 0);
        let report_bad = report.is_some_and(|report| !(report.complete && report.any_passed));
        let well = by_itself && !signal && !unseen && !failed;
        [
            (Status::Cancelled, cancelled),
            (Status::OutputLimit, flooded),
            (Status::MemoryLimit, out_of_memory),
            (Status::TimeLimit, late),
            (Status::Signaled, by_itself && signal),
            (Status::InternalError, by_itself && unseen),
            (Status::RuntimeError, (by_itself && !signal && !unseen && failed) || (well && report_bad)),
            (Status::WrongAnswer, well && !report_bad && output_expected == Some(false)),
            (Status::Ok, well && !report_bad && output_expected != Some(false)),
        ]
        .into_iter()
        .filter_map(|(status, holds)| holds.then_some(status))
        .collect()
    }

    proptest! {
        #[test]
        fn no_evidence_yields_two_statuses(facts in any_facts()) {
            prop_assert_eq!(by_definition(&facts), vec![verdict(&facts).status]);
        }

        #[test]
        fn only_a_status_about_a_limit_names_one(facts in any_facts()) {
            let Verdict { status, limit } = verdict(&facts);
            let about_a_limit = matches!(status, Status::TimeLimit | Status::MemoryLimit | Status::OutputLimit);
            prop_assert_eq!(limit.is_some(), about_a_limit);
        }

        #[test]
        fn no_exit_code_but_zero_matters(facts in any_facts(), code in 1..256) {
            let with = |code| verdict(&Facts { exit: Some(Exit::Code(code)), ..facts });
            prop_assert_eq!(with(code), with(1));
        }
    }
}
