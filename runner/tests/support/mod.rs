//! A sandbox as the worker makes it, driven by frames over `docker run -i`.

mod binary;
mod sandbox;

pub use binary::static_runner;
pub use sandbox::{Options, Run, Sandbox, job, start};
