//! The sender's side: publishes a job and waits for its result. For `submit`, `bench` and tests.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::protocol::{AMQPSoftError, BasicProperties};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Consumer};
use tokio::time::{Instant, timeout, timeout_at};

use super::connection::{Brokers, Link};
use super::consumer::short;
use super::delivered::properties;
use super::error::{BrokerError, describe, soft};
use super::settings::Settings;
use crate::ports::messages::Properties;

/// The media type of a job.
const JOB_CONTENT_TYPE: &str = "application/jwt";
/// Replies that are kept for a later [`Submitter::wait`].
const KEPT_MAX: usize = 10_000;
/// Replies of somebody else's queue that are held unacknowledged while ours is looked for.
const HELD_MAX: u16 = 1000;

/// Where replies come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyQueue {
    /// A queue of this submitter's own, `tester-submit.<uuid>`, which goes with it.
    Own,
    /// A queue that exists. Messages in it that are not looked for stay there.
    Named(String),
}

/// A job to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The class whose workers shall run it.
    pub class: String,
    /// The job's JWS.
    pub body: Bytes,
    /// Its `jti`.
    pub message_id: String,
    /// Copied to the result.
    pub correlation_id: Option<String>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The result's (or event's) JWS, not verified.
    pub body: Bytes,
    /// Properties beside it.
    pub properties: Properties,
    /// `type`: `result` or `event`.
    pub kind: Option<String>,
}

/// Why a job could not be sent, or its result not had.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// No queue takes jobs of this class.
    #[error(
        "no worker has declared class `{class}`: start one with `[[broker.classes]] name = \"{class}\"`, or name another"
    )]
    NoClass {
        /// The class.
        class: String,
    },
    /// The jobs exchange is missing.
    #[error("exchange `{exchange}` does not exist: no worker has ever been connected to this broker and virtual host")]
    NoExchange {
        /// The exchange.
        exchange: String,
    },
    /// The broker would not have it.
    #[error("RabbitMQ refused the job: {reason}")]
    Refused {
        /// In its words.
        reason: String,
    },
    /// Nobody knows whether the broker has the job.
    #[error("RabbitMQ did not confirm the job within {seconds} s; it may have it all the same")]
    NotConfirmed {
        /// How long it had.
        seconds: f64,
    },
    /// The reply queue cannot be used.
    #[error("reply queue `{queue}`: {reason}")]
    ReplyQueue {
        /// Its name.
        queue: String,
        /// In the broker's words.
        reason: String,
    },
    /// The deadline passed.
    #[error(
        "no result within {seconds} s: is a worker running for this class, and is the reply queue allowed for the key?"
    )]
    NoResult {
        /// How long was waited.
        seconds: f64,
    },
}

/// A connection that sends jobs and takes their results.
#[derive(Debug)]
pub struct Submitter {
    link: Link,
    publish: Channel,
    replies: Consumer,
    settings: Settings,
    reply_queue: String,
    own: bool,
    kept: HashMap<String, Reply>,
}

impl Submitter {
    /// Connects and makes the reply queue ready.
    ///
    /// # Errors
    /// No broker, or a reply queue that cannot be used.
    pub async fn connect(settings: Settings, reply_queue: ReplyQueue) -> Result<Self, SubmitError> {
        let name = format!("tester-worker {} submit", settings.worker_id);
        let link = Brokers::new(&settings)?.connect(&name, settings.timeouts).await?;
        let publish = link.channel().await?;
        let confirm = publish.confirm_select(ConfirmSelectOptions { nowait: false });
        link.call("ask for publisher confirms", confirm).await?;
        let own = reply_queue == ReplyQueue::Own;
        let reply_queue = match reply_queue {
            ReplyQueue::Own => format!("tester-submit.{}", uuid::Uuid::new_v4()),
            ReplyQueue::Named(name) => name,
        };
        let replies = replies(&link, &settings, &reply_queue, own).await?;
        Ok(Self { link, publish, replies, settings, reply_queue, own, kept: HashMap::new() })
    }

    /// The name for `reply_to`.
    pub fn reply_to(&self) -> &str {
        &self.reply_queue
    }

