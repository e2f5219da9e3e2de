//! Composition: which parts there are, in which order they start and stop.

mod counting;
pub mod exec;
pub mod identity;
pub mod keys;
pub mod serve;
pub mod signals;
mod status;
