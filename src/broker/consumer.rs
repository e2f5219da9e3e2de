//! Taking deliveries over one link, for as long as the link lives.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::StreamExt as _;
use futures_util::stream::{BoxStream, SelectAll, once};
use lapin::Channel;
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use tokio::sync::{mpsc, watch};

use super::Gate;
use super::connection::{Link, Sign, Watch};
use super::control::ControlQueue;
use super::delivered::delivered;
use super::error::BrokerError;
use super::events::{Cause, Role};
use super::looks::{self, Given};
use super::supervisor::{Session, Supervisor};
use crate::ports::messages::Delivered;

/// Consumes over link after link.
pub(super) struct Consuming {
    pub(super) gate: watch::Receiver<Gate>,
    pub(super) deliveries: mpsc::Sender<Delivered>,
    /// What is listened to beside, over the same link.
    pub(super) control: ControlQueue,
    /// Whether the broker may send deliveries: whoever drains waits until it may not.
    pub(super) active: watch::Sender<bool>,
}

impl Session for Consuming {
    async fn run(&mut self, supervisor: &Supervisor, link: &Arc<Link>, watch: &mut Watch) -> Result<(), BrokerError> {
        let channel = link.channel().await?;
        // Per consumer, not for the channel: quorum queues know no other kind. The value holds for every consumer
        // that starts after it, so each class has as many deliveries as there are slots.
        let qos = channel.basic_qos(supervisor.settings.prefetch(), BasicQosOptions { global: false });
        link.call("set the prefetch", qos).await?;
        let given = Arc::new(Given::default());
        let mut consumers = Consumers {
            supervisor,
            link,
            channel,
            given: Arc::clone(&given),
            tags: Vec::new(),
            streams: SelectAll::new(),
            active: self.active.clone(),
        };
        supervisor.events.connected(supervisor.role);
        let wanted = *self.gate.borrow_and_update();
        let control = self.control.clone();
        let consuming = self.active.subscribe();
        let work = async {
            consumers.follow(wanted).await?;
            self.pump(&mut consumers, watch).await
        };
        let worked = tokio::select! {
            worked = work => worked,
            never = control.listen(link, supervisor.events.as_ref()) => never,
            starved = looks::watch(supervisor, link, consuming, &given) => Err(starved),
        };
        supervisor.events.rests(Role::Consume);
        self.active.send_replace(false);
        worked?;
        // The answer to this proves that the broker has read every acknowledgement before it.
        let goodbye = consumers.channel.close(200, "OK".into());
        link.call("close the consumers' channel", goodbye).await
    }

    fn finished(&self) -> bool {
        self.deliveries.is_closed()
    }
}

/// What happened next.
enum Step<'a> {
    Cancelled,
    Gate(Gate),
    GateGone,
    Arrived(Arrival),
    Room(Result<mpsc::Permit<'a, Delivered>, mpsc::error::SendError<()>>),
    Sign(Sign),
}

impl Consuming {
    /// Moves deliveries until the link ends (an error) or the worker stops (`Ok`).
    async fn pump(&mut self, consumers: &mut Consumers<'_>, watch: &mut Watch) -> Result<(), BrokerError> {
        // Bounded: the broker gives at most the prefetch of each class before something is settled.
        let mut waiting: VecDeque<Delivered> = VecDeque::new();
        let mut gate_watched = true;
        loop {
            if !consumers.tags.is_empty() {
                consumers.supervisor.events.turned(Role::Consume);
            }
            let step = tokio::select! {
                () = consumers.supervisor.cancel.cancelled() => Step::Cancelled,
                changed = self.gate.changed(), if gate_watched => match changed {
                    Ok(()) => Step::Gate(*self.gate.borrow_and_update()),
                    Err(_sender_gone) => Step::GateGone,
                },
                room = self.deliveries.reserve(), if !waiting.is_empty() => Step::Room(room),
                Some(arrival) = consumers.streams.next() => Step::Arrived(arrival),
                sign = watch.next(consumers.link) => Step::Sign(sign),
            };
            match step {
                Step::Cancelled | Step::Room(Err(_)) => return Ok(()),
                Step::Gate(wanted) => consumers.follow(wanted).await?,
                Step::GateGone => gate_watched = false,
                Step::Arrived(Arrival::Delivered(delivery)) => waiting.push_back(delivery),
                Step::Arrived(Arrival::Failed(error)) => return Err(error),
                Step::Arrived(Arrival::Ended(tag)) => consumers.ended(&tag)?,
                Step::Room(Ok(room)) => {
                    // A delivery that died while it waited is the broker's again.
                    if let Some(delivery) = waiting.pop_front().filter(|delivery| delivery.acknowledger.usable()) {
                        room.send(delivery);
                    }
                }
                Step::Sign(sign) => consumers.heed(sign)?,
            }
        }
    }
}

