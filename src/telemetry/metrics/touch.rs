//! Every series at zero from the start.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{
    Container, Docker, Finish, Metrics, OfClass, OfProfile, OfStage, Ordered, Pooled, Publishing, Reconnect, Refusal,
    Reload, Settlement, Warming, Word, publish_end,
};
use crate::domain::reason::{DeadReason, RejectReason};
use crate::domain::settlement::PublishEnd;
use crate::domain::verdict::Status;
use crate::telemetry::labels::{
    ContainerEvent, ControlCommand, ControlOutcome, DockerOperation, EventOutcome, PoolState, ReconnectCause,
    ReloadOutcome, Role, SettleKind, SettleOutcome, Stage, StartKind,
};

/// What each control message can come to.
const CONTROL: [(ControlCommand, ControlOutcome); 8] = [
    (ControlCommand::Cancel, ControlOutcome::Running),
    (ControlCommand::Cancel, ControlOutcome::Waiting),
    (ControlCommand::Cancel, ControlOutcome::Noted),
    (ControlCommand::Cancel, ControlOutcome::Ended),
    (ControlCommand::Drain, ControlOutcome::Draining),
    (ControlCommand::Drain, ControlOutcome::OtherWorker),
    (ControlCommand::Drain, ControlOutcome::Stale),
    (ControlCommand::Unknown, ControlOutcome::Refused),
];

impl Metrics {
    /// Creates every series at zero: a rate needs a first point, and the reference page lists what it sees.
    pub(super) fn touch(&self) {
        let all = &self.all;
        let names = |set: &BTreeSet<Arc<str>>| set.iter().map(|name| Word::Name(Arc::clone(name))).collect::<Vec<_>>();
        for class in names(&self.classes) {
            drop(all.queue_waiting.get_or_create(&OfClass { class: class.clone() }));
            drop(all.jobs_received.get_or_create(&OfClass { class }));
        }
        for profile in names(&self.profiles) {
            for status in Status::ALL {
                let labels = Finish { profile: profile.clone(), status: Word::Code(status.as_str()) };
                drop(all.jobs_finished.get_or_create(&labels));
            }
            for state in PoolState::ALL.iter().copied() {
                drop(all.pool.get_or_create(&Pooled { profile: profile.clone(), state }));
            }
            for start in StartKind::ALL.iter().copied() {
                drop(all.warmed.get_or_create(&Warming { profile: profile.clone(), start }));
            }
            drop(all.pool_wanted.get_or_create(&OfProfile { profile: profile.clone() }));
            drop(all.lease_wait_seconds.get_or_create(&OfProfile { profile }));
        }
        for reason in RejectReason::ALL {
            drop(all.jobs_rejected.get_or_create(&Refusal { reason: Word::Code(reason.as_str()) }));
        }
        for reason in DeadReason::ALL {
            drop(all.jobs_dead_lettered.get_or_create(&Refusal { reason: Word::Code(reason.as_str()) }));
        }
        self.touch_broker();
        self.slots(0, 0);
        for event in ContainerEvent::ALL.iter().copied() {
            drop(all.containers.get_or_create(&Container { event }));
        }
        for operation in DockerOperation::ALL.iter().copied() {
            drop(all.docker_errors.get_or_create(&Docker { operation }));
        }
        for stage in Stage::ALL.iter().copied() {
            drop(all.stage_seconds.get_or_create(&OfStage { stage }));
        }
        for outcome in ReloadOutcome::ALL.iter().copied() {
            drop(all.key_reloads.get_or_create(&Reload { outcome }));
        }
    }

    fn touch_broker(&self) {
        for kind in SettleKind::ALL.iter().copied() {
            for outcome in SettleOutcome::ALL.iter().copied() {
                drop(self.all.deliveries_settled.get_or_create(&Settlement { kind, outcome }));
            }
        }
        for end in [PublishEnd::Confirmed, PublishEnd::Unroutable, PublishEnd::NotConfirmed] {
            drop(self.all.publishes.get_or_create(&Publishing { outcome: Word::Code(publish_end(end)) }));
        }
        for outcome in EventOutcome::ALL.iter().copied() {
            self.events(outcome, 0);
        }
        for (command, outcome) in CONTROL {
            drop(self.all.control_messages.get_or_create(&Ordered { command, outcome }));
        }
        for role in Role::ALL.iter().copied() {
            self.amqp_connected(role, false);
            for cause in ReconnectCause::ALL.iter().copied() {
                drop(self.all.reconnects.get_or_create(&Reconnect { role, cause }));
            }
        }
    }
}
