//! Answers jobs without a sandbox, in a build for tests: where thousands of deaths and cuts are tried, Docker would be all
//! that is measured.
//!
//! What it answers is a function of the job alone, and the same that the program of `tests/chaos` gives in a real sandbox:
//! standard input turned round, and its length modulo 3 as exit code.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::noop::{self, Noop};
use super::sandboxing::Sandboxing;
use crate::config::model::Config;
use crate::crash::{self, Point};
use crate::domain::job::Job;
use crate::domain::verdict::Status;
use crate::ports::conditions::Conditions;
use crate::ports::events::EventSink;
use crate::ports::execution::{Execution, ExecutionFault, Executor};
use crate::protocol::verified::Verified;
use crate::sandbox::PoolCount;
use crate::telemetry::metrics::Metrics;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Sandboxless(Noop);

impl Sandboxing for Sandboxless {
    fn start(config: &Config, epoch: &str, conditions: &Conditions, metrics: &Metrics) -> Self {
        Self(Noop::start(config, epoch, conditions, metrics))
    }

    fn usable(&self) -> watch::Receiver<bool> {
        self.0.usable()
    }

    fn status(&self) -> Vec<(String, PoolCount, Option<String>)> {
        self.0.status()
    }

    async fn stop(self, limit: Duration) {
        self.0.stop(limit).await;
    }
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
    noop::answer(status, exit_code, stdout, "instant")
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
