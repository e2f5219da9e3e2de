//! Warm sandboxes, one pool a profile.
//!
//! Deadpool bounds how many sandboxes exist and hands them out; the filler keeps `warm` of them ready and makes more
//! while jobs wait. Creation and removal are off a job's path.
//!
//! ```text
//! run_filler ── creations (JoinSet) ──▶ make ──▶ Pool::try_add
//!     ▲ changed: a lease was asked for or ended, a sandbox died, a place was freed
//! ```

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool::unmanaged::{Object, Pool};
use tokio::sync::{Notify, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::blueprint::Blueprint;
use super::demand::Demand;
use super::engine::DockerError;
use super::guards::Waiting;
use super::health::Health;
use super::image::ImageFacts;
use super::launch::{Maker, Sandbox};
use super::pauses::{next_attempt, sleep_until};
use super::proof::Proof;
use super::reaper::{Doomed, Reaper};
use super::refill::{AtWork, Refill};
use crate::config::model::Profile;
use crate::telemetry::metrics::Metrics;

/// How long a job waits for a sandbox. There are as many places as slots and warm sandboxes together, so it only takes the
/// time of a creation, unless removals are stuck.
const LEASE_TIMEOUT: Duration = Duration::from_secs(90);

/// What the pools of all profiles share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) maker: Arc<Maker>,
    pub(super) reaper: Reaper,
    /// Creations at the same time, over all profiles.
    pub(super) creations: Arc<Semaphore>,
    /// Sandboxes that may be kept ready beyond what the profiles keep, over all of them. None until [`super::room`] says how
    /// many there may be.
    pub(super) extras: Arc<Semaphore>,
    /// Beside jobs at work no stock is refilled, where that can wait.
    pub(super) at_work: AtWork,
    pub(super) health: Arc<Health>,
    pub(super) metrics: Metrics,
    /// Where creations run: they are waited for before the reaper ends.
    pub(super) fillers: TaskTracker,
    pub(super) runner_volume_ensured: Arc<tokio::sync::Mutex<bool>>,
    pub(super) proof: Arc<Proof>,
    /// Ends an attack early.
    pub(super) stopping: CancellationToken,
}

/// The sandboxes of one profile.
#[derive(Debug)]
pub(super) struct ProfilePool {
    pub(super) profile: String,
    pub(super) image_name: String,
    pub(super) blueprint: Blueprint,
    /// The profile, if it has a warm interpreter.
    pub(super) preloading: Option<Profile>,
    /// Why the last sandbox has no warm interpreter, if it should have one.
    pub(super) cold: Mutex<Option<String>>,
    pub(super) warm: usize,
    pub(super) shared: Shared,
    pub(super) sandboxes: Pool<Sandbox>,
    /// Whose job is the next to have a sandbox: it is given to waiting jobs in the order in which they came.
    turn: tokio::sync::Mutex<()>,
    pub(super) waiting: AtomicUsize,
    /// Sandboxes that jobs have and that will be there for another job.
    pub(super) expected: AtomicUsize,
    /// Those of them whose job has ended.
    pub(super) emptying: AtomicUsize,
    pub(super) demand: Mutex<Demand>,
    /// Whether the filler has ended, so that nothing may come back any more.
    pub(super) closed: Mutex<bool>,
    pub(super) changed: Arc<Notify>,
    pub(super) facts: Mutex<Option<(Instant, Arc<ImageFacts>)>>,
    /// Something went wrong with a sandbox, or with a call about one: only a new one shows that all is well again.
    doubted: AtomicBool,
    /// The last failure of the filler, while it fails.
    failure: watch::Sender<Option<Arc<DockerError>>>,
}

/// How many sandboxes a pool has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolCount {
    /// Should be ready: what the profile keeps, and what jobs were found to need beyond it.
    pub wanted: usize,
    /// Ready for a job.
    pub warm: usize,
    /// Running a job, or being emptied or removed after one.
    pub leased: usize,
    /// Jobs that wait for one.
    pub waiting: usize,
}

impl ProfilePool {
    /// A pool with so many places besides those for its warm sandboxes: for extra ones, and one for each slot, which may
    /// hold one while the pool is being refilled behind it.
    pub(super) fn new(name: &str, profile: &Profile, blueprint: Blueprint, places: usize, shared: Shared) -> Self {
        let warm = profile.warm;
        Self {
            profile: name.to_owned(),
            image_name: profile.image.clone(),
            blueprint,
            preloading: profile.is_warm().then(|| profile.clone()),
            cold: Mutex::new(None),
            warm,
            shared,
            sandboxes: Pool::new(warm + places),
            turn: tokio::sync::Mutex::new(()),
            waiting: AtomicUsize::new(0),
            expected: AtomicUsize::new(0),
            emptying: AtomicUsize::new(0),
            demand: Mutex::new(Demand::new(warm)),
            closed: Mutex::new(false),
            changed: Arc::new(Notify::new()),
            facts: Mutex::new(None),
            doubted: AtomicBool::new(false),
            failure: watch::Sender::new(None),
        }
    }

