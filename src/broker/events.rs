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
    /// Messages wait, the worker holds none, and the broker sends it none.
    Starved,
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
        Self::Starved,
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
            Self::Starved => "starved",
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
    /// The loop that works over a connection went round: at least once a second until [`BrokerEvents::rests`] is told.
    fn turned(&self, role: Role);
    /// That loop has nothing to go round for: no connection, or a closed gate. (Or it does what may take longer.)
    fn rests(&self, role: Role);
    /// So many messages waited in the queue of a class when it was looked into.
    fn waiting(&self, class: &str, messages: u32);
    /// The broker sends deliveries over this connection, or has none to send.
    fn fed(&self);
}

/// Counts nothing.
impl BrokerEvents for () {
    fn connected(&self, _: Role) {}
    fn reconnecting(&self, _: Role, _: Cause) {}
    fn blocked(&self, _: Role, _: bool) {}
    fn control_listening(&self, _: bool) {}
    fn turned(&self, _: Role) {}
    fn rests(&self, _: Role) {}
    fn waiting(&self, _: &str, _: u32) {}
    fn fed(&self) {}
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
