//! Runs verified jobs: lease, fit, run, judge, dispose.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::models::ContainerUpdateBody;
use bollard::query_parameters::InspectContainerOptions;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::blueprint::{Blueprint, Fit};
use super::engine::{DockerError, Engine};
use super::hardening;
use super::health::Health;
use super::judge::{self, Context};
use super::launch::Maker;
use super::lease::Lease;
use super::leftovers;
use super::plan;
use super::pool::{PoolCount, ProfilePool, Shared};
use super::reaper::Reaper;
use super::report;
use super::session::{self, End, Session};
use crate::config::model::{Config, Profile};
use crate::domain::job::Job;
use crate::domain::outcome::Isolation;
use crate::ports::conditions::Conditions;
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
    /// Starts the pools. They fill in the background; `conditions` say when they are warm.
    ///
    /// The worker's id and `epoch` name and label everything that is made.
    pub fn start(config: &Config, epoch: &str, conditions: &Conditions, metrics: &Metrics) -> Self {
        let engine = Engine::new(&config.docker, metrics.clone());
        let maker = Maker::new(engine, &config.worker.id, epoch, &config.docker.runtime, TaskTracker::new());
        let maker = Arc::new(maker);
        let (fillers, reaper) = (Phase::default(), Phase::default());
        let shared = Shared {
            reaper: Reaper::start(Arc::clone(&maker), &reaper.tasks, reaper.stop.clone()),
            maker,
            metrics: metrics.clone(),
            creations: Arc::new(Semaphore::new(config.pool.create_parallel_max)),
            health: Arc::new(Health::new(conditions, config.profiles.keys())),
            runner_volume_ensured: Arc::new(tokio::sync::Mutex::new(false)),
        };
        let mut pools = BTreeMap::new();
        for (name, profile) in &config.profiles {
            let limits = crate::domain::limits::Limits::default().overlaid(&profile.limits);
            let sizes = (profile.warm, config.worker.slots);
            let pool = Arc::new(ProfilePool::new(name, &profile.image, Blueprint::new(&limits), sizes, shared.clone()));
            fillers.tasks.spawn(Arc::clone(&pool).run_filler(fillers.stop.clone()));
            pools.insert(name.clone(), (profile.clone(), pool));
        }
        fillers.tasks.spawn(sweep_leftovers(Arc::clone(&shared.maker), fillers.stop.clone()));
        Self { pools: Arc::new(pools), shared, fillers, reaper }
    }

    /// Whether Docker answers: while it does not, no job should be taken.
    pub fn reachable(&self) -> watch::Receiver<bool> {
        self.shared.health.reachable()
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
        // The fillers first: as they end they post what is idle or half made. Then the reaper, once it is done with that.
        let both = async {
            self.fillers.end().await;
            self.reaper.end().await;
        };
        if tokio::time::timeout(limit, both).await.is_err() {
            tracing::warn!("some sandboxes could not be removed in time; the next start finds them");
        }
        if let Err(error) = leftovers::sweep_volumes(&self.shared.maker, true).await {
            tracing::warn!("the runner volume stays: {error}");
        }
    }

    async fn lease(&self, pool: &Arc<ProfilePool>, wanted: Blueprint) -> Result<Lease, ExecutionFault> {
        let reaper = self.shared.reaper.clone();
        let fit = pool.blueprint.fit(&wanted);
        if fit == Fit::Fresh {
            let sandbox = pool.make_fresh(wanted).await.map_err(|error| unavailable(&error))?;
            return Ok(Lease::fresh(sandbox, reaper));
        }
        let object = pool.lease().await.map_err(|error| unavailable(&error))?;
        let mut lease = Lease::pooled(object, reaper);
        if fit == Fit::Update
            && let Some(sandbox) = lease.sandbox()
        {
            self.update(&sandbox.name, &wanted).await.map_err(|error| unavailable(&error))?;
        }
        Ok(lease)
    }

    /// Changes the cgroup of a sandbox in which nothing of a job has run yet.
    async fn update(&self, name: &str, wanted: &Blueprint) -> Result<(), DockerError> {
        let body = ContainerUpdateBody {
            // Memory with swap, in one call: either alone could pass the other and be refused.
            memory: Some(hardening::container_memory_bytes(wanted)),
            memory_swap: Some(hardening::container_memory_bytes(wanted)),
            cpu_quota: Some(hardening::cpu_quota_microseconds(wanted.cpus)),
            pids_limit: Some(hardening::container_pids(wanted)),
            ..ContainerUpdateBody::default()
        };
        let engine = &self.shared.maker.engine;
        engine.call(DockerOperation::Update, |docker| async move { docker.update_container(name, body).await }).await
    }

    /// Whether Docker says that the kernel killed something in the container for memory.
    async fn container_oom(&self, name: &str) -> Result<bool, DockerError> {
        let engine = &self.shared.maker.engine;
        let inspected = engine
            .call(DockerOperation::Inspect, |docker| async move {
                docker.inspect_container(name, None::<InspectContainerOptions>).await
            })
            .await?;
        Ok(inspected.state.and_then(|state| state.oom_killed).unwrap_or(false))
    }

    async fn conclude(
        &self,
        job: &Job,
        profile: &Profile,
        lease: Lease,
        run: Run,
    ) -> Result<Execution, ExecutionFault> {
        let Run { session, name, image_digest, leased, leased_at } = run;
        // Docker is asked only about a sandbox that did not speak for itself. If it cannot say, nobody is blamed.
        let container_oom = match session.end {
            End::Lost | End::Overdue { .. } => self.container_oom(&name).await.map_err(|error| unavailable(&error))?,
            End::Reported(_) | End::Fault(_) | End::Cancelled => false,
        };
        let clean = matches!(&session.end, End::Reported(ended) if ended.clean);
        if clean {
            drop(lease);
        } else {
            // Something of the job may still run: it is gone before anybody is told of a result.
            lease
                .destroy()
                .await
                .map_err(|error| ExecutionFault::Unavailable { reason: error.to_string(), docker_away: true })?;
        }
        check_launch(&session, profile)?;
        let tests = tests(&session, profile);
        let context =
            Context { report: tests.as_ref().map(report::state), container_oom, memory_bytes: job.limits.memory_bytes };
        let run = judge::record(&session, context).ok_or_else(|| fault(&session))?;
        let started_at = session.started_at.unwrap_or(session.ended_at);
        Ok(Execution {
            run,
            compile: None,
            cases: Vec::new(),
            tests,
            artifacts: Vec::new(),
            artifacts_refused: Vec::new(),
            image_digest,
            isolation: Isolation::Fresh,
            leased,
            started: started_at.duration_since(leased_at),
            ran: session.ended_at.duration_since(started_at),
        })
    }
}

