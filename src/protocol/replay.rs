//! Which jobs run here or ended here, so that none runs twice and a redelivered one gets its stored result.
//!
//! A job's id stays taken until its `exp`, also when its stored result had to go. Everything is bounded: stored results
//! by number, age and total size, the oldest going first; ids by number. When there are too many ids, the one whose
//! hold ends soonest is forgotten: from then on only `exp` and the consumer, which keeps the first result, stand
//! against a replay of that job. A running job is never forgotten; the worker's slots bound those.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::LEEWAY_SECONDS;
use crate::domain::job::{JobDigest, JobKey};

/// How much is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplayBounds {
    /// Stored results.
    pub results_max: usize,
    /// How long a result is stored, in seconds.
    pub results_seconds: u64,
    /// Bytes of all stored results.
    pub results_bytes_max: usize,
    /// Ids of ended jobs.
    pub ids_max: usize,
    /// How long an id is held at most, in seconds: no job that admission lets in lives longer.
    pub hold_seconds_max: u64,
}

/// What is known of a job.
#[derive(Debug, PartialEq, Eq)]
pub enum Lookup<'a, T> {
    /// Nothing: it may run.
    New,
    /// The same bytes run here.
    SameRunning,
    /// The same bytes ended here; this is the result.
    SameEnded(&'a T),
    /// The same bytes ended here, and the result is no longer stored. The job must not run again.
    SameEndedEvicted,
    /// The id was used for other bytes.
    OtherBytes,
}

/// Another job has the id already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the job's id is taken")]
pub struct Taken;

#[derive(Debug)]
struct Stored<T> {
    result: T,
    bytes: usize,
    until: u64,
}

#[derive(Debug)]
enum Entry<T> {
    Running(JobDigest),
    Ended { digest: JobDigest, order: u64, until: u64, stored: Option<Stored<T>> },
}

/// The memory of one worker. Times are seconds since 1970.
#[derive(Debug)]
pub struct ReplayWindow<T> {
    bounds: ReplayBounds,
    entries: HashMap<JobKey, Entry<T>>,
    /// Stored results, in the order in which they came.
    stored: BTreeMap<u64, JobKey>,
    /// Ids of ended jobs, the one whose hold ends soonest first.
    holds: BTreeSet<(u64, u64, JobKey)>,
    stored_bytes: usize,
    next_order: u64,
}

impl<T> ReplayWindow<T> {
    /// An empty memory.
    pub fn new(bounds: ReplayBounds) -> Self {
        Self {
            bounds,
            entries: HashMap::new(),
            stored: BTreeMap::new(),
            holds: BTreeSet::new(),
            stored_bytes: 0,
            next_order: 0,
        }
    }

