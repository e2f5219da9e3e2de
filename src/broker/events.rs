//! What the adapter tells whoever counts.

use std::fmt::Debug;

/// Which of the two connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The one that takes deliveries and acknowledges them.
    Consume,
    /// The one that publishes.
    Publish,
}

impl Role {
    /// The name in connection names, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consume => "consume",
            Self::Publish => "publish",
        }
    }
}

/// Why a connection could not be had, or was given up. A bounded set: it is a metric's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Nothing answers at the address, or the name is not known.
    Unreachable,
    /// Something answers and does not speak AMQP in time.
    Silent,
    /// TLS failed.
    Tls,
    /// User, password or virtual host were refused.
    Refused,
    /// Exchanges or queues are missing, different, or not ours to declare.
    Topology,
    /// The connection was lost or closed by the broker.
    ConnectionLost,
    /// Nothing came for two heartbeats.
    Heartbeat,
    /// The broker closed the channel.
    ChannelClosed,
    /// A consumer ended by itself: its queue was deleted, or the broker cancelled it.
    ConsumerEnded,
    /// The broker sent a frame that cannot be read.
    Unreadable,
    /// A request was not answered in time.
    CallTimeout,
    /// A publish was not confirmed in time.
    ConfirmTimeout,
}

impl Cause {
    /// Every cause.
    pub const ALL: &'static [Self] = &[
        Self::Unreachable,
        Self::Silent,
        Self::Tls,
        Self::Refused,
        Self::Topology,
        Self::ConnectionLost,
        Self::Heartbeat,
        Self::ChannelClosed,
        Self::ConsumerEnded,
        Self::Unreadable,
        Self::CallTimeout,
        Self::ConfirmTimeout,
    ];

    /// The name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Silent => "silent",
            Self::Tls => "tls",
            Self::Refused => "refused",
            Self::Topology => "topology",
            Self::ConnectionLost => "connection_lost",
            Self::Heartbeat => "heartbeat",
            Self::ChannelClosed => "channel_closed",
            Self::ConsumerEnded => "consumer_ended",
            Self::Unreadable => "unreadable",
            Self::CallTimeout => "call_timeout",
            Self::ConfirmTimeout => "confirm_timeout",
        }
    }
}

/// Counts what happens to the connections. Called on the adapter's tasks, so it must not wait.
pub trait BrokerEvents: Debug + Send + Sync + 'static {
    /// A connection is up, and its topology is there.
    fn connected(&self, role: Role);
    /// An attempt failed, or a connection that was up is gone; another attempt follows.
    fn reconnecting(&self, role: Role, cause: Cause);
    /// The broker holds the connection's publishes back (a memory or disk alarm), or does so no longer.
    fn blocked(&self, role: Role, blocked: bool);
    /// Control messages can be heard, or not.
    fn control_listening(&self, listening: bool);
}

/// Counts nothing.
impl BrokerEvents for () {
    fn connected(&self, _: Role) {}
    fn reconnecting(&self, _: Role, _: Cause) {}
    fn blocked(&self, _: Role, _: bool) {}
    fn control_listening(&self, _: bool) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_have_distinct_names() {
        let names: std::collections::BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
    }
}
