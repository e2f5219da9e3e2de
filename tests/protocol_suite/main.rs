//! The protocol from outside: what gets in, what is refused and why, and what goes out.

mod refusals;
mod support;
