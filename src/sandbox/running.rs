//! One job in its sandbox: its one run, or the run of each of its cases.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::blueprint::{Blueprint, Fit};
use super::engine::DockerError;
use super::executor::Sandboxes;
use super::judge::{self, Context};
use super::lease::Lease;
use super::plan::{self, Asked};
use super::pool::ProfilePool;
use super::report;
use super::session::{self, End, Session};
use crate::config::model::{Profile, Report};
use crate::domain::checker::as_expected;
use crate::domain::job::{Expect, Job};
use crate::domain::outcome::{CaseRecord, Isolation, RunRecord};
use crate::domain::verdict::Status;
use crate::ports::events::EventSink;
use crate::ports::execution::{Execution, ExecutionFault, TestReport};

/// Output of all cases together that a result keeps, in bytes. The judgement of a case sees all of its output.
const CASES_OUTPUT_BYTES_MAX: usize = 16 * 1_048_576;

/// A job at work. Its sandbox is leased for the first run and kept for the next ones; dropping this gives it up.
pub(super) struct Running<'a> {
    sandboxes: &'a Sandboxes,
    job: &'a Job,
    profile: &'a Profile,
    pool: &'a Arc<ProfilePool>,
    cancel: &'a CancellationToken,
    events: &'a EventSink,
    lease: Option<Held>,
    asked_at: Instant,
    leased_at: Option<Instant>,
    started_at: Option<Instant>,
    ended_at: Instant,
    image_digest: String,
}

/// The sandbox in hand.
struct Held {
    lease: Lease,
    blueprint: Blueprint,
    /// Whether the job has run in it before: then the runner empties it first, which can fail.
    used: bool,
}

/// What one run came to.
struct Ran {
    record: RunRecord,
    tests: Option<TestReport>,
}

impl<'a> Running<'a> {
    pub(super) fn new(
        sandboxes: &'a Sandboxes,
        job: &'a Job,
        place: (&'a Profile, &'a Arc<ProfilePool>),
        cancel: &'a CancellationToken,
        events: &'a EventSink,
    ) -> Self {
        let (profile, pool) = place;
        let now = Instant::now();
        Self {
            sandboxes,
            job,
            profile,
            pool,
            cancel,
            events,
            lease: None,
            asked_at: now,
            leased_at: None,
            started_at: None,
            ended_at: now,
            image_digest: String::new(),
        }
    }

    /// Runs the job to its end.
    pub(super) async fn execute(mut self) -> Result<Execution, ExecutionFault> {
        if self.job.cases.is_empty() {
            let asked = Asked { stdin: &self.job.stdin, args: &self.job.args, limits: &self.job.limits };
            let ran = self.run(asked, None).await?;
            return Ok(self.conclude(ran, Vec::new()));
        }
        let mut cases = Vec::new();
        let mut verdict: Option<Ran> = None;
        let mut kept_bytes = 0;
        for case in &self.job.cases {
            // A case has the job's arguments before its own.
            let args: Vec<String> = self.job.args.iter().chain(&case.args).cloned().collect();
            let asked = Asked { stdin: &case.stdin, args: &args, limits: &case.limits };
            let ran = self.run(asked, case.expect.as_ref()).await?;
            let mut shown = ran.record.clone();
            for output in [&mut shown.stdout, &mut shown.stderr] {
                kept_bytes = output.keep_within(CASES_OUTPUT_BYTES_MAX, kept_bytes);
            }
            let record = CaseRecord { name: case.name.clone(), run: shown };
            self.events.case(&record);
            cases.push(record);
            let status = ran.record.status;
            // The job is what its first case that is not `ok` is; else what the last one is.
            if verdict.as_ref().is_none_or(|known| known.record.status == Status::Ok) {
                verdict = Some(ran);
            }
            if status == Status::Cancelled || (status != Status::Ok && self.job.stop_on_failure) {
                break;
            }
        }
        let ran = verdict.ok_or_else(|| sandbox_fault("no case was run", false))?;
        Ok(self.conclude(ran, cases))
    }

