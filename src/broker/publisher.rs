//! Publishing with confirms.
//!
//! Many publishes are in flight at once, but only one on each channel. A broker returns an unroutable message *before*
//! it confirms it, and the return names no publish; the client library gives it to whichever confirmation of that
//! channel comes next. With two in flight a result that nobody received could pass for delivered, and the delivered
//! one for lost. With one it cannot, and a missing exchange, which closes the channel, costs one publish only.
//!
//! What is in flight is bounded in bytes too: the client library has a copy of each body until it has sent it.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::AMQPSoftError;
use lapin::{Channel, Confirmation};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::connection::{Link, Sign, Watch};
use super::error::{BrokerError, describe, soft};
use super::events::{Cause, Role};
use super::outbound::{self, Route};
use super::settings::Settings;
use super::supervisor::{Session, Supervisor};
use crate::config::model;
use crate::crash::{self, Point};
use crate::domain::settlement::PublishEnd;
use crate::ports::messages::{Address, Outbound, Publisher};

/// Publishes in flight at once, and so channels of the connection.
const IN_FLIGHT_MAX: u16 = 64;

/// Bytes of bodies for each of them. Those that are larger count as several, so that at most 4 MiB are in flight, or
/// one body that is larger than all of that: eight results of 1.4 MiB at once took 12 MB for their copies alone.
const BODY_BYTES: usize = 65_536;

/// The publish link of the moment, if there is one.
pub(super) type Links = watch::Sender<Option<Arc<PublishLink>>>;

/// Publishes over whichever connection is up. Cheap to clone.
#[derive(Debug, Clone)]
pub struct BrokerPublisher {
    settings: Arc<Settings>,
    links: watch::Receiver<Option<Arc<PublishLink>>>,
}

impl BrokerPublisher {
    pub(super) fn new(settings: Arc<Settings>) -> (Links, Self) {
        let (sender, links) = watch::channel(None);
        (sender, Self { settings, links })
    }
}

impl Publisher for BrokerPublisher {
    async fn publish(&self, message: &Outbound) -> PublishEnd {
        let Some(route) = outbound::route(&self.settings.names, &message.address) else {
            tracing::warn!("publish to {:?}: no queue can have a name of more than 255 bytes", message.address);
            return PublishEnd::Unroutable;
        };
        // Not a doomed one: what was not confirmed on it must not be repeated on it.
        let usable = |link: &Option<Arc<PublishLink>>| link.as_ref().is_some_and(|link| !link.doomed.is_cancelled());
        let link = self.links.clone().wait_for(usable).await.ok().and_then(|link| link.clone());
        match link {
            Some(link) => link.publish(route, message).await,
            // The adapter has ended.
            None => PublishEnd::NotConfirmed,
        }
    }
}

/// A link with its confirm channels.
#[derive(Debug)]
pub(super) struct PublishLink {
    link: Arc<Link>,
    idle: Mutex<Vec<Channel>>,
    in_flight: Semaphore,
    /// Something was not confirmed: nothing more is published here.
    doomed: CancellationToken,
    /// An exchange is missing.
    redeclare: Notify,
    /// A queue of the worker's own is missing.
    rebind: Notify,
}

impl PublishLink {
    /// Opens the first channel, as a proof that publishing works.
    pub(super) async fn open(link: &Arc<Link>) -> Result<Self, BrokerError> {
        let opened = Self {
            link: Arc::clone(link),
            idle: Mutex::new(Vec::new()),
            in_flight: Semaphore::new(usize::from(IN_FLIGHT_MAX)),
            doomed: CancellationToken::new(),
            redeclare: Notify::new(),
            rebind: Notify::new(),
        };
        let channel = opened.channel().await?;
        opened.give_back(channel);
        Ok(opened)
    }

    /// An idle channel, or a new one.
    async fn channel(&self) -> Result<Channel, BrokerError> {
        while let Some(channel) = self.pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.link.channel().await?;
        let confirm = channel.confirm_select(ConfirmSelectOptions { nowait: false });
        self.link.call("ask for publisher confirms", confirm).await?;
        Ok(channel)
    }

