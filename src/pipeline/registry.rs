//! The jobs of this worker: those that run, with every live delivery of each, and what is left of those that ended.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio_util::sync::CancellationToken;

use super::cancelled::Cancelled;
use crate::domain::job::{JobDigest, JobKey};
use crate::ports::messages::Acknowledger;
use crate::protocol::replay::{Ended, Lookup, ReplayBounds, ReplayWindow, Taken};

/// Jobs whose sandbox faults are remembered. A broker that does not count returned messages would otherwise let a job
/// that breaks its sandbox go round for ever.
const FAULTS_MAX: usize = 10_000;

/// A result that was confirmed, to be sent again when its job is delivered again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) reply_to: String,
    pub(super) body: Bytes,
}

/// What a delivery of a job amounts to.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A job to run, unless its token says that it was cancelled before it came; its delivery is kept here.
    New(CancellationToken),
    /// The job runs or waits here already; the delivery is kept with it.
    Adopted,
    /// The job ended here: this was its result.
    Ended(Stored, Box<dyn Acknowledger>),
    /// The job ended here so long ago that its result is gone.
    Forgotten(Box<dyn Acknowledger>),
    /// The id stands for other bytes.
    IdReused(Box<dyn Acknowledger>),
}

/// What is known of an id that a malformed job has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// These very bytes were answered here.
    Ended(Stored),
    /// The id stands for other bytes.
    IdReused,
}

/// One job that waits or runs.
#[derive(Debug)]
struct Entry {
    digest: JobDigest,
    expires_at: u64,
    deliveries: Vec<Box<dyn Acknowledger>>,
    cancel: CancellationToken,
    started: bool,
}

#[derive(Debug)]
struct Inner {
    window: ReplayWindow<Stored>,
    cancelled: Cancelled,
    entries: HashMap<JobKey, Entry>,
    faults: HashMap<JobKey, u32>,
}

/// Where a job was when somebody cancelled it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// In a slot.
    Running,
    /// Waiting for one.
    Waiting,
    /// Answered already: nothing is changed.
    Ended,
    /// Not here; it will not run here.
    Elsewhere,
}

/// What runs here now, for `/status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Running {
    /// Jobs in a slot.
    pub running: usize,
    /// Jobs that wait for one.
    pub waiting: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Registry {
    inner: Mutex<Inner>,
}

