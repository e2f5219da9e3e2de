//! What the broker adapter tells, as metrics.

use crate::broker::{BrokerEvents, Cause, Role};
use crate::telemetry::labels;
use crate::telemetry::metrics::Metrics;

/// Counts the broker's events.
#[derive(Debug)]
pub(super) struct Counting(pub(super) Metrics);

impl BrokerEvents for Counting {
    fn connected(&self, role: Role) {
        self.0.amqp_connected(label(role), true);
    }

    fn reconnecting(&self, role: Role, cause: Cause) {
        self.0.amqp_connected(label(role), false);
        self.0.reconnected(label(role), cause_label(cause));
    }

    fn control_listening(&self, listening: bool) {
        self.0.control_listening(listening);
    }

    fn blocked(&self, role: Role, blocked: bool) {
        tracing::warn!(
            role = role.as_str(),
            "RabbitMQ {} publishes",
            if blocked { "holds back" } else { "takes again" }
        );
    }
}

const fn label(role: Role) -> labels::Role {
    match role {
        Role::Consume => labels::Role::Consume,
        Role::Publish => labels::Role::Publish,
    }
}

const fn cause_label(cause: Cause) -> labels::ReconnectCause {
    use labels::ReconnectCause as Label;
    match cause {
        Cause::Unreachable | Cause::Tls => Label::Unreachable,
        Cause::Refused => Label::Refused,
        Cause::ConnectionLost | Cause::Heartbeat | Cause::Unreadable => Label::Lost,
        Cause::ChannelClosed => Label::ClosedByBroker,
        Cause::ConsumerEnded => Label::ConsumerCancelled,
        Cause::Silent | Cause::CallTimeout => Label::Timeout,
        Cause::ConfirmTimeout => Label::NotConfirmed,
        Cause::Topology => Label::Topology,
    }
}
