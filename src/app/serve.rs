//! The worker: which parts start, in which order, and in which order they stop.
//!
//! ```text
//! start: keys ─▶ sidecar's port ─▶ broker, gate closed ─▶ sandboxes ─▶ dispatcher ─▶ accepting
//! stop:  (a signal, or a signed `drain`) not accepting ─▶ consumers cancelled ─▶ waiting jobs given back ─▶ running jobs end or are given back
//!        ─▶ sandboxes removed ─▶ broker closed ─▶ sidecar
//! ```

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::counting::Counting;
use super::identity;
use super::keys::{KeySource, Keys, KeysError};
use super::sandboxing::Sandboxing;
use super::signals::{Came, Signals};
use super::status::Overview;
use super::watchdog::{Pulse, Watchdog};
use crate::broker::{self, Broker, BrokerError, BrokerPublisher, Gate, Parts};
use crate::config::Loaded;
use crate::config::model::Config;
use crate::pipeline::{Dispatcher, Drained, Settings};
use crate::ports::conditions::{Condition, Conditions, Part};
use crate::ports::messages::Delivered;
use crate::protocol::replay::ReplayBounds;
use crate::sandbox::Sandboxes;
use crate::sidecar::{Shown, Sidecar, SidecarError};
use crate::telemetry::metrics::Metrics;

/// How long the broker may take to confirm that it sends no more.
const PAUSE_LIMIT: Duration = Duration::from_secs(5);

/// How long the removal of all sandboxes may take.
const SANDBOXES_LIMIT: Duration = Duration::from_secs(20);

/// How long the broker's connections may take to close.
const BROKER_LIMIT: Duration = Duration::from_secs(10);

/// Bytes of all stored results. Not in the configuration: the number and the size of results are. Enough for a thousand
/// of the usual size, and little beside what the worker needs anyway: it runs on small machines.
const RESULTS_STORED_BYTES_MAX: usize = 4 * 1_048_576;

/// Control messages that may wait to be heeded.
const CONTROL_WAITING_MAX: usize = 16;

/// Ids of ended jobs that are remembered until their `exp`.
const IDS_MAX: usize = 100_000;

/// How the worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything that had begun was finished.
    Drained,
    /// The drain's deadline passed, and jobs were given back.
    GaveBack,
    /// A second signal came.
    Killed(Came),
    /// The dispatcher ended although nobody told it to: a fault of ours.
    Broken,
}

