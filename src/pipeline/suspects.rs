//! Jobs that came back so often that one of them may be what ends workers: each runs alone.
//!
//! Whoever counts can only say that a job was delivered and not answered, not why: a drain, a lost connection, a worker
//! that another job ended. So a suspect is not refused. It is run while nothing else is, and if it ends the worker it ends
//! no other job with it.

use std::time::Duration;

use tokio::time::Instant;

/// How long nothing else must have been here before a suspect has its turn: after a worker's death others come with it,
/// and each next one only once the one before it was acknowledged.
const SETTLE: Duration = Duration::from_secs(1);

/// How long a suspect lets others go first. After that nothing is started until it has had its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Times as many turns a suspect has alone as it had beside others. Jobs that came with what ends workers each time are
/// suspects like it, and one of them that never gets the turn before it would be given up with it. The lots make that as
/// good as impossible: two jobs with `attempts_max` 5 draw ten times.
const ALONE_FACTOR: u32 = 2;

/// Which jobs are suspects, by the number of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Suspicion {
    /// `worker.attempts_max`.
    pub(super) attempts_max: u32,
}

impl Suspicion {
    /// Whether a job that is delivered for this time runs alone.
    pub(super) const fn is_suspect(self, attempt: u32) -> bool {
        attempt > self.attempts_max && !self.is_hopeless(attempt)
    }

    /// Whether it had all its turns, and is not run any more.
    pub(super) const fn is_hopeless(self, attempt: u32) -> bool {
        attempt > self.attempts_max.saturating_mul(1 + ALONE_FACTOR)
    }
}

/// Waiting suspects.
#[derive(Debug)]
pub(super) struct Suspects<T> {
    waiting: Vec<Suspect<T>>,
    /// When another job was last seen to wait or run.
    others_at: Option<Instant>,
}

#[derive(Debug)]
struct Suspect<T> {
    item: T,
    attempt: u32,
    /// Breaks ties: among jobs that came together each time, and so have the same count, another one goes first each time.
    lot: u32,
    arrived_at: Instant,
}

impl<T> Default for Suspects<T> {
    fn default() -> Self {
        Self { waiting: Vec::new(), others_at: None }
    }
}

impl<T> Suspects<T> {
    /// Takes one in. The broker's prefetch bounds how many there can be.
    pub(super) fn push(&mut self, item: T, attempt: u32, now: Instant) {
        let lot = getrandom::u32().unwrap_or(0);
        self.waiting.push(Suspect { item, attempt, lot, arrived_at: now });
    }

    /// Whether one of them has its turn: nobody else was here for a while, or it has waited long enough.
    pub(super) fn has_turn(&mut self, others_are_here: bool, now: Instant) -> bool {
        if others_are_here {
            self.others_at = Some(now);
        }
        self.moments().any(|at| at <= now)
    }

    /// When [`Suspects::has_turn`] may next become true by itself.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.moments().filter(|at| *at > now).min()
    }

    fn moments(&self) -> impl Iterator<Item = Instant> {
        self.waiting.iter().flat_map(|suspect| {
            let quiet_since = self.others_at.map_or(suspect.arrived_at, |at| at.max(suspect.arrived_at));
            [quiet_since + SETTLE, suspect.arrived_at + PATIENCE]
        })
    }

    /// The one that was delivered least often: what ends workers has as high a count as anything beside it.
    ///
    /// The others wait anew: whoever was held up meanwhile goes before the next of them.
    pub(super) fn take(&mut self, now: Instant) -> Option<T> {
        for suspect in &mut self.waiting {
            suspect.arrived_at = now;
        }
        let (at, _) = self.waiting.iter().enumerate().min_by_key(|(_, suspect)| (suspect.attempt, suspect.lot))?;
        Some(self.waiting.swap_remove(at).item)
    }

    /// Takes out every one of which this is true.
    pub(super) fn take_all(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let (out, stay) = std::mem::take(&mut self.waiting).into_iter().partition(|suspect| wanted(&suspect.item));
        self.waiting = stay;
        out.into_iter().map(|suspect: Suspect<T>| suspect.item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_run_beside_others_then_alone_then_no_more() {
        let suspicion = Suspicion { attempts_max: 5 };
        for (attempt, suspect, hopeless) in
            [(1, false, false), (5, false, false), (6, true, false), (15, true, false), (16, false, true)]
        {
            assert_eq!(
                (suspicion.is_suspect(attempt), suspicion.is_hopeless(attempt)),
                (suspect, hopeless),
                "{attempt}"
            );
        }
        assert!(!Suspicion { attempts_max: u32::MAX }.is_hopeless(u32::MAX));
    }

    #[tokio::test(start_paused = true)]
    async fn a_suspect_lets_others_go_first_for_a_while() {
        let mut suspects = Suspects::default();
        assert!(!suspects.has_turn(false, Instant::now()));
        suspects.push("a", 6, Instant::now());
        assert!(!suspects.has_turn(false, Instant::now()), "what is delivered with it may not be here yet");
        tokio::time::sleep_until(suspects.next_due(Instant::now()).unwrap()).await;
        assert!(suspects.has_turn(false, Instant::now()));
        assert!(!suspects.has_turn(true, Instant::now()), "another one is here");
        assert!(!suspects.has_turn(false, Instant::now()), "it was here just now");
        tokio::time::sleep_until(suspects.next_due(Instant::now()).unwrap()).await;
        assert!(suspects.has_turn(false, Instant::now()));
        while !suspects.has_turn(true, Instant::now()) {
            tokio::time::sleep_until(suspects.next_due(Instant::now()).unwrap()).await;
        }
        assert!(suspects.waiting.iter().all(|suspect| suspect.arrived_at + PATIENCE <= Instant::now()));
        let next = suspects.next_due(Instant::now()).unwrap();
        assert!(next > Instant::now(), "nobody is woken for nothing");
    }

    #[test]
    fn the_one_that_came_least_often_goes_first_and_ties_are_broken_by_lot() {
        let now = Instant::now();
        let mut firsts = std::collections::BTreeMap::from([("a", 0), ("b", 0)]);
        for _ in 0..200 {
            let mut suspects = Suspects::default();
            for (item, attempt) in [("poison", 9), ("a", 7), ("b", 7)] {
                suspects.push(item, attempt, now);
            }
            *firsts.get_mut(suspects.take(now).unwrap()).unwrap() += 1;
            assert_eq!(suspects.take_all(|item| *item == "poison"), ["poison"]);
            assert!(suspects.take(now).is_some() && suspects.take(now).is_none());
        }
        assert!(firsts.values().all(|first| *first > 40), "{firsts:?}");
    }
}
