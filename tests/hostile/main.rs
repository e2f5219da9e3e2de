//! Hostile programs, one a file, each with the exact result that it must get from the real worker.
//!
//! `programs/FAMILY/NAME.{py,c,sh}` begins with its header (see `header`): what it attacks, which walls stop it, and what
//! the result must say. The suite runs each through `tester-worker serve`, a real RabbitMQ and a real Docker, and then
//! looks at what it left (`host`). `TESTER_WORKER_TEST_HOSTILE=TEXT` runs only the programs whose `FAMILY/NAME` has that
//! text in it; `TESTER_WORKER_TEST_TIME_SCALE=10` gives everything ten times as long, for a machine that is slow.

#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod expect;
#[cfg(test)]
mod families;
#[cfg(test)]
mod family;
#[cfg(test)]
mod header;
#[cfg(test)]
mod host;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod page;
#[cfg(test)]
mod profiles;
#[cfg(test)]
#[path = "../serve/support/mod.rs"]
#[expect(dead_code, reason = "the suite of `serve` needs more of it than this one")]
mod support;
