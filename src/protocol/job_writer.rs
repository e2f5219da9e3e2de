//! Writing jobs: what `submit` and `exec` sign. The JSON Schema of a job follows from these types.

use std::collections::BTreeMap;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::signing::SigningKey;
use super::{JOB_TYP, VERSION, jws};
use crate::domain::content::Content;
use crate::domain::job::{JobDigest, JobKey, Role};
use crate::domain::limits::LimitsPatch;

/// The claims of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobClaims {
    /// Version of the protocol; 1.
    #[schemars(extend("const" = 1))]
    pub v: u64,
    /// Who sends it: the issuer that the signing key belongs to.
    #[schemars(length(min = 1, max = 255))]
    pub iss: String,
    /// The fleet of workers it is for.
    #[schemars(length(min = 1, max = 255))]
    pub aud: String,
    /// The job's id: a UUID in lower case with hyphens, never used for other bytes.
    pub jti: Uuid,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// From when it may run, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// When it is void, in seconds since 1970.
    pub exp: u64,
    /// What is to be done.
    #[serde(flatten)]
    pub draft: JobDraft,
}

/// What a job asks for, before it has an id and times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct JobDraft {
    /// The queue for the result, or `amq.rabbitmq.reply-to`.
    #[schemars(length(min = 1, max = 255))]
    pub reply_to: String,
    /// Name of a profile of the worker.
    #[schemars(length(min = 1, max = 255))]
    pub profile: String,
    /// The file that the profile runs; absent: the profile's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The files.
    pub files: Vec<FileClaims>,
    /// Standard input; absent: empty.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub stdin: Content,
    /// Arguments after the profile's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Environment variables besides the profile's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
    /// Limits where they differ from the profile's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: LimitsPatch,
    /// Runs of the same program with other input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub cases: Vec<CaseClaims>,
    /// Whether the first case that is not `ok` ends the job.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stop_on_failure: bool,
    /// Globs of files to bring back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub artifacts: Vec<String>,
    /// Whether output is also sent while the job runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stream: bool,
}

/// One file of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileClaims {
    /// Its path: relative, without `.`, `..` or empty components.
    pub path: String,
    /// What is in it.
    pub content: Content,
    /// Whether it may be executed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub executable: bool,
    /// Who stands behind it; absent: `submission`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub role: Role,
}

/// One case.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseClaims {
    /// The sender's name for it.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Standard input; absent: empty.
    #[serde(default, skip_serializing_if = "Content::is_empty")]
    pub stdin: Content,
    /// Arguments of this run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,
    /// Limits where they differ from the job's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: LimitsPatch,
    /// What the run must write, if it is judged by that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<ExpectClaims>,
}

/// What a run must write to stdout.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExpectClaims {
    /// The expected bytes.
    pub stdout: Content,
    /// How they are compared; absent: `exact`.
    #[serde(default)]
    pub checker: CheckerName,
    /// For `floats`: the largest absolute difference; absent: 1e-9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub absolute_tolerance: Option<f64>,
    /// For `floats`: the largest difference relative to the expected number; absent: 1e-9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub relative_tolerance: Option<f64>,
}

/// How output is compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CheckerName {
    /// Byte for byte.
    #[default]
    Exact,
    /// Line by line, blanks at line ends and empty lines at the end ignored.
    TrailingSpace,
    /// Word by word.
    Tokens,
    /// Word by word, numbers within a tolerance.
    Floats,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Who sends a job, to whom, under which id, and for how long it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    /// Issuer and id.
    pub key: JobKey,
    /// The fleet it is for.
    pub audience: String,
    /// `iat`, in seconds since 1970.
    pub issued_at: u64,
    /// `exp`, in seconds since 1970.
    pub expires_at: u64,
}

/// A job that can be sent, and what its result must refer to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedJob {
    /// The message body.
    pub body: Bytes,
    /// Issuer and id.
    pub key: JobKey,
    /// SHA-256 of the body.
    pub digest: JobDigest,
}

/// Signs a job.
///
/// # Errors
/// The claims do not go into JSON.
pub fn sign_job(draft: JobDraft, stamp: Stamp, key: &SigningKey) -> Result<SignedJob, serde_json::Error> {
    let claims = JobClaims {
        v: VERSION,
        iss: stamp.key.issuer.clone(),
        aud: stamp.audience,
        jti: stamp.key.id,
        iat: stamp.issued_at,
        nbf: None,
        exp: stamp.expires_at,
        draft,
    };
    let body = jws::sign(JOB_TYP, key, &claims)?;
    let digest = JobDigest(Sha256::digest(&body).into());
    Ok(SignedJob { body, key: stamp.key, digest })
}
