//! The pauses of a filler that fails, each twice as long as the one before.

use std::time::Duration;

use tokio::time::Instant;

/// First and longest pause after a creation failed.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// When the next attempt may be made, and the pause before it.
pub(super) fn next_attempt(retry: Option<(Instant, Duration)>) -> (Instant, Duration) {
    let pause = retry.map_or(RETRY_PAUSES.0, |(_, pause)| (pause * 2).min(RETRY_PAUSES.1));
    (Instant::now() + pause, pause)
}

/// Sleeps until then; for ever where there is no such moment, or it has passed.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at.filter(|at| *at > Instant::now()) {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