    /// What is known of a job at the time `now`.
    pub fn lookup(&self, key: &JobKey, digest: JobDigest, now: u64) -> Lookup<'_, T> {
        match self.entries.get(key) {
            None => Lookup::New,
            Some(Entry::Ended { until, .. }) if *until <= now => Lookup::New,
            Some(Entry::Running(known) | Entry::Ended { digest: known, .. }) if *known != digest => Lookup::OtherBytes,
            Some(Entry::Running(_)) => Lookup::SameRunning,
            Some(Entry::Ended { stored, .. }) => stored
                .as_ref()
                .filter(|stored| stored.until > now)
                .map_or(Lookup::SameEndedEvicted, |stored| Lookup::SameEnded(&stored.result)),
        }
    }

    /// Whether a job of this id ended here, whatever its bytes were.
    pub fn has_ended(&self, key: &JobKey, now: u64) -> bool {
        matches!(self.entries.get(key), Some(Entry::Ended { until, .. }) if *until > now)
    }

    /// Takes the id for a job that is about to run.
    ///
    /// # Errors
    /// [`Taken`] if [`ReplayWindow::lookup`] would say anything but [`Lookup::New`].
    pub fn begin(&mut self, key: &JobKey, digest: JobDigest, now: u64) -> Result<(), Taken> {
        self.forget_until(now);
        if self.entries.contains_key(key) {
            return Err(Taken);
        }
        self.entries.insert(key.clone(), Entry::Running(digest));
        Ok(())
    }

    /// Gives the id back: the job ended here without a result, and another attempt may run.
    pub fn abandon(&mut self, key: &JobKey) {
        if matches!(self.entries.get(key), Some(Entry::Running(_))) {
            self.entries.remove(key);
        }
    }

    /// Stores the result of a job, running or never begun. `bytes` is its size, `expires_at` the job's `exp`.
    pub fn end(&mut self, key: &JobKey, digest: JobDigest, result: Ended<T>, now: u64) {
        self.forget(key);
        let until = now.saturating_add(self.bounds.results_seconds);
        // As long as admission would let the job in, leeway included.
        // One that claims to live longer is refused each time, and must not hold its place for ever.
        let longest = now.saturating_add(self.bounds.hold_seconds_max).saturating_add(2 * LEEWAY_SECONDS);
        let hold = until.max(result.expires_at.saturating_add(LEEWAY_SECONDS).min(longest));
        let order = self.next_order;
        self.next_order += 1;
        let stored = Stored { result: result.result, bytes: result.bytes, until };
        self.stored_bytes = self.stored_bytes.saturating_add(stored.bytes);
        self.stored.insert(order, key.clone());
        self.holds.insert((hold, order, key.clone()));
        self.entries.insert(key.clone(), Entry::Ended { digest, order, until: hold, stored: Some(stored) });
        self.forget_until(now);
        self.shrink();
    }

    /// Forgets what is too old at the time `now`.
    pub fn forget_until(&mut self, now: u64) {
        while let Some((until, _, key)) = self.holds.first().cloned() {
            if until > now {
                break;
            }
            self.forget(&key);
        }
        // Every result is stored for the same time, so the oldest is the first to go (but for a clock that was set
        // back, and then the bounds by number and size still hold).
        while let Some((order, key)) = self.stored.first_key_value().map(|(order, key)| (*order, key.clone())) {
            let Some(Entry::Ended { stored: Some(stored), .. }) = self.entries.get(&key) else { break };
            if stored.until > now {
                break;
            }
            self.evict(order, &key);
        }
    }

    /// Ids that are held, running jobs included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Stored results: their number and their bytes.
    pub fn stored(&self) -> (usize, usize) {
        (self.stored.len(), self.stored_bytes)
    }

    fn shrink(&mut self) {
        while self.stored.len() > self.bounds.results_max || self.stored_bytes > self.bounds.results_bytes_max {
            let Some((order, key)) = self.stored.first_key_value().map(|(order, key)| (*order, key.clone())) else {
                break;
            };
            self.evict(order, &key);
        }
        while self.holds.len() > self.bounds.ids_max {
            let Some((_, _, key)) = self.holds.first().cloned() else { break };
            self.forget(&key);
        }
    }

    /// Drops a stored result and keeps the id.
    fn evict(&mut self, order: u64, key: &JobKey) {
        self.stored.remove(&order);
        if let Some(Entry::Ended { stored, .. }) = self.entries.get_mut(key)
            && let Some(evicted) = stored.take()
        {
            self.stored_bytes = self.stored_bytes.saturating_sub(evicted.bytes);
        }
    }

    /// Drops everything about a job.
    fn forget(&mut self, key: &JobKey) {
        match self.entries.remove(key) {
            Some(Entry::Ended { order, until, stored, digest: _ }) => {
                self.holds.remove(&(until, order, key.clone()));
                self.stored.remove(&order);
                self.stored_bytes = self.stored_bytes.saturating_sub(stored.map_or(0, |stored| stored.bytes));
            }
            Some(Entry::Running(_)) | None => {}
        }
    }
}

/// A result to be stored.
#[derive(Debug, Clone, Copy)]
pub struct Ended<T> {
    /// The result.
    pub result: T,
    /// Its size.
    pub bytes: usize,
    /// The job's `exp`.
    pub expires_at: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    const BOUNDS: ReplayBounds = ReplayBounds {
        results_max: 2,
        results_seconds: 100,
        results_bytes_max: 1000,
        ids_max: 4,
        hold_seconds_max: 1_000_000,
    };
    const A: JobDigest = JobDigest([1; 32]);
    const B: JobDigest = JobDigest([2; 32]);

    fn key(number: u128) -> JobKey {
        JobKey { issuer: "backend-1".to_owned(), id: Uuid::from_u128(number) }
    }

    fn ended(result: &'static str, bytes: usize, expires_at: u64) -> Ended<&'static str> {
        Ended { result, bytes, expires_at }
    }

    fn window() -> ReplayWindow<&'static str> {
        ReplayWindow::new(BOUNDS)
    }

    #[test]
    fn a_job_is_new_then_running_then_ended() {
        let mut window = window();
        assert_eq!(window.lookup(&key(1), A, 0), Lookup::New);
        window.begin(&key(1), A, 0).unwrap();
        assert_eq!(window.lookup(&key(1), A, 0), Lookup::SameRunning);
        assert_eq!(window.lookup(&key(1), B, 0), Lookup::OtherBytes);
        assert_eq!(window.begin(&key(1), A, 0), Err(Taken));
        window.end(&key(1), A, ended("r", 1, 60), 10);
        assert_eq!(window.lookup(&key(1), A, 10), Lookup::SameEnded(&"r"));
        assert_eq!(window.lookup(&key(1), B, 10), Lookup::OtherBytes);
        assert_eq!(window.begin(&key(1), A, 10), Err(Taken));
    }

