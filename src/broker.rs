//! RabbitMQ: the only importer of lapin.
//!
//! Two connections, one to consume and one to publish, each rebuilt by a supervisor of its own: a broker that holds
//! publishers back (a memory or disk alarm) must not stop acknowledgements, and a lost publish connection must not
//! cost the deliveries that are being run. There is no automatic recovery by the client library, because that hides
//! from running jobs that their deliveries are no longer theirs.
//!
//! ```text
//! Broker::start ─┬─ consume supervisor ── Link ─┬─ one channel ── a consumer per class ──▶ mpsc::Sender<Delivered>
//!                │                              └─ one channel ── the control queue ──▶ mpsc::Sender<Bytes>
//!                └─ publish supervisor ── Link ── confirm channels ◀── BrokerPublisher::publish
//! ```

mod acknowledger;
mod address;
mod backoff;
pub mod client;
mod connection;
mod consumer;
mod control;
pub mod dead;
mod declare;
mod delivered;
pub mod doctor;
pub mod error;
pub mod events;
mod explain;
mod guard;
mod looks;
pub mod operator;
mod outbound;
mod publisher;
pub mod settings;
mod supervisor;
pub mod topology;
mod wire;

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ports::conditions::{Conditions, Part};
use crate::ports::messages::Delivered;

pub use self::error::BrokerError;
pub use self::events::{BrokerEvents, Cause, Role};
pub use self::publisher::BrokerPublisher;
pub use self::settings::{Settings, Timeouts};

use self::connection::Brokers;
use self::consumer::Consuming;
use self::control::ControlQueue;
use self::supervisor::Supervisor;

/// Whether the worker wants deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// It does.
    Open,
    /// It does not: the consumers are cancelled, and what was delivered stays acknowledgeable.
    Closed {
        /// Why, for readiness; reads well after "consuming is paused: ".
        reason: &'static str,
    },
}

/// What the broker adapter works with, besides its settings.
#[derive(Debug)]
pub struct Parts<'a> {
    /// Whether deliveries are wanted. A dropped sender leaves the gate as it was.
    pub gate: watch::Receiver<Gate>,
    /// Told whether the broker may send deliveries. A message that is given back while it may comes straight back.
    pub consuming: watch::Sender<bool>,
    /// Where deliveries go; bounded by classes times slots ([`Settings::deliveries_max`]).
    pub deliveries: mpsc::Sender<Delivered>,
    /// Where the bodies of control messages go; bounded.
    pub control: mpsc::Sender<Bytes>,
    /// This process's own name, in that of its control queue.
    pub epoch: &'a str,
    /// Where readiness is told.
    pub conditions: &'a Conditions,
    /// Who counts.
    pub events: Arc<dyn BrokerEvents>,
    /// Ends both supervisors; to be cancelled after the last publish, for both connections are then closed.
    pub cancel: CancellationToken,
    /// Where the tasks run.
    pub tasks: &'a TaskTracker,
}

/// The adapter's entry.
#[derive(Debug)]
pub struct Broker;

impl Broker {
    /// Starts both supervisors and gives the publisher.
    ///
    /// Fails only for settings that can never work; a broker that is away is waited for.
    ///
    /// # Errors
    /// A URL that is none, or no URL at all.
    pub fn start(settings: Settings, parts: Parts<'_>) -> Result<BrokerPublisher, BrokerError> {
        let Parts { gate, consuming, deliveries, control, epoch, conditions, events, cancel, tasks } = parts;
        let settings = Arc::new(settings);
        let consume = Supervisor {
            role: Role::Consume,
            brokers: Brokers::new(&settings)?,
            settings: Arc::clone(&settings),
            condition: conditions.part(Part::BrokerConsume),
            events: Arc::clone(&events),
            cancel: cancel.clone(),
        };
        let publish = Supervisor {
            role: Role::Publish,
            brokers: Brokers::new(&settings)?,
            settings: Arc::clone(&settings),
            condition: conditions.part(Part::BrokerPublish),
            events,
            cancel,
        };
        let control = ControlQueue::new(&settings, epoch, control);
        let (links, publisher) = BrokerPublisher::new(settings);
        tasks.spawn(supervisor::consume(consume, Consuming { gate, deliveries, control, active: consuming }));
        tasks.spawn(supervisor::publish(publish, links));
        Ok(publisher)
    }
}
