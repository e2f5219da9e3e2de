//! `tester-worker` runs programs that nobody trusts: a signed job comes from RabbitMQ, runs in a hardened, single-use
//! Docker sandbox, and is answered with a signed result.
//!
//! Imports go one way: `domain <- protocol <- ports <- {pipeline, broker, sandbox, sidecar} <- app`. `config` and
//! `telemetry` are leaves that know `domain` only, `crash` (for tests) one that knows nothing. `tests/architecture.rs` holds the arrows.

pub mod app;
pub mod broker;
pub mod cli;
pub mod config;
pub mod crash;
pub mod domain;
pub mod pipeline;
pub mod ports;
pub mod protocol;
pub mod sandbox;
pub mod sidecar;
pub mod telemetry;