    /// A sandbox of its own for one job, from the pool.
    ///
    /// # Errors
    /// The filler's failure, when there is no sandbox and none can be made.
    ///
    /// # Cancel safety
    /// A sandbox that was handed out and not taken goes to the reaper.
    pub(super) async fn lease(&self) -> Result<Object<Sandbox>, Arc<DockerError>> {
        tokio::time::timeout(LEASE_TIMEOUT, self.lease_whenever()).await.unwrap_or_else(|_elapsed| {
            let reason = format!("no sandbox was to be had within {} s", LEASE_TIMEOUT.as_secs());
            Err(Arc::new(DockerError::Runner { reason }))
        })
    }

    async fn lease_whenever(&self) -> Result<Object<Sandbox>, Arc<DockerError>> {
        let _waiting = Waiting::new(&self.waiting);
        let mut failure = self.failure.subscribe();
        let mut missed = false;
        let _turn = match self.turn.try_lock() {
            Ok(turn) => turn,
            Err(_another_waits) => {
                // Where one is ready, the other is only taking its own.
                if self.sandboxes.status().available == 0 {
                    missed = true;
                    self.missed();
                    self.changed.notify_one();
                }
                // First come, first served, and whoever got a sandbox that had died is still the next. Where none can be made,
                // each hears of it from the one before.
                self.turn.lock().await
            }
        };
        loop {
            // No word to the filler about a sandbox that is taken: the session gives it once the program has started,
            // so that nothing is created while a job is on its way.
            if let Ok(found) = self.sandboxes.try_get() {
                if let Some(alive) = self.alive(found) {
                    return Ok(alive);
                }
                continue;
            }
            // Marked as seen first: a failure that comes after this wakes us below.
            if let Some(error) = failure.borrow_and_update().clone() {
                return Err(error);
            }
            if !std::mem::replace(&mut missed, true) {
                self.missed();
            }
            self.changed.notify_one();
            tokio::select! {
                found = self.sandboxes.get() => {
                    let found = found.map_err(|_closed| closed())?;
                    if let Some(alive) = self.alive(found) {
                        return Ok(alive);
                    }
                }
                _ = failure.changed() => {}
            }
        }
    }

    /// A sandbox that is made for a job that no warm one fits.
    ///
    /// # Cancel safety
    /// Dropping the future does not stop the making: Docker would go on with it, and leave a container that nobody
    /// knows of. What comes of it goes to the reaper.
    pub(super) async fn make_fresh(self: &Arc<Self>, print: Blueprint) -> Result<Sandbox, Arc<DockerError>> {
        let (made, wanted) = oneshot::channel();
        let pool = Arc::clone(self);
        self.shared.fillers.spawn(async move {
            if let Err(Ok(unwanted)) = made.send(pool.make(print).await) {
                pool.doom(unwanted.name, None);
            }
        });
        wanted.await.map_err(|_panicked| closed())?.map_err(Arc::new)
    }

    /// The digest of the image as it was last seen.
    pub(super) fn image_digest(&self) -> Option<String> {
        let facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.as_ref().map(|(_, facts)| facts.digest.clone())
    }

