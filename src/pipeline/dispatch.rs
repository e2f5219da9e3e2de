//! Takes deliveries, hands out slots, drains.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::intake::Waiting;
use super::lines::Lines;
use super::registry::{Registry, Running};
use super::suspects::{Suspects, Suspicion};
use crate::ports::execution::Executor;
use crate::ports::messages::{Delivered, Disposition, Publisher};
use crate::protocol::admission::Admission;
use crate::protocol::replay::ReplayBounds;
use crate::protocol::signing::SigningKey;
use crate::telemetry::metrics::Metrics;

/// How long killed jobs may take to be given back after the drain's deadline.
const ABORT_GRACE: Duration = Duration::from_secs(5);

/// How often the dispatcher goes round when nothing happens, so that whoever watches sees that it can.
const TURN: Duration = Duration::from_secs(1);

/// What the pipeline needs to know of the configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The worker's id, the `iss` of results.
    pub worker_id: String,
    /// Jobs at once.
    pub slots: usize,
    /// Deliveries of one job before it runs alone; after three times as many it is answered with `internal_error`.
    pub attempts_max: u32,
    /// Jobs of one issuer at once; 0: no cap.
    pub running_per_issuer_max: usize,
    /// The largest result, in bytes.
    pub result_bytes_max: usize,
    /// Classes with their weights.
    pub classes: Vec<(String, u32)>,
    /// What is remembered of jobs that ended.
    pub replay: ReplayBounds,
}

/// Everything the parts of the pipeline share.
#[derive(Debug)]
pub(super) struct Context<E, P> {
    pub(super) settings: Settings,
    pub(super) executor: E,
    pub(super) publisher: P,
    /// Replaced as a whole when keys are reloaded.
    pub(super) admission: watch::Receiver<Arc<Admission>>,
    pub(super) signer: watch::Receiver<Arc<SigningKey>>,
    pub(super) registry: Registry,
    pub(super) metrics: Metrics,
    /// Ends whatever still runs, at the drain's deadline.
    pub(super) abort: CancellationToken,
    /// Something changed that may let a waiting job go.
    pub(super) slot_freed: Notify,
    /// A job was cancelled that waits for a slot.
    pub(super) cancelled: Notify,
    /// A suspect runs, and nothing else may.
    pub(super) alone: AtomicBool,
    /// When the pipeline was made, in seconds since 1970.
    pub(super) made_at: u64,
    /// When the dispatcher went round last, while it takes deliveries.
    turned: Mutex<Option<Instant>>,
}

impl<E, P> Context<E, P> {
    /// Which jobs run alone, and which no more.
    pub(super) const fn suspicion(&self) -> Suspicion {
        Suspicion { attempts_max: self.settings.attempts_max }
    }
}

/// Jobs that wait for a slot.
#[derive(Debug)]
struct Queue {
    lines: Lines<Waiting>,
    suspects: Suspects<Waiting>,
}

/// Sleeps until then; for ever where there is no such moment.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every job that had begun was finished and answered.
    Finished,
    /// The deadline passed first; what was left was given back.
    GaveBack,
}

/// The pipeline.
#[derive(Debug)]
pub struct Dispatcher<E, P> {
    pub(super) context: Arc<Context<E, P>>,
    slots: Arc<Semaphore>,
    tasks: TaskTracker,
}

impl<E, P> Clone for Dispatcher<E, P> {
    fn clone(&self) -> Self {
        Self { context: Arc::clone(&self.context), slots: Arc::clone(&self.slots), tasks: self.tasks.clone() }
    }
}

