//! The dead queue, for whoever looks after it: list, show, requeue, drop.
//!
//! A message is acknowledged only when the broker has confirmed its new place, or when it is to be dropped. All others
//! are held unacknowledged while they are looked at, and go back when the channel closes: nothing is lost whenever
//! this ends.

mod letter;

use bytes::Bytes;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation};
use tokio::time::timeout;

use super::connection::{Brokers, Link};
use super::consumer::short;
use super::error::{BrokerError, describe};
use super::settings::Settings;

pub use self::letter::DeadLetter;

/// Which messages are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Every one.
    All,
    /// The one at this place, from 1. Messages that were looked at come to lie behind those that were not, so a place
    /// holds from one listing to the next look, and only where that listing was complete.
    Position(usize),
    /// Those whose body's SHA-256 begins with these hexadecimal digits. Works wherever they lie.
    Body(String),
    /// Those with this message id.
    MessageId(String),
}

impl Which {
    fn means(&self, letter: &DeadLetter) -> bool {
        match self {
            Self::All => true,
            Self::Position(position) => letter.position == *position,
            Self::Body(digits) => !digits.is_empty() && letter.body_sha256.starts_with(&digits.to_ascii_lowercase()),
            Self::MessageId(id) => letter.message_id.as_ref() == Some(id),
        }
    }

    /// The last place to look at.
    fn last(&self) -> usize {
        match self {
            Self::All | Self::Body(_) | Self::MessageId(_) => usize::MAX,
            Self::Position(position) => *position,
        }
    }
}

/// What came of a requeue.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requeued {
    /// These are jobs again.
    pub done: Vec<DeadLetter>,
    /// These are still in the dead queue, and why.
    pub kept: Vec<(DeadLetter, String)>,
}

/// A connection to the dead queue.
#[derive(Debug)]
pub struct DeadQueue {
    link: Link,
    settings: Settings,
}

impl DeadQueue {
    /// Connects.
    ///
    /// # Errors
    /// No broker.
    pub async fn connect(settings: Settings) -> Result<Self, BrokerError> {
        let name = format!("tester-worker {} dead", settings.worker_id);
        let link = Brokers::new(&settings)?.connect(&name, settings.timeouts).await?;
        Ok(Self { link, settings })
    }

    /// How many messages there are.
    ///
    /// # Errors
    /// The queue is missing or may not be read, or the connection is lost.
    pub async fn count(&self) -> Result<usize, BrokerError> {
        let channel = self.link.channel().await?;
        let count = self.ready(&channel).await?;
        self.release(channel).await?;
        Ok(count)
    }

    /// The first `limit` messages, oldest first.
    ///
    /// # Errors
    /// As for [`DeadQueue::count`].
    pub async fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, BrokerError> {
        let channel = self.link.channel().await?;
        let count = self.ready(&channel).await?;
        let mut letters = Vec::new();
        for position in 1..=count.min(limit) {
            let Some(delivery) = self.get(&channel).await? else { break };
            letters.push(DeadLetter::read(position, &delivery));
        }
        self.release(channel).await?;
        Ok(letters)
    }

    /// The first message that is meant, with its body.
    ///
    /// # Errors
    /// As for [`DeadQueue::count`].
    pub async fn show(&self, which: &Which) -> Result<Option<(DeadLetter, Bytes)>, BrokerError> {
        let channel = self.link.channel().await?;
        let count = self.ready(&channel).await?;
        let mut found = None;
        for position in 1..=count.min(which.last()) {
            let Some(delivery) = self.get(&channel).await? else { break };
            let letter = DeadLetter::read(position, &delivery);
            if which.means(&letter) {
                found = Some((letter, Bytes::from(delivery.data)));
                break;
            }
        }
        self.release(channel).await?;
        Ok(found)
    }

    /// Publishes messages to where they came from, and takes each out of the dead queue once that is confirmed.
    ///
    /// # Errors
    /// As for [`DeadQueue::count`]. What was not confirmed by then is still in the dead queue.
    pub async fn requeue(&self, which: &Which) -> Result<Requeued, BrokerError> {
        let channel = self.link.channel().await?;
        // What comes back dead at once is not taken again: only what was there at first is.
        let count = self.ready(&channel).await?;
        let mut publish = self.confirm_channel().await?;
        let mut requeued = Requeued::default();
        for position in 1..=count.min(which.last()) {
            let Some(delivery) = self.get(&channel).await? else { break };
            let letter = DeadLetter::read(position, &delivery);
            if !which.means(&letter) {
                continue;
            }
            if !publish.status().connected() {
                publish = self.confirm_channel().await?;
            }
            match self.send_back(&publish, &letter, &delivery).await {
                Ok(()) => {
                    self.acknowledge(&delivery).await?;
                    requeued.done.push(letter);
                }
                Err(reason) => requeued.kept.push((letter, reason)),
            }
        }
        self.release(channel).await?;
        Ok(requeued)
    }

