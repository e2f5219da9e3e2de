//! The test driver's report: one JSON document a line, written inside the sandbox, so trusted no more than that.

use serde::Deserialize;

use crate::domain::evidence::ReportState;
use crate::domain::outcome::{TestOutcome, TestRecord, TestsTrust};
use crate::ports::execution::TestReport;

/// Bytes of a report that are read.
pub(super) const REPORT_BYTES_MAX: u64 = 4 * 1_048_576;

/// Tests of one report that are listed.
const TESTS_MAX: usize = 10_000;

/// Bytes of one test's name.
const NAME_BYTES_MAX: usize = 1_024;

/// Bytes of one test's message.
const MESSAGE_BYTES_MAX: usize = 4_096;

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Test(TestLine),
    End(EndLine),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TestLine {
    name: String,
    outcome: TestOutcome,
    duration_seconds: f64,
    message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndLine {
    exit: i32,
    tests: usize,
}

/// Reads a report. It is complete when its last line says so, counts the tests that came, and the program's exit code
/// is the one it announced.
pub(super) fn parse(bytes: &[u8], truncated: bool, exit_code: Option<i32>) -> TestReport {
    let mut tests = Vec::new();
    let mut end = None;
    let mut sound = !truncated;
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            // Nothing may follow the end.
            Ok(_) if end.is_some() => sound = false,
            Ok(Line::Test(test)) if tests.len() < TESTS_MAX => tests.push(record(test)),
            Ok(Line::Test(_)) | Err(_) => sound = false,
            Ok(Line::End(line)) => end = Some(line),
        }
    }
    let complete = sound && end.is_some_and(|end| Some(end.exit) == exit_code && end.tests == tests.len());
    TestReport { tests, complete, trust: TestsTrust::InProcess }
}

/// What a verdict needs to know of a report.
pub(super) fn state(report: &TestReport) -> ReportState {
    let any_passed = report.tests.iter().any(|test| test.outcome == TestOutcome::Passed);
    ReportState { complete: report.complete, any_passed }
}

fn record(test: TestLine) -> TestRecord {
    let duration_seconds = if test.duration_seconds.is_finite() { test.duration_seconds.max(0.0) } else { 0.0 };
    TestRecord {
        name: cut(test.name, NAME_BYTES_MAX),
        outcome: test.outcome,
        duration_seconds,
        message: cut(test.message, MESSAGE_BYTES_MAX),
    }
}

/// The first bytes of a text, ending between two characters.
fn cut(mut text: String, bytes_max: usize) -> String {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSED: &str =
        r#"{"test":{"name":"test_a.py::test_x","outcome":"passed","duration_seconds":0.1,"message":""}}"#;
    const FAILED: &str =
        r#"{"test":{"name":"test_a.py::test_y","outcome":"failed","duration_seconds":0.2,"message":"assert 1 == 2"}}"#;

    fn report(lines: &[&str], exit_code: i32) -> TestReport {
        parse(lines.join("\n").as_bytes(), false, Some(exit_code))
    }

    #[test]
    fn a_whole_report_lists_every_test() {
        let report = report(&[PASSED, FAILED, r#"{"end":{"exit":1,"tests":2}}"#], 1);
        assert!(report.complete);
        let names: Vec<_> = report.tests.iter().map(|test| (test.name.as_str(), test.outcome)).collect();
        assert_eq!(names, [("test_a.py::test_x", TestOutcome::Passed), ("test_a.py::test_y", TestOutcome::Failed)]);
    }

    #[test]
    fn a_report_that_does_not_come_to_its_end_is_incomplete() {
        let end = r#"{"end":{"exit":0,"tests":1}}"#;
        assert!(report(&[PASSED, end], 0).complete);
        assert!(!report(&[PASSED], 0).complete, "no end");
        assert!(!report(&[PASSED, end], 1).complete, "another exit code than announced");
        assert!(!report(&[PASSED, PASSED, end], 0).complete, "another number of tests");
        assert!(!report(&[PASSED, end, PASSED], 0).complete, "something after the end");
        assert!(!report(&[PASSED, "{", end], 0).complete, "a line that is no record");
        assert!(!parse([PASSED, end].join("\n").as_bytes(), true, Some(0)).complete, "cut short");
        assert!(!parse([PASSED, end].join("\n").as_bytes(), false, None).complete, "ended by a signal");
    }

    #[test]
    fn what_a_hostile_driver_writes_is_bounded() {
        let name = "ñ".repeat(2_000);
        let line =
            format!(r#"{{"test":{{"name":"{name}","outcome":"passed","duration_seconds":-1e9,"message":"{name}"}}}}"#);
        let report = report(&[&line], 0);
        let test = report.tests.first().unwrap();
        assert!(test.name.len() <= 1_024 && test.message.len() <= 4_096);
        assert!(test.duration_seconds >= 0.0);
    }
}
