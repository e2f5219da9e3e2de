//! Hearing control messages: a queue of this process's own, bound to the control exchange.
//!
//! It is beside the jobs and never in their way. Where it cannot be had (a missing permission), jobs are taken all the
//! same; that is logged and shown as a metric, and tried again.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Consumer};
use tokio::sync::mpsc;

use super::connection::Link;
use super::consumer::short;
use super::error::BrokerError;
use super::events::{BrokerEvents, Cause};
use super::settings::Settings;
use crate::protocol::control::CONTROL_BYTES_MAX;

/// First and longest pause before the queue is tried again. After a half-open connection the broker holds the old,
/// exclusive queue for up to two heartbeats.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// Messages that may be on their way at once.
const PREFETCH: u16 = 2;

/// Messages that may wait in the queue: they are small, and a worker that does not read them must not fill the broker.
const QUEUE_LENGTH_MAX: i64 = 10_000;

/// Bytes that may wait in it.
const QUEUE_BYTES_MAX: i64 = 16 * 1_048_576;

/// The control queue of one process.
#[derive(Debug, Clone)]
pub(super) struct ControlQueue {
    exchange: String,
    queue: String,
    heard: mpsc::Sender<Bytes>,
}

impl ControlQueue {
    pub(super) fn new(settings: &Settings, epoch: &str, heard: mpsc::Sender<Bytes>) -> Self {
        let names = &settings.names;
        Self { exchange: names.control(), queue: names.control_queue(&settings.worker_id, epoch), heard }
    }

    /// Listens for as long as it is polled. What cannot be had is tried again; the link's own end is for others to see.
    ///
    /// # Cancel safety
    /// Dropping the future ends the channel; a message that was not handed over yet is lost with the queue.
    pub(super) async fn listen(&self, link: &Link, events: &dyn BrokerEvents) -> ! {
        let listening = Listening(events);
        let (mut pause, longest) = PAUSES;
        let mut told = String::new();
        loop {
            let ended = match self.open(link).await {
                Ok((channel, consumer)) => {
                    events.control_listening(true);
                    (pause, told) = (PAUSES.0, String::new());
                    let ended = self.pump(link, consumer).await;
                    listening.stopped();
                    close(link, &channel).await;
                    ended
                }
                Err(error) => error,
            };
            let text = ended.to_string();
            if link.up() && text != told {
                tracing::warn!("control messages (cancel, drain) are not heard: {text}");
                told = text;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
    }

    async fn open(&self, link: &Link) -> Result<(Channel, Consumer), BrokerError> {
        let doing = format!("listen to `{}`", self.queue);
        let queue = short(&doing, &self.queue)?;
        let channel = link.channel().await?;
        link.call(&doing, channel.basic_qos(PREFETCH, BasicQosOptions { global: false })).await?;
        let options = QueueDeclareOptions {
            passive: false,
            // It dies with its connection: what was said to a process that is gone is for nobody.
            durable: false,
            exclusive: true,
            auto_delete: true,
            nowait: false,
        };
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(QUEUE_LENGTH_MAX));
        arguments.insert("x-max-length-bytes".into(), AMQPValue::LongLongInt(QUEUE_BYTES_MAX));
        link.call(&doing, channel.queue_declare(queue.clone(), options, arguments)).await?;
        let (exchange, options) = (short(&doing, &self.exchange)?, QueueBindOptions { nowait: false });
        let bound = channel.queue_bind(queue.clone(), exchange, "".into(), options, FieldTable::default());
        link.call(&doing, bound).await?;
        let options = BasicConsumeOptions { no_local: false, no_ack: false, exclusive: true, nowait: false };
        let consumer = channel.basic_consume(queue, "".into(), options, FieldTable::default());
        let consumer = link.call(&doing, consumer).await?;
        Ok((channel, consumer))
    }

    /// Hands messages over until the consumer ends.
    async fn pump(&self, link: &Link, mut consumer: Consumer) -> BrokerError {
        let doing = format!("listen to `{}`", self.queue);
        while let Some(delivery) = consumer.next().await {
            let delivery = match delivery {
                Ok(delivery) => delivery,
                Err(error) => return BrokerError::lost(&doing, &error),
            };
            // Nobody listens any more only when the worker stops.
            // One that is too large to be heeded is not even kept.
            if delivery.data.len() > CONTROL_BYTES_MAX {
                tracing::warn!("a control message of {} bytes is not heeded", delivery.data.len());
            } else if self.heard.send(Bytes::from(delivery.data)).await.is_err() {
                std::future::pending::<()>().await;
            }
            let ack = delivery.acker.ack(BasicAckOptions { multiple: false });
            match link.call(&doing, ack).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return error,
            }
        }
        BrokerError::Lost {
            cause: Cause::ConsumerEnded,
            what: format!("RabbitMQ ended the consumer of `{}`", self.queue),
        }
    }
}

/// Takes back, also when it is dropped, that control messages are heard.
struct Listening<'a>(&'a dyn BrokerEvents);

impl Listening<'_> {
    fn stopped(&self) {
        self.0.control_listening(false);
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.stopped();
    }
}

async fn close(link: &Link, channel: &Channel) {
    if channel.status().connected()
        && let Err(error) = link.call("close a channel", channel.close(200, "OK".into())).await
    {
        tracing::debug!("{error}");
    }
}
