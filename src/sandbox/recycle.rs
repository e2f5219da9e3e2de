//! Sandboxes for more than one job, where a profile allows that: after a job they are emptied and go back to their pool.
//!
//! Only one whose runner reported, killed everything and then shows that the sandbox is as it was before its first job is used
//! again, and it shows that once more when the next job comes. Whatever cannot be shown ends as a dropped lease does. All of
//! it happens behind the job, which has its result by then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tester_runner::frame::Kind;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::launch::Sandbox;
use super::lease::Lease;
use super::plan;
use super::pool::ProfilePool;
use crate::telemetry::labels::ContainerEvent;

/// How long emptying may take: a scratch folder of 65,536 files takes half a second with half a CPU.
const RESET_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs after which a sandbox has had enough, whatever its profile says: there are forty thousand ids, and each is used once.
const RUNS_MAX: usize = 10_000;

/// What a sandbox has been used for.
#[derive(Debug, Default)]
pub(super) struct Past {
    jobs: usize,
    uids: BTreeSet<u32>,
}

impl Past {
    /// Counts one more job; returns how many there were before.
    pub(super) fn begin_job(&mut self) -> usize {
        self.jobs += 1;
        self.jobs - 1
    }

    /// Ids for a run, which no run before had in this sandbox.
    ///
    /// # Errors
    /// When the kernel has no random numbers.
    pub(super) fn new_uid(&mut self) -> std::io::Result<u32> {
        loop {
            let uid = plan::random_uid()?;
            if self.uids.insert(uid) {
                return Ok(uid);
            }
        }
    }
}

/// Counts a sandbox that a job has and that its pool expects back.
#[derive(Debug)]
pub(super) struct Expected(Counted);

impl Expected {
    pub(super) fn new(pool: &Arc<ProfilePool>) -> Self {
        Self(Counted::new(pool, |pool| &pool.expected))
    }
}

/// Counts something of a pool for as long as it lives.
#[derive(Debug)]
struct Counted {
    pool: Arc<ProfilePool>,
    number: fn(&ProfilePool) -> &AtomicUsize,
    /// Whether what was counted is there, so that the filler has nothing to make up for. Told all the same it might look in the
    /// moment when the sandbox is taken and the job that takes it still counts as waiting, and make one too many.
    there: bool,
}

impl Counted {
    fn new(pool: &Arc<ProfilePool>, number: fn(&ProfilePool) -> &AtomicUsize) -> Self {
        number(pool).fetch_add(1, Ordering::Relaxed);
        Self { pool: Arc::clone(pool), number, there: false }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.number)(&self.pool).fetch_sub(1, Ordering::Relaxed);
        if !self.there {
            self.pool.changed.notify_one();
        }
    }
}

/// Empties a sandbox and gives it back to its pool, in the background.
pub(super) fn begin(place: (&TaskTracker, &CancellationToken), lease: Lease, mut expected: Expected) {
    let (tasks, stop) = place;
    let mut emptying = Counted::new(&expected.0.pool, |pool| &pool.emptying);
    let stop = stop.clone();
    tasks.spawn(async move {
        let pool = Arc::clone(&expected.0.pool);
        let there = tokio::select! {
            // Dropped with its lease.
            () = stop.cancelled() => false,
            there = recycle(&pool, lease) => there,
        };
        (emptying.there, expected.0.there) = (there, there);
        // After the sandbox is there: else another would be made in its place.
        drop((emptying, expected));
    });
}

/// Whether the pool has it back.
async fn recycle(pool: &ProfilePool, mut lease: Lease) -> bool {
    let Some(sandbox) = lease.sandbox() else { return false };
    let name = sandbox.name.clone();
    let emptied = match tokio::time::timeout(RESET_TIMEOUT, reset(sandbox)).await {
        Ok(emptied) => emptied,
        Err(_elapsed) => Err(format!("it was not empty within {} s", RESET_TIMEOUT.as_secs())),
    };
    match emptied {
        Ok(()) => {
            let Some(object) = lease.into_object() else { return false };
            pool.shared.metrics.container(ContainerEvent::Recycled);
            pool.take_back(object);
            true
        }
        Err(reason) => {
            pool.shared.metrics.container(ContainerEvent::Unclean);
            tracing::info!("the sandbox `{name}` of the profile `{}` is not used again: {reason}", pool.profile);
            false
        }
    }
}

/// Has the runner empty the sandbox and show that it is as it was.
async fn reset(sandbox: &mut Sandbox) -> Result<(), String> {
    if sandbox.past.uids.len() > RUNS_MAX {
        return Err(format!("{RUNS_MAX} runs are enough"));
    }
    let link = &mut sandbox.link;
    if !link.writer.in_step() {
        return Err("a part of a frame was sent".to_owned());
    }
    link.writer.send(Kind::Reset, &[]).await.map_err(|error| format!("its runner takes no orders: {error}"))?;
    let emptied = link.reader.answer(Kind::Emptied).await;
    emptied.map(drop).map_err(|what| format!("its runner: {}", what.chars().take(300).collect::<String>()))
}