    /// Takes messages out for good.
    ///
    /// # Errors
    /// As for [`DeadQueue::count`].
    pub async fn discard(&self, which: &Which) -> Result<Vec<DeadLetter>, BrokerError> {
        let channel = self.link.channel().await?;
        let count = self.ready(&channel).await?;
        let mut gone = Vec::new();
        for position in 1..=count.min(which.last()) {
            let Some(delivery) = self.get(&channel).await? else { break };
            let letter = DeadLetter::read(position, &delivery);
            if which.means(&letter) {
                self.acknowledge(&delivery).await?;
                gone.push(letter);
            }
        }
        self.release(channel).await?;
        Ok(gone)
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.link.close().await;
    }

    async fn confirm_channel(&self) -> Result<Channel, BrokerError> {
        let channel = self.link.channel().await?;
        let confirm = channel.confirm_select(ConfirmSelectOptions { nowait: false });
        self.link.call("ask for publisher confirms", confirm).await?;
        Ok(channel)
    }

    async fn ready(&self, channel: &Channel) -> Result<usize, BrokerError> {
        let queue = self.settings.names.dead();
        let doing = format!("look at queue `{queue}`");
        let passive =
            QueueDeclareOptions { passive: true, durable: true, exclusive: false, auto_delete: false, nowait: false };
        let declared = channel.queue_declare(short(&doing, &queue)?, passive, FieldTable::default());
        let declared = self.link.call(&doing, declared).await?;
        Ok(usize::try_from(declared.message_count()).unwrap_or(usize::MAX))
    }

    async fn get(&self, channel: &Channel) -> Result<Option<Delivery>, BrokerError> {
        let queue = self.settings.names.dead();
        let doing = format!("read queue `{queue}`");
        let got = channel.basic_get(short(&doing, &queue)?, BasicGetOptions { no_ack: false });
        Ok(self.link.call(&doing, got).await?.map(|got| got.delivery))
    }

    async fn acknowledge(&self, delivery: &Delivery) -> Result<(), BrokerError> {
        let doing = "take a message out of the dead queue";
        let ack = delivery.acker.ack(BasicAckOptions { multiple: false });
        if self.link.call(doing, ack).await? {
            return Ok(());
        }
        Err(BrokerError::Lost {
            cause: super::events::Cause::ChannelClosed,
            what: format!("{doing}: the channel was closed; the message stays there"),
        })
    }

    /// Closes a channel and waits for the answer: it proves that every acknowledgement was read, and lets go of
    /// whatever was only looked at.
    async fn release(&self, channel: Channel) -> Result<(), BrokerError> {
        self.link.call("leave the dead queue", channel.close(200, "OK".into())).await
    }

    /// Publishes a message to where it came from; why not, if it cannot be.
    async fn send_back(&self, channel: &Channel, letter: &DeadLetter, delivery: &Delivery) -> Result<(), String> {
        let (exchange, key) = self.origin(letter)?;
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let to = short("requeue", &exchange).map_err(|error| error.to_string())?;
        let key = short("requeue", &key).map_err(|error| error.to_string())?;
        let properties = letter::properties(&delivery.properties);
        let published = async { channel.basic_publish(to, key, options, &delivery.data, properties).await?.await };
        match timeout(self.settings.timeouts.confirm, published).await {
            Ok(Ok(Confirmation::Ack(None))) => Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)))) => {
                Err("no queue takes it any more: start a worker of its class first".to_owned())
            }
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => {
                Err("RabbitMQ refused it: is the job queue full?".to_owned())
            }
            Ok(Err(error)) => Err(describe(&error)),
            Err(_elapsed) => Err("RabbitMQ did not confirm it in time; it may be in its queue all the same".to_owned()),
        }
    }

    /// Where a message came from, if that is a place for jobs. Whoever may write to the dead exchange writes these
    /// headers, and must not make an operator publish elsewhere.
    fn origin(&self, letter: &DeadLetter) -> Result<(String, String), String> {
        let (Some(exchange), Some(key)) = (&letter.exchange, &letter.routing_key) else {
            return Err("it does not say where it came from".to_owned());
        };
        let names = &self.settings.names;
        if *exchange == names.jobs() || exchange.is_empty() && key.starts_with(&names.class_queue("")) {
            return Ok((exchange.clone(), key.clone()));
        }
        Err(format!("it says that it came from exchange `{exchange}`, which is not for jobs"))
    }
}
