//! Bytes to domain types and back: JWS, job and result JSON, the replay window. No I/O, no clock of its own.
//!
//! The way in is [`admission`]: the bytes of a message become a [`verified::Verified`] job, or a refusal with a reason
//! code. The way out is [`result`]. Everything between the two is for them.

pub mod admission;
mod cases;
mod claims;
pub mod content;
pub mod control;
mod envelope;
pub mod event;
mod fields;
mod from_worker;
pub mod job_writer;
pub mod jws;
pub mod keys;
pub mod policy;
mod quote;
pub mod replay;
pub mod result;
pub mod schema;
pub mod signing;
mod strict;
pub mod verified;

/// The version of jobs and results: their claim `v`.
pub const VERSION: u64 = 1;
/// `typ` of a job.
pub const JOB_TYP: &str = "job+jwt";
/// `typ` of a result.
pub const RESULT_TYP: &str = "result+jwt";
/// `typ` of an event.
pub const EVENT_TYP: &str = "event+jwt";
/// `typ` of a control message.
pub const CONTROL_TYP: &str = "control+jwt";
/// How far clocks may differ, in seconds.
pub const LEEWAY_SECONDS: u64 = 5;
