//! Cutting a result until it fits.
//!
//! Everything long gets one common cap, as high as possible: so the longest parts are shortened first, and short ones
//! stay whole. A file is brought back whole or not at all. Only where no cap is low enough, lists go: tests from the
//! end, then refused artifacts, cases and the compiler's run. What was cut says so.

use serde::Serialize;

use super::ResultClaims;
use crate::domain::outcome::{Artifact, ArtifactRefused, Output, RunRecord};

/// The `reason` of an artifact that was left out because the result would have been too large.
const ARTIFACT_REASON: &str = "result_too_large";
/// Ends a text that was cut and has no flag of its own.
const CUT_MARK: &str = "… (cut)";

/// What is left in.
#[derive(Debug, Clone, Copy)]
struct Keep {
    /// Bytes of every text, output and file at most.
    cap: usize,
    /// Tests, from the first.
    tests: usize,
    /// Whether refused artifacts, cases and the compiler's run stay.
    lists: bool,
}

/// The claims cut to at most `payload_bytes_max` bytes of JSON; `None` if that cannot be.
pub(super) fn cut_to(
    claims: &ResultClaims,
    payload_bytes_max: usize,
    note: &str,
) -> Result<Option<ResultClaims>, serde_json::Error> {
    let fits = |keep: Keep| -> Result<bool, serde_json::Error> {
        Ok(json_len(&apply(claims, keep, note))? <= payload_bytes_max)
    };
    let all_tests = claims.outcome.tests.len();
    let least = Keep { cap: 0, tests: 0, lists: false };
    let keep = if fits(Keep { cap: 0, tests: all_tests, lists: true })? {
        let cap = largest(payload_bytes_max, |cap| fits(Keep { cap, tests: all_tests, lists: true }))?;
        Keep { cap, tests: all_tests, lists: true }
    } else if fits(Keep { lists: true, ..least })? {
        let tests = largest(all_tests, |tests| fits(Keep { tests, lists: true, ..least }))?;
        Keep { cap: 0, tests, lists: true }
    } else if fits(least)? {
        least
    } else {
        return Ok(None);
    };
    Ok(Some(apply(claims, keep, note)))
}

/// The largest number up to `most` that fits, where 0 does.
fn largest<E>(most: usize, fits: impl Fn(usize) -> Result<bool, E>) -> Result<usize, E> {
    let (mut good, mut bad) = (0, most.saturating_add(1));
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if fits(middle)? {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Ok(good)
}

fn apply(claims: &ResultClaims, keep: Keep, note: &str) -> ResultClaims {
    let mut cut = claims.clone();
    let outcome = &mut cut.outcome;
    cut_run(&mut outcome.run, keep.cap);
    if keep.lists {
        if let Some(run) = &mut outcome.compile {
            cut_run(run, keep.cap);
        }
        for case in &mut outcome.cases {
            cut_run(&mut case.run, keep.cap);
        }
    } else {
        outcome.compile = None;
        outcome.cases.clear();
    }
    let tests = outcome.tests.len();
    if keep.tests < tests {
        outcome.tests.truncate(keep.tests);
        outcome.tests_complete = Some(false);
    }
    for test in &mut outcome.tests {
        cut_text(&mut test.message, keep.cap);
    }
    let (kept, left): (Vec<Artifact>, Vec<Artifact>) =
        std::mem::take(&mut outcome.artifacts).into_iter().partition(|artifact| artifact.content.len() <= keep.cap);
    outcome.artifacts = kept;
    let refused = left.into_iter().map(|file| ArtifactRefused { path: file.path, reason: ARTIFACT_REASON.to_owned() });
    outcome.artifacts_refused.extend(refused);
    if !keep.lists {
        outcome.artifacts.clear();
        outcome.artifacts_refused.clear();
    }
    let said = match outcome.run.message.take().filter(|text| !text.is_empty()) {
        Some(text) => format!("{text}; {note}"),
        None => note.to_owned(),
    };
    outcome.run.message = Some(said);
    cut
}

fn cut_run(run: &mut RunRecord, cap: usize) {
    cut_output(&mut run.stdout, cap);
    cut_output(&mut run.stderr, cap);
    if let Some(text) = &mut run.message {
        cut_text(text, cap);
    }
}

fn cut_output(output: &mut Output, cap: usize) {
    if output.content.len() <= cap {
        return;
    }
    let bytes = output.content.as_bytes();
    // Text stays text: half a character at the end would turn all of it into base64.
    let at = std::str::from_utf8(bytes).map_or(cap, |text| char_boundary(text, cap));
    output.content = output.content.prefix(at);
    output.truncated = true;
}

fn cut_text(text: &mut String, cap: usize) {
    if text.len() > cap.max(CUT_MARK.len()) {
        text.truncate(char_boundary(text, cap.saturating_sub(CUT_MARK.len())));
        text.push_str(CUT_MARK);
    }
}

/// The last place at or before `at` where no character is torn.
fn char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0)
}

/// The length of the JSON, without making it.
fn json_len(value: &impl Serialize) -> Result<usize, serde_json::Error> {
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value)?;
    Ok(counter.0)
}

struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
