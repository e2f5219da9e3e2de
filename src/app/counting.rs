//! What the broker adapter tells, as metrics.

use super::watchdog::Pulse;
use crate::broker::{BrokerEvents, Cause, Role};
use crate::telemetry::labels;
use crate::telemetry::metrics::Metrics;

/// Counts the broker's events, and keeps the worker's pulse by them.
#[derive(Debug)]
pub(super) struct Counting {
    pub(super) metrics: Metrics,
    pub(super) pulse: Pulse,
}

impl BrokerEvents for Counting {
    fn connected(&self, role: Role) {
        self.metrics.amqp_connected(label(role), true);
    }

    fn reconnecting(&self, role: Role, cause: Cause) {
        self.metrics.amqp_connected(label(role), false);
        self.metrics.reconnected(label(role), cause_label(cause));
        if role == Role::Consume {
            self.pulse.starved(cause == Cause::Starved);
        }
    }

    fn control_listening(&self, listening: bool) {
        self.metrics.control_listening(listening);
    }

    fn blocked(&self, role: Role, blocked: bool) {
        tracing::warn!(
            role = role.as_str(),
            "RabbitMQ {} publishes",
            if blocked { "holds back" } else { "takes again" }
        );
    }

    fn turned(&self, role: Role) {
        self.pulse.turned(role);
    }

    fn rests(&self, role: Role) {
        self.pulse.rests(role);
    }

    fn waiting(&self, class: &str, messages: u32) {
        self.metrics.queue_waiting(class, messages);
    }

    fn fed(&self) {
        self.pulse.starved(false);
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
        Cause::Starved => Label::Starved,
    }
}
