//! Runs verified jobs: lease, fit, run, judge, dispose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::ContainerUpdateBody;
use bollard::query_parameters::InspectContainerOptions;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::blueprint::{Blueprint, Fit};
use super::engine::{DockerError, Engine};
use super::hardening;
use super::health::Health;
use super::launch::Maker;
use super::lease::Lease;
use super::leftovers;
use super::pool::{PoolCount, ProfilePool, Shared};
use super::proof::Proof;
use super::reaper::Reaper;
use super::refill::{AtWork, Working};
use super::room;
use super::running::{Running, unavailable};
use super::size::Size;
use crate::config::model::{Config, Profile};
use crate::domain::job::Job;
use crate::ports::conditions::Conditions;
use crate::ports::events::EventSink;
use crate::ports::execution::{Execution, ExecutionFault, Executor};
use crate::protocol::verified::Verified;
use crate::telemetry::labels::DockerOperation;
use crate::telemetry::metrics::Metrics;

/// How often what dead workers left is looked for.
const SWEEP_PERIOD: Duration = Duration::from_mins(1);

/// The sandboxes of every profile.
#[derive(Debug, Clone)]
pub struct Sandboxes {
    pools: Arc<BTreeMap<String, (Profile, Arc<ProfilePool>)>>,
    shared: Shared,
    fillers: Phase,
    reaper: Phase,
}

