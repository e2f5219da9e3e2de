//! The protocol from outside: what gets in, what is refused and why, and what goes out.

mod attacks;
mod keys;
mod limits;
mod refusals;
mod results;
mod schemas;
mod support;
