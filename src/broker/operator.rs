//! Saying something to every worker: one control message, published to the control exchange.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeleteOptions};
use lapin::protocol::{AMQPSoftError, BasicProperties};
use lapin::{Channel, Confirmation};
use tokio::time::timeout;

use super::connection::{Brokers, Link};
use super::consumer::short;
use super::error::{BrokerError, describe, soft};
use super::settings::Settings;
use super::topology::Names;

/// The media type of a control message.
const CONTENT_TYPE: &str = "application/jwt";
/// `type` of a control message.
const KIND: &str = "control";

/// Why nothing could be said.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The broker failed.
    #[error(transparent)]
    Broker(#[from] BrokerError),
    /// The exchange is missing.
    #[error("exchange `{exchange}` does not exist: no worker has ever been connected to this broker and virtual host")]
    NoExchange {
        /// Its name.
        exchange: String,
    },
    /// No worker is connected to hear it.
    #[error("no worker listens on exchange `{exchange}`")]
    NobodyListens {
        /// Its name.
        exchange: String,
    },
    /// The broker would not have it.
    #[error("RabbitMQ refused the control message: {reason}")]
    Refused {
        /// In its words.
        reason: String,
    },
    /// Nobody knows whether the broker has it. Saying it again changes nothing.
    #[error("RabbitMQ did not confirm the control message within {seconds} s; send it again")]
    NotConfirmed {
        /// How long it had.
        seconds: f64,
    },
}

/// A connection to say things with.
#[derive(Debug)]
pub struct Operator {
    link: Link,
    channel: Channel,
    exchange: String,
    names: Names,
    confirm_limit: Duration,
}

impl Operator {
    /// Connects.
    ///
    /// # Errors
    /// No broker.
    pub async fn connect(settings: &Settings) -> Result<Self, BrokerError> {
        let name = format!("tester-worker {} control", settings.worker_id);
        let link = Brokers::new(settings)?.connect(&name, settings.timeouts).await?;
        let channel = link.channel().await?;
        let confirm = channel.confirm_select(ConfirmSelectOptions { nowait: false });
        link.call("ask for publisher confirms", confirm).await?;
        let (names, confirm_limit) = (settings.names.clone(), settings.timeouts.confirm);
        Ok(Self { link, channel, exchange: names.control(), names, confirm_limit })
    }

    /// Says it to every worker that is connected now, and waits until the broker has given it to their queues.
    ///
    /// # Errors
    /// [`OperatorError`]; also when nobody is there to hear it.
    pub async fn say(&self, body: &[u8], message_id: &str) -> Result<(), OperatorError> {
        let exchange = self.exchange.clone();
        let doing = format!("publish to `{exchange}`");
        let properties = BasicProperties::default()
            .with_content_type(CONTENT_TYPE.into())
            .with_type(KIND.into())
            .with_message_id(short(&doing, message_id)?);
        let (to, options) = (short(&doing, &exchange)?, BasicPublishOptions { mandatory: true, immediate: false });
        let published = async { self.channel.basic_publish(to, "".into(), options, body, properties).await?.await };
        match timeout(self.confirm_limit, published).await {
            Ok(Ok(Confirmation::Ack(None))) => Ok(()),
            Ok(Ok(Confirmation::Ack(Some(_)))) => Err(OperatorError::NobodyListens { exchange }),
            Ok(Ok(Confirmation::Nack(_) | Confirmation::NotRequested)) => {
                Err(OperatorError::Refused { reason: "a queue did not take it".to_owned() })
            }
            Ok(Err(error)) => Err(match soft(&error) {
                Some(AMQPSoftError::NOTFOUND) => OperatorError::NoExchange { exchange },
                Some(_) => OperatorError::Refused { reason: describe(&error) },
                None => BrokerError::lost(&doing, &error).into(),
            }),
            Err(_elapsed) => Err(OperatorError::NotConfirmed { seconds: self.confirm_limit.as_secs_f64() }),
        }
    }

    /// Deletes the queue of a class, with everything in it. For a class that was made to be measured with, and no other.
    ///
    /// # Errors
    /// No broker, or no permission.
    pub async fn forget_class(&self, class: &str) -> Result<(), BrokerError> {
        let (doing, queue) = ("delete a class's queue", self.names.class_queue(class));
        let deleted = self.channel.queue_delete(short(doing, &queue)?, QueueDeleteOptions::default());
        self.link.call(doing, deleted).await.map(|_messages| ())
    }

    /// Ends the connection.
    pub async fn close(self) {
        self.link.close().await;
    }
}
