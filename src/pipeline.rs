//! One job from its delivery to its settlement, against traits: this module names no adapter.
//!
//! ```text
//! Dispatcher::run ── Delivered ──▶ intake: authenticate, seen before?          (no slot needed)
//!     │                              ├─ refusal, duplicate ──▶ answer ──▶ settle
//!     │                              └─ new ──▶ waiting, one line a class
//!     └─ a slot is free ──▶ Lines::pick by weight ──▶ run_job: admit, execute, sign, publish, acknowledge
//!                                                                     └─ stream: its events meanwhile
//! Dispatcher::heed ── control message ──▶ cancel: the job's token; a waiting or coming one is answered without a slot
//! ```
//!
//! What is published and what becomes of a delivery is `domain::settlement`'s to say, nobody else's.

mod answer;
mod cancelled;
mod control;
mod dispatch;
mod intake;
mod lines;
pub mod outcome;
mod outgoing;
mod registry;
mod run;
mod stream;
mod suspects;

pub use control::Heard;
pub use dispatch::{Dispatcher, Drained, Settings};
pub use registry::Running;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The wall clock: for claims and ages only, never for deadlines.
fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Seconds since 1970.
fn now() -> u64 {
    since_epoch().as_secs()
}
