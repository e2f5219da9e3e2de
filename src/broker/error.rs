//! What can be wrong with the broker, in words for whoever must mend it. No message carries a URL's user or password.

use std::fmt::{self, Display};

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};

use super::events::Cause;

/// A fault of, or on the way to, the broker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerError {
    /// The configuration names no broker.
    #[error("`broker.urls` is empty: name at least one, like amqp://user:password@host:5672/%2f")]
    NoUrl,
    /// A URL is none. Its text is not repeated, for it may hold a password.
    #[error("`broker.urls` entry {position} is not an AMQP URL: {reason}")]
    Url {
        /// Its place in the list, from 1.
        position: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No connection to a broker.
    #[error("{broker}: {what}; {hint}")]
    Connect {
        /// Host, port and virtual host.
        broker: String,
        /// Which kind of failure it is.
        cause: Cause,
        /// What happened.
        what: String,
        /// What to do.
        hint: String,
    },
    /// Exchanges and queues are not as they must be.
    #[error("{}", Lines(problems))]
    Topology {
        /// All that is wrong.
        problems: Vec<Problem>,
    },
    /// A connection or channel that was up failed.
    #[error("{what}")]
    Lost {
        /// Which kind of failure it is.
        cause: Cause,
        /// What happened.
        what: String,
    },
}

impl BrokerError {
    /// The metric's label.
    pub fn cause(&self) -> Cause {
        match self {
            Self::NoUrl | Self::Url { .. } => Cause::Unreachable,
            Self::Topology { .. } => Cause::Topology,
            Self::Connect { cause, .. } | Self::Lost { cause, .. } => *cause,
        }
    }

    pub(super) fn lost(doing: &str, error: &lapin::Error) -> Self {
        Self::Lost { cause: classify(error), what: format!("{doing}: {}", describe(error)) }
    }

    pub(super) fn late(doing: &str) -> Self {
        Self::Lost { cause: Cause::CallTimeout, what: format!("{doing}: RabbitMQ did not answer in time") }
    }
}

/// One thing that is wrong with the topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is about, like "queue `tester.dead`".
    pub subject: String,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}; {}", self.subject, self.what, self.hint)
    }
}

struct Lines<'a>(&'a [Problem]);

impl Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(". ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

/// A lapin error in one line. Connections are made from parsed URLs, so none of these texts can hold a password.
#[expect(clippy::wildcard_enum_match_arm, reason = "lapin's, and it may grow")]
pub(super) fn describe(error: &lapin::Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        ErrorKind::MissingHeartbeatError => "nothing came from RabbitMQ for two heartbeats".to_owned(),
        ErrorKind::ParsingError(_) => {
            "RabbitMQ sent a frame that cannot be read, for example a message with a property that is not UTF-8"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

/// Which kind of failure an error is, once a connection is up.
#[expect(clippy::wildcard_enum_match_arm, reason = "lapin's, and it may grow")]
pub(super) fn classify(error: &lapin::Error) -> Cause {
    match error.kind() {
        ErrorKind::MissingHeartbeatError => Cause::Heartbeat,
        ErrorKind::ParsingError(_) => Cause::Unreadable,
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(_) => Cause::ChannelClosed,
            AMQPErrorKind::Hard(_) => Cause::ConnectionLost,
        },
        ErrorKind::InvalidChannel(_) | ErrorKind::InvalidChannelState(..) => Cause::ChannelClosed,
        _ => Cause::ConnectionLost,
    }
}

/// The reply code of a channel error, where the broker gave one.
pub(super) fn soft(error: &lapin::Error) -> Option<AMQPSoftError> {
    let ErrorKind::ProtocolError(error) = error.kind() else { return None };
    match error.kind() {
        AMQPErrorKind::Soft(soft) => Some(soft.clone()),
        AMQPErrorKind::Hard(_) => None,
    }
}
