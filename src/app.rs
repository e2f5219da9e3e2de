//! Composition: which parts there are, in which order they start and stop.

pub mod exec;
pub mod identity;
pub mod keys;
