//! The protocol from outside: what gets in, what is refused and why, and what goes out.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, clippy::string_slice, reason = "tests fail so")]

mod attacks;
mod control;
mod events;
mod jobs;
mod keys;
mod limits;
mod refusals;
mod results;
mod schemas;
mod support;
