//! Events: what a worker says about a job while it runs. The result says all of it again, and is complete without them.

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::from_worker::{Expected, FromWorker, ResultError, Tie};
use super::keys::KeyRing;
use super::signing::SigningKey;
use super::{EVENT_TYP, VERSION, from_worker, jws};
use crate::domain::content::Content;
use crate::domain::event::{JobEvent, Stream};
use crate::domain::job::{JobDigest, JobKey};
use crate::domain::outcome::CaseRecord;

/// What an event is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventName {
    /// The program was started.
    Started,
    /// It wrote to stdout.
    Stdout,
    /// It wrote to stderr.
    Stderr,
    /// One of its cases ended.
    Case,
}

/// The claims of an event. Every member is always present.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EventClaims {
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
    /// Which delivery of the job this is about, counted from 1: another one is another run, with events of its own.
    pub attempt: u32,
    /// Its place among the events of this attempt, from 1. A number that is missing was dropped.
    #[schemars(range(min = 1))]
    pub seq: u64,
    /// What it is about.
    pub event: EventName,
    /// For `stdout` and `stderr`: the next bytes; `null` otherwise.
    pub content: Option<Content>,
    /// For `case`: what the result says of it; `null` otherwise.
    pub case: Option<CaseRecord>,
}

/// Who tells of an event, and when.
#[derive(Debug, Clone, Copy)]
pub struct Teller<'a> {
    /// The worker's id.
    pub worker: &'a str,
    /// Which delivery of the job runs.
    pub attempt: u32,
    /// Now, in seconds since 1970.
    pub now: u64,
}

impl EventClaims {
    /// Event number `seq` of a job.
    pub fn new(job: (&JobKey, JobDigest), teller: Teller<'_>, seq: u64, event: JobEvent) -> Self {
        let (key, digest) = job;
        let (event, content, case) = match event {
            JobEvent::Started => (EventName::Started, None, None),
            JobEvent::Output(Stream::Stdout, content) => (EventName::Stdout, Some(content), None),
            JobEvent::Output(Stream::Stderr, content) => (EventName::Stderr, Some(content), None),
            JobEvent::Case(record) => (EventName::Case, None, Some(*record)),
        };
        Self {
            v: VERSION,
            iss: teller.worker.to_owned(),
            aud: key.issuer.clone(),
            iat: teller.now,
            jti: key.id,
            job_sha256: digest.to_string(),
            attempt: teller.attempt,
            seq,
            event,
            content,
            case,
        }
    }

    /// Whether it has what its name promises, and nothing else.
    const fn is_whole(&self) -> bool {
        let (content, case) = (self.content.is_some(), self.case.is_some());
        match self.event {
            EventName::Started => !content && !case,
            EventName::Stdout | EventName::Stderr => content && !case,
            EventName::Case => !content && case,
        }
    }
}

impl FromWorker for EventClaims {
    fn tie(&self) -> Tie<'_> {
        Tie { v: self.v, iss: &self.iss, aud: &self.aud, jti: self.jti, job_sha256: &self.job_sha256 }
    }
}

/// Signs an event. `None` if it would be larger than `bytes_max`: an event is never cut, for the result has it all.
///
/// # Errors
/// The claims do not go into JSON.
pub fn sign_event(
    claims: &EventClaims,
    key: &SigningKey,
    bytes_max: usize,
) -> Result<Option<Bytes>, serde_json::Error> {
    jws::sign_within(bytes_max, EVENT_TYP, key, claims)
}

/// Verifies an event: signature, `typ`, issuer, version, that it is about this very job, and that it is whole.
///
/// # Errors
/// [`ResultError`] for whatever is wrong first.
pub fn verify_event(body: &[u8], ring: &KeyRing, expected: &Expected) -> Result<EventClaims, ResultError> {
    let claims: EventClaims = from_worker::verify(body, ring, EVENT_TYP, expected)?;
    if !claims.is_whole() {
        return Err(ResultError::Malformed("the event does not have what its name promises".to_owned()));
    }
    Ok(claims)
}
