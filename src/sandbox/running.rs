//! One job in its sandbox: compiled where its profile says so, then its one run, or the run of each of its cases.

use std::sync::Arc;

use bytes::Bytes;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::artifacts::{self, Collected};
use super::blueprint::{Blueprint, Fit};
use super::engine::DockerError;
use super::executor::{Sandboxes, met};
use super::lease::Lease;
use super::link::Link;
use super::plan::{self, Asked, Stage};
use super::pool::ProfilePool;
use super::recycle::{self, Expected};
use super::refill::Working;
use super::session::{self, End, Plan, Session};
use super::tarball;
use crate::config::model::Profile;
use crate::crash::{self, Point};
use crate::domain::content::Content;
use crate::domain::job::{Expect, Job};
use crate::domain::limits::Limits;
use crate::domain::outcome::{CaseRecord, Isolation, RunRecord};
use crate::domain::verdict::Status;
use crate::ports::events::EventSink;
use crate::ports::execution::{Execution, ExecutionFault, TestReport};

/// Output of all cases together that a result keeps, in bytes. The judgement of a case sees all of its output.
const CASES_OUTPUT_BYTES_MAX: usize = 16 * 1_048_576;

/// A job at work. Its sandbox is leased for the first run and kept for the next ones; dropping this gives it up.
pub(super) struct Running<'a> {
    pub(super) sandboxes: &'a Sandboxes,
    pub(super) job: &'a Job,
    pub(super) profile: &'a Profile,
    pub(super) pool: &'a Arc<ProfilePool>,
    cancel: &'a CancellationToken,
    events: &'a EventSink,
    /// What every run finds in its folder, as a tar.
    pub(super) files: Bytes,
    pub(super) lease: Option<Held>,
    collected: Collected,
    asked_at: Instant,
    leased_at: Option<Instant>,
    started_at: Option<Instant>,
    ended_at: Instant,
    image_digest: String,
    isolation: Isolation,
    /// Whether a sandbox of this job turned out to be unclean.
    exchanged: bool,
    _working: Working,
}

/// The sandbox in hand.
pub(super) struct Held {
    pub(super) lease: Lease,
    blueprint: Blueprint,
    /// Whether something has run in it before: then the runner shows first that nothing is left of it, which can fail.
    used: bool,
    /// Counts it for the pool, if it is to have it back.
    expected: Option<Expected>,
}

/// What one run came to.
pub(super) struct Ran {
    pub(super) record: RunRecord,
    pub(super) tests: Option<TestReport>,
}