/// What a consumer's stream gives.
enum Arrival {
    Delivered(Delivered),
    Failed(BrokerError),
    Ended(ShortString),
}

/// The consumers of one channel.
struct Consumers<'a> {
    supervisor: &'a Supervisor,
    link: &'a Link,
    channel: Channel,
    /// Tags of the consumers that are meant to run, with their queues.
    tags: Vec<(ShortString, String)>,
    streams: SelectAll<BoxStream<'static, Arrival>>,
    given: Arc<Given>,
    active: watch::Sender<bool>,
}

impl Consumers<'_> {
    /// Consumes or stops consuming, as the gate says.
    async fn follow(&mut self, gate: Gate) -> Result<(), BrokerError> {
        match gate {
            Gate::Open => {
                // Before the first consumer: a delivery may come at once.
                self.active.send_replace(true);
                if self.tags.is_empty() {
                    for class in &self.supervisor.settings.classes {
                        self.consume(class).await?;
                    }
                }
                self.supervisor.condition.ready();
            }
            Gate::Closed { reason } => {
                // Not once the answers are here: they may take their time.
                self.supervisor.events.rests(Role::Consume);
                // The channel stays: what was delivered on it can still be settled.
                for (tag, queue) in std::mem::take(&mut self.tags) {
                    let cancel = self.channel.basic_cancel(tag, BasicCancelOptions { nowait: false });
                    self.link.call(&format!("stop consuming from `{queue}`"), cancel).await?;
                }
                self.active.send_replace(false);
                self.supervisor.condition.not_ready(format!("consuming is paused: {reason}"));
            }
        }
        Ok(())
    }

    async fn consume(&mut self, class: &str) -> Result<(), BrokerError> {
        let settings = &self.supervisor.settings;
        let queue = settings.names.class_queue(class);
        let doing = format!("consume from `{queue}`");
        let options = BasicConsumeOptions {
            // Other connections publish; quorum queues ignore it anyway.
            no_local: false,
            // A job is acknowledged when its result is confirmed.
            no_ack: false,
            // Workers share the queue.
            exclusive: false,
            nowait: false,
        };
        // Honoured from RabbitMQ 4.3 on, and ignored before.
        let mut arguments = FieldTable::default();
        let limit = i64::try_from(settings.consumer_timeout.as_millis()).unwrap_or(i64::MAX);
        arguments.insert("x-consumer-timeout".into(), AMQPValue::LongLongInt(limit));
        let tag = tag(&settings.worker_id, class);
        let request = self.channel.basic_consume(short(&doing, &queue)?, tag.clone(), options, arguments);
        let consumer = self.link.call(&doing, request).await?;
        let (owned_class, limit, ended) = (class.to_owned(), settings.timeouts.settle, tag.clone());
        let given = Arc::clone(&self.given);
        let stream = consumer
            .map(move |delivery| match delivery {
                Ok(delivery) => Arrival::Delivered(delivered(delivery, &owned_class, limit, given.one())),
                Err(error) => Arrival::Failed(BrokerError::lost(&doing, &error)),
            })
            .chain(once(async move { Arrival::Ended(ended) }));
        self.streams.push(stream.boxed());
        self.tags.push((tag, queue));
        Ok(())
    }

    /// A consumer ended: because we cancelled it, or because its queue is gone.
    fn ended(&self, tag: &ShortString) -> Result<(), BrokerError> {
        let Some((_, queue)) = self.tags.iter().find(|(running, _)| running == tag) else { return Ok(()) };
        Err(BrokerError::Lost {
            cause: Cause::ConsumerEnded,
            what: format!("RabbitMQ ended the consumer of `{queue}`: was the queue deleted?"),
        })
    }

    fn heed(&self, sign: Sign) -> Result<(), BrokerError> {
        match sign {
            Sign::Lost(error) => Err(error),
            Sign::Look(reason) if !self.channel.status().connected() => Err(reason.unwrap_or_else(|| {
                BrokerError::Lost { cause: Cause::ChannelClosed, what: "RabbitMQ closed the channel".to_owned() }
            })),
            // This connection never publishes, so nothing of it can be held back.
            Sign::Look(_) | Sign::Blocked(_) | Sign::Unblocked => Ok(()),
        }
    }
}

/// A consumer's tag: recognisable, and unlike any other on the connection (a repeated one would end it).
fn tag(worker_id: &str, class: &str) -> ShortString {
    let random = uuid::Uuid::new_v4().simple().to_string();
    ShortString::try_new(format!("tester-worker.{worker_id}.{class}.{random}"))
        .unwrap_or_else(|_too_long| random.into())
}

/// A name on the wire, where it has at most 255 bytes.
pub(super) fn short(doing: &str, name: &str) -> Result<ShortString, BrokerError> {
    ShortString::try_new(name).map_err(|_too_long| BrokerError::Lost {
        cause: Cause::Topology,
        what: format!("{doing}: the name has more than 255 bytes"),
    })
}