    fn pop(&self) -> Option<Channel> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Only a channel with nothing in flight may come back. One that does not is closed by being dropped.
    fn give_back(&self, channel: Channel) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
    }

    /// Publishes once and waits for the confirmation.
    pub(super) async fn publish(&self, route: Route, message: &Outbound) -> PublishEnd {
        let Ok(_permits) = self.in_flight.acquire_many(weight(message.body.len())).await else {
            return PublishEnd::NotConfirmed;
        };
        let channel = match self.channel().await {
            Ok(channel) => channel,
            Err(error) => {
                tracing::warn!("publish to {}: {error}; it is repeated, unless it is an event", Shown(&route));
                // A connection that gives no channel is of no use.
                self.doomed.cancel();
                return PublishEnd::NotConfirmed;
            }
        };
        let Some(confirmation) = self.confirmation(&channel, &route, message).await else {
            tracing::warn!(
                "publish to {}: not confirmed in time; it is repeated on a new connection, unless it is an event",
                Shown(&route)
            );
            self.doomed.cancel();
            return PublishEnd::NotConfirmed;
        };
        let end = match confirmation {
            Ok(Confirmation::Ack(None)) => {
                crash::passed(Point::BeforeConfirm);
                PublishEnd::Confirmed
            }
            Ok(Confirmation::Ack(Some(_returned))) => {
                tracing::warn!("publish to {}: no queue takes it", Shown(&route));
                if matches!(message.address, Address::Dead | Address::Unrouted) {
                    self.rebind.notify_one();
                }
                PublishEnd::Unroutable
            }
            Ok(Confirmation::Nack(_)) => {
                tracing::warn!("publish to {}: RabbitMQ refused it: is the queue full?", Shown(&route));
                // Not on this channel again: for a quorum queue RabbitMQ keeps it in mind that the channel is refused,
                // and may do so for ever after the limit was raised or lifted (seen with 3.10).
                return PublishEnd::NotConfirmed;
            }
            Ok(Confirmation::NotRequested) => {
                tracing::error!("publish to {}: the channel has no confirms", Shown(&route));
                return PublishEnd::NotConfirmed;
            }
            Err(error) => {
                self.refused(&route, message, &error);
                return PublishEnd::NotConfirmed;
            }
        };
        self.give_back(channel);
        end
    }

    /// The broker's answer; `None` when it does not come.
    async fn confirmation(
        &self,
        channel: &Channel,
        route: &Route,
        message: &Outbound,
    ) -> Option<lapin::Result<Confirmation>> {
        let options = BasicPublishOptions {
            mandatory: route.mandatory,
            // RabbitMQ does not have it.
            immediate: false,
        };
        let published = channel.basic_publish(
            route.exchange.clone(),
            route.key.clone(),
            options,
            &message.body,
            outbound::properties(message),
        );
        let mut answer = pin!(async {
            let confirmation = published.await?;
            crash::passed(Point::AfterPublish);
            confirmation.await
        });
        loop {
            match timeout(self.link.timeouts().confirm, &mut answer).await {
                Ok(answer) => return Some(answer),
                // An alarm: the broker reads nothing until it is over, and then takes what it was sent. To repeat on
                // a new connection would only make a second copy; a dead peer is found out by its heartbeat.
                Err(_elapsed) if self.link.up() && self.link.blocked() => {
                    tracing::debug!("publish to {}: held back by RabbitMQ", Shown(route));
                }
                Err(_elapsed) => return None,
            }
        }
    }

    /// The channel, or the whole connection, ended over this publish or beside it.
    fn refused(&self, route: &Route, message: &Outbound, error: &lapin::Error) {
        let (text, bytes) = (describe(error), message.body.len());
        let advice = match soft(error) {
            Some(AMQPSoftError::NOTFOUND) => {
                self.redeclare.notify_one();
                "the exchange is missing; it is declared anew if it is one of this worker's, else declare it".to_owned()
            }
            Some(AMQPSoftError::ACCESSREFUSED) => {
                "give the user write permission on the exchange (`rabbitmqctl set_permissions`)".to_owned()
            }
            Some(AMQPSoftError::PRECONDITIONFAILED) if text.contains("message size") => format!(
                "it has {bytes} bytes: raise `max_message_size` in rabbitmq.conf, or lower \
                 `protocol.result_bytes_max` and `protocol.body_bytes_max`"
            ),
            _ => "it is repeated, unless it is an event".to_owned(),
        };
        tracing::error!("publish to {}: {text}; {advice}", Shown(route));
    }
}

