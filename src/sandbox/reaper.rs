//! Removal of containers, off every job's path.
//!
//! `Drop` cannot wait, so a dropped lease only posts its container here. Its place in the pool is given back after the
//! container is gone, never before: else live containers would exceed the bound while tearing down.

use std::sync::Arc;
use std::time::Duration;

use deadpool::unmanaged::Object;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::health::Health;
use super::launch::{Maker, Sandbox};
use crate::telemetry::labels::ContainerEvent;

/// Removals at the same time. Each costs the daemon about as much as a creation.
const PARALLEL_MAX: usize = 2;

/// First and longest pause between two attempts to remove a container.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Attempts after which a container counts as one that cannot be removed.
const STUCK_ATTEMPTS: u32 = 3;

/// A container that has to go.
#[derive(Debug)]
pub(super) struct Doomed {
    /// Its name.
    pub(super) name: String,
    /// Whether it was a sandbox that came to be: only those are counted, as they were when they were made.
    pub(super) sandbox: bool,
    /// Its place in the pool, if it had one.
    pub(super) place: Option<Object<Sandbox>>,
    /// Told once it is gone.
    pub(super) gone: Option<oneshot::Sender<()>>,
}

/// Where containers are posted for removal.
#[derive(Debug, Clone)]
pub(super) struct Reaper {
    doomed: mpsc::UnboundedSender<Doomed>,
}

impl Reaper {
    /// Starts the reaper on `tasks`. After `close` it ends as soon as nothing is left to remove. `health` is told what
    /// cannot be removed.
    pub(super) fn start(maker: Arc<Maker>, health: Arc<Health>, tasks: &TaskTracker, close: CancellationToken) -> Self {
        // Unbounded, for `Drop` cannot wait; the pool bounds how many sandboxes there can be.
        let (doomed, queue) = mpsc::unbounded_channel();
        tasks.spawn(work((maker, health), queue, close));
        Self { doomed }
    }

    /// Posts a container for removal.
    pub(super) fn post(&self, doomed: Doomed) {
        if let Err(error) = self.doomed.send(doomed) {
            tracing::warn!("the sandbox `{}` is left to the next start: the reaper has ended", error.0.name);
        }
    }
}

async fn work(parts: (Arc<Maker>, Arc<Health>), mut queue: mpsc::UnboundedReceiver<Doomed>, close: CancellationToken) {
    let mut removals = JoinSet::new();
    let lanes = Arc::new(Semaphore::new(PARALLEL_MAX));
    let mut open = true;
    while open || !removals.is_empty() {
        tokio::select! {
            // What was posted before is still received.
            () = close.cancelled(), if !queue.is_closed() => queue.close(),
            next = queue.recv(), if open => match next {
                Some(doomed) => {
                    removals.spawn(remove(parts.clone(), doomed, Arc::clone(&lanes)));
                }
                None => open = false,
            },
            Some(done) = removals.join_next() => {
                if let Err(error) = done {
                    tracing::error!("a removal of a sandbox panicked: {error}");
                }
            }
        }
    }
}

/// Tries until the container is gone. Only the end of the process stops it; the next start finds what is left then.
async fn remove(parts: (Arc<Maker>, Arc<Health>), doomed: Doomed, lanes: Arc<Semaphore>) {
    let (maker, health) = parts;
    let mut attempts = 0_u32;
    let (mut pause, longest) = RETRY_PAUSES;
    loop {
        // Held for one call: a container that cannot be removed must not hold up the others. (Never closed.)
        let lane = lanes.acquire().await.ok();
        let removed = maker.remove(&doomed.name).await;
        drop(lane);
        let Err(error) = removed else { break };
        tracing::warn!("the sandbox `{}` could not be removed, trying again in {pause:?}: {error}", doomed.name);
        attempts = attempts.saturating_add(1);
        if attempts >= STUCK_ATTEMPTS {
            health.stuck(&doomed.name, Some(error.to_string()));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
    health.stuck(&doomed.name, None);
    if doomed.sandbox {
        maker.engine.metrics().container(ContainerEvent::Destroyed);
    }
    if let Some(place) = doomed.place {
        let sandbox = Object::take(place);
        // The filler waits for room.
        sandbox.pool_changed.notify_one();
    }
    if let Some(gone) = doomed.gone
        && gone.send(()).is_err()
    {
        tracing::debug!("nobody waits any more for the end of `{}`", doomed.name);
    }
}
