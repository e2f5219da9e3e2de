//! Every metric there is, with a typed method for each. Callers name no strings, and no text from outside becomes a
//! label: an unknown class or profile is counted as `other`.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::labels::{
    ContainerEvent, ControlCommand, ControlOutcome, DockerOperation, EventOutcome, PoolState, ReconnectCause,
    ReloadOutcome, Role, SettleKind, SettleOutcome, SlotState, Stage, StartKind,
};
use super::process::Process;
use crate::config::model::Config;
use crate::domain::reason::{DeadReason, RejectReason};
use crate::domain::settlement::PublishEnd;
use crate::domain::verdict::Status;

mod touch;

/// The media type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The value of a label whose name is not in the configuration.
const OTHER: &str = "other";
/// From a warm lease to the longest run that is common, in seconds.
const BUCKETS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];

/// A label value from a bounded set: a code of ours, or a name from the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Word {
    Code(&'static str),
    Name(Arc<str>),
}

impl EncodeLabelValue for Word {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), fmt::Error> {
        match self {
            Self::Code(code) => encoder.write_str(code),
            Self::Name(name) => encoder.write_str(name),
        }
    }
}

macro_rules! label_sets {
    ($($set:ident { $($field:ident: $type:ty),* })*) => {$(
        #[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $set { $($field: $type),* }
    )*};
}

label_sets! {
    OfClass { class: Word }
    OfProfile { profile: Word }
    Finish { profile: Word, status: Word }
    Refusal { reason: Word }
    Settlement { kind: SettleKind, outcome: SettleOutcome }
    Publishing { outcome: Word }
    Told { outcome: EventOutcome }
    Reconnect { role: Role, cause: ReconnectCause }
    Connection { role: Role }
    Slot { state: SlotState }
    Pooled { profile: Word, state: PoolState }
    Container { event: ContainerEvent }
    Warming { profile: Word, start: StartKind }
    Docker { operation: DockerOperation }
    OfStage { stage: Stage }
    Reload { outcome: ReloadOutcome }
    Ordered { command: ControlCommand, outcome: ControlOutcome }
}

type Histograms<S> = Family<S, Histogram, fn() -> Histogram>;

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

/// All metrics of one worker. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    profiles: Arc<BTreeSet<Arc<str>>>,
    classes: Arc<BTreeSet<Arc<str>>>,
    all: Families,
}

macro_rules! families {
    ($($help:literal $field:ident: $type:ty = $make:expr;)*) => {
        #[derive(Debug, Clone)]
        struct Families { $($field: $type),* }

        impl Families {
            fn register(registry: &mut Registry) -> Self {
                $(let $field: $type = $make; registry.register(stringify!($field), $help, $field.clone());)*
                Self { $($field),* }
            }
        }
    };
}

families! {
    "Jobs that came from a queue" jobs_received: Family<OfClass, Counter> = Family::default();
    "Messages that wait in a class's queue, when it was last looked into" queue_waiting: Family<OfClass, Gauge> = Family::default();
    "Jobs that came to a signed result" jobs_finished: Family<Finish, Counter> = Family::default();
    "Authentic jobs that were refused with a signed result" jobs_rejected: Family<Refusal, Counter> = Family::default();
    "Messages that went to the dead queue" jobs_dead_lettered: Family<Refusal, Counter> = Family::default();
    "Deliveries that the broker says it made before" redeliveries: Counter = Counter::default();
    "Jobs that came back so often that they are run alone" jobs_quarantined: Counter = Counter::default();
    "Deliveries of a job that was running here already" jobs_adopted: Counter = Counter::default();
    "Stored results that answered a job which had ended here" results_resent: Counter = Counter::default();
    "Results whose reply queue was gone, parked in tester.unrouted" results_unrouted: Counter = Counter::default();
    "Deliveries that were settled" deliveries_settled: Family<Settlement, Counter> = Family::default();
    "Publishes of results and dead letters by how they ended" publishes: Family<Publishing, Counter> = Family::default();
    "Events of running jobs by what became of them" events: Family<Told, Counter> = Family::default();
    "Connections to the broker that had to be made anew" reconnects: Family<Reconnect, Counter> = Family::default();
    "1 while the connection to the broker stands" amqp_connected: Family<Connection, Gauge> = Family::default();
    "Places for jobs" slots: Family<Slot, Gauge> = Family::default();
    "Containers by what happened to them" containers: Family<Container, Counter> = Family::default();
    "Sandboxes of profiles with a warm interpreter by whether they have one" warmed: Family<Warming, Counter> = Family::default();
    "From the request for a sandbox to its runner's first word" container_create_seconds: Histogram = histogram();
    "Sandboxes of the pool" pool: Family<Pooled, Gauge> = Family::default();
    "Sandboxes that a pool wants ready: `warm`, and as many more as jobs were found to need" pool_wanted: Family<OfProfile, Gauge> = Family::default();
    "Sandboxes that all pools together may want beyond `warm`, as far as Docker's host has memory for them" pool_extra_max: Gauge = Gauge::default();
    "How long a job waited for a sandbox" lease_wait_seconds: Histograms<OfProfile> =
        Family::new_with_constructor(histogram);
    "Calls to the Docker daemon that failed" docker_errors: Family<Docker, Counter> = Family::default();
    "Parts of a job's way" stage_seconds: Histograms<OfStage> = Family::new_with_constructor(histogram);
    "Reloads of the keys" key_reloads: Family<Reload, Counter> = Family::default();
    "1 while the worker drains" draining: Gauge = Gauge::default();
    "Control messages by what they came to here" control_messages: Family<Ordered, Counter> = Family::default();
    "1 while control messages can be heard" control_listening: Gauge = Gauge::default();
    "Ids of cancelled jobs that are kept" cancelled_ids: Gauge = Gauge::default();
}

