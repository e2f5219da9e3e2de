//! Running one verified job.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::domain::job::Job;
use crate::domain::outcome::{Artifact, ArtifactRefused, CaseRecord, Isolation, RunRecord, TestRecord, TestsTrust};
use crate::ports::events::EventSink;
use crate::protocol::verified::Verified;

/// Runs jobs.
pub trait Executor: Send + Sync + 'static {
    /// Runs one job to its end.
    ///
    /// `cancel` ends the program early; the execution then says `cancelled`. `events` are told what happens meanwhile.
    ///
    /// # Cancel safety
    /// Dropping the future destroys the job's sandbox in the background; nothing of the job goes on.
    fn execute(
        &self,
        job: Arc<Verified<Job>>,
        cancel: CancellationToken,
        events: EventSink,
    ) -> impl Future<Output = Result<Execution, ExecutionFault>> + Send;
}

/// What came of a job, apart from who asked and who answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// The run, or the first case that is not `ok`.
    pub run: RunRecord,
    /// The compiler's run.
    pub compile: Option<RunRecord>,
    /// The runs of a job with cases.
    pub cases: Vec<CaseRecord>,
    /// The test report, for profiles that make one.
    pub tests: Option<TestReport>,
    /// Files that came back.
    pub artifacts: Vec<Artifact>,
    /// Files that did not.
    pub artifacts_refused: Vec<ArtifactRefused>,
    /// Digest of the image.
    pub image_digest: String,
    /// Whether anything ran in the sandbox before.
    pub isolation: Isolation,
    /// From the request to a sandbox of its own.
    pub leased: Duration,
    /// From the lease to the program's start.
    pub started: Duration,
    /// From the program's start to the last evidence.
    pub ran: Duration,
}

/// What the test driver reported.
#[derive(Debug, Clone, PartialEq)]
pub struct TestReport {
    /// Every test it named, in order.
    pub tests: Vec<TestRecord>,
    /// Whether it came to its end.
    pub complete: bool,
    /// Who could have written it.
    pub trust: TestsTrust,
}

/// Our failure, never the program's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecutionFault {
    /// Docker does not answer, or the image is gone: no job can run here now.
    #[error("no sandbox can be had: {reason}")]
    Unavailable {
        /// What is missing, and what to do.
        reason: String,
        /// Whether Docker itself is away: then no job should be taken until it is back.
        docker_away: bool,
    },
    /// This sandbox failed.
    #[error("the sandbox failed: {reason}")]
    Sandbox {
        /// What happened.
        reason: String,
        /// Whether the job itself may have caused it.
        job_suspect: bool,
    },
    /// The job cannot run in this profile, whatever the attempt: the sandbox could not even take its files.
    #[error("the job cannot be run: {reason}")]
    Unrunnable {
        /// What the sandbox said.
        reason: String,
    },
}
