//! Composition: which parts there are, in which order they start and stop.

pub mod alone;
mod counting;
pub mod exec;
pub mod identity;
#[cfg(feature = "crash-points")]
mod instant;
pub mod keys;
mod noop;
mod sandboxing;
pub mod serve;
pub mod signals;
mod status;
mod watchdog;
