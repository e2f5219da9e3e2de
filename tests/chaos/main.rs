//! Deaths and broken connections: whatever dies, and whenever, each job has one accepted and right answer, and nothing is
//! left behind.
//!
//! `crash` kills the worker at each of its crash points. `campaign` breaks whatever there is, by a schedule that a seed makes
//! again: in its short form in any run of the tests, in its long one by scripts/chaos. The workers are built with the feature
//! `crash-points`.

#[cfg(test)]
#[path = "../support/amqp_proxy.rs"]
mod amqp_proxy;
#[cfg(test)]
mod backend;
#[cfg(test)]
mod campaign;
#[cfg(test)]
mod checker;
#[cfg(test)]
mod course;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod dice;
#[cfg(test)]
mod docker_gate;
#[cfg(test)]
#[path = "../support/frames.rs"]
mod frames;
#[cfg(test)]
mod lane;
#[cfg(test)]
mod life;
#[cfg(test)]
mod options;
#[cfg(test)]
mod report;
#[cfg(test)]
mod schedule;
#[cfg(test)]
#[path = "../serve/support/mod.rs"]
#[expect(dead_code, reason = "the suite of `serve` needs more of it than this one")]
mod support;
#[cfg(test)]
mod work;
