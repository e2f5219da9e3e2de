//! What results and events have in common: a worker signed them, about one job.

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::VERSION;
use super::jws::{self, JwsError, Purpose};
use super::keys::{Direction, KeyRing};
use super::quote::{message, quote};
use crate::domain::job::{JobDigest, JobKey};

/// What a result or event must be about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Issuer and id of the job.
    pub job: JobKey,
    /// SHA-256 of the job's bytes.
    pub digest: JobDigest,
}

/// Why a message is not the result, or no event of the job, that was waited for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResultError {
    /// Not signed by a worker's key, or signed as something else.
    #[error("the result is not authentic: {0}")]
    NotAuthentic(#[from] JwsError),
    /// The key signs for another worker.
    #[error("the key {kid} does not sign results of {issuer}")]
    WrongIssuer {
        /// The key.
        kid: String,
        /// The `iss` of the result.
        issuer: String,
    },
    /// Signed, but not the claims of such a message.
    #[error("the claims of the result cannot be read: {0}")]
    Malformed(String),
    /// Another version.
    #[error("the result has version {0}, but this program speaks version {VERSION}")]
    Version(u64),
    /// About another job.
    #[error("the result is for another job: its {claim} differs")]
    OtherJob {
        /// The claim.
        claim: &'static str,
    },
}

/// The claims that tie a worker's message to its job.
#[derive(Debug, Clone, Copy)]
pub(in crate::protocol) struct Tie<'a> {
    pub(in crate::protocol) v: u64,
    pub(in crate::protocol) iss: &'a str,
    pub(in crate::protocol) aud: &'a str,
    pub(in crate::protocol) jti: Uuid,
    pub(in crate::protocol) job_sha256: &'a str,
}

/// Claims that a worker signs.
pub(in crate::protocol) trait FromWorker: DeserializeOwned {
    /// What ties them to a job.
    fn tie(&self) -> Tie<'_>;
}

/// Verifies signature, `typ`, issuer, version, and that the message is about this very job.
pub(in crate::protocol) fn verify<T: FromWorker>(
    body: &[u8],
    ring: &KeyRing,
    typ: &'static str,
    expected: &Expected,
) -> Result<T, ResultError> {
    let signed = jws::verify(body, ring, Purpose { typ, direction: Direction::Results })?;
    let claims: T =
        serde_json::from_slice(&signed.payload).map_err(|error| ResultError::Malformed(message(&error.to_string())))?;
    let Tie { v, iss, aud, jti, job_sha256 } = claims.tie();
    if !signed.key.may_sign_for(iss) {
        return Err(ResultError::WrongIssuer { kid: quote(signed.key.kid()), issuer: quote(iss) });
    }
    if v != VERSION {
        return Err(ResultError::Version(v));
    }
    let claim = if aud != expected.job.issuer {
        Some("aud")
    } else if jti != expected.job.id {
        Some("jti")
    } else if job_sha256 != expected.digest.to_string() {
        Some("job_sha256")
    } else {
        None
    };
    claim.map_or(Ok(claims), |claim| Err(ResultError::OtherJob { claim }))
}
