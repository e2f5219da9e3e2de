//! What people read, word by word.

use super::*;
use crate::domain::content::Content;
use crate::domain::evidence::Usage;
use crate::domain::outcome::{Output, Timings};
use crate::domain::verdict::LimitHit;

fn run(status: Status) -> RunRecord {
    let mut run = RunRecord::not_run(status, None, String::new());
    run.message = None;
    run.usage = Some(Usage { wall_seconds: 0.0212, cpu_seconds: 0.0101, memory_peak_bytes: 9_542_042 });
    run
}

fn outcome(run: RunRecord) -> Outcome {
    Outcome {
        run,
        timings: Timings::default(),
        compile: None,
        cases: Vec::new(),
        tests: Vec::new(),
        tests_complete: None,
        tests_trust: None,
        artifacts: Vec::new(),
        artifacts_refused: Vec::new(),
        profile: Some("python".to_owned()),
        image_digest: Some(format!("sha256:{}", "0123456789ab".repeat(5))),
        isolation: None,
        worker: "w".to_owned(),
        attempt: 1,
    }
}

fn test(name: &str, outcome: TestOutcome, message: &str) -> TestRecord {
    TestRecord { name: name.to_owned(), outcome, duration_seconds: 0.1, message: message.to_owned() }
}

#[test]
fn a_good_run_is_one_line() {
    let outcome = outcome(RunRecord { exit_code: Some(0), ..run(Status::Ok) });
    let expected = "ok · exit 0 · wall 0.021 s · cpu 0.010 s · memory 9.1 MiB · python@sha256:0123456789ab…\n";
    assert_eq!(verdict(&outcome), expected);
}

#[test]
fn a_limit_a_signal_and_cut_output_are_named() {
    let stdout = Output { content: Content::from("xxxx"), bytes_total: 3 << 30, truncated: true };
    let limit = Some(LimitHit::Cpu);
    let outcome = outcome(RunRecord { limit, signal: Some(9), stdout, ..run(Status::TimeLimit) });
    let text = line(&outcome);
    assert!(text.starts_with("time_limit (cpu) · signal 9 (SIGKILL) · wall"), "{text}");
    assert!(text.contains(" · stdout cut after 4 bytes of 3.0 GiB · "), "{text}");
}

#[test]
fn a_refusal_says_why_and_claims_no_usage() {
    let message = "the limit cpus is 9, but 2 is the maximum here".to_owned();
    let mut outcome = outcome(RunRecord::not_run(Status::Rejected, Some("over_policy".to_owned()), message.clone()));
    (outcome.profile, outcome.image_digest) = (None, None);
    assert_eq!(verdict(&outcome), format!("{message}\nrejected (over_policy)\n"));
}

#[test]
fn failed_tests_are_listed_with_the_first_line_of_why() {
    let mut outcome = outcome(RunRecord { exit_code: Some(1), ..run(Status::RuntimeError) });
    outcome.tests = vec![
        test("test_a.py::test_x", TestOutcome::Passed, ""),
        test("test_a.py::test_y", TestOutcome::Failed, "assert 1 == 2\n  at line 3"),
        test("test_b.py", TestOutcome::Error, "SyntaxError"),
    ];
    outcome.tests_complete = Some(false);
    let text = verdict(&outcome);
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[..2], ["failed test_a.py::test_y: assert 1 == 2", "error  test_b.py: SyntaxError"]);
    assert!(lines[2].contains("tests 1 passed, 1 failed, 1 in error, report cut short"), "{text}");
}

#[test]
fn a_long_list_is_cut_and_says_so() {
    let mut outcome = outcome(run(Status::RuntimeError));
    outcome.tests = (0..25).map(|n| test(&format!("t{n}"), TestOutcome::Failed, "")).collect();
    assert!(verdict(&outcome).contains("failed t19\n… and 5 more\n"));
}

#[test]
fn a_name_or_message_cannot_forge_a_line_or_move_the_cursor() {
    let mut outcome = outcome(RunRecord { exit_code: Some(1), ..run(Status::RuntimeError) });
    outcome.tests = vec![test("a\nok · exit 0", TestOutcome::Failed, "\u{1b}[2J")];
    let text = verdict(&outcome);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_verdict_begins_on_a_line_of_its_own() {
    let stderr = Output { content: Content::from("no newline"), bytes_total: 10, truncated: false };
    assert!(verdict(&outcome(RunRecord { stderr, ..run(Status::Ok) })).starts_with("\nok"));
    let stderr = Output { content: Content::from("newline\n"), bytes_total: 8, truncated: false };
    assert!(verdict(&outcome(RunRecord { stderr, ..run(Status::Ok) })).starts_with("ok"));
}

#[test]
fn sizes_are_rounded_as_people_do() {
    for (count, expected) in [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1.0 KiB"), (1_572_864, "1.5 MiB")] {
        assert_eq!(bytes(count), expected);
    }
}
