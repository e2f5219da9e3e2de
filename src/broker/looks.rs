//! Looks into the queues beside the consumers: how many messages wait, and whether the broker has forgotten this worker.
//!
//! A consumer can be lost without a sign: the connection stands, heartbeats come, and no delivery ever does. Only the
//! queue itself shows it. Then the connection is made anew, which costs nothing while the worker holds no delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::connection::Link;
use super::consumer::short;
use super::error::{BrokerError, describe};
use super::events::Cause;
use super::supervisor::Supervisor;

/// What the consumers of one link were given.
#[derive(Debug, Default)]
pub(super) struct Given {
    count: AtomicU64,
    held: Arc<()>,
}

/// Goes with a delivery until it is settled.
#[derive(Debug, Default)]
pub(super) struct Held {
    _of: Arc<()>,
}

impl Given {
    /// A delivery came.
    pub(super) fn one(&self) -> Held {
        self.count.fetch_add(1, Ordering::Relaxed);
        Held { _of: Arc::clone(&self.held) }
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether everything that came is settled.
    fn all_settled(&self) -> bool {
        Arc::strong_count(&self.held) == 1
    }
}

/// Looks into every class's queue again and again. Returns only when the broker sends nothing although it should.
///
/// # Cancel safety
/// Dropping it closes the channel that it looks by.
pub(super) async fn watch(
    supervisor: &Supervisor,
    link: &Link,
    consuming: watch::Receiver<bool>,
    given: &Given,
) -> BrokerError {
    let mut ticks = interval(link.timeouts().look);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A channel of its own: a queue that is gone closes the channel it is asked on.
    let mut channel = None;
    let mut hunger = Hunger::default();
    loop {
        ticks.tick().await;
        let before = given.count();
        let Some(waiting) = look(supervisor, link, &mut channel).await else {
            // Nobody knows: a broker that does not answer is found out by others.
            hunger = Hunger::default();
            continue;
        };
        if waiting.is_none() || given.count() > 0 {
            supervisor.events.fed();
        }
        let hungry = waiting.is_some() && *consuming.borrow() && given.all_settled() && given.count() == before;
        let since = hunger.look(Instant::now(), hungry, before);
        if let Some(queue) = waiting.filter(|_| since >= link.timeouts().starved) {
            let seconds = link.timeouts().starved.as_secs_f64();
            return BrokerError::Lost {
                cause: Cause::Starved,
                what: format!(
                    "RabbitMQ has messages in `{queue}`, this worker holds none, and was sent none for {seconds} s"
                ),
            };
        }
    }
}

/// One look into every queue: the first in which messages wait, if there is one. `None` when it could not be asked.
async fn look(supervisor: &Supervisor, link: &Link, channel: &mut Option<Channel>) -> Option<Option<String>> {
    let mut found = None;
    for class in &supervisor.settings.classes {
        let queue = supervisor.settings.names.class_queue(class);
        let messages = match depth(link, channel, &queue).await {
            Ok(messages) => messages,
            Err(error) => {
                tracing::debug!("look into `{queue}`: {error}");
                *channel = None;
                return None;
            }
        };
        supervisor.events.waiting(class, messages);
        if messages > 0 && found.is_none() {
            found = Some(queue);
        }
    }
    Some(found)
}

/// Messages that wait in a queue for somebody to take them.
async fn depth(link: &Link, channel: &mut Option<Channel>, queue: &str) -> Result<u32, BrokerError> {
    let doing = format!("look into `{queue}`");
    let by = match channel.take_if(|channel| channel.status().connected()) {
        Some(channel) => channel,
        None => link.channel().await?,
    };
    // Passive: it changes nothing, and needs no permission. Without `nowait`, for the answer is what this is about.
    let options = QueueDeclareOptions { passive: true, nowait: false, ..QueueDeclareOptions::durable() };
    let asked = by.queue_declare(short(&doing, queue)?, options, FieldTable::default());
    let found = link
        .ask(&doing, asked)
        .await?
        .map_err(|error| BrokerError::Lost { cause: Cause::ChannelClosed, what: describe(&error) })?;
    *channel = Some(by);
    Ok(found.message_count())
}

/// Since when the broker has sent nothing although it should, and how many deliveries had come by then.
#[derive(Debug, Default)]
struct Hunger(Option<(Instant, u64)>);

impl Hunger {
    /// Takes in one look; returns for how long it has been so.
    fn look(&mut self, now: Instant, hungry: bool, deliveries: u64) -> Duration {
        // A delivery that came and was settled between two looks is as good as one that is held.
        let since = self.0.filter(|(_, before)| hungry && *before == deliveries).map_or(now, |(since, _)| since);
        self.0 = hungry.then_some((since, deliveries));
        now.duration_since(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_held_until_its_end() {
        let given = Given::default();
        assert!(given.all_settled());
        let (first, second) = (given.one(), given.one());
        drop(first);
        assert!(!given.all_settled());
        drop(second);
        assert!(given.all_settled());
        assert_eq!(given.count(), 2);
    }

    #[test]
    fn hunger_lasts_while_every_look_finds_it_and_no_delivery_comes_between() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut hunger = Hunger::default();
        assert_eq!(hunger.look(at(0), true, 7), Duration::ZERO);
        assert_eq!(hunger.look(at(10), true, 7), Duration::from_secs(10));
        assert_eq!(hunger.look(at(20), true, 8), Duration::ZERO, "one came, and is settled");
        assert_eq!(hunger.look(at(30), true, 8), Duration::from_secs(10));
        assert_eq!(hunger.look(at(40), false, 8), Duration::ZERO, "nothing waits, or the worker holds something");
        assert_eq!(hunger.look(at(50), true, 8), Duration::ZERO);
        assert_eq!(hunger.look(at(110), true, 8), Duration::from_mins(1));
    }
}