/// As how many of those in flight a body of so many bytes counts.
fn weight(body_bytes: usize) -> u32 {
    let shares = u16::try_from(body_bytes.div_ceil(BODY_BYTES)).unwrap_or(IN_FLIGHT_MAX);
    u32::from(shares.clamp(1, IN_FLIGHT_MAX))
}

/// A route in a log line.
struct Shown<'a>(&'a Route);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Route { exchange, key, mandatory: _ } = self.0;
        match (exchange.as_str(), key.as_str()) {
            ("", key) => write!(f, "queue `{key}`"),
            (exchange, "") => write!(f, "exchange `{exchange}`"),
            (exchange, key) => write!(f, "exchange `{exchange}`, key `{key}`"),
        }
    }
}

/// Offers link after link to the publishers.
pub(super) struct Publishing {
    links: Links,
}

impl Publishing {
    pub(super) fn new(links: Links) -> Self {
        Self { links }
    }
}

impl Session for Publishing {
    async fn run(&mut self, supervisor: &Supervisor, link: &Arc<Link>, watch: &mut Watch) -> Result<(), BrokerError> {
        let publish_link = Arc::new(PublishLink::open(link).await?);
        self.links.send_replace(Some(Arc::clone(&publish_link)));
        supervisor.condition.ready();
        supervisor.events.connected(supervisor.role);
        let ended = tend(supervisor, &publish_link, watch).await;
        supervisor.events.rests(Role::Publish);
        self.links.send_replace(None);
        if link.blocked() {
            supervisor.events.blocked(supervisor.role, false);
        }
        ended
    }

    fn finished(&self) -> bool {
        self.links.is_closed()
    }
}

/// What happened next.
enum Step {
    Cancelled,
    Doomed,
    Redeclare,
    Rebind,
    Sign(Sign),
}

/// Watches over a link until it ends.
async fn tend(supervisor: &Supervisor, publish_link: &PublishLink, watch: &mut Watch) -> Result<(), BrokerError> {
    let link = &publish_link.link;
    loop {
        supervisor.events.turned(Role::Publish);
        let step = tokio::select! {
            () = supervisor.cancel.cancelled() => Step::Cancelled,
            () = publish_link.doomed.cancelled() => Step::Doomed,
            () = publish_link.redeclare.notified() => Step::Redeclare,
            () = publish_link.rebind.notified() => Step::Rebind,
            sign = watch.next(link) => Step::Sign(sign),
        };
        match step {
            Step::Cancelled => return Ok(()),
            Step::Doomed => {
                return Err(BrokerError::Lost {
                    cause: Cause::ConfirmTimeout,
                    what: "RabbitMQ did not confirm a publish in time".to_owned(),
                });
            }
            // Where others own the queues, a result need not wait until they have mended what it does not use.
            Step::Rebind if supervisor.settings.topology == model::Topology::Check => {}
            // Nor may one queue that cannot be had cost the results their connection: the message that needs it is repeated.
            Step::Rebind => match anew(supervisor, link).await {
                Err(error @ BrokerError::Topology { .. }) => tracing::warn!("a queue cannot be declared anew: {error}"),
                other => other?,
            },
            Step::Redeclare => anew(supervisor, link).await?,
            Step::Sign(Sign::Lost(error)) => return Err(error),
            Step::Sign(Sign::Blocked(reason)) => {
                supervisor.condition.not_ready(format!("RabbitMQ holds publishes back: {reason}"));
                supervisor.events.blocked(supervisor.role, true);
            }
            Step::Sign(Sign::Unblocked) => {
                supervisor.condition.ready();
                supervisor.events.blocked(supervisor.role, false);
            }
            // Whoever published on a channel that was closed knows it.
            Step::Sign(Sign::Look(_)) => {}
        }
    }
}

/// Declares, or checks, the topology once more.
async fn anew(supervisor: &Supervisor, link: &Link) -> Result<(), BrokerError> {
    // It may take as many answers as there are exchanges and queues.
    supervisor.events.rests(Role::Publish);
    supervisor.ensure(link).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_counts_by_its_size_and_none_waits_for_ever() {
        assert_eq!([0, 1, 65_536].map(weight), [1, 1, 1]);
        assert_eq!(
            [65_537, 1_468_006].map(weight),
            [2, 23],
            "two results with 1 MiB of output go at once, a third waits"
        );
        assert_eq!([4_194_304, 4_194_305, usize::MAX].map(weight), [u32::from(IN_FLIGHT_MAX); 3]);
    }
}