impl Registry {
    pub(super) fn new(bounds: ReplayBounds) -> Self {
        let inner = Inner {
            window: ReplayWindow::new(bounds),
            cancelled: Cancelled::default(),
            entries: HashMap::new(),
            faults: HashMap::new(),
        };
        Self { inner: Mutex::new(inner) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change below is whole before the lock is released, also when a caller panics.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a delivery of an authentic job.
    ///
    /// Looking and noting happen under one lock: two deliveries of one job can never both be new.
    pub(super) fn arrive(
        &self,
        key: &JobKey,
        digest: JobDigest,
        times: (u64, u64),
        delivery: Box<dyn Acknowledger>,
    ) -> Arrival {
        let (now, expires_at) = times;
        let mut inner = self.lock();
        match inner.window.lookup(key, digest, now) {
            Lookup::OtherBytes => Arrival::IdReused(delivery),
            Lookup::SameEnded(stored) => Arrival::Ended(stored.clone(), delivery),
            Lookup::SameEndedEvicted => Arrival::Forgotten(delivery),
            Lookup::SameRunning => {
                if let Some(entry) = inner.entries.get_mut(key) {
                    entry.deliveries.push(delivery);
                }
                Arrival::Adopted
            }
            Lookup::New => match inner.window.begin(key, digest, now) {
                Ok(()) => {
                    let cancel = CancellationToken::new();
                    if inner.cancelled.has(key, now) {
                        cancel.cancel();
                    }
                    let (deliveries, kept) = (vec![delivery], cancel.clone());
                    let entry = Entry { digest, expires_at, deliveries, cancel: kept, started: false };
                    inner.entries.insert(key.clone(), entry);
                    Arrival::New(cancel)
                }
                // Not reached: nothing happened since the look, for the lock is held.
                Err(Taken) => Arrival::IdReused(delivery),
            },
        }
    }

    /// What is known of an id, without taking it.
    pub(super) fn seen(&self, key: &JobKey, digest: JobDigest, now: u64) -> Option<Seen> {
        match self.lock().window.lookup(key, digest, now) {
            Lookup::OtherBytes => Some(Seen::IdReused),
            Lookup::SameEnded(stored) => Some(Seen::Ended(stored.clone())),
            Lookup::New | Lookup::SameRunning | Lookup::SameEndedEvicted => None,
        }
    }

    /// Notes that a job takes a slot. False when none of its deliveries is ours any more: it must not be started, for
    /// the broker has given it, or will give it, to somebody else. The job is forgotten then.
    pub(super) fn start(&self, key: &JobKey) -> bool {
        let mut inner = self.lock();
        let Some(entry) = inner.entries.get_mut(key) else { return false };
        if entry.deliveries.iter().any(|delivery| delivery.usable()) {
            entry.started = true;
            return true;
        }
        inner.entries.remove(key);
        inner.window.abandon(key);
        false
    }

    /// Cancels a job, wherever it is: if it comes here until `until`, it is not run. One that ended here stays as it is.
    ///
    /// One lock for the look and the note: a delivery that comes at this moment finds either its token cancelled or
    /// the id noted.
    pub(super) fn cancel(&self, key: &JobKey, until: u64, now: u64) -> Found {
        let mut inner = self.lock();
        if inner.window.has_ended(key, now) {
            return Found::Ended;
        }
        // Also when it is here: it may be given back yet, and come again.
        inner.cancelled.note(key, until, now);
        match inner.entries.get(key) {
            Some(entry) => {
                entry.cancel.cancel();
                if entry.started { Found::Running } else { Found::Waiting }
            }
            None => Found::Elsewhere,
        }
    }

    /// Forgets a waiting job if none of its deliveries is ours any more; says whether it is forgotten.
    pub(super) fn forget_stale(&self, key: &JobKey) -> bool {
        let mut inner = self.lock();
        if inner.entries.get(key).is_some_and(|entry| entry.deliveries.iter().any(|delivery| delivery.usable())) {
            return false;
        }
        if inner.entries.remove(key).is_some() {
            inner.window.abandon(key);
        }
        true
    }

    /// How many cancelled ids are kept.
    pub(super) fn cancelled_ids(&self) -> usize {
        self.lock().cancelled.len()
    }

    /// How many jobs of an issuer are in a slot.
    pub(super) fn running_of(&self, issuer: &str) -> usize {
        self.lock().entries.iter().filter(|(key, entry)| entry.started && key.issuer == issuer).count()
    }

    /// What runs and waits.
    pub(super) fn running(&self) -> Running {
        let inner = self.lock();
        let running = inner.entries.values().filter(|entry| entry.started).count();
        Running { running, waiting: inner.entries.len() - running }
    }

    /// The job was answered, and the answer confirmed: it is kept, and every live delivery is handed out to be
    /// acknowledged. One lock for both: a delivery that comes later finds the stored result.
    pub(super) fn answered(&self, key: &JobKey, stored: Stored, now: u64) -> Vec<Box<dyn Acknowledger>> {
        let mut inner = self.lock();
        inner.faults.remove(key);
        let Some(entry) = inner.entries.remove(key) else { return Vec::new() };
        let bytes = stored.body.len();
        inner.window.end(key, entry.digest, Ended { result: stored, bytes, expires_at: entry.expires_at }, now);
        entry.deliveries
    }

    /// The job goes back to the queue: it may be run again, here or elsewhere.
    pub(super) fn given_back(&self, key: &JobKey) -> Vec<Box<dyn Acknowledger>> {
        let mut inner = self.lock();
        inner.window.abandon(key);
        inner.entries.remove(key).map(|entry| entry.deliveries).unwrap_or_default()
    }

    /// Counts a fault of the job's sandbox here; returns how many there were.
    pub(super) fn count_fault(&self, key: &JobKey) -> u32 {
        let mut inner = self.lock();
        if inner.faults.len() >= FAULTS_MAX {
            inner.faults.clear();
        }
        let faults = inner.faults.entry(key.clone()).or_insert(0);
        *faults = faults.saturating_add(1);
        *faults
    }

    /// How many faults of the job's sandbox there were here.
    pub(super) fn faults(&self, key: &JobKey) -> u32 {
        self.lock().faults.get(key).copied().unwrap_or(0)
    }
}
