//! What the adapter needs of the configuration.

use std::time::Duration;

use secrecy::SecretString;

use super::topology::{Names, Topology};
use crate::config::model;

/// Settings of the broker adapter.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Name of this worker, for connection names and consumer tags.
    pub worker_id: String,
    /// AMQP URLs, tried in turn.
    pub urls: Vec<SecretString>,
    /// Names of exchanges and queues.
    pub names: Names,
    /// Whether the topology is declared or only checked.
    pub topology: model::Topology,
    /// Classes whose queues are consumed.
    pub classes: Vec<String>,
    /// Jobs at once; the prefetch of every class.
    pub slots: usize,
    /// AMQP heartbeat in seconds.
    pub heartbeat_seconds: u16,
    /// How long a delivery may stay unacknowledged.
    pub consumer_timeout: Duration,
    /// How long a class's queue stays that nobody consumes from; `None`: for ever.
    pub queues_expire: Option<Duration>,
    /// Time limits of the adapter's own.
    pub timeouts: Timeouts,
}

/// The longest pause between two looks into the queues: as often as metrics are usually read.
const LOOK_MAX: Duration = Duration::from_secs(10);

/// A time limit for everything that waits for a peer.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Name look-up, TCP, TLS and the AMQP handshake, each.
    pub connect: Duration,
    /// One request to the broker: a declaration, a channel, a cancel.
    pub call: Duration,
    /// From a publish to its confirmation.
    pub confirm: Duration,
    /// One acknowledgement, until it is written.
    pub settle: Duration,
    /// A polite end of a connection; after it the socket is shut.
    pub close: Duration,
    /// The longest wait between two attempts to connect.
    pub backoff_max: Duration,
    /// Between two looks into the queues.
    pub look: Duration,
    /// How long messages may wait while the worker holds none and is sent none.
    pub starved: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            call: Duration::from_secs(10),
            confirm: Duration::from_secs(30),
            settle: Duration::from_secs(10),
            close: Duration::from_secs(2),
            backoff_max: Duration::from_secs(15),
            look: LOOK_MAX,
            starved: Duration::from_mins(1),
        }
    }
}

impl Settings {
    /// From the configuration.
    pub fn new(broker: &model::Broker, worker_id: &str, slots: usize) -> Self {
        Self {
            worker_id: worker_id.to_owned(),
            urls: broker.urls.clone(),
            names: Names::new(&broker.results_exchange),
            topology: broker.topology,
            classes: broker.classes.iter().map(|class| class.name.clone()).collect(),
            slots,
            heartbeat_seconds: broker.heartbeat_seconds,
            consumer_timeout: Duration::from_secs(broker.consumer_timeout_seconds),
            queues_expire: None,
            timeouts: Timeouts::default(),
        }
    }

    /// The same with queues that RabbitMQ removes, with everything in them, when nobody has consumed from them for so long.
    /// For classes that live as long as one process, however that ends.
    #[must_use]
    pub const fn with_queues_expiring(mut self, after: Duration) -> Self {
        self.queues_expire = Some(after);
        self
    }

    /// What must be there.
    pub fn describe_topology(&self) -> Topology {
        Topology::describe(&self.names, &self.classes, self.queues_expire)
    }

    /// The same with this limit for a broker that sends nothing although messages wait.
    #[must_use]
    pub fn with_starved_after(mut self, limit: Duration) -> Self {
        self.timeouts.starved = limit;
        // Often enough that the limit is kept.
        self.timeouts.look = LOOK_MAX.min(limit / 5);
        self
    }

    /// The most deliveries that can be unsettled at once; the bound of the delivery channel.
    pub fn deliveries_max(&self) -> usize {
        self.classes.len().saturating_mul(self.slots).max(1)
    }

    /// The prefetch of every class. AMQP has 16 bits for it, and 0 would mean "no limit".
    pub(super) fn prefetch(&self) -> u16 {
        u16::try_from(self.slots).unwrap_or(u16::MAX).max(1)
    }
}
