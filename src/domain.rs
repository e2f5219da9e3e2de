//! What a job, its limits, its end and its verdict are.
//!
//! Pure: no I/O, no clock, no dependency on any other module of this crate. Everything here can be tested with values.

pub mod checker;
pub mod content;
pub mod event;
pub mod evidence;
pub mod job;
pub mod limits;
pub mod outcome;
pub mod path;
pub mod reason;
pub mod settlement;
pub mod verdict;