/// Why the worker could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Keys that cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The sidecar's address cannot be had.
    #[error(transparent)]
    Sidecar(#[from] SidecarError),
    /// Broker settings that can never work.
    #[error("the broker's settings cannot work")]
    Broker(#[from] BrokerError),
    /// The sidecar's address is none.
    #[error("sidecar.listen is not an address with a port: {0}")]
    Listen(#[from] std::net::AddrParseError),
    /// The system failed.
    #[error("the system does not let the worker start")]
    System(#[from] std::io::Error),
}

/// Everything that was started and has to be stopped.
#[derive(Debug)]
pub(super) struct Worker<S> {
    config: Config,
    metrics: Metrics,
    accepting: Condition,
    gate: watch::Sender<Gate>,
    consuming: watch::Receiver<bool>,
    deliveries: mpsc::Receiver<Delivered>,
    sandboxes: S,
    dispatcher: Dispatcher<S, BrokerPublisher>,
    pulse: Pulse,
    broker_stop: CancellationToken,
    broker_tasks: TaskTracker,
    /// Cancelled when a control message asks this worker to drain.
    drain_asked: CancellationToken,
    stop_last: CancellationToken,
    last_tasks: TaskTracker,
}

/// Works until a signal, or until somebody who may asks it to drain.
///
/// # Errors
/// [`ServeError`]: the worker never started. Once it has, it stays up whatever is away.
pub async fn serve(loaded: Loaded) -> Result<Ended, ServeError> {
    #[cfg(feature = "crash-points")]
    if crate::crash::is_instant() {
        return Box::pin(serve_with::<super::instant::Sandboxless>(loaded)).await;
    }
    serve_with::<Sandboxes>(loaded).await
}

async fn serve_with<S: Sandboxing>(loaded: Loaded) -> Result<Ended, ServeError> {
    let mut signals = Signals::take()?;
    let settings = broker_settings(&loaded.config);
    let worker = start::<S>(loaded.config, loaded.token, settings).await?;
    let (drain, asked) = (CancellationToken::new(), worker.drain_asked.clone());
    let mut work = std::pin::pin!(worker.work(drain.clone()));
    let mut signalled = false;
    loop {
        tokio::select! {
            ended = &mut work => return Ok(ended),
            came = signals.next() => {
                // A signal after an ordered drain is the first one: a service manager may be no part of that order.
                if std::mem::replace(&mut signalled, true) {
                    return Ok(Ended::Killed(came));
                }
                tracing::info!("{came:?} came: draining; a second signal ends at once");
                drain.cancel();
            }
            () = asked.cancelled(), if !drain.is_cancelled() => {
                tracing::info!("a control message asks for it: draining");
                drain.cancel();
            }
        }
    }
}

/// Starts everything; [`Worker::work`] makes it take jobs.
pub(super) async fn start<S: Sandboxing>(
    config: Config,
    token: Option<SecretString>,
    settings: broker::Settings,
) -> Result<Worker<S>, ServeError> {
    let epoch = identity::epoch()?;
    let source = KeySource::new(config.clone(), token);
    let Keys { admission, signer, known } = source.load().await?;
    let metrics = Metrics::new(&config);
    let conditions = Conditions::default();
    // Bound before anything else is made: a port that is taken ends the start with nothing to clean up.
    let sidecar = match config.sidecar.listen.as_str() {
        "" => None,
        listen => Some(Sidecar::bind(listen.parse()?).await?),
    };
    let (gate, gate_seen) = watch::channel(Gate::Closed { reason: "no sandbox can be made" });
    let (consuming_told, consuming) = watch::channel(false);
    let pulse = Pulse::new(Duration::from_secs(config.worker.stalled_seconds));
    let (deliveries_in, deliveries) = mpsc::channel(settings.deliveries_max());
    let (control_in, control) = mpsc::channel(CONTROL_WAITING_MAX);
    let (broker_stop, broker_tasks) = (CancellationToken::new(), TaskTracker::new());
    let parts = Parts {
        gate: gate_seen,
        consuming: consuming_told,
        deliveries: deliveries_in,
        control: control_in,
        epoch: &epoch,
        conditions: &conditions,
        events: Arc::new(Counting { metrics: metrics.clone(), pulse: pulse.clone() }),
        cancel: broker_stop.clone(),
        tasks: &broker_tasks,
    };
    let publisher = Broker::start(settings, parts)?;
    let sandboxes = S::start(&config, &epoch, &conditions, &metrics);
    let (admission_in, admission) = watch::channel(admission);
    let (signer_in, signer) = watch::channel(signer);
    let dispatcher =
        Dispatcher::new(pipeline_settings(&config), sandboxes.clone(), publisher, (admission, signer), metrics.clone());
    let (stop_last, last_tasks) = (CancellationToken::new(), TaskTracker::new());
    last_tasks.spawn(source.watch((admission_in, signer_in), metrics.clone(), known, stop_last.clone()));
    let drain_asked = CancellationToken::new();
    last_tasks.spawn(dispatcher.clone().heed(control, drain_asked.clone(), stop_last.clone()));
    let overview = Overview {
        worker_id: config.worker.id.clone(),
        epoch,
        slots: config.worker.slots,
        started_at: Instant::now(),
        conditions: conditions.clone(),
        sandboxes: sandboxes.clone(),
        dispatcher: dispatcher.clone(),
    };
    if let Some(sidecar) = sidecar {
        tracing::info!("the sidecar listens on {}", sidecar.address());
        last_tasks.spawn(sidecar.serve(shown(&metrics, &pulse, overview), stop_last.clone()));
    }
    let accepting = conditions.part(Part::Accepting);
    Ok(Worker {
        config,
        metrics,
        accepting,
        gate,
        consuming,
        deliveries,
        sandboxes,
        dispatcher,
        pulse,
        broker_stop,
        broker_tasks,
        drain_asked,
        stop_last,
        last_tasks,
    })
}

/// What the sidecar shows.
fn shown<S: Sandboxing>(metrics: &Metrics, pulse: &Pulse, overview: Overview<S>) -> Shown {
    Shown {
        conditions: overview.conditions.clone(),
        metrics: metrics.clone(),
        liveness: Arc::new(Watchdog { pulse: pulse.clone(), dispatcher: overview.dispatcher.clone() }),
        status: Arc::new(overview),
    }
}

impl<S: Sandboxing> Worker<S> {
    /// Whether the broker sends jobs.
    pub(super) fn consuming(&self) -> watch::Receiver<bool> {
        self.consuming.clone()
    }

    /// Works until `drain` is cancelled, then stops everything in its order.
    pub(super) async fn work(mut self, drain: CancellationToken) -> Ended {
        self.accepting.ready();
        tracing::info!("Worker `{}` {} takes jobs", self.config.worker.id, env!("CARGO_PKG_VERSION"));
        let drained = self.run(&drain).await;
        self.stop().await;
        match drained {
            _ if !drain.is_cancelled() => Ended::Broken,
            Drained::Finished => Ended::Drained,
            Drained::GaveBack => Ended::GaveBack,
        }
    }

    async fn run(&mut self, drain: &CancellationToken) -> Drained {
        let Self { accepting, metrics, gate, consuming, deliveries, sandboxes, dispatcher, .. } = self;
        let limit = Duration::from_secs(self.config.worker.drain_seconds);
        let paused = CancellationToken::new();
        let mut run = std::pin::pin!(dispatcher.run(deliveries, paused.clone(), limit));
        let control = async {
            follow_sandboxes(sandboxes.usable(), gate, drain).await;
            accepting.not_ready("draining");
            metrics.draining(true);
            gate.send_replace(Gate::Closed { reason: "the worker is draining" });
            let quiet = consuming.wait_for(|consuming| !consuming);
            if tokio::time::timeout(PAUSE_LIMIT, quiet).await.is_err() {
                tracing::warn!("RabbitMQ did not confirm in time that it sends no more jobs");
            }
            paused.cancel();
        };
        tokio::select! {
            drained = &mut run => {
                // Nobody told it to: the channel of deliveries was closed under it.
                self.pulse.ended();
                drained
            }
            () = control => run.await,
        }
    }

    async fn stop(self) {
        self.sandboxes.stop(SANDBOXES_LIMIT).await;
        self.broker_stop.cancel();
        self.broker_tasks.close();
        if tokio::time::timeout(BROKER_LIMIT, self.broker_tasks.wait()).await.is_err() {
            tracing::warn!("the connections to RabbitMQ did not close in time");
        }
        // Last, so that until now everybody could see what goes on.
        self.stop_last.cancel();
        self.last_tasks.close();
        self.last_tasks.wait().await;
    }
}

/// Opens the gate while Docker answers and the walls hold, until the drain begins.
async fn follow_sandboxes(mut usable: watch::Receiver<bool>, gate: &watch::Sender<Gate>, drain: &CancellationToken) {
    loop {
        let open = *usable.borrow_and_update();
        let wanted = if open { Gate::Open } else { Gate::Closed { reason: "no sandbox can be made" } };
        gate.send_if_modified(|gate| std::mem::replace(gate, wanted) != wanted);
        tokio::select! {
            () = drain.cancelled() => return,
            changed = usable.changed() => if changed.is_err() {
                return drain.cancelled().await;
            },
        }
    }
}

/// What the broker adapter needs of this configuration.
pub(super) fn broker_settings(config: &Config) -> broker::Settings {
    broker::Settings::new(&config.broker, &config.worker.id, config.worker.slots)
        .with_starved_after(Duration::from_secs(config.worker.stalled_seconds))
}

fn pipeline_settings(config: &Config) -> Settings {
    Settings {
        worker_id: config.worker.id.clone(),
        slots: config.worker.slots,
        attempts_max: config.worker.attempts_max,
        running_per_issuer_max: config.worker.running_per_issuer_max,
        result_bytes_max: config.protocol.result_bytes_max,
        classes: config.broker.classes.iter().map(|class| (class.name.clone(), class.weight)).collect(),
        replay: ReplayBounds {
            results_max: config.protocol.results_stored_max,
            results_seconds: config.protocol.results_stored_seconds,
            results_bytes_max: RESULTS_STORED_BYTES_MAX,
            ids_max: IDS_MAX,
            hold_seconds_max: config.protocol.lifetime_seconds_max,
        },
    }
}