    fn conclude(self, ran: Ran, cases: Vec<CaseRecord>) -> Execution {
        let leased_at = self.leased_at.unwrap_or(self.asked_at);
        let started_at = self.started_at.unwrap_or(self.ended_at);
        Execution {
            run: ran.record,
            compile: None,
            cases,
            tests: ran.tests,
            artifacts: Vec::new(),
            artifacts_refused: Vec::new(),
            image_digest: self.image_digest,
            isolation: Isolation::Fresh,
            leased: leased_at.duration_since(self.asked_at),
            started: started_at.saturating_duration_since(leased_at),
            ran: self.ended_at.saturating_duration_since(started_at),
        }
    }

    /// One run. A sandbox that could not be emptied after the run before is exchanged for a new one, once.
    async fn run(&mut self, asked: Asked<'_>, expect: Option<&Expect>) -> Result<Ran, ExecutionFault> {
        loop {
            let reused = self.hold(Blueprint::new(asked.limits)).await?;
            let session = self.session(&asked).await?;
            // What an earlier case left there may keep the runner from emptying it, or kill it: that is not this case's doing.
            let unstarted = session.started_at.is_none();
            if reused && unstarted && matches!(session.end, End::Fault(_) | End::Lost | End::Overdue { .. }) {
                tracing::warn!("a sandbox could not be used again: {:?}", session.end);
                self.destroy().await?;
                continue;
            }
            return self.judge(&session, &asked, expect).await;
        }
    }

    /// Has a sandbox of this blueprint in hand; says whether the job ran in it before.
    async fn hold(&mut self, wanted: Blueprint) -> Result<bool, ExecutionFault> {
        if let Some(held) = &mut self.lease {
            match held.blueprint.fit(&wanted) {
                Fit::AsIs => return Ok(held.used),
                Fit::Update => {
                    if let Some(sandbox) = held.lease.sandbox() {
                        self.sandboxes.update(&sandbox.name, &wanted).await.map_err(|error| unavailable(&error))?;
                    }
                    held.blueprint = wanted;
                    return Ok(held.used);
                }
                // Dropped: it goes to the reaper.
                Fit::Fresh => self.lease = None,
            }
        }
        let lease = self.sandboxes.lease(self.pool, wanted).await?;
        self.lease = Some(Held { lease, blueprint: wanted, used: false });
        if self.leased_at.is_none() {
            self.leased_at = Some(Instant::now());
            self.sandboxes.lease_waited(&self.job.profile, self.asked_at.elapsed());
        }
        Ok(false)
    }

    async fn session(&mut self, asked: &Asked<'_>) -> Result<Session, ExecutionFault> {
        let empty = || sandbox_fault("the lease is empty", false);
        let held = self.lease.as_mut().ok_or_else(empty)?;
        held.used = true;
        let sandbox = held.lease.sandbox().ok_or_else(empty)?;
        let uid = plan::random_uid().map_err(|error| sandbox_fault(&error.to_string(), false))?;
        let plan = plan::plan(self.job, self.profile, &sandbox.image.env, asked, uid)
            .map_err(|error| ExecutionFault::Unrunnable { reason: format!("its files cannot be packed: {error}") })?;
        self.image_digest.clone_from(&sandbox.image.digest);
        let session = session::run(&mut sandbox.link, &plan, self.cancel, (&sandbox.pool_changed, self.events)).await;
        self.started_at = self.started_at.or(session.started_at);
        self.ended_at = session.ended_at;
        Ok(session)
    }

