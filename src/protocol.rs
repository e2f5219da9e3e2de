//! Bytes to domain types and back: JWS, job and result JSON, the replay window. No I/O, no clock of its own.

pub mod content;
pub mod verified;
