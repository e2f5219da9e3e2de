//! How long to wait before the next attempt.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const FIRST: Duration = Duration::from_millis(250);
/// A connection that lived this long was a good one: the next loss starts from the shortest wait again. One that
/// comes up and breaks at once does not, or the attempts would be a busy loop.
const GOOD_AFTER: Duration = Duration::from_secs(20);

/// Doubling waits with jitter, so that a hundred workers do not come back to a restarted broker in one instant.
#[derive(Debug)]
pub(super) struct Backoff {
    failures: u32,
    max: Duration,
    began: Instant,
}

impl Backoff {
    pub(super) fn new(max: Duration) -> Self {
        Self { failures: 0, max, began: Instant::now() }
    }

    /// An attempt begins.
    pub(super) fn attempt(&mut self) {
        self.began = Instant::now();
    }

    /// Waits; `false` when `cancel` came first.
    pub(super) async fn wait(&mut self, cancel: &CancellationToken) -> bool {
        if self.began.elapsed() >= GOOD_AFTER {
            self.failures = 0;
        }
        let delay = jittered(ceiling(self.failures, self.max), getrandom::u32().unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        tokio::select! {
            () = cancel.cancelled() => false,
            () = tokio::time::sleep(delay) => true,
        }
    }
}

fn ceiling(failures: u32, max: Duration) -> Duration {
    FIRST.saturating_mul(2_u32.saturating_pow(failures.min(16))).min(max)
}

/// Between half of `ceiling` and all of it.
fn jittered(ceiling: Duration, random: u32) -> Duration {
    let share = f64::from(random) / f64::from(u32::MAX);
    ceiling.mul_f64(0.5 + share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_maximum_and_never_overflow() {
        let max = Duration::from_secs(15);
        let waits: Vec<u128> = (0..8).map(|failures| ceiling(failures, max).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 15000, 15000]);
        assert_eq!(ceiling(u32::MAX, max), max);
    }

    #[test]
    fn jitter_keeps_at_least_half() {
        let second = Duration::from_secs(1);
        assert_eq!(jittered(second, 0), Duration::from_millis(500));
        assert_eq!(jittered(second, u32::MAX), second);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_breaks_at_once_waits_longer_each_time_and_a_good_one_resets() {
        let cancel = CancellationToken::new();
        let mut backoff = Backoff::new(Duration::from_secs(15));
        for _ in 0..6 {
            backoff.attempt();
            assert!(backoff.wait(&cancel).await);
        }
        assert_eq!(backoff.failures, 6);
        backoff.attempt();
        tokio::time::advance(GOOD_AFTER).await;
        assert!(backoff.wait(&cancel).await);
        assert_eq!(backoff.failures, 1);
        cancel.cancel();
        assert!(!backoff.wait(&cancel).await);
    }
}
