//! Deliveries that come in, and messages that go out.

use std::future::Future;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::domain::reason::DeadReason;
use crate::domain::settlement::PublishEnd;

/// One message from a job queue, with the means to settle it.
#[derive(Debug)]
pub struct Delivered {
    /// The body: a job's JWS, if it is one at all.
    pub body: Bytes,
    /// What the sender wrote beside the body. None of it is signed.
    pub properties: Properties,
    /// The class of the queue it came from.
    pub class: String,
    /// The exchange it was published to.
    pub exchange: String,
    /// The routing key it was published with.
    pub routing_key: String,
    /// Which delivery of this message it is, by the broker's own count, from 1.
    pub attempt: u32,
    /// When it came.
    pub received_at: Instant,
    /// Settles it.
    pub acknowledger: Box<dyn Acknowledger>,
}

/// AMQP properties that say something about a job.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Properties {
    /// `reply_to`.
    pub reply_to: Option<String>,
    /// `message_id`.
    pub message_id: Option<String>,
    /// `correlation_id`.
    pub correlation_id: Option<String>,
    /// `content_type`.
    pub content_type: Option<String>,
    /// The `traceparent` header.
    pub traceparent: Option<String>,
}

/// How a delivery is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Done with it (`basic.ack`).
    Acknowledge,
    /// Back to the queue, nobody's fault (`basic.nack`, requeue).
    Requeue,
    /// Back to the queue, and the broker counts it (`basic.reject`, requeue).
    RejectToQueue,
}

/// What became of an attempt to settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Settled {
    /// The broker was told. (That it heard is not known; if not, it delivers again.)
    Sent,
    /// The delivery was no longer ours; the broker delivers it again.
    Stale,
}

/// Settles one delivery, once.
pub trait Acknowledger: Send + Sync + std::fmt::Debug {
    /// Whether the delivery is still ours. `false` is final; a job whose delivery is gone must not be started.
    fn usable(&self) -> bool;

    /// Settles. Never waits longer than the adapter's own time limit.
    fn settle(self: Box<Self>, disposition: Disposition) -> BoxFuture<'static, Settled>;
}

/// Where a message goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A reply queue, through the default exchange or the configured results exchange.
    ReplyQueue(String),
    /// RabbitMQ's direct reply-to (`amq.rabbitmq.reply-to.…`).
    DirectReply(String),
    /// `tester.dead`.
    Dead,
    /// `tester.unrouted`.
    Unrouted,
}

/// A message to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outbound {
    /// Where it goes.
    pub address: Address,
    /// Its body; cheap to clone, for it is published again when nobody knows whether it arrived.
    pub body: Bytes,
    /// `message_id`: the same on every repetition.
    pub message_id: Option<String>,
    /// `correlation_id`.
    pub correlation_id: Option<String>,
    /// `type`.
    pub kind: Option<String>,
    /// `content_type`.
    pub content_type: Option<String>,
    /// `reply_to`; only a dead letter keeps its sender's.
    pub reply_to: Option<String>,
    /// Headers, all strings.
    pub headers: Vec<(String, String)>,
}

/// Why a message is dead, for its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The reason code.
    pub reason: DeadReason,
    /// One sentence more.
    pub detail: String,
}

/// Publishes messages.
pub trait Publisher: Send + Sync + 'static {
    /// Publishes once and waits for the broker's answer.
    ///
    /// Waits for a connection while there is none. After [`PublishEnd::NotConfirmed`] the caller repeats the same
    /// message, with the same id; the adapter sees to it that the repetition takes a new connection.
    ///
    /// # Cancel safety
    /// Dropping the future leaves it unknown whether the message was published.
    fn publish(&self, message: &Outbound) -> impl Future<Output = PublishEnd> + Send;
}
