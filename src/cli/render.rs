//! A result for people: the program's own output as it is, then one line of verdict and usage.

use std::fmt::Write as _;
use std::io;

use super::output;
use crate::domain::outcome::{CaseRecord, Outcome, RunRecord, TestOutcome, TestRecord};
use crate::domain::verdict::Status;

/// Failed tests and cases that are listed; a verdict should fit on a screen.
const LISTED_MAX: usize = 20;
const MESSAGE_CHARS_MAX: usize = 200;

/// Prints an outcome: stdout to stdout, stderr and the verdict to stderr.
///
/// # Errors
/// What the system says about stdout.
pub fn show(outcome: &Outcome) -> io::Result<()> {
    output::out(outcome.run.stdout.content.as_bytes())?;
    output::write(&mut io::stderr().lock(), outcome.run.stderr.content.as_bytes())?;
    output::err(&verdict(outcome));
    Ok(())
}

/// Everything below the program's own output: what failed, and the one line, which comes last.
pub fn verdict(outcome: &Outcome) -> String {
    let mut text = String::new();
    let stderr = outcome.run.stderr.content.as_bytes();
    if stderr.last().is_some_and(|last| *last != b'\n') {
        text.push('\n');
    }
    if let Some(compile) = outcome.compile.as_ref().filter(|compile| compile.status != Status::Ok) {
        push(&mut text, format_args!("{}", String::from_utf8_lossy(compile.stdout.content.as_bytes())));
        push(&mut text, format_args!("{}", String::from_utf8_lossy(compile.stderr.content.as_bytes())));
    }
    list(&mut text, outcome.tests.iter().filter(|test| is_bad(test)).map(failed_test));
    list(&mut text, outcome.cases.iter().filter(|case| case.run.status != Status::Ok).map(failed_case));
    if let Some(message) = &outcome.run.message {
        push(&mut text, format_args!("{}\n", plain(message)));
    }
    push(&mut text, format_args!("{}\n", line(outcome)));
    text
}

/// The one line: `ok · exit 0 · wall 0.02 s · cpu 0.01 s · memory 9.1 MiB · python@sha256:1234…`.
pub fn line(outcome: &Outcome) -> String {
    let run = &outcome.run;
    let mut parts = vec![status(run)];
    parts.extend(run.exit_code.map(|code| format!("exit {code}")));
    parts.extend(run.signal.map(|signal| format!("signal {signal}{}", signal_name(signal))));
    if !outcome.tests.is_empty() {
        parts.push(tests(&outcome.tests, outcome.tests_complete));
    }
    if !outcome.cases.is_empty() {
        let good = outcome.cases.iter().filter(|case| case.run.status == Status::Ok).count();
        parts.push(format!("cases {good} of {} ok", outcome.cases.len()));
    }
    if let Some(usage) = &run.usage {
        parts.push(format!("wall {}", seconds(usage.wall_seconds)));
        parts.push(format!("cpu {}", seconds(usage.cpu_seconds)));
        parts.push(format!("memory {}", bytes(usage.memory_peak_bytes)));
    }
    for (name, stream) in [("stdout", &run.stdout), ("stderr", &run.stderr)] {
        if stream.truncated {
            let kept = bytes(u64::try_from(stream.content.len()).unwrap_or(u64::MAX));
            parts.push(format!("{name} cut after {kept} of {}", bytes(stream.bytes_total)));
        }
    }
    parts.extend(place(outcome));
    parts.join(" · ")
}

fn status(run: &RunRecord) -> String {
    let about = run.limit.map(|limit| limit.as_str().to_owned()).or_else(|| run.reason.clone());
    about.map_or_else(|| run.status.to_string(), |about| format!("{} ({})", run.status, plain(&about)))
}

/// Profile and image, as far as the job came.
fn place(outcome: &Outcome) -> Option<String> {
    let profile = plain(outcome.profile.as_deref()?);
    let Some(digest) = &outcome.image_digest else { return Some(profile) };
    let digest = plain(digest);
    let short: String = digest.chars().take("sha256:".len() + 12).collect();
    let dots = if short.len() < digest.len() { "…" } else { "" };
    Some(format!("{profile}@{short}{dots}"))
}

fn tests(tests: &[TestRecord], complete: Option<bool>) -> String {
    let mut text = "tests".to_owned();
    let kinds = [
        (TestOutcome::Passed, "passed"),
        (TestOutcome::Failed, "failed"),
        (TestOutcome::Error, "in error"),
        (TestOutcome::Skipped, "skipped"),
        (TestOutcome::Xfailed, "failed as expected"),
        (TestOutcome::Xpassed, "passed unexpectedly"),
    ];
    let mut separator = " ";
    for (kind, name) in kinds {
        let count = tests.iter().filter(|test| test.outcome == kind).count();
        if count > 0 {
            push(&mut text, format_args!("{separator}{count} {name}"));
            separator = ", ";
        }
    }
    if complete == Some(false) {
        text.push_str(", report cut short");
    }
    text
}

const fn is_bad(test: &TestRecord) -> bool {
    matches!(test.outcome, TestOutcome::Failed | TestOutcome::Error)
}

fn failed_test(test: &TestRecord) -> String {
    let kind = if test.outcome == TestOutcome::Error { "error " } else { "failed" };
    with_message(format!("{kind} {}", plain(&test.name)), &test.message)
}

fn failed_case(case: &CaseRecord) -> String {
    with_message(
        format!("case {}: {}", plain(&case.name), status(&case.run)),
        case.run.message.as_deref().unwrap_or(""),
    )
}

/// A name, and the first line of a message that has several.
fn with_message(name: String, message: &str) -> String {
    let first: String = message.lines().next().unwrap_or_default().chars().take(MESSAGE_CHARS_MAX).collect();
    if first.is_empty() { name } else { format!("{name}: {}", plain(&first)) }
}

fn list(text: &mut String, lines: impl Iterator<Item = String>) {
    let lines: Vec<_> = lines.collect();
    for line in lines.iter().take(LISTED_MAX) {
        push(text, format_args!("{line}\n"));
    }
    if lines.len() > LISTED_MAX {
        push(text, format_args!("… and {} more\n", lines.len() - LISTED_MAX));
    }
}

/// Text from a job without control characters: names and messages must not move the cursor of a terminal, or forge a
/// line of ours.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn seconds(value: f64) -> String {
    if value < 0.0995 { format!("{value:.3} s") } else { format!("{value:.2} s") }
}

fn bytes(count: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let Some((unit, size)) = UNITS.into_iter().find(|(_, size)| count >= *size) else {
        return format!("{count} bytes");
    };
    // One decimal in whole numbers: a count above 2^53 would not survive a float.
    let tenths = count.saturating_mul(10).saturating_add(size / 2) / size;
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

fn signal_name(signal: i32) -> String {
    nix::sys::signal::Signal::try_from(signal).map_or_else(|_unknown| String::new(), |signal| format!(" ({signal})"))
}

/// Writing to a `String` cannot fail.
fn push(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments).unwrap_or_default();
}

#[cfg(test)]
mod tests;
