//! Deaths and broken connections: whatever dies, and whenever, each job has one accepted and right answer, and nothing is
//! left behind.
//!
//! `crash` kills the worker at each of its crash points. The workers are built with the feature `crash-points`.

#[cfg(test)]
mod crash;
#[path = "../serve/support/mod.rs"]
#[expect(dead_code, reason = "the suite of `serve` needs more of it than this one")]
#[cfg(test)]
mod support;
#[cfg(test)]
mod work;
