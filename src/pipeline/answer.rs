//! Answers: built, signed, published until a destination has them, and only then acknowledged.

use std::time::Duration;

use bytes::Bytes;

use super::dispatch::Context;
use super::intake::{Answer, AnswerContent, Message};
use super::outcome::{Stamps, not_run};
use super::outgoing;
use super::registry::Stored;
use crate::crash::{self, Point};
use crate::domain::job::{JobDigest, JobKey};
use crate::domain::outcome::{Outcome, RunRecord};
use crate::domain::reason::DeadReason;
use crate::domain::settlement::{AfterPublish, Delivery, after_publish, settle};
use crate::domain::verdict::Status;
use crate::ports::execution::Executor;
use crate::ports::messages::{Acknowledger, Disposition, Outbound, Publisher, Settled};
use crate::protocol::result::{ResultClaims, sign_result};
use crate::telemetry::labels::{SettleKind, SettleOutcome, Stage};

/// First and longest pause between two publishes of the same message.
const REPEAT_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The result could not be signed, which no retry will change.
#[derive(Debug, thiserror::Error)]
#[error("the result cannot be signed")]
pub(super) struct Unsignable(#[from] crate::protocol::result::SignError);

impl<E: Executor, P: Publisher> Context<E, P> {
    /// Answers a delivery for which nothing is run.
    pub(super) async fn settle_without_slot(&self, answer: Answer) {
        let Answer { content, message, delivery } = answer;
        // The table knows one way to settle each of these; it is asked, so that it stays the only authority.
        let wanted = settle(content.event()).delivery;
        let published = match content {
            AnswerContent::Dead(reason, detail) => self.bury(&message, reason, &detail).await,
            AnswerContent::Rejected(to, reason, text) => {
                self.metrics.job_rejected(reason);
                let record = RunRecord::not_run(Status::Rejected, Some(reason.as_str().to_owned()), text);
                let outcome = not_run(record, to.profile.clone(), self.stamps(to.issued_at, &message));
                match self.signed(&to.key, to.digest, outcome) {
                    Ok(body) => self.publish_result(&to.reply_to, to.key.id, &message, body).await.is_some(),
                    Err(error) => self.bury(&message, DeadReason::Unreadable, &error.to_string()).await,
                }
            }
            AnswerContent::Stored(id, stored) => {
                // A requester that came back has another direct address than before.
                let again = message.properties.reply_to.clone().filter(|_| outgoing::is_direct(&stored.reply_to));
                let stored = Stored { reply_to: again.unwrap_or(stored.reply_to), ..stored };
                self.publish_result(&stored.reply_to, id, &message, stored.body).await.is_some()
            }
        };
        self.settle(delivery, disposition(wanted, published)).await;
    }

    /// Sends a message to the dead queue; returns whether it is there.
    pub(super) async fn bury(&self, message: &Message, reason: DeadReason, detail: &str) -> bool {
        self.metrics.job_dead_lettered(reason);
        tracing::warn!(reason = reason.as_str(), "A message goes to the dead queue ({reason}): {detail}");
        let letter = outgoing::dead_letter(message, reason, detail, &self.settings.worker_id);
        self.publish(letter).await.is_some()
    }

    /// Signs the result of a job.
    pub(super) fn signed(&self, key: &JobKey, digest: JobDigest, outcome: Outcome) -> Result<Bytes, Unsignable> {
        self.metrics.job_finished(outcome.profile.as_deref(), outcome.run.status);
        let claims = ResultClaims::new(key, digest, super::now(), outcome);
        let signer = self.signer.borrow().clone();
        Ok(sign_result(&claims, &signer, self.settings.result_bytes_max)?)
    }

    /// Publishes a result; `Some` with what is to be stored once a destination has it, `None` when the worker had to
    /// stop first.
    pub(super) async fn publish_result(
        &self,
        reply_to: &str,
        id: uuid::Uuid,
        message: &Message,
        body: Bytes,
    ) -> Option<Stored> {
        let correlation_id = message.properties.correlation_id.clone();
        let outbound = outgoing::result(reply_to, id, correlation_id, body.clone());
        let stored = Stored { reply_to: reply_to.to_owned(), body };
        crash::passed(Point::BeforePublish);
        self.publish(outbound).await.map(|()| stored)
    }

    /// Publishes until a destination has the message. `None` when the worker had to stop first.
    async fn publish(&self, message: Outbound) -> Option<()> {
        let began = tokio::time::Instant::now();
        let done = tokio::select! {
            () = self.publish_until_confirmed(message) => Some(()),
            () = self.abort.cancelled() => None,
        };
        self.metrics.stage(Stage::Publish, began.elapsed());
        done
    }

    async fn publish_until_confirmed(&self, mut message: Outbound) {
        let (mut pause, longest) = REPEAT_PAUSES;
        loop {
            let destination = outgoing::destination(&message.address);
            let end = self.publisher.publish(&message).await;
            self.metrics.published(end);
            match after_publish(destination, end) {
                AfterPublish::Acknowledge => return,
                AfterPublish::Park => {
                    self.metrics.result_unrouted();
                    tracing::warn!("A result found no reply queue and is parked: {:?}", message.address);
                    message = outgoing::parked(message);
                }
                AfterPublish::Repeat => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(longest);
                }
            }
        }
    }

    /// Settles one delivery. The only place where a delivery is settled.
    pub(super) async fn settle(&self, delivery: Box<dyn Acknowledger>, disposition: Disposition) {
        let kind = match disposition {
            Disposition::Acknowledge => SettleKind::Acknowledge,
            Disposition::Requeue => SettleKind::Requeue,
            Disposition::RejectToQueue => SettleKind::Reject,
        };
        let acknowledges = disposition == Disposition::Acknowledge;
        if acknowledges {
            crash::passed(Point::BeforeAck);
        }
        let outcome = match delivery.settle(disposition).await {
            Settled::Sent => {
                if acknowledges {
                    crash::passed(Point::AfterAck);
                }
                SettleOutcome::Sent
            }
            // Never an error: the broker delivers it again, here or elsewhere.
            Settled::Stale => SettleOutcome::Stale,
        };
        self.metrics.delivery_settled(kind, outcome);
    }

    /// The fault that a checker must find, if a test gave it to the worker: the order of the last two steps, turned round.
    #[cfg(feature = "crash-points")]
    pub(super) async fn acknowledge_too_early(&self, key: &JobKey) {
        if crash::has(crash::Defect::AcknowledgeBeforePublish) {
            for delivery in self.registry.given_back(key) {
                self.settle(delivery, Disposition::Acknowledge).await;
            }
        }
    }

    /// Gives a job back to the queue, with every delivery of it.
    pub(super) async fn give_back(&self, key: &JobKey, disposition: Disposition) {
        let deliveries = self.registry.given_back(key);
        // The issuer has one running job less: another one of it may go.
        self.slot_freed.notify_one();
        for delivery in deliveries {
            self.settle(delivery, disposition).await;
        }
    }

    /// The times of a job up to now. `queued` is taken from two clocks: it is never below zero.
    pub(super) fn stamps(&self, issued_at: Option<u64>, message: &Message) -> Stamps<'_> {
        let total = message.received_at.elapsed();
        let queued =
            |issued_at| super::since_epoch().saturating_sub(Duration::from_secs(issued_at)).saturating_sub(total);
        Stamps {
            queued: issued_at.map(queued),
            began: None,
            total,
            worker: &self.settings.worker_id,
            attempt: message.attempt,
        }
    }
}

/// How a delivery is settled after its answer was, or was not, published.
pub(super) const fn disposition(wanted: Delivery, published: bool) -> Disposition {
    match wanted {
        Delivery::AckWhenConfirmed if published => Disposition::Acknowledge,
        Delivery::RejectToQueue => Disposition::RejectToQueue,
        Delivery::AckWhenConfirmed | Delivery::KeepUntilRunEnds | Delivery::Requeue => Disposition::Requeue,
    }
}
