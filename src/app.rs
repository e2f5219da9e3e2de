//! Composition: which parts there are, in which order they start and stop.

mod counting;
pub mod exec;
pub mod identity;
#[cfg(feature = "crash-points")]
mod instant;
pub mod keys;
mod sandboxing;
pub mod serve;
pub mod signals;
mod status;
mod watchdog;
