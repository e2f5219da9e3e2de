//! How many sandboxes a pool keeps ready beyond its floor: as many as jobs were found to need, for as long as they do.
//!
//! A job that finds none ready waits for one to be made, a quarter of a second. Each such job says that one more would have been
//! of use. A stock that was never used up for a while was too large by what was left of it. Nothing is guessed from rates: a
//! rate says little of bursts, and bursts are what jobs wait in.

use std::time::Duration;

use tokio::time::Instant;

/// How long a sandbox may be of no use before it goes. Making it cost an eighth of a CPU-second, and keeping it costs 15 MiB.
pub(super) const IDLE: Duration = Duration::from_mins(1);

/// The demand for the sandboxes of one pool.
#[derive(Debug)]
pub(super) struct Demand {
    /// Kept ready whatever happens.
    floor: usize,
    /// Never more than this.
    bound: usize,
    wanted: usize,
    /// The fewest that were ready at any moment since `since`.
    spare: usize,
    since: Instant,
}

impl Demand {
    /// Nothing is known yet.
    pub(super) fn new(floor: usize, bound: usize) -> Self {
        let bound = bound.max(floor);
        Self { floor, bound, wanted: floor, spare: bound, since: Instant::now() }
    }

    /// How many should be ready.
    pub(super) const fn wanted(&self) -> usize {
        self.wanted
    }

    /// A job found none ready, and waits.
    pub(super) fn missed(&mut self) {
        self.wanted = (self.wanted + 1).min(self.bound);
        self.begin();
    }

    /// The same where there can be no more: what there is, is of use.
    pub(super) fn used_up(&mut self) {
        self.spare = 0;
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
        let before = self.wanted;
        self.wanted = before.saturating_sub(self.spare).max(self.floor);
        self.begin();
        self.wanted < before
    }

    /// When to settle; `None` while there is nothing to lower.
    pub(super) fn settles_at(&self) -> Option<Instant> {
        (self.wanted > self.floor).then(|| self.since + IDLE)
    }

    fn begin(&mut self) {
        self.spare = self.bound;
        self.since = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn jobs_that_waited_are_what_is_wanted_up_to_the_bound() {
        let mut demand = Demand::new(1, 4);
        assert_eq!((demand.wanted(), demand.settles_at()), (1, None));
        for wanted in [2, 3, 4, 4] {
            demand.missed();
            assert_eq!(demand.wanted(), wanted);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_used_for_a_minute_goes_and_the_floor_stays() {
        let mut demand = Demand::new(1, 4);
        for _ in 0..3 {
            demand.missed();
        }
        demand.ready(4);
        demand.ready(2);
        demand.ready(4);
        assert!(!demand.settle(), "a minute is not over");
        tokio::time::sleep(IDLE).await;
        assert!(demand.settle());
        assert_eq!(demand.wanted(), 2, "two were used at once");
        demand.ready(2);
        tokio::time::sleep(IDLE).await;
        assert!(demand.settle());
        assert_eq!((demand.wanted(), demand.settles_at()), (1, None));
    }

    #[tokio::test(start_paused = true)]
    async fn a_miss_begins_the_minute_anew() {
        let mut demand = Demand::new(0, 4);
        demand.missed();
        tokio::time::sleep(IDLE / 2).await;
        demand.missed();
        tokio::time::sleep(IDLE / 2).await;
        demand.ready(2);
        assert!(!demand.settle());
        assert_eq!(demand.wanted(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_floor_above_the_bound_is_the_bound() {
        let mut demand = Demand::new(3, 1);
        demand.missed();
        assert_eq!(demand.wanted(), 3);
    }
}