impl<E: Executor, P: Publisher> Dispatcher<E, P> {
    /// Puts the parts together; nothing runs yet.
    pub fn new(
        settings: Settings,
        executor: E,
        publisher: P,
        keys: (watch::Receiver<Arc<Admission>>, watch::Receiver<Arc<SigningKey>>),
        metrics: Metrics,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(settings.slots));
        let (admission, signer) = keys;
        let context = Context {
            registry: Registry::new(settings.replay),
            settings,
            executor,
            publisher,
            admission,
            signer,
            metrics,
            abort: CancellationToken::new(),
            slot_freed: Notify::new(),
            cancelled: Notify::new(),
            alone: AtomicBool::new(false),
            made_at: super::now(),
            turned: Mutex::new(None),
        };
        Self { context: Arc::new(context), slots, tasks: TaskTracker::new() }
    }

    /// What runs and waits now.
    pub fn running(&self) -> Running {
        self.context.registry.running()
    }

    /// When the dispatcher went round last: a second ago at most, or it is stuck. `None` while it takes no deliveries.
    pub fn turned_at(&self) -> Option<Instant> {
        *self.context.turned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turned(&self, at: Option<Instant>) {
        *self.context.turned.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Works until `drain` is cancelled, then gives back what has not begun and finishes what has, for at most
    /// `drain_limit`.
    ///
    /// The caller stops the consumers before it cancels `drain`: a message that is given back while its consumer is
    /// active comes straight back.
    pub async fn run(
        &self,
        deliveries: &mut mpsc::Receiver<Delivered>,
        drain: CancellationToken,
        drain_limit: Duration,
    ) -> Drained {
        let mut queue =
            Queue { lines: Lines::new(self.context.settings.classes.iter().cloned()), suspects: Suspects::default() };
        let mut turns = interval(TURN);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.turned(Some(Instant::now()));
            self.start_waiting(&mut queue);
            let due_at = queue.suspects.next_due(Instant::now());
            tokio::select! {
                () = drain.cancelled() => break,
                _ = turns.tick() => {}
                () = self.context.slot_freed.notified() => {}
                () = self.context.cancelled.notified() => self.answer_cancelled(&mut queue),
                () = until(due_at) => {}
                delivered = deliveries.recv() => match delivered {
                    Some(delivered) => self.take(delivered, &mut queue),
                    None => break,
                },
            }
        }
        self.turned(None);
        self.drain(deliveries, queue, drain_limit).await
    }

    /// Sorts one delivery: what needs no slot is settled at once, a new job waits for one.
    fn take(&self, delivered: Delivered, queue: &mut Queue) {
        let class = delivered.class.clone();
        match self.context.intake(delivered) {
            Some(super::intake::Intake::Wait(waiting)) => {
                self.line_up(&class, *waiting, queue);
                // It may have been cancelled before it came.
                self.answer_cancelled(queue);
            }
            Some(super::intake::Intake::Answer(answer)) => {
                let context = Arc::clone(&self.context);
                self.tasks.spawn(async move { context.settle_without_slot(*answer).await });
            }
            None => {}
        }
    }

    fn line_up(&self, class: &str, waiting: Waiting, queue: &mut Queue) {
        let key = waiting.authentic.key();
        let attempt = waiting.attempt(self.context.registry.faults(key));
        if self.context.suspicion().is_suspect(attempt) {
            self.context.metrics.job_quarantined();
            tracing::warn!("Job `{}` was delivered {attempt} times and never answered: it runs alone", key.id);
            queue.suspects.push(waiting, attempt, Instant::now());
        } else {
            queue.lines.push(class, waiting);
        }
    }

    /// Answers waiting jobs that were cancelled; they need no slot.
    fn answer_cancelled(&self, queue: &mut Queue) {
        let mut cancelled = queue.lines.take_all(|waiting| waiting.cancel.is_cancelled());
        cancelled.extend(queue.suspects.take_all(|waiting| waiting.cancel.is_cancelled()));
        for waiting in cancelled {
            // What is no longer ours may have been answered by whoever has it now.
            if self.context.registry.forget_stale(waiting.authentic.key()) {
                continue;
            }
            let context = Arc::clone(&self.context);
            self.tasks.spawn(async move { context.answer_cancelled(waiting).await });
        }
    }

    fn start_waiting(&self, queue: &mut Queue) {
        if self.context.alone.load(Ordering::Acquire) {
            // A suspect runs.
        } else if queue.suspects.has_turn(self.others_are_here(&queue.lines), Instant::now()) {
            self.start_suspect(&mut queue.suspects);
        } else {
            self.start_lines(&mut queue.lines);
        }
        let total = self.context.settings.slots;
        self.context.metrics.slots(total - self.slots.available_permits(), total);
    }

    fn others_are_here(&self, lines: &Lines<Waiting>) -> bool {
        !lines.is_empty() || self.slots.available_permits() < self.context.settings.slots
    }

    /// Starts one suspect once no other job is in a slot; until then nothing is started.
    fn start_suspect(&self, suspects: &mut Suspects<Waiting>) {
        // Nobody waits for one that is no longer ours.
        let registry = &self.context.registry;
        drop(suspects.take_all(|waiting| registry.forget_stale(waiting.authentic.key())));
        if self.slots.available_permits() < self.context.settings.slots {
            return;
        }
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else { return };
        if let Some(waiting) = suspects.take(Instant::now()) {
            self.context.alone.store(true, Ordering::Release);
            self.start(waiting, Slot { permit: Some(slot), alone: true, context: Arc::clone(&self.context) });
        }
    }

    fn start_lines(&self, lines: &mut Lines<Waiting>) {
        let cap = self.context.settings.running_per_issuer_max;
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            let may_go =
                |waiting: &Waiting| cap == 0 || self.context.registry.running_of(&waiting.authentic.key().issuer) < cap;
            let Some(waiting) = lines.pick(may_go) else { break };
            self.start(waiting, Slot { permit: Some(slot), alone: false, context: Arc::clone(&self.context) });
        }
    }

    /// Starts a job in its slot, if its delivery is still ours.
    fn start(&self, waiting: Waiting, slot: Slot<E, P>) {
        if self.context.registry.start(waiting.authentic.key()) {
            let context = Arc::clone(&self.context);
            self.tasks.spawn(async move { context.run_job(waiting, slot).await });
        } else {
            tracing::debug!("a job was not started: its delivery is no longer ours");
        }
    }

    async fn drain(&self, deliveries: &mut mpsc::Receiver<Delivered>, mut queue: Queue, limit: Duration) -> Drained {
        let deadline = Instant::now() + limit;
        let mut waiting = queue.lines.drain();
        waiting.extend(queue.suspects.take_all(|_| true));
        let given_back = waiting.iter().map(|job| self.context.give_back(job.authentic.key(), Disposition::Requeue));
        join_all(given_back).await;
        self.tasks.close();
        let finished = loop {
            tokio::select! {
                () = self.tasks.wait() => break true,
                () = tokio::time::sleep_until(deadline) => break false,
                // Buffered deliveries still come after the consumers were cancelled.
                Some(delivered) = deliveries.recv() => self.context.settle(delivered.acknowledger, Disposition::Requeue).await,
            }
        };
        while let Ok(delivered) = deliveries.try_recv() {
            self.context.settle(delivered.acknowledger, Disposition::Requeue).await;
        }
        if finished {
            return Drained::Finished;
        }
        tracing::warn!("the drain deadline has passed; what still runs is given back");
        self.context.abort.cancel();
        if tokio::time::timeout(ABORT_GRACE, self.tasks.wait()).await.is_err() {
            tracing::error!("some jobs could not be given back in time; the broker will deliver them again");
        }
        Drained::GaveBack
    }
}

/// A place for one running job. Giving it back wakes the dispatcher.
#[derive(Debug)]
pub(super) struct Slot<E, P> {
    permit: Option<OwnedSemaphorePermit>,
    /// Nothing else is started while it is held.
    alone: bool,
    context: Arc<Context<E, P>>,
}

impl<E, P> Drop for Slot<E, P> {
    fn drop(&mut self) {
        // The permit first: whoever is woken looks for it.
        drop(self.permit.take());
        if self.alone {
            self.context.alone.store(false, Ordering::Release);
        }
        self.context.slot_freed.notify_one();
    }
}
