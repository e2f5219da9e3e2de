//! When a pool is refilled: behind the jobs, and not beside them, where that can wait.
//!
//! Making a sandbox takes an eighth of a CPU-second, spread over the processes of Docker. A job that runs beside it has the
//! caches and the other half of its core to share: a pytest run of 118 ms was measured to take 184 ms (docs/adr/0016).

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// How long a stock may stay short for the sake of the jobs at work. For a longer one the making is a small part.
const PUT_OFF: Duration = Duration::from_secs(1);

/// How many jobs are at work, over all profiles.
#[derive(Debug, Clone, Default)]
pub(super) struct AtWork(watch::Sender<usize>);

impl AtWork {
    /// A job is at work for as long as this lives.
    pub(super) fn begin(&self) -> Working {
        self.0.send_modify(|jobs| *jobs += 1);
        Working(self.clone())
    }
}

/// Counts one job at work.
#[derive(Debug)]
pub(super) struct Working(AtWork);

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.send_modify(|jobs| *jobs -= 1);
    }
}

/// The refilling of one pool.
#[derive(Debug)]
pub(super) struct Refill {
    at_work: watch::Receiver<usize>,
    /// Since when the stock has been short while jobs were at work.
    since: Option<Instant>,
    /// Whether something is put off.
    waits: bool,
}

impl Refill {
    pub(super) fn new(at_work: &AtWork) -> Self {
        Self { at_work: at_work.0.subscribe(), since: None, waits: false }
    }

    /// How many of the sandboxes that the stock lacks are to be made now: all or none. `enough` says whether there are
    /// enough for the next jobs.
    pub(super) fn now(&mut self, lacking: usize, enough: bool) -> usize {
        self.waits = false;
        if lacking == 0 || !enough || *self.at_work.borrow_and_update() == 0 {
            self.since = None;
            return lacking;
        }
        self.waits = self.since.get_or_insert_with(Instant::now).elapsed() < PUT_OFF;
        if self.waits { 0 } else { lacking }
    }

    /// Until what is put off may be begun; for ever if nothing is.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(super) async fn begins(&mut self) {
        let Some(since) = self.since.filter(|_| self.waits) else { return std::future::pending().await };
        tokio::select! {
            // The sender lives in the pool itself, so it cannot be gone.
            _ = self.at_work.wait_for(|jobs| *jobs == 0) => {}
            () = tokio::time::sleep_until(since + PUT_OFF) => {}
        }
        // Once: who cannot begin for another reason is not to come back at once.
        self.waits = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_can_wait_begins_when_the_last_job_has_ended() {
        let at_work = AtWork::default();
        let mut refill = Refill::new(&at_work);
        assert_eq!(refill.now(2, true), 2, "nobody is at work");
        let (first, second) = (at_work.begin(), at_work.begin());
        assert_eq!(refill.now(2, true), 0);
        drop(first);
        let began = Instant::now();
        tokio::join!(refill.begins(), async {
            tokio::time::sleep(PUT_OFF / 2).await;
            drop(second);
        });
        assert_eq!(began.elapsed(), PUT_OFF / 2);
        assert_eq!(refill.now(2, true), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn it_waits_no_longer_than_its_bound_and_then_begins_once() {
        let at_work = AtWork::default();
        let mut refill = Refill::new(&at_work);
        let _working = at_work.begin();
        assert_eq!(refill.now(1, true), 0);
        let began = Instant::now();
        refill.begins().await;
        assert_eq!(began.elapsed(), PUT_OFF);
        // Docker may be away, and then nobody asks: that is no reason to spin.
        let again = tokio::time::timeout(PUT_OFF * 10, refill.begins()).await;
        assert!(again.is_err());
        assert_eq!(refill.now(1, true), 1);
        assert_eq!(refill.now(0, true), 0, "it is being made");
        assert_eq!(refill.now(1, true), 0, "and the next one may wait again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_next_jobs_need_does_not_wait() {
        let at_work = AtWork::default();
        let mut refill = Refill::new(&at_work);
        let _working = at_work.begin();
        assert_eq!(refill.now(3, false), 3);
        let none = tokio::time::timeout(PUT_OFF * 10, refill.begins()).await;
        assert!(none.is_err(), "nothing is put off");
    }
}