    #[test]
    fn the_same_id_of_another_issuer_is_another_job() {
        let mut window = window();
        window.begin(&key(1), A, 0).unwrap();
        let other = JobKey { issuer: "backend-2".to_owned(), ..key(1) };
        assert_eq!(window.lookup(&other, B, 0), Lookup::New);
    }

    #[test]
    fn an_abandoned_job_may_run_again_and_an_ended_one_cannot_be_abandoned() {
        let mut window = window();
        window.begin(&key(1), A, 0).unwrap();
        window.abandon(&key(1));
        assert_eq!(window.lookup(&key(1), A, 0), Lookup::New);
        window.end(&key(1), A, ended("r", 1, 60), 0);
        window.abandon(&key(1));
        assert_eq!(window.lookup(&key(1), A, 0), Lookup::SameEnded(&"r"));
    }

    #[test]
    fn a_result_is_stored_beyond_exp_for_its_time() {
        let mut window = window();
        window.end(&key(1), A, ended("r", 1, 10), 0);
        assert_eq!(window.lookup(&key(1), A, 99), Lookup::SameEnded(&"r"));
        assert_eq!(window.lookup(&key(1), A, 100), Lookup::New);
        window.forget_until(100);
        assert!(window.is_empty());
    }

    #[test]
    fn an_id_is_held_until_exp_and_leeway_after_its_result_went() {
        let mut window = window();
        window.end(&key(1), A, ended("r", 1, 500), 0);
        window.forget_until(100);
        assert_eq!(window.stored(), (0, 0));
        for now in [100, 504] {
            assert_eq!(window.lookup(&key(1), A, now), Lookup::SameEndedEvicted);
            assert_eq!(window.lookup(&key(1), B, now), Lookup::OtherBytes);
        }
        assert_eq!(window.lookup(&key(1), A, 505), Lookup::New);
        window.begin(&key(1), A, 505).unwrap();
    }

    #[test]
    fn results_are_bounded_by_number_and_by_bytes_and_the_oldest_goes_first() {
        let mut window = window();
        for number in 1..=3 {
            window.end(&key(number), A, ended("r", 10, 500), 0);
        }
        assert_eq!(window.lookup(&key(1), A, 1), Lookup::SameEndedEvicted);
        assert_eq!(window.lookup(&key(3), A, 1), Lookup::SameEnded(&"r"));
        window.end(&key(4), A, ended("large", 995, 500), 1);
        assert_eq!(window.lookup(&key(3), A, 1), Lookup::SameEndedEvicted);
        assert_eq!(window.lookup(&key(4), A, 1), Lookup::SameEnded(&"large"));
        window.end(&key(4), A, ended("too large", 1001, 500), 1);
        assert_eq!(window.lookup(&key(4), A, 1), Lookup::SameEndedEvicted);
        assert_eq!(window.stored(), (0, 0));
    }

    #[test]
    fn when_there_are_too_many_ids_the_one_that_ends_soonest_is_forgotten() {
        let mut window = window();
        window.begin(&key(9), A, 0).unwrap();
        for (number, expires_at) in [(1, 900), (2, 300), (3, 700), (4, 800), (5, 600)] {
            window.end(&key(number), A, ended("r", 1, expires_at), 0);
        }
        assert_eq!(window.lookup(&key(2), A, 1), Lookup::New);
        assert_eq!(window.lookup(&key(1), A, 1), Lookup::SameEndedEvicted);
        assert_eq!(window.lookup(&key(9), A, 1), Lookup::SameRunning, "a running job is never forgotten");
        assert_eq!(window.len(), 5);
    }

    proptest! {
        #[test]
        fn bounds_hold_and_counts_agree_whatever_happens(
            steps in prop::collection::vec((0_u128..8, 0_u8..4, 0_usize..600, 0_u64..300), 1..200),
        ) {
            let mut window = window();
            let mut now = 0;
            for (number, action, bytes, seconds) in steps {
                now += seconds / 10;
                match action {
                    0 => drop(window.begin(&key(number), A, now)),
                    1 => window.abandon(&key(number)),
                    2 => window.end(&key(number), A, ended("r", bytes, now + seconds), now),
                    _ => window.forget_until(now),
                }
                let sum: usize = window.entries.values().map(|entry| match entry {
                    Entry::Ended { stored: Some(stored), .. } => stored.bytes,
                    Entry::Ended { stored: None, .. } | Entry::Running(_) => 0,
                }).sum();
                prop_assert_eq!(window.stored_bytes, sum);
                prop_assert!(window.stored.len() <= BOUNDS.results_max && sum <= BOUNDS.results_bytes_max);
                prop_assert!(window.holds.len() <= BOUNDS.ids_max);
                let running = window.entries.values().filter(|entry| matches!(entry, Entry::Running(_))).count();
                prop_assert_eq!(window.holds.len() + running, window.len());
            }
        }
    }
}
