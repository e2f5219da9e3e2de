//! Why PID 1 stops serving.

use std::fmt::Display;

use tester_runner::message::Fault;

use super::input::Order;

/// The end of the runner: there is no other way out of the loop.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The worker closed stdin, or somebody stops the container.
    Gone,
    /// The sandbox is unusable.
    Fault(Fault),
}

impl Stop {
    /// A failure of ours, or of the worker's protocol.
    pub(crate) fn ours(step: &str, message: impl Display) -> Self {
        Self::Fault(Fault { step: step.to_owned(), message: message.to_string(), from_job: false })
    }

    /// A failure that the job's own files cause.
    pub(crate) fn from_job(step: &str, message: impl Display) -> Self {
        Self::Fault(Fault { step: step.to_owned(), message: message.to_string(), from_job: true })
    }

    /// An order that must not come now.
    pub(crate) fn unexpected(order: Order) -> Self {
        Self::ours("protocol", format!("a {order:?} frame came out of turn"))
    }
}
