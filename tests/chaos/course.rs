//! What the lanes of a campaign share: the faults that are still to come, and what those that came have hit.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tester_worker::crash::Point;

use super::life::Doom;
use super::schedule::{Act, At, Fault, Schedule};

/// How often a fault is tried before it is given up: its place may not be passed in time while something else is broken.
const TRIES_MAX: u32 = 5;

/// What there was.
#[derive(Debug, Default, Clone)]
pub(crate) struct Record {
    /// How often each fault hit each place.
    pub(crate) hits: BTreeMap<(Fault, At), usize>,
    /// Deaths at a point in a life in which another fault had hit before.
    pub(crate) crossed: BTreeMap<(Point, Fault), usize>,
    /// Faults that never found their place.
    pub(crate) missed: usize,
    /// Ends of workers that nobody had arranged, and other things that must not be.
    pub(crate) broken: Vec<String>,
}

#[derive(Debug)]
struct Inner {
    schedule: Schedule,
    tries: BTreeMap<(Fault, At), u32>,
    record: Record,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Course {
    inner: Mutex<Inner>,
    /// Whoever breaks RabbitMQ itself holds this.
    pub(crate) broker: tokio::sync::Mutex<()>,
}

impl Course {
    pub(crate) fn new(schedule: Schedule) -> Self {
        let inner = Inner { schedule, tries: BTreeMap::new(), record: Record::default() };
        Self { inner: Mutex::new(inner), broker: tokio::sync::Mutex::new(()) }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next fault for a lane; `None` when there are no more. (Deaths at a point are a life's from its beginning.)
    pub(crate) fn next(&self, sandboxes: bool) -> Option<Act> {
        let mut inner = self.lock();
        let Schedule { acts, docker } = &mut inner.schedule;
        if sandboxes && let Some(act) = docker.pop_front() {
            return Some(act);
        }
        let index = acts.iter().position(|act| !matches!(act.at, At::Point(_)))?;
        acts.remove(index)
    }

    /// The death of a life that begins now, if one is due.
    pub(crate) fn doom(&self) -> Option<Doom> {
        let mut inner = self.lock();
        let acts = &mut inner.schedule.acts;
        let index = acts.iter().position(|act| matches!(act.at, At::Point(_)))?;
        let act = acts.remove(index)?;
        let At::Point(point) = act.at else { return None };
        Some(Doom { point, occurrence: act.skip + 1 })
    }

    /// A fault did not find its place: it comes again later, or is given up.
    pub(crate) fn missed(&self, act: Act) {
        let mut inner = self.lock();
        let tries = inner.tries.entry((act.fault, act.at)).or_default();
        *tries += 1;
        if tries.is_multiple_of(TRIES_MAX) {
            inner.record.missed += 1;
        } else if act.fault == Fault::Docker {
            inner.schedule.docker.push_back(act);
        } else {
            inner.schedule.acts.push_back(act);
        }
    }

    /// A fault hit.
    pub(crate) fn hit(&self, fault: Fault, at: At) {
        // When it was is of no interest afterwards.
        let at = if matches!(at, At::Any(_)) { At::Any(Duration::ZERO) } else { at };
        *self.lock().record.hits.entry((fault, at)).or_default() += 1;
    }

    /// A life ended at its point, after these faults.
    pub(crate) fn died(&self, point: Point, after: &[Fault]) {
        self.hit(Fault::Kill, At::Point(point));
        let mut inner = self.lock();
        for fault in after {
            *inner.record.crossed.entry((point, *fault)).or_default() += 1;
        }
    }

    /// Something happened that must not.
    pub(crate) fn broken(&self, what: String) {
        self.lock().record.broken.push(what);
    }

    /// Takes away what is still to come: the time is over. Returns how many faults that was.
    pub(crate) fn give_up(&self) -> usize {
        let mut inner = self.lock();
        let Schedule { acts, docker } = &mut inner.schedule;
        let left = acts.len() + docker.len();
        acts.clear();
        docker.clear();
        inner.record.missed += left;
        left
    }

    /// Faults that are still to come.
    pub(crate) fn left(&self) -> usize {
        let inner = self.lock();
        inner.schedule.acts.len() + inner.schedule.docker.len()
    }

    /// What there was by now.
    pub(crate) fn record(&self) -> Record {
        self.lock().record.clone()
    }
}

impl Record {
    /// How often a fault hit, wherever.
    pub(crate) fn total(&self, fault: Fault) -> usize {
        self.hits.iter().filter(|((of, _), _)| *of == fault).map(|(_, count)| count).sum()
    }
}
