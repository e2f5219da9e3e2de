//! Random and spoilt input against everything that reads bytes of others: no panic, no more memory than allowed, and
//! nothing let in that must stay out.
//!
//! Every property runs some hundred cases; `PROPTEST_CASES=100000` runs more, and a failure prints the smallest input
//! that makes it. The runner's own readers have their targets beside them (`runner/src/unpack.rs`, `pid1/parser.rs`), as
//! have the replay window (`src/protocol/replay.rs`) and the worker's tar (`src/sandbox/tarball.rs`).

#[cfg(test)]
mod frames;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod spoil;
#[cfg(test)]
#[path = "../protocol_suite/support.rs"]
#[expect(dead_code, reason = "the suite of the protocol needs more of it than this one")]
mod support;
#[cfg(test)]
mod tokens;