    async fn judge(
        &mut self,
        session: &Session,
        asked: &Asked<'_>,
        expect: Option<&Expect>,
    ) -> Result<Ran, ExecutionFault> {
        // Docker is asked only about a sandbox that did not speak for itself. If it cannot say, nobody is blamed.
        let container_oom = match session.end {
            End::Lost | End::Overdue { .. } => self.container_oom().await?,
            End::Reported(_) | End::Fault(_) | End::Cancelled => false,
        };
        if !matches!(&session.end, End::Reported(ended) if ended.clean) {
            // Something of the job may still run: it is gone before anybody is told of a result.
            self.destroy().await?;
        }
        check_launch(session, self.profile)?;
        let tests = tests(session, self.profile);
        let truncated =
            matches!(&session.end, End::Reported(ended) if ended.stdout_bytes_total > asked.limits.stdout_bytes);
        let context = Context {
            report: tests.as_ref().map(report::state),
            output_expected: expect.map(|expect| as_expected(expect, &session.stdout, truncated)),
            container_oom,
            memory_bytes: asked.limits.memory_bytes,
        };
        let record = judge::record(session, context).ok_or_else(|| fault(session))?;
        Ok(Ran { record, tests })
    }

    async fn container_oom(&mut self) -> Result<bool, ExecutionFault> {
        let Some(sandbox) = self.lease.as_mut().and_then(|held| held.lease.sandbox()) else { return Ok(false) };
        self.sandboxes.container_oom(&sandbox.name).await.map_err(|error| unavailable(&error))
    }

    async fn destroy(&mut self) -> Result<(), ExecutionFault> {
        let Some(held) = self.lease.take() else { return Ok(()) };
        let destroyed = held.lease.destroy().await;
        destroyed.map_err(|error| ExecutionFault::Unavailable { reason: error.to_string(), docker_away: true })
    }
}

fn tests(session: &Session, profile: &Profile) -> Option<TestReport> {
    match (profile.report, &session.end) {
        (Report::None, _) => None,
        (Report::Pytest, End::Reported(ended)) => {
            let exit_code = match ended.exit {
                Some(tester_runner::message::Exit::Code(code)) => Some(code),
                Some(tester_runner::message::Exit::Signal(_)) | None => None,
            };
            Some(report::parse(&session.report, ended.report_truncated, exit_code))
        }
        (Report::Pytest, _) => Some(report::parse(&session.report, false, None)),
    }
}

/// A program that cannot be executed is the job's doing only if it comes from the job, or if the job's own arguments
/// are too long for the kernel.
fn check_launch(session: &Session, profile: &Profile) -> Result<(), ExecutionFault> {
    /// "Argument list too long", on every Linux.
    const E2BIG: i32 = 7;
    let End::Reported(ended) = &session.end else { return Ok(()) };
    let Some(error) = &ended.launch_error else { return Ok(()) };
    let by_job = error.step == "exec" && (plan::program_is_the_jobs(profile) || error.errno == E2BIG);
    if by_job {
        return Ok(());
    }
    let program = profile.argv.first().map_or("", String::as_str);
    let reason = if error.step == "exec" {
        format!("the image `{}` cannot execute `{program}`: {}", profile.image, error.message)
    } else {
        format!("the step `{}` of starting a program failed: {}", error.step, error.message)
    };
    Err(ExecutionFault::Unrunnable { reason })
}

fn fault(session: &Session) -> ExecutionFault {
    match &session.end {
        End::Fault(fault) if fault.from_job => {
            ExecutionFault::Unrunnable { reason: format!("{}: {}", fault.step, fault.message) }
        }
        End::Fault(fault) => sandbox_fault(&format!("the runner reports: {}: {}", fault.step, fault.message), true),
        End::Lost => sandbox_fault("the runner was gone before it could report", true),
        End::Overdue { .. } => sandbox_fault("the program could not be started in time", false),
        End::Reported(_) | End::Cancelled => sandbox_fault("no verdict could be reached", false),
    }
}

fn sandbox_fault(reason: &str, job_suspect: bool) -> ExecutionFault {
    ExecutionFault::Sandbox { reason: reason.to_owned(), job_suspect }
}

pub(super) fn unavailable(error: &DockerError) -> ExecutionFault {
    ExecutionFault::Unavailable { reason: error.to_string(), docker_away: error.is_outage() }
}
