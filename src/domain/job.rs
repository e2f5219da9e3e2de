//! A job, after its bytes have been parsed and before anybody has decided to run it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::content::Content;
use super::limits::Limits;
use super::path::JobPath;

/// What makes a job the same job: who issued it, and the id that this issuer gave it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct JobKey {
    /// The `iss` claim.
    pub issuer: String,
    /// The `jti` claim.
    pub id: Uuid,
}

/// SHA-256 of the job's JWS bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobDigest(pub [u8; 32]);

impl std::fmt::Display for JobDigest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What one job asks for. Every path in it is safe, and its limits are those in force (profile, then job).
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Issuer and id.
    pub key: JobKey,
    /// SHA-256 of the bytes that were signed and sent.
    pub digest: JobDigest,
    /// `iat`, in seconds since 1970.
    pub issued_at: u64,
    /// `exp`, in seconds since 1970.
    pub expires_at: u64,
    /// The queue that gets the result.
    pub reply_to: String,
    /// Name of the profile.
    pub profile: String,
    /// The file that the profile's `{entry}` stands for; `None`: the profile's own.
    pub entry: Option<JobPath>,
    /// The files, in the order of the job.
    pub files: Vec<JobFile>,
    /// Standard input of the run.
    pub stdin: Content,
    /// Arguments after the profile's own.
    pub args: Vec<String>,
    /// Environment variables besides the profile's.
    pub env: BTreeMap<String, String>,
    /// The limits in force for the run, and for each case that sets none.
    pub limits: Limits,
    /// Runs of the same program with other input.
    pub cases: Vec<Case>,
    /// Whether the first case that is not `ok` ends the job.
    pub stop_on_failure: bool,
    /// Globs of files to bring back.
    pub artifacts: Vec<String>,
    /// Whether output is also sent while the job runs.
    pub stream: bool,
}

/// One file of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobFile {
    /// Where it goes, below the job's folder.
    pub path: JobPath,
    /// What is in it.
    pub content: Content,
    /// Whether it may be executed.
    pub executable: bool,
    /// Who stands behind it.
    pub role: Role,
}

/// Who stands behind a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The program that nobody trusts.
    #[default]
    Submission,
    /// The sender's own, a test suite for example.
    Trusted,
}

/// One run of a job with several.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The sender's name for it.
    pub name: String,
    /// Standard input of this run.
    pub stdin: Content,
    /// Arguments of this run.
    pub args: Vec<String>,
    /// The limits in force for this run.
    pub limits: Limits,
    /// What the run must write, if it is judged by that.
    pub expect: Option<Expect>,
}

/// What a run must write to stdout, and how strictly.
#[derive(Debug, Clone, PartialEq)]
pub struct Expect {
    /// The expected bytes.
    pub stdout: Content,
    /// How they are compared.
    pub checker: Checker,
}

/// How output is compared with what was expected.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Checker {
    /// Byte for byte.
    Exact,
    /// Line by line, blanks at line ends and empty lines at the end ignored.
    TrailingSpace,
    /// Word by word.
    Tokens,
    /// Word by word, numbers within a tolerance.
    Floats {
        /// The largest absolute difference.
        absolute_tolerance: f64,
        /// The largest difference relative to the expected number.
        relative_tolerance: f64,
    },
}