    /// Publishes a job and waits for the broker's confirmation.
    ///
    /// # Errors
    /// Nobody takes the class, or the broker does not take the job.
    pub async fn submit(&mut self, job: &Submission) -> Result<(), SubmitError> {
        let exchange = self.settings.names.jobs();
        let doing = format!("publish to `{exchange}`");
        let mut properties = BasicProperties::default()
            .with_delivery_mode(2)
            .with_content_type(JOB_CONTENT_TYPE.into())
            .with_message_id(short(&doing, &job.message_id)?)
            .with_reply_to(short(&doing, &self.reply_queue)?);
        if let Some(id) = &job.correlation_id {
            properties = properties.with_correlation_id(short(&doing, id)?);
        }
        // One at a time (`&mut self`), so that a returned message can only be this one.
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let (to, key) = (short(&doing, &exchange)?, short(&doing, &job.class)?);
        let published = async { self.publish.basic_publish(to, key, options, &job.body, properties).await?.await };
        let limit = self.settings.timeouts.confirm;
        match timeout(limit, published).await {
            Ok(Ok(Confirmation::Ack(None))) => Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)))) => Err(SubmitError::NoClass { class: job.class.clone() }),
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => {
                Err(SubmitError::Refused { reason: "the queue is full; try again later".to_owned() })
            }
            Ok(Err(error)) => Err(match soft(&error) {
                Some(AMQPSoftError::NOTFOUND) => SubmitError::NoExchange { exchange },
                Some(_) => SubmitError::Refused { reason: describe(&error) },
                None => BrokerError::lost(&doing, &error).into(),
            }),
            Err(_elapsed) => Err(SubmitError::NotConfirmed { seconds: limit.as_secs_f64() }),
        }
    }

    /// Waits for the reply with this message id; keeps others for later.
    ///
    /// # Errors
    /// It does not come within `limit`, or the connection is lost.
    pub async fn wait(&mut self, message_id: &str, limit: Duration) -> Result<Reply, SubmitError> {
        if let Some(reply) = self.kept.remove(message_id) {
            return Ok(reply);
        }
        self.find(|id| id == message_id, limit).await
    }

    /// Waits for the next message about a job, an event or its result, as they come; keeps others for later.
    ///
    /// # Errors
    /// None comes within `limit`, or the connection is lost.
    pub async fn next_about(&mut self, job_id: &str, limit: Duration) -> Result<Reply, SubmitError> {
        let about = |id: &str| id.strip_prefix(job_id).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.find(about, limit).await
    }

    async fn find(&mut self, wanted: impl Fn(&str) -> bool, limit: Duration) -> Result<Reply, SubmitError> {
        let deadline = Instant::now() + limit;
        loop {
            let delivery = self.next_delivery(deadline, limit).await?;
            if delivery.properties.message_id().as_ref().is_some_and(|id| wanted(id.as_str())) {
                return self.take(delivery).await;
            }
            if self.own
                && self.kept.len() < KEPT_MAX
                && let reply = reply(delivery)
                && let Some(id) = reply.properties.message_id.clone()
            {
                self.kept.entry(id).or_insert(reply);
            }
            // In a named queue it stays unacknowledged, and goes back when this connection ends.
        }
    }

    /// The next reply, whichever it is.
    ///
    /// # Errors
    /// None comes within `limit`, or the connection is lost.
    pub async fn next(&mut self, limit: Duration) -> Result<Reply, SubmitError> {
        if let Some(id) = self.kept.keys().next().cloned()
            && let Some(reply) = self.kept.remove(&id)
        {
            return Ok(reply);
        }
        let delivery = self.next_delivery(Instant::now() + limit, limit).await?;
        self.take(delivery).await
    }

    /// Ends the connection; a reply queue of its own goes with it.
    pub async fn close(self) {
        self.link.close().await;
    }

    async fn next_delivery(&mut self, deadline: Instant, limit: Duration) -> Result<Delivery, SubmitError> {
        match timeout_at(deadline, self.replies.next()).await {
            Ok(Some(Ok(delivery))) => Ok(delivery),
            Ok(Some(Err(error))) => Err(BrokerError::lost("wait for a result", &error).into()),
            Ok(None) => Err(SubmitError::ReplyQueue {
                queue: self.reply_queue.clone(),
                reason: "it was deleted while a result was waited for".to_owned(),
            }),
            Err(_elapsed) => Err(SubmitError::NoResult { seconds: limit.as_secs_f64() }),
        }
    }

    async fn take(&self, delivery: Delivery) -> Result<Reply, SubmitError> {
        if !self.own {
            let ack = delivery.acker.ack(BasicAckOptions { multiple: false });
            if !self.link.call("acknowledge a result", ack).await? {
                tracing::debug!("acknowledge a result: no longer ours; it stays in `{}`", self.reply_queue);
            }
        }
        Ok(reply(delivery))
    }
}

fn reply(delivery: Delivery) -> Reply {
    Reply {
        properties: properties(&delivery.properties),
        kind: delivery.properties.kind().as_ref().map(ToString::to_string),
        body: Bytes::from(delivery.data),
    }
}

/// The reply queue's consumer, on a channel of its own.
async fn replies(link: &Link, settings: &Settings, queue: &str, own: bool) -> Result<Consumer, SubmitError> {
    let doing = format!("consume from `{queue}`");
    let name = short(&doing, queue)?;
    let channel = link.channel().await?;
    let refused = |error: lapin::Error| match soft(&error) {
        Some(_) => SubmitError::ReplyQueue { queue: queue.to_owned(), reason: describe(&error) },
        None => BrokerError::lost(&doing, &error).into(),
    };
    let options = QueueDeclareOptions {
        passive: !own,
        // It dies with its connection. (RabbitMQ 4.3 wants queues durable or exclusive; quorum queues cannot be
        // exclusive.)
        durable: false,
        exclusive: own,
        auto_delete: own,
        nowait: false,
    };
    let declared = channel.queue_declare(name.clone(), options, FieldTable::default());
    link.ask(&doing, declared).await?.map_err(refused)?;
    let exchange = settings.names.results_exchange();
    if own && !exchange.is_empty() {
        let exchange = short(&doing, exchange)?;
        let options = QueueBindOptions { nowait: false };
        let bound = channel.queue_bind(name.clone(), exchange, name.clone(), options, FieldTable::default());
        link.ask(&doing, bound).await?.map_err(refused)?;
    }
    if !own {
        let qos = channel.basic_qos(HELD_MAX, BasicQosOptions { global: false });
        link.call(&doing, qos).await?;
    }
    let options = BasicConsumeOptions { no_local: false, no_ack: own, exclusive: own, nowait: false };
    let consumer = channel.basic_consume(name, "".into(), options, FieldTable::default());
    link.ask(&doing, consumer).await?.map_err(refused)
}
