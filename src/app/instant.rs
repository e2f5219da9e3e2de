//! Answers jobs without a sandbox, in a build for tests: where thousands of deaths and cuts are tried, Docker would be all
//! that is measured.
//!
//! What it answers is a function of the job alone, and the same that the program of `tests/chaos` gives in a real sandbox:
//! standard input turned round, and its length modulo 3 as exit code.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::sandboxing::Sandboxing;
use crate::config::model::Config;
use crate::crash::{self, Point};
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
pub(super) struct Sandboxless {
    usable: watch::Sender<bool>,
}

impl Sandboxing for Sandboxless {
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

impl Executor for Sandboxless {
    async fn execute(
        &self,
        job: Arc<Verified<Job>>,
        _cancel: CancellationToken,
        _events: EventSink,
    ) -> Result<Execution, ExecutionFault> {
        for point in [
            Point::BeforeLease,
            Point::AfterLease,
            Point::BeforeStart,
            Point::AfterStart,
            Point::BeforeRun,
            Point::AfterRun,
        ] {
            crash::passed(point);
            // A dropped job ends here too, as it would in a sandbox.
            tokio::task::yield_now().await;
        }
        Ok(execution(job.get().stdin.as_bytes()))
    }
}

fn execution(stdin: &[u8]) -> Execution {
    let exit_code = i32::try_from(stdin.len() % 3).unwrap_or_default();
    let status = if exit_code == 0 { Status::Ok } else { Status::RuntimeError };
    let stdout: Vec<u8> = stdin.iter().rev().copied().collect();
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
        image_digest: "instant".to_owned(),
        isolation: Isolation::Fresh,
        leased: Duration::ZERO,
        started: Duration::ZERO,
        ran: Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_the_input_turned_round_and_its_length_modulo_three() {
        let run = execution(b"abcd").run;
        assert_eq!((run.stdout.content.as_bytes(), run.exit_code), (&b"dcba"[..], Some(1)));
        assert_eq!((run.status, run.stdout.bytes_total), (Status::RuntimeError, 4));
        assert_eq!(execution(b"").run.status, Status::Ok);
    }
}