impl Metrics {
    /// The metrics of a worker with this configuration, all at zero.
    pub fn new(config: &Config) -> Self {
        let mut registry = Registry::with_prefix("tester_worker");
        let all = Families::register(&mut registry);
        registry.register("build", "What runs", Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]));
        registry.register_collector(Box::new(Process::new()));
        let metrics = Self {
            registry: Arc::new(registry),
            profiles: Arc::new(config.profiles.keys().map(|name| Arc::from(name.as_str())).collect()),
            classes: Arc::new(config.broker.classes.iter().map(|class| Arc::from(class.name.as_str())).collect()),
            all,
        };
        metrics.touch();
        metrics
    }

    /// The text that Prometheus reads.
    ///
    /// # Errors
    /// None that is known: writing to a `String` does not fail.
    pub fn encode(&self) -> Result<String, fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.registry)?;
        Ok(page)
    }

    /// A job came from a queue.
    pub fn job_received(&self, class: &str) {
        let class = known(&self.classes, class);
        self.all.jobs_received.get_or_create(&OfClass { class }).inc();
    }

    /// So many messages wait in the queue of a class.
    pub fn queue_waiting(&self, class: &str, messages: u32) {
        let class = known(&self.classes, class);
        self.all.queue_waiting.get_or_create(&OfClass { class }).set(i64::from(messages));
    }

    /// A job came to a signed result.
    pub fn job_finished(&self, profile: Option<&str>, status: Status) {
        let labels = Finish { profile: self.profile(profile.unwrap_or(OTHER)), status: Word::Code(status.as_str()) };
        self.all.jobs_finished.get_or_create(&labels).inc();
    }

    /// An authentic job was refused with a signed result.
    pub fn job_rejected(&self, reason: RejectReason) {
        self.all.jobs_rejected.get_or_create(&Refusal { reason: Word::Code(reason.as_str()) }).inc();
    }

    /// A message went to the dead queue.
    pub fn job_dead_lettered(&self, reason: DeadReason) {
        self.all.jobs_dead_lettered.get_or_create(&Refusal { reason: Word::Code(reason.as_str()) }).inc();
    }

    /// A delivery came that the broker says it made before.
    pub fn redelivered(&self) {
        self.all.redeliveries.inc();
    }

    /// A job came back so often that it is run alone.
    pub fn job_quarantined(&self) {
        self.all.jobs_quarantined.inc();
    }

    /// A job came again while it was running here.
    pub fn job_adopted(&self) {
        self.all.jobs_adopted.inc();
    }

    /// A stored result answered a job that had ended here.
    pub fn result_resent(&self) {
        self.all.results_resent.inc();
    }

    /// A result went to `tester.unrouted`.
    pub fn result_unrouted(&self) {
        self.all.results_unrouted.inc();
    }

    /// A delivery was settled.
    pub fn delivery_settled(&self, kind: SettleKind, outcome: SettleOutcome) {
        self.all.deliveries_settled.get_or_create(&Settlement { kind, outcome }).inc();
    }

    /// A publish ended.
    pub fn published(&self, end: PublishEnd) {
        self.all.publishes.get_or_create(&Publishing { outcome: Word::Code(publish_end(end)) }).inc();
    }

    /// So many events of running jobs came to this.
    pub fn events(&self, outcome: EventOutcome, count: u64) {
        self.all.events.get_or_create(&Told { outcome }).inc_by(count);
    }

    /// A connection to the broker had to be made anew.
    pub fn reconnected(&self, role: Role, cause: ReconnectCause) {
        self.all.reconnects.get_or_create(&Reconnect { role, cause }).inc();
    }

    /// A connection to the broker stands, or does not.
    pub fn amqp_connected(&self, role: Role, connected: bool) {
        self.all.amqp_connected.get_or_create(&Connection { role }).set(i64::from(connected));
    }

    /// So many places have a job, of so many.
    pub fn slots(&self, busy: usize, total: usize) {
        self.all.slots.get_or_create(&Slot { state: SlotState::Busy }).set(whole(busy));
        self.all.slots.get_or_create(&Slot { state: SlotState::Free }).set(whole(total.saturating_sub(busy)));
    }

    /// Something happened to a container.
    pub fn container(&self, event: ContainerEvent) {
        self.all.containers.get_or_create(&Container { event }).inc();
    }

    /// A sandbox was made ready in this time.
    pub fn container_created_in(&self, took: Duration) {
        self.all.container_create_seconds.observe(took.as_secs_f64());
    }

    /// So many sandboxes of a profile are in this state.
    pub fn pool(&self, profile: &str, state: PoolState, count: usize) {
        let labels = Pooled { profile: self.profile(profile), state };
        self.all.pool.get_or_create(&labels).set(whole(count));
    }

    /// So many sandboxes of a profile should be ready.
    pub fn pool_wanted(&self, profile: &str, count: usize) {
        self.all.pool_wanted.get_or_create(&OfProfile { profile: self.profile(profile) }).set(whole(count));
    }

    /// So many sandboxes may be wanted beyond `warm`.
    pub fn pool_extra_max(&self, count: usize) {
        self.all.pool_extra_max.set(whole(count));
    }

    /// A sandbox of a profile with a warm interpreter was made.
    pub fn warmed(&self, profile: &str, start: StartKind) {
        self.all.warmed.get_or_create(&Warming { profile: self.profile(profile), start }).inc();
    }

    /// A job waited so long for a sandbox.
    pub fn lease_waited(&self, profile: &str, waited: Duration) {
        let labels = OfProfile { profile: self.profile(profile) };
        self.all.lease_wait_seconds.get_or_create(&labels).observe(waited.as_secs_f64());
    }

    /// A call to the Docker daemon failed.
    pub fn docker_error(&self, operation: DockerOperation) {
        self.all.docker_errors.get_or_create(&Docker { operation }).inc();
    }

    /// A part of a job's way took so long.
    pub fn stage(&self, stage: Stage, took: Duration) {
        self.all.stage_seconds.get_or_create(&OfStage { stage }).observe(took.as_secs_f64());
    }

    /// The keys were read again.
    pub fn keys_reloaded(&self, outcome: ReloadOutcome) {
        self.all.key_reloads.get_or_create(&Reload { outcome }).inc();
    }

    /// A control message came to this.
    pub fn control_message(&self, command: ControlCommand, outcome: ControlOutcome) {
        self.all.control_messages.get_or_create(&Ordered { command, outcome }).inc();
    }

    /// Control messages can be heard, or not.
    pub fn control_listening(&self, listening: bool) {
        self.all.control_listening.set(i64::from(listening));
    }

    /// So many ids of cancelled jobs are kept.
    pub fn cancelled_ids(&self, count: usize) {
        self.all.cancelled_ids.set(whole(count));
    }

    /// The worker drains, or does not.
    pub fn draining(&self, draining: bool) {
        self.all.draining.set(i64::from(draining));
    }

    fn profile(&self, name: &str) -> Word {
        known(&self.profiles, name)
    }
}

fn known(names: &BTreeSet<Arc<str>>, name: &str) -> Word {
    names.get(name).map_or(Word::Code(OTHER), |name| Word::Name(Arc::clone(name)))
}

const fn publish_end(end: PublishEnd) -> &'static str {
    match end {
        PublishEnd::Confirmed => "confirmed",
        PublishEnd::Unroutable => "unroutable",
        PublishEnd::NotConfirmed => "not_confirmed",
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
