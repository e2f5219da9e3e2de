//! How many sandboxes a pool keeps ready beyond its floor: as many as jobs were found to need, for as long as they do.
//!
//! A job that finds none ready waits for one to be made, a quarter of a second. Each such job says that one more would have been
//! of use. A stock that was never used up for a while was too large by what was left of it. Nothing is guessed from rates: a
//! rate says little of bursts, and bursts are what jobs wait in.

use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// How long a sandbox may be of no use before it goes. Making it cost an eighth of a CPU-second, and keeping it costs 15 MiB.
pub(super) const IDLE: Duration = Duration::from_mins(1);

/// The demand for the sandboxes of one pool.
#[derive(Debug)]
pub(super) struct Demand {
    /// Kept ready whatever happens.
    floor: usize,
    /// One for each sandbox that is wanted beyond the floor: all profiles share them.
    extras: Vec<OwnedSemaphorePermit>,
    /// The fewest that were ready at any moment since `since`.
    spare: usize,
    since: Instant,
}

impl Demand {
    /// Nothing is known yet.
    pub(super) fn new(floor: usize) -> Self {
        Self { floor, extras: Vec::new(), spare: usize::MAX, since: Instant::now() }
    }

    /// How many should be ready.
    pub(super) const fn wanted(&self) -> usize {
        self.floor + self.extras.len()
    }

    /// A job found none ready, and waits: one more is wanted, where there may be one.
    pub(super) fn missed(&mut self, extra: Option<OwnedSemaphorePermit>) {
        if let Some(extra) = extra {
            self.extras.push(extra);
            self.begin();
        } else {
            // What there is, is of use.
            self.spare = 0;
        }
    }

    /// So many are ready now.
    pub(super) fn ready(&mut self, count: usize) {
        self.spare = self.spare.min(count);
    }

    /// Lowers what is wanted by what was not used for long enough; whether it did.
    pub(super) fn settle(&mut self) -> bool {
        if self.since.elapsed() < IDLE {
            return false;
        }
        let before = self.extras.len();
        self.extras.truncate(before.saturating_sub(self.spare));
        self.begin();
        self.extras.len() < before
    }

    /// When to settle; `None` while there is nothing to lower.
    pub(super) fn settles_at(&self) -> Option<Instant> {
        (!self.extras.is_empty()).then(|| self.since + IDLE)
    }

    fn begin(&mut self) {
        self.spare = usize::MAX;
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;

    /// A job finds none ready, where there may be so many extra sandboxes.
    fn miss(demand: &mut Demand, extras: &Arc<Semaphore>) {
        demand.missed(Arc::clone(extras).try_acquire_owned().ok());
    }

    #[tokio::test(start_paused = true)]
    async fn jobs_that_waited_are_what_is_wanted_up_to_the_bound() {
        let (mut demand, extras) = (Demand::new(1), Arc::new(Semaphore::new(3)));
        assert_eq!((demand.wanted(), demand.settles_at()), (1, None));
        for wanted in [2, 3, 4, 4] {
            miss(&mut demand, &extras);
            assert_eq!(demand.wanted(), wanted);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_used_for_a_minute_goes_and_the_floor_stays() {
        let (mut demand, extras) = (Demand::new(1), Arc::new(Semaphore::new(3)));
        for _ in 0..3 {
            miss(&mut demand, &extras);
        }
        demand.ready(4);
        demand.ready(2);
        demand.ready(4);
        assert!(!demand.settle(), "a minute is not over");
        tokio::time::sleep(IDLE).await;
        assert!(demand.settle());
        assert_eq!((demand.wanted(), extras.available_permits()), (2, 2), "two were used at once");
        demand.ready(2);
        tokio::time::sleep(IDLE).await;
        assert!(demand.settle());
        assert_eq!((demand.wanted(), demand.settles_at()), (1, None));
        assert_eq!(extras.available_permits(), 3, "another profile may have them");
    }

    #[tokio::test(start_paused = true)]
    async fn a_miss_begins_the_minute_anew() {
        let (mut demand, extras) = (Demand::new(0), Arc::new(Semaphore::new(4)));
        miss(&mut demand, &extras);
        tokio::time::sleep(IDLE / 2).await;
        miss(&mut demand, &extras);
        tokio::time::sleep(IDLE / 2).await;
        demand.ready(2);
        assert!(!demand.settle());
        assert_eq!(demand.wanted(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_used_up_where_there_can_be_no_more_stays() {
        let (mut demand, extras) = (Demand::new(1), Arc::new(Semaphore::new(1)));
        miss(&mut demand, &extras);
        demand.ready(2);
        miss(&mut demand, &extras);
        demand.ready(2);
        tokio::time::sleep(IDLE).await;
        assert!(!demand.settle());
        assert_eq!(demand.wanted(), 2);
    }
}