/// Tasks that are stopped and waited for together.
#[derive(Debug, Clone, Default)]
struct Phase {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Phase {
    async fn end(&self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Sandboxes {
    /// Starts the pools. They fill in the background, once their walls held against an attack of our own; `conditions`
    /// say when they are warm. How many sandboxes they may keep beyond `warm` is known once Docker has told of its host's
    /// memory.
    ///
    /// The worker's id and `epoch` name and label everything that is made.
    pub fn start(config: &Config, epoch: &str, conditions: &Conditions, metrics: &Metrics) -> Self {
        let proof = Proof::needed();
        // A worker that lacks a wall on purpose would find that out, and take no job.
        #[cfg(feature = "without-walls")]
        let proof = if super::without::is_anything_gone() { Proof::waived() } else { proof };
        let started = Self::start_with(config, epoch, (conditions, metrics), proof);
        let (shared, stop) = (started.shared.clone(), started.fillers.stop.clone());
        let (size, extra_max) = (Size::of(config), config.pool.extra_max);
        started.fillers.tasks.spawn(async move {
            stop.run_until_cancelled(room::open(shared, size, extra_max)).await;
        });
        started
    }

    /// The same without the attack and whatever the host's memory is: for one job of the user's own, who waits for it. `doctor`
    /// looks at both.
    pub fn start_unproved(config: &Config, epoch: &str, conditions: &Conditions, metrics: &Metrics) -> Self {
        let started = Self::start_with(config, epoch, (conditions, metrics), Proof::waived());
        room::allow(&started.shared, config.pool.extra_max);
        started
    }

    fn start_with(config: &Config, epoch: &str, shown: (&Conditions, &Metrics), proof: Proof) -> Self {
        let (conditions, metrics) = shown;
        let engine = Engine::new(&config.docker, metrics.clone());
        let maker = Maker::new(engine, &config.worker.id, epoch, &config.docker.runtime, TaskTracker::new());
        let maker = Arc::new(maker);
        let (fillers, reaper) = (Phase::default(), Phase::default());
        let kept = config.profiles.iter().map(|(name, profile)| (name, profile.warm > 0));
        let health = Arc::new(Health::new(conditions, kept, config.worker.slots));
        let shared = Shared {
            reaper: Reaper::start(Arc::clone(&maker), Arc::clone(&health), &reaper.tasks, reaper.stop.clone()),
            maker,
            metrics: metrics.clone(),
            fillers: fillers.tasks.clone(),
            creations: Arc::new(Semaphore::new(config.pool.create_parallel_max)),
            extras: Arc::new(Semaphore::new(0)),
            at_work: AtWork::default(),
            health,
            runner_volume_ensured: Arc::new(tokio::sync::Mutex::new(false)),
            proof: Arc::new(proof),
            stopping: fillers.stop.clone(),
        };
        let mut pools = BTreeMap::new();
        for (name, profile) in &config.profiles {
            let limits = crate::domain::limits::Limits::default().overlaid(&profile.limits);
            let places = config.pool.extra_max + config.worker.slots;
            let print = Blueprint::new(&limits).with_template(profile.is_warm());
            let pool = Arc::new(ProfilePool::new(name, profile, print, places, shared.clone()));
            fillers.tasks.spawn(Arc::clone(&pool).run_filler(fillers.stop.clone()));
            pools.insert(name.clone(), (profile.clone(), pool));
        }
        fillers.tasks.spawn(sweep_leftovers(Arc::clone(&shared.maker), fillers.stop.clone()));
        Self { pools: Arc::new(pools), shared, fillers, reaper }
    }

    /// Whether Docker answers and every wall held: while it is not so, no job should be taken.
    pub fn usable(&self) -> watch::Receiver<bool> {
        self.shared.health.usable()
    }

    /// Waits until a profile has a sandbox ready.
    ///
    /// # Errors
    /// Why it has none.
    pub async fn warmed(&self, profile: &str) -> Result<(), ExecutionFault> {
        let Some((_, pool)) = self.pools.get(profile) else {
            return Err(ExecutionFault::Unrunnable { reason: format!("there is no profile `{profile}`") });
        };
        // Handed out and, unused, taken back.
        pool.lease().await.map(drop).map_err(|error| unavailable(&error))
    }

    /// Every profile with its pool and the digest of its image.
    pub fn status(&self) -> Vec<(String, PoolCount, Option<String>)> {
        self.pools.iter().map(|(name, (_, pool))| (name.clone(), pool.count(), pool.image_digest())).collect()
    }

    /// Removes every sandbox and the runner volume, for at most `limit`.
    ///
    /// Call it when no job runs any more: a job that does loses its sandbox.
    pub async fn stop(self, limit: Duration) {
        // The fillers first: as they end they post what is idle or half made. Then the reaper, once it is done with that. Then
        // there should be nothing.
        let all = async {
            self.fillers.end().await;
            self.reaper.end().await;
            leftovers::sweep_own(&self.shared.maker).await
        };
        match tokio::time::timeout(limit, all).await {
            Ok(Ok(())) => {}
            // Where Docker is away, the volume below says so too.
            Ok(Err(error)) => tracing::debug!("nobody knows whether sandboxes are left: {error}"),
            Err(_elapsed) => tracing::warn!("some sandboxes could not be removed in time; the next start finds them"),
        }
        if let Err(error) = leftovers::sweep_volumes(&self.shared.maker, true).await {
            tracing::warn!("the runner volume stays: {error}");
        }
    }

    /// A sandbox of this blueprint; with `unused`, one in which nothing has run.
    pub(super) async fn lease(
        &self,
        pool: &Arc<ProfilePool>,
        wanted: Blueprint,
        unused: bool,
    ) -> Result<Lease, ExecutionFault> {
        let reaper = self.shared.reaper.clone();
        let fit = if unused { Fit::Fresh } else { pool.blueprint.fit(&wanted) };
        if fit == Fit::Fresh {
            return match pool.make_fresh(wanted).await {
                Ok(sandbox) => Ok(Lease::fresh(sandbox, reaper)),
                Err(error) => Err(met(pool, &error).await),
            };
        }
        let object = pool.lease().await.map_err(|error| unavailable(&error))?;
        let mut lease = Lease::pooled(object, reaper);
        if fit == Fit::Update
            && let Some(sandbox) = lease.sandbox()
            && let Err(error) = self.update(&sandbox.name, &wanted).await
        {
            return Err(met(pool, &error).await);
        }
        Ok(lease)
    }

    /// Changes the cgroup of a sandbox in which nothing of a job has run yet.
    pub(super) async fn update(&self, name: &str, wanted: &Blueprint) -> Result<(), DockerError> {
        let body = ContainerUpdateBody {
            // Memory with swap, in one call: either alone could pass the other and be refused.
            memory: Some(hardening::container_memory_bytes(wanted)),
            memory_swap: Some(hardening::container_memory_bytes(wanted)),
            cpu_quota: Some(hardening::cpu_quota_microseconds(wanted.cpus)),
            pids_limit: Some(hardening::container_pids(wanted)),
            ..ContainerUpdateBody::default()
        };
        #[cfg(feature = "without-walls")]
        let body = super::without::update(body);
        let engine = &self.shared.maker.engine;
        engine.call(DockerOperation::Update, |docker| async move { docker.update_container(name, body).await }).await
    }

    /// Whether Docker answers at all.
    pub(super) async fn docker_answers(&self) -> Result<(), DockerError> {
        let engine = &self.shared.maker.engine;
        engine.call(DockerOperation::Ping, |docker| async move { docker.version().await }).await.map(drop)
    }

    /// A job is at work for as long as what this returns lives.
    pub(super) fn begin_work(&self) -> Working {
        self.shared.at_work.begin()
    }

    /// Where the sandboxes are told of that jobs give back.
    pub(super) fn recycling(&self) -> (&TaskTracker, &CancellationToken) {
        (&self.fillers.tasks, &self.fillers.stop)
    }

    /// Counts how long a job waited for its sandbox.
    pub(super) fn lease_waited(&self, profile: &str, waited: Duration) {
        self.shared.metrics.lease_waited(profile, waited);
    }

    /// Whether Docker says that the kernel killed something in the container for memory.
    pub(super) async fn container_oom(&self, name: &str) -> Result<bool, DockerError> {
        let engine = &self.shared.maker.engine;
        let inspected = engine
            .call(DockerOperation::Inspect, |docker| async move {
                docker.inspect_container(name, None::<InspectContainerOptions>).await
            })
            .await?;
        Ok(inspected.state.and_then(|state| state.oom_killed).unwrap_or(false))
    }
}

/// What a job met, told to its pool too: the filler may have nothing to do, and would not notice.
pub(super) async fn met(pool: &ProfilePool, error: &DockerError) -> ExecutionFault {
    pool.met(error).await;
    unavailable(error)
}

impl Executor for Sandboxes {
    async fn execute(
        &self,
        job: Arc<Verified<Job>>,
        cancel: CancellationToken,
        events: EventSink,
    ) -> Result<Execution, ExecutionFault> {
        let job = job.get();
        let (profile, pool) = self
            .pools
            .get(&job.profile)
            .ok_or_else(|| ExecutionFault::Unrunnable { reason: format!("there is no profile `{}`", job.profile) })?;
        Running::new(self, job, (profile, pool), &cancel, &events).execute().await
    }
}

async fn sweep_leftovers(maker: Arc<Maker>, stop: CancellationToken) {
    let mut period = tokio::time::interval(SWEEP_PERIOD);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = period.tick() => {}
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let swept = leftovers::sweep(&maker, i64::try_from(now).unwrap_or(i64::MAX)).await;
        let volumes = leftovers::sweep_volumes(&maker, false).await;
        if let Err(error) = swept.map(|_removed| ()).and(volumes) {
            tracing::debug!("leftovers of dead workers could not be looked for: {error}");
        }
    }
}