impl Ran {
    /// Of a job that was cancelled before this run had a sandbox.
    fn cancelled() -> Self {
        let text = "the job was cancelled before the program was started";
        Self { record: RunRecord::not_run(Status::Cancelled, None, text.to_owned()), tests: None }
    }
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
            files: Bytes::new(),
            lease: None,
            collected: Collected::default(),
            asked_at: now,
            leased_at: None,
            started_at: None,
            ended_at: now,
            image_digest: String::new(),
            isolation: Isolation::Fresh,
            exchanged: false,
            _working: sandboxes.begin_work(),
        }
    }

    /// Runs the job to its end.
    pub(super) async fn execute(mut self) -> Result<Execution, ExecutionFault> {
        self.files = tarball::pack(&self.job.files)
            .map_err(|error| ExecutionFault::Unrunnable { reason: format!("its files cannot be packed: {error}") })?;
        let mut compiled = None;
        if !self.profile.compile.is_empty() {
            let record = self.compile().await?;
            if record.status != Status::Ok {
                // The job is what its compiler's run was, and nothing else of it ran.
                let ran = Ran { record: record.clone(), tests: None };
                return Ok(self.conclude(ran, Some(record), Vec::new()));
            }
            compiled = Some(record);
        }
        let (ran, cases) = if self.job.cases.is_empty() {
            let (stdin, args, limits) = (&self.job.stdin, self.job.args.as_slice(), &self.job.limits);
            let ran =
                self.run(Asked { stage: Stage::Run, stdin, args, limits, last: self.is_single_use() }, None).await?;
            self.collect().await;
            (ran, Vec::new())
        } else {
            self.run_cases().await?
        };
        Ok(self.conclude(ran, compiled, cases))
    }

    /// Runs every case. The job is what its first case that is not `ok` is, else what the last one is; its artifacts are
    /// what that case left.
    async fn run_cases(&mut self) -> Result<(Ran, Vec<CaseRecord>), ExecutionFault> {
        let job = self.job;
        let mut cases = Vec::new();
        let mut verdict: Option<Ran> = None;
        let mut kept_bytes = 0;
        for (number, case) in job.cases.iter().enumerate() {
            // A case has the job's arguments before its own.
            let args: Vec<String> = job.args.iter().chain(&case.args).cloned().collect();
            let last = self.is_single_use() && number + 1 == job.cases.len();
            let asked = Asked { stage: Stage::Run, stdin: &case.stdin, args: &args, limits: &case.limits, last };
            let ran = self.run(asked, case.expect.as_ref()).await?;
            let mut shown = ran.record.clone();
            for output in [&mut shown.stdout, &mut shown.stderr] {
                kept_bytes = output.keep_within(CASES_OUTPUT_BYTES_MAX, kept_bytes);
            }
            let record = CaseRecord { name: case.name.clone(), run: shown };
            self.events.case(&record);
            cases.push(record);
            let status = ran.record.status;
            let last = status == Status::Cancelled || (status != Status::Ok && job.stop_on_failure);
            // Whoever cancels a job is told that it is cancelled, whatever the cases before came to.
            let undecided =
                status == Status::Cancelled || verdict.as_ref().is_none_or(|known| known.record.status == Status::Ok);
            if undecided && (status != Status::Ok || number + 1 == job.cases.len()) {
                self.collect().await;
            }
            if undecided {
                verdict = Some(ran);
            }
            if last {
                break;
            }
        }
        let ran = verdict.ok_or_else(|| sandbox_fault("no case was run", false))?;
        Ok((ran, cases))
    }

    /// Brings back what the job wants of what the run before left, if its sandbox is still there: one in which something
    /// may be alive is not looked into.
    async fn collect(&mut self) {
        let globs = &self.job.artifacts;
        if globs.is_empty() {
            return;
        }
        self.collected = match self.link() {
            Some(link) => artifacts::collect(link, globs).await,
            None => Collected::lost(globs),
        };
    }

    /// Whether the sandbox is gone after this job.
    const fn is_single_use(&self) -> bool {
        self.profile.uses_per_sandbox == 1
    }

    /// One run of the compiler.
    pub(super) async fn run_compiler(&mut self, limits: &Limits) -> Result<Ran, ExecutionFault> {
        self.run(Asked { stage: Stage::Compile, stdin: &Content::default(), args: &[], limits, last: false }, None)
            .await
    }

    /// The line to the runner of the sandbox in hand.
    pub(super) fn link(&mut self) -> Option<&mut Link> {
        self.lease.as_mut().and_then(|held| held.lease.sandbox()).map(|sandbox| &mut sandbox.link)
    }

    /// What the job came to. Its sandbox is emptied for another, or removed, behind it.
    fn conclude(mut self, ran: Ran, compile: Option<RunRecord>, cases: Vec<CaseRecord>) -> Execution {
        if let Some(Held { lease, blueprint, expected: Some(expected), .. }) = self.lease.take()
            && blueprint == self.pool.blueprint
        {
            recycle::begin(self.sandboxes.recycling(), lease, expected);
        }
        let leased_at = self.leased_at.unwrap_or(self.asked_at);
        let started_at = self.started_at.unwrap_or(self.ended_at);
        Execution {
            run: ran.record,
            compile,
            cases,
            tests: ran.tests,
            artifacts: self.collected.artifacts,
            artifacts_refused: self.collected.refused,
            image_digest: self.image_digest,
            isolation: self.isolation,
            leased: leased_at.duration_since(self.asked_at),
            started: started_at.saturating_duration_since(leased_at),
            ran: self.ended_at.saturating_duration_since(started_at),
        }
    }

    /// One run. A sandbox that could not be emptied after the run before is exchanged for a new one, once.
    async fn run(&mut self, asked: Asked<'_>, expect: Option<&Expect>) -> Result<Ran, ExecutionFault> {
        loop {
            let cancel = self.cancel;
            let reused = tokio::select! {
                // First, so that no case of a cancelled job begins.
                biased;
                () = cancel.cancelled() => return Ok(Ran::cancelled()),
                held = self.hold(Blueprint::new(asked.limits).with_template(self.profile.is_warm())) => held?,
            };
            let session = self.session(&asked).await?;
            // What an earlier case left there may keep the runner from emptying it, or kill it: that is not this case's doing.
            let unstarted = session.started_at.is_none();
            if reused && unstarted && matches!(session.end, End::Fault(_) | End::Lost | End::Overdue { .. }) {
                tracing::warn!("a sandbox could not be used again: {:?}", session.end);
                self.destroy().await?;
                self.exchanged = true;
                continue;
            }
            return self.judge(session, &asked, expect).await;
        }
    }

    /// Has a sandbox of this blueprint in hand; says whether something ran in it before.
    async fn hold(&mut self, wanted: Blueprint) -> Result<bool, ExecutionFault> {
        // The run before may have ended in the middle of a frame: the runner would take the next one for the rest.
        if self.link().is_some_and(|link| !link.writer.in_step()) {
            self.lease = None;
        }
        if let Some(held) = &mut self.lease {
            match held.blueprint.fit(&wanted) {
                Fit::AsIs => return Ok(held.used),
                // Never to less memory than what the run before may have left in the folders: that cannot be had back.
                Fit::Update if wanted.memory_bytes >= held.blueprint.memory_bytes => {
                    if let Some(sandbox) = held.lease.sandbox()
                        && let Err(error) = self.sandboxes.update(&sandbox.name, &wanted).await
                    {
                        return Err(met(self.pool, &error).await);
                    }
                    held.blueprint = wanted;
                    return Ok(held.used);
                }
                // Dropped: it goes to the reaper.
                Fit::Update | Fit::Fresh => self.lease = None,
            }
        }
        crash::passed(Point::BeforeLease);
        // Before it is taken: between the two the filler would make another in its place.
        let expected = (!self.is_single_use()).then(|| Expected::new(self.pool));
        // One that was unclean may not be the only one.
        let mut lease = self.sandboxes.lease(self.pool, wanted, self.exchanged).await?;
        crash::passed(Point::AfterLease);
        let past = lease.sandbox().map(|sandbox| sandbox.past.begin_job()).unwrap_or_default();
        let expected = expected.filter(|_| lease.is_pooled() && past + 1 < self.profile.uses_per_sandbox);
        if past > 0 {
            self.isolation = Isolation::Reused;
        }
        self.lease = Some(Held { lease, blueprint: wanted, used: past > 0, expected });
        if self.leased_at.is_none() {
            self.leased_at = Some(Instant::now());
            self.sandboxes.lease_waited(&self.job.profile, self.asked_at.elapsed());
        }
        Ok(past > 0)
    }

    async fn session(&mut self, asked: &Asked<'_>) -> Result<Session, ExecutionFault> {
        let empty = || sandbox_fault("the lease is empty", false);
        let held = self.lease.as_mut().ok_or_else(empty)?;
        held.used = true;
        let sandbox = held.lease.sandbox().ok_or_else(empty)?;
        let uid = sandbox.past.new_uid().map_err(|error| sandbox_fault(&error.to_string(), false))?;
        let plan = Plan {
            start: plan::start(self.job, self.profile, &sandbox.image.env, asked, uid),
            tar: self.files.clone(),
            stdin: asked.stdin.to_bytes(),
            passed: crash::passed,
        };
        self.image_digest.clone_from(&sandbox.image.digest);
        // Nobody is told of the compiler's run.
        let silent = EventSink::silent();
        let events = if asked.stage == Stage::Run { self.events } else { &silent };
        crash::passed(Point::BeforeStart);
        let session = session::run(&mut sandbox.link, &plan, self.cancel, (&sandbox.pool_changed, events)).await;
        crash::passed(Point::AfterRun);
        self.started_at = self.started_at.or(session.started_at);
        self.ended_at = session.ended_at;
        Ok(session)
    }

    pub(super) async fn destroy(&mut self) -> Result<(), ExecutionFault> {
        let Some(held) = self.lease.take() else { return Ok(()) };
        let Err(error) = held.lease.destroy().await else { return Ok(()) };
        // A Docker that answers and cannot end this one container: that may be the job's doing.
        match self.sandboxes.docker_answers().await {
            Ok(()) => Err(sandbox_fault(&error.to_string(), true)),
            Err(away) => Err(met(self.pool, &away).await),
        }
    }
}

pub(super) fn sandbox_fault(reason: &str, job_suspect: bool) -> ExecutionFault {
    ExecutionFault::Sandbox { reason: reason.to_owned(), job_suspect }
}

pub(super) fn unavailable(error: &DockerError) -> ExecutionFault {
    ExecutionFault::Unavailable { reason: error.to_string(), docker_away: error.is_outage() }
}