    /// Keeps the pool filled until it is cancelled; then gives every idle sandbox to the reaper.
    pub(super) async fn run_filler(self: Arc<Self>, cancel: CancellationToken) {
        let mut creations = JoinSet::new();
        let mut retry: Option<(Instant, Duration)> = None;
        let mut failing = self.shared.health.failing();
        let mut refill = Refill::new(&self.shared.at_work);
        loop {
            self.sweep_dead();
            if retry.is_none_or(|(at, _)| at <= Instant::now()) {
                retry = self.fill(&mut creations, &mut refill, retry).await;
            }
            let settles_at = self.look_at_demand();
            self.tell(creations.len());
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.changed.notified() => {}
                () = sleep_until(settles_at) => {}
                () = refill.begins() => {}
                // The pause itself is forgotten only by a success, so that failures keep getting further apart. The
                // failure is forgotten now: a job that comes waits for the new attempt.
                () = sleep_until(retry.map(|(at, _)| at)) => {
                    self.failure.send_if_modified(|failure| failure.take().is_some());
                }
                Some(made) = creations.join_next() => retry = self.take(made, retry),
                // Another profile cannot make sandboxes. One that keeps none has to show that it could.
                Ok(()) = failing.changed() => {
                    self.doubted.fetch_or(self.warm == 0, Ordering::Relaxed);
                }
            }
        }
        // Waited for, not aborted: Docker goes on with a call whose caller has left, and a container that comes to be
        // after it was looked for would stay.
        while let Some(made) = creations.join_next().await {
            if let Ok(Ok(sandbox)) = made {
                self.doom(sandbox.name, None);
            }
        }
        // Under the lock: what comes back after it goes to the reaper, and nothing is in between.
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        *closed = true;
        self.sandboxes_to_reaper();
        self.sandboxes.close();
    }

    /// A job met a failure of Docker that the filler did not. Where Docker is away no more jobs are taken until a sandbox
    /// could be made. Where it answered that it cannot, the job's own limits may be the reason: then the filler makes a
    /// sandbox of the usual kind, and what comes of that decides.
    pub(super) async fn met(&self, error: &DockerError) {
        if !error.is_trouble() {
            return;
        }
        // First: a job that is cancelled drops this future, and the rest may have to wait.
        if error.is_outage() {
            self.doubt(error);
        }
        self.doubted.store(true, Ordering::Relaxed);
        self.changed.notify_one();
        self.forget().await;
    }

    fn doubt(&self, error: &DockerError) {
        self.doubted.store(true, Ordering::Relaxed);
        self.shared.health.failed(&self.profile, error);
    }

    /// Begins to make what is missing; where nothing is and all may not be well, looks for that.
    async fn fill(
        self: &Arc<Self>,
        creations: &mut JoinSet<Result<Sandbox, DockerError>>,
        refill: &mut Refill,
        retry: Option<(Instant, Duration)>,
    ) -> Option<(Instant, Duration)> {
        let missing = self.missing(creations.len(), refill);
        let idle = missing == 0 && creations.is_empty();
        let doubted = self.doubted.load(Ordering::Relaxed);
        for _ in 0..missing.max(usize::from(idle && doubted)) {
            let pool = Arc::clone(self);
            creations.spawn(async move { pool.make(pool.blueprint).await });
        }
        if idle && !doubted && !self.shared.health.is_warm(&self.profile) { self.look(retry).await } else { retry }
    }

    /// Looks for Docker, the image and the walls, for a pool that makes nothing before a job comes: readiness must go by
    /// something.
    async fn look(&self, retry: Option<(Instant, Duration)>) -> Option<(Instant, Duration)> {
        match self.sound().await {
            Ok(()) => {
                self.failure.send_if_modified(|failure| failure.take().is_some());
                self.shared.health.filled(&self.profile, true);
                None
            }
            Err(error) => {
                self.forget().await;
                Some(self.failed(error, retry))
            }
        }
    }

    async fn sound(&self) -> Result<(), DockerError> {
        let facts = self.image_facts().await?;
        let _filler = self.ensure_runner_volume(&facts.id).await?;
        self.shared.prove(&self.profile, self.blueprint, &facts).await
    }

    fn failed(&self, error: DockerError, retry: Option<(Instant, Duration)>) -> (Instant, Duration) {
        tracing::warn!("no sandbox for the profile `{}`: {error}", self.profile);
        self.doubt(&error);
        self.failure.send_replace(Some(Arc::new(error)));
        next_attempt(retry)
    }

    /// Takes the outcome of a creation; returns when the next attempt may be made.
    fn take(
        &self,
        made: Result<Result<Sandbox, DockerError>, tokio::task::JoinError>,
        retry: Option<(Instant, Duration)>,
    ) -> Option<(Instant, Duration)> {
        match made {
            Ok(Ok(sandbox)) => {
                self.failure.send_if_modified(|failure| failure.take().is_some());
                self.doubted.store(false, Ordering::Relaxed);
                self.shared.health.made(&self.profile);
                self.keep(sandbox);
                self.shared.health.filled(&self.profile, self.sandboxes.status().available >= self.warm);
                return None;
            }
            Ok(Err(error)) => return Some(self.failed(error, retry)),
            Err(error) if error.is_cancelled() => return retry,
            Err(error) => tracing::error!("making a sandbox panicked: {error}"),
        }
        Some(next_attempt(retry))
    }

    /// The sandbox if its runner is alive; else it goes to the reaper.
    pub(super) fn alive(&self, found: Object<Sandbox>) -> Option<Object<Sandbox>> {
        if found.is_alive() {
            return Some(found);
        }
        tracing::warn!("the idle sandbox `{}` of the profile `{}` has died", found.name, self.profile);
        self.doom_idle(found);
        None
    }

    /// Whether the filler cannot make any.
    pub(super) fn is_failing(&self) -> bool {
        self.failure.borrow().is_some()
    }

    pub(super) fn doom_idle(&self, found: Object<Sandbox>) {
        self.doom(found.name.clone(), Some(found));
    }

    pub(super) fn doom(&self, name: String, place: Option<Object<Sandbox>>) {
        self.shared.reaper.post(Doomed { name, sandbox: true, place, gone: None });
    }
}

fn closed() -> Arc<DockerError> {
    Arc::new(DockerError::Runner { reason: "the worker is stopping".to_owned() })
}

#[cfg(test)]
mod tests;