/// A session with what is needed to tell of it.
struct Run {
    session: Session,
    name: String,
    image_digest: String,
    leased: Duration,
    leased_at: Instant,
}

impl Executor for Sandboxes {
    async fn execute(&self, job: Arc<Verified<Job>>, cancel: CancellationToken) -> Result<Execution, ExecutionFault> {
        let job = job.get();
        let (profile, pool) = self
            .pools
            .get(&job.profile)
            .ok_or_else(|| ExecutionFault::Unrunnable { reason: format!("there is no profile `{}`", job.profile) })?;
        let asked_at = Instant::now();
        let mut lease = self.lease(pool, Blueprint::new(&job.limits)).await?;
        let leased_at = Instant::now();
        self.shared.metrics.lease_waited(&job.profile, leased_at.duration_since(asked_at));
        let sandbox = lease.sandbox().ok_or_else(|| sandbox_fault("the lease is empty", false))?;
        let uid = plan::random_uid().map_err(|error| sandbox_fault(&error.to_string(), false))?;
        let plan = plan::plan(job, profile, &sandbox.image.env, uid)
            .map_err(|error| ExecutionFault::Unrunnable { reason: format!("its files cannot be packed: {error}") })?;
        let session = session::run(&mut sandbox.link, &plan, &cancel, &sandbox.pool_changed).await;
        let run = Run {
            session,
            name: sandbox.name.clone(),
            image_digest: sandbox.image.digest.clone(),
            leased: leased_at.duration_since(asked_at),
            leased_at,
        };
        self.conclude(job, profile, lease, run).await
    }
}

fn tests(session: &Session, profile: &Profile) -> Option<crate::ports::execution::TestReport> {
    use crate::config::model::Report;
    match (profile.report, &session.end) {
        (Report::None, _) => None,
        (Report::Pytest, End::Reported(ended)) => {
            let exit_code = match ended.exit {
                Some(tester_runner::message::Exit::Code(code)) => Some(code),
                Some(tester_runner::message::Exit::Signal(_)) | None => None,
            };
            Some(report::parse(&session.report, ended.report_truncated, exit_code))
        }
        (Report::Pytest, _) => Some(report::parse(&session.report, false, None)),
    }
}

/// A program that cannot be executed is the job's doing only if it comes from the job, or if the job's own arguments
/// are too long for the kernel.
fn check_launch(session: &Session, profile: &Profile) -> Result<(), ExecutionFault> {
    /// "Argument list too long", on every Linux.
    const E2BIG: i32 = 7;
    let End::Reported(ended) = &session.end else { return Ok(()) };
    let Some(error) = &ended.launch_error else { return Ok(()) };
    let by_job = error.step == "exec" && (plan::program_is_the_jobs(profile) || error.errno == E2BIG);
    if by_job {
        return Ok(());
    }
    let program = profile.argv.first().map_or("", String::as_str);
    let reason = if error.step == "exec" {
        format!("the image `{}` cannot execute `{program}`: {}", profile.image, error.message)
    } else {
        format!("the step `{}` of starting a program failed: {}", error.step, error.message)
    };
    Err(ExecutionFault::Unrunnable { reason })
}

fn fault(session: &Session) -> ExecutionFault {
    match &session.end {
        End::Fault(fault) if fault.from_job => {
            ExecutionFault::Unrunnable { reason: format!("{}: {}", fault.step, fault.message) }
        }
        End::Fault(fault) => sandbox_fault(&format!("the runner reports: {}: {}", fault.step, fault.message), true),
        End::Lost => sandbox_fault("the runner was gone before it could report", true),
        End::Overdue { .. } => sandbox_fault("the program could not be started in time", false),
        End::Reported(_) | End::Cancelled => sandbox_fault("no verdict could be reached", false),
    }
}

fn sandbox_fault(reason: &str, job_suspect: bool) -> ExecutionFault {
    ExecutionFault::Sandbox { reason: reason.to_owned(), job_suspect }
}

fn unavailable(error: &DockerError) -> ExecutionFault {
    ExecutionFault::Unavailable { reason: error.to_string(), docker_away: error.is_outage() }
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
