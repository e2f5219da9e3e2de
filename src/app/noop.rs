//! Answers jobs at once, without a sandbox: what is left is the pipeline, for `bench` to measure.
//!
//! No way leads here from `serve` in a release: there every job runs in a sandbox.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::sandboxing::Sandboxing;
use crate::config::model::Config;
use crate::domain::content::Content;
use crate::domain::job::Job;
use crate::domain::outcome::{Isolation, Output, RunRecord};
use crate::domain::verdict::Status;
use crate::ports::conditions::{Conditions, Part};
use crate::ports::events::EventSink;
use crate::ports::execution::{Execution, ExecutionFault, Executor};
use crate::protocol::verified::Verified;
use crate::sandbox::PoolCount;
use crate::telemetry::metrics::Metrics;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Noop {
    usable: watch::Sender<bool>,
}

impl Sandboxing for Noop {
    fn start(_config: &Config, _epoch: &str, conditions: &Conditions, _metrics: &Metrics) -> Self {
        for part in [Part::Docker, Part::Image, Part::Walls, Part::Pool] {
            conditions.part(part).ready();
        }
        Self { usable: watch::Sender::new(true) }
    }

    fn usable(&self) -> watch::Receiver<bool> {
        self.usable.subscribe()
    }

    fn status(&self) -> Vec<(String, PoolCount, Option<String>)> {
        Vec::new()
    }

    async fn stop(self, _limit: Duration) {}
}

impl Executor for Noop {
    async fn execute(
        &self,
        _job: Arc<Verified<Job>>,
        _cancel: CancellationToken,
        _events: EventSink,
    ) -> Result<Execution, ExecutionFault> {
        Ok(answer(Status::Ok, 0, Vec::new(), "no-op"))
    }
}

/// What a program would have come to that ended like this. The image's digest says that there was no image.
pub(super) fn answer(status: Status, exit_code: i32, stdout: Vec<u8>, image_digest: &str) -> Execution {
    let bytes_total = u64::try_from(stdout.len()).unwrap_or(u64::MAX);
    Execution {
        run: RunRecord {
            status,
            limit: None,
            reason: None,
            message: None,
            exit_code: Some(exit_code),
            signal: None,
            stdout: Output { content: Content::new(stdout), bytes_total, truncated: false },
            stderr: Output::default(),
            usage: None,
            evidence: None,
        },
        compile: None,
        cases: Vec::new(),
        tests: None,
        artifacts: Vec::new(),
        artifacts_refused: Vec::new(),
        image_digest: image_digest.to_owned(),
        isolation: Isolation::Fresh,
        leased: Duration::ZERO,
        started: Duration::ZERO,
        ran: Duration::ZERO,
    }
}
