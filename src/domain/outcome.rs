//! What a result says, apart from who signs it and for whom.
//!
//! The field names and their order are the contract's; `protocol` adds the registered claims and signs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::content::Content;
use super::evidence::{Evidence, Usage};
use super::verdict::{LimitHit, Status};

/// Output of one stream: what was kept, and how much there was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Output {
    /// The first bytes, up to the limit.
    #[serde(flatten)]
    pub content: Content,
    /// How many bytes the program wrote.
    pub bytes_total: u64,
    /// Whether that is more than was kept.
    pub truncated: bool,
}

impl Output {
    /// Shortens what was kept so that it fits into a budget of which `used` bytes are gone; returns what is gone then.
    pub fn keep_within(&mut self, budget: usize, used: usize) -> usize {
        let room = budget.saturating_sub(used);
        if self.content.len() > room {
            self.content = self.content.prefix(room);
            self.truncated = true;
        }
        used.saturating_add(self.content.len())
    }
}

/// One run: of the compiler, of a case, or of the job's program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunRecord {
    /// How it came out.
    pub status: Status,
    /// The limit that the status is about.
    pub limit: Option<LimitHit>,
    /// Reason code of a refusal.
    pub reason: Option<String>,
    /// One sentence for people, where there is more to say than the status.
    pub message: Option<String>,
    /// Exit code of the main process, if it exited.
    pub exit_code: Option<i32>,
    /// Signal that ended the main process, if one did.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: Output,
    /// Standard error.
    pub stderr: Output,
    /// What it used; `null` where nothing ran.
    pub usage: Option<Usage>,
    /// Counters behind the verdict; `null` where nothing ran.
    pub evidence: Option<Evidence>,
}

impl RunRecord {
    /// The record of something that never ran.
    pub fn not_run(status: Status, reason: Option<String>, message: String) -> Self {
        Self {
            status,
            limit: None,
            reason,
            message: Some(message),
            exit_code: None,
            signal: None,
            stdout: Output::default(),
            stderr: Output::default(),
            usage: None,
            evidence: None,
        }
    }
}

/// One case of a job with several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseRecord {
    /// The sender's name for it.
    pub name: String,
    /// The run.
    #[serde(flatten)]
    pub run: RunRecord,
}

/// How long each part took, in seconds. `null` where a job never came that far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// From the job's `iat` to its delivery here. Two clocks: it can be off by their difference, and is never below 0.
    pub queued_seconds: Option<f64>,
    /// From delivery to a sandbox of its own.
    pub leased_seconds: Option<f64>,
    /// From the lease to the program's start.
    pub started_seconds: Option<f64>,
    /// From the program's start to the last evidence.
    pub run_seconds: Option<f64>,
    /// From delivery to the signing of the result.
    pub total_seconds: Option<f64>,
}

/// How one test came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TestOutcome {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It could not be set up, collected or torn down.
    Error,
    /// It was skipped.
    Skipped,
    /// It failed, as it was expected to.
    Xfailed,
    /// It passed although it was expected to fail.
    Xpassed,
}

/// One test of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TestRecord {
    /// Its name, `test_a.py::test_x`.
    pub name: String,
    /// How it came out.
    pub outcome: TestOutcome,
    /// How long it took, in seconds.
    pub duration_seconds: f64,
    /// Why it failed or was skipped.
    pub message: String,
}

/// Who could have written the test report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TestsTrust {
    /// The submission shares the interpreter that wrote it.
    InProcess,
    /// The submission ran elsewhere.
    Isolated,
}

/// A file that came back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Artifact {
    /// Its path in the job's folder.
    pub path: String,
    /// What is in it.
    pub content: Content,
    /// Its size.
    pub bytes_total: u64,
}

/// A file that did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactRefused {
    /// Its path in the job's folder.
    pub path: String,
    /// Why not.
    pub reason: String,
}

/// Whether anything ran in the sandbox before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// Nothing did.
    Fresh,
    /// Another job did, and the sandbox was reset.
    Reused,
}

/// Everything a result says about a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// The job as a whole: its one run, or the first case that is not `ok`.
    #[serde(flatten)]
    pub run: RunRecord,
    /// How long each part took.
    pub timings: Timings,
    /// The compiler's run.
    pub compile: Option<RunRecord>,
    /// The runs of a job with cases.
    pub cases: Vec<CaseRecord>,
    /// The tests of a suite.
    pub tests: Vec<TestRecord>,
    /// Whether the report came to its end; `null` without one.
    pub tests_complete: Option<bool>,
    /// Who could have written the report; `null` without one.
    pub tests_trust: Option<TestsTrust>,
    /// Files that came back.
    pub artifacts: Vec<Artifact>,
    /// Files that did not.
    pub artifacts_refused: Vec<ArtifactRefused>,
    /// Name of the profile; `null` for a job too broken to name one.
    pub profile: Option<String>,
    /// Digest of the sandbox image.
    pub image_digest: Option<String>,
    /// Whether anything ran in the sandbox before.
    pub isolation: Option<Isolation>,
    /// The worker's id.
    pub worker: String,
    /// Which delivery of the job this is, counted from 1.
    pub attempt: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_a_budget_is_cut_and_says_so() {
        let output = |text: &str| Output { content: Content::from(text), bytes_total: 3, truncated: false };
        let (mut first, mut second, mut third) = (output("abc"), output("def"), output("ghi"));
        let used =
            [&mut first, &mut second, &mut third].into_iter().fold(0, |used, output| output.keep_within(5, used));
        assert_eq!(used, 5);
        assert_eq!(first, output("abc"));
        assert_eq!((second.content.as_bytes(), second.truncated, second.bytes_total), (b"de".as_slice(), true, 3));
        assert_eq!((third.content.as_bytes(), third.truncated), (b"".as_slice(), true));
    }
}
