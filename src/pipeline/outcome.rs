//! From an execution to everything a result says.

use std::time::Duration;

use crate::domain::job::Job;
use crate::domain::outcome::{Outcome, RunRecord, Timings};
use crate::ports::execution::Execution;

/// When things happened to a job, and who saw it.
#[derive(Debug, Clone, Copy)]
pub struct Stamps<'a> {
    /// From the job's `iat` to its delivery.
    pub queued: Option<Duration>,
    /// From the delivery to the request for a sandbox.
    pub began: Option<Duration>,
    /// From the delivery to now.
    pub total: Duration,
    /// The worker's id.
    pub worker: &'a str,
    /// Which delivery of the job this is.
    pub attempt: u32,
}

/// The outcome of a job that ran.
pub fn assemble(job: &Job, execution: Execution, stamps: Stamps<'_>) -> Outcome {
    let (tests, tests_complete, tests_trust) = match execution.tests {
        Some(report) => (report.tests, Some(report.complete), Some(report.trust)),
        None => (Vec::new(), None, None),
    };
    Outcome {
        timings: Timings {
            leased_seconds: Some((stamps.began.unwrap_or_default() + execution.leased).as_secs_f64()),
            started_seconds: Some(execution.started.as_secs_f64()),
            run_seconds: Some(execution.ran.as_secs_f64()),
            ..timings(stamps)
        },
        compile: execution.compile,
        cases: execution.cases,
        tests,
        tests_complete,
        tests_trust,
        artifacts: execution.artifacts,
        artifacts_refused: execution.artifacts_refused,
        // Empty where the job was cancelled before it had a sandbox.
        image_digest: Some(execution.image_digest).filter(|digest| !digest.is_empty()),
        isolation: Some(execution.isolation),
        ..not_run(execution.run, Some(job.profile.clone()), stamps)
    }
}

/// The outcome of a job that did not run.
pub fn not_run(run: RunRecord, profile: Option<String>, stamps: Stamps<'_>) -> Outcome {
    Outcome {
        run,
        timings: timings(stamps),
        compile: None,
        cases: Vec::new(),
        tests: Vec::new(),
        tests_complete: None,
        tests_trust: None,
        artifacts: Vec::new(),
        artifacts_refused: Vec::new(),
        profile,
        image_digest: None,
        isolation: None,
        worker: stamps.worker.to_owned(),
        attempt: stamps.attempt,
    }
}

fn timings(stamps: Stamps<'_>) -> Timings {
    Timings {
        queued_seconds: stamps.queued.map(|queued| queued.as_secs_f64()),
        total_seconds: Some(stamps.total.as_secs_f64()),
        ..Timings::default()
    }
}
