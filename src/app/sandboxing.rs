//! What the worker needs of whatever runs its jobs: sandboxes, and in a build for tests also what does without.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

use tokio::sync::watch;

use crate::config::model::Config;
use crate::ports::conditions::Conditions;
use crate::ports::execution::Executor;
use crate::sandbox::{PoolCount, Sandboxes};
use crate::telemetry::metrics::Metrics;

/// Runs jobs, says whether it can, and stops.
pub(super) trait Sandboxing: Executor + Clone + Debug {
    /// Starts; what is not ready yet says so in `conditions`.
    fn start(config: &Config, epoch: &str, conditions: &Conditions, metrics: &Metrics) -> Self;

    /// Whether jobs should be taken.
    fn usable(&self) -> watch::Receiver<bool>;

    /// Every profile with its pool and the digest of its image.
    fn status(&self) -> Vec<(String, PoolCount, Option<String>)>;

    /// Removes everything, for at most `limit`; no job runs any more.
    fn stop(self, limit: Duration) -> impl Future<Output = ()> + Send;
}

impl Sandboxing for Sandboxes {
    fn start(config: &Config, epoch: &str, conditions: &Conditions, metrics: &Metrics) -> Self {
        Self::start(config, epoch, conditions, metrics)
    }

    fn usable(&self) -> watch::Receiver<bool> {
        self.usable()
    }

    fn status(&self) -> Vec<(String, PoolCount, Option<String>)> {
        self.status()
    }

    async fn stop(self, limit: Duration) {
        self.stop(limit).await;
    }
}
