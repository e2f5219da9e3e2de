//! Results: claims, signing, and verifying for those who wait for one.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use super::from_worker::{Expected, ResultError};
use super::from_worker::{FromWorker, Tie};
use super::keys::KeyRing;
use super::signing::SigningKey;
use super::{RESULT_TYP, VERSION, from_worker, jws};
use crate::domain::job::{JobDigest, JobKey};
use crate::domain::outcome::Outcome;

mod cut;

/// The claims of a result. Every member is always present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ResultClaims {
    /// Version of the protocol.
    pub v: u64,
    /// The worker that signed.
    pub iss: String,
    /// The `iss` of the job.
    pub aud: String,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// The `jti` of the job.
    pub jti: Uuid,
    /// SHA-256 of the bytes of the job's JWS, in lower-case hexadecimal digits.
    pub job_sha256: String,
    /// What came of the job.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl ResultClaims {
    /// The result of a job.
    pub fn new(job: &JobKey, digest: JobDigest, issued_at: u64, outcome: Outcome) -> Self {
        Self {
            v: VERSION,
            iss: outcome.worker.clone(),
            aud: job.issuer.clone(),
            iat: issued_at,
            jti: job.id,
            job_sha256: digest.to_string(),
            outcome,
        }
    }
}

impl FromWorker for ResultClaims {
    fn tie(&self) -> Tie<'_> {
        let Self { v, iss, aud, iat: _, jti, job_sha256, outcome: _ } = self;
        Tie { v: *v, iss, aud, jti: *jti, job_sha256 }
    }
}

/// Why a result cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// Not even a result without output, tests, cases and artifacts fits.
    #[error("the result cannot be cut to {bytes_max} bytes; raise protocol.result_bytes_max")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// The claims do not go into JSON.
    #[error("the claims cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

/// Signs a result. One that would be larger than `result_bytes_max` is cut until it fits, and says so.
///
/// # Errors
/// [`SignError`].
pub fn sign_result(claims: &ResultClaims, key: &SigningKey, result_bytes_max: usize) -> Result<Bytes, SignError> {
    let too_large = || SignError::TooLarge { bytes_max: result_bytes_max };
    if let Some(whole) = jws::sign_within(result_bytes_max, RESULT_TYP, key, claims)? {
        return Ok(whole);
    }
    let payload_max = jws::payload_bytes_max(RESULT_TYP, key, result_bytes_max).ok_or_else(too_large)?;
    let note = format!("the result was cut to fit {result_bytes_max} bytes");
    let fitting = cut::cut_to(claims, payload_max, &note)?.ok_or_else(too_large)?;
    Ok(jws::sign(RESULT_TYP, key, &fitting)?)
}

/// Verifies a result: signature, `typ`, issuer, version, and that it answers this very job.
///
/// # Errors
/// [`ResultError`] for whatever is wrong first.
pub fn verify_result(body: &[u8], ring: &KeyRing, expected: &Expected) -> Result<ResultClaims, ResultError> {
    from_worker::verify(body, ring, RESULT_TYP, expected)
}
