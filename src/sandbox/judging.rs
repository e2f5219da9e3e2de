//! What is said of a run, once it has ended: evidence is gathered, what may still live is destroyed, then it is judged.

use super::executor::met;
use super::judge::{self, Context};
use super::plan::{self, Asked, Stage};
use super::report;
use super::running::{Ran, Running, sandbox_fault};
use super::session::{End, Session};
use crate::config::model::{Profile, Report};
use crate::domain::checker::as_expected;
use crate::domain::job::Expect;
use crate::ports::execution::{ExecutionFault, TestReport};

impl Running<'_> {
    pub(super) async fn judge(
        &mut self,
        session: Session,
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
        check_launch(&session, self.profile, asked.stage)?;
        let tests = if asked.stage == Stage::Run { tests(&session, self.profile) } else { None };
        let truncated =
            matches!(&session.end, End::Reported(ended) if ended.stdout_bytes_total > asked.limits.stdout_bytes);
        let context = Context {
            stage: asked.stage,
            report: tests.as_ref().map(report::state),
            output_expected: expect.map(|expect| as_expected(expect, &session.stdout, truncated)),
            container_oom,
            memory_bytes: asked.limits.memory_bytes,
        };
        let record = judge::record(session, context).map_err(|end| fault(&end))?;
        Ok(Ran { record, tests })
    }

    async fn container_oom(&mut self) -> Result<bool, ExecutionFault> {
        let Some(sandbox) = self.lease.as_mut().and_then(|held| held.lease.sandbox()) else { return Ok(false) };
        match self.sandboxes.container_oom(&sandbox.name).await {
            Ok(oom) => Ok(oom),
            Err(error) => Err(met(self.pool, &error).await),
        }
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

/// A program that cannot be executed is the job's doing only if it comes from the job, or if the job's own arguments are too
/// long for the kernel.
fn check_launch(session: &Session, profile: &Profile, stage: Stage) -> Result<(), ExecutionFault> {
    /// "Argument list too long", on every Linux.
    const E2BIG: i32 = 7;
    let End::Reported(ended) = &session.end else { return Ok(()) };
    let Some(error) = &ended.launch_error else { return Ok(()) };
    let program = plan::words(profile, stage).first().map_or("", String::as_str);
    let by_job = plan::program_is_the_jobs(profile, stage) || error.errno == E2BIG;
    if error.step != "exec" {
        let reason = format!("the step `{}` of starting a program failed: {}", error.step, error.message);
        return Err(ExecutionFault::Unrunnable { reason });
    }
    if by_job {
        return Ok(());
    }
    let reason = format!("the image `{}` cannot execute `{program}`: {}", profile.image, error.message);
    Err(ExecutionFault::Unrunnable { reason })
}

fn fault(end: &End) -> ExecutionFault {
    match end {
        End::Fault(fault) if fault.from_job => {
            ExecutionFault::Unrunnable { reason: format!("{}: {}", fault.step, fault.message) }
        }
        End::Fault(fault) => sandbox_fault(&format!("the runner reports: {}: {}", fault.step, fault.message), true),
        End::Lost => sandbox_fault("the runner was gone before it could report", true),
        End::Overdue { .. } => sandbox_fault("the program could not be started in time", false),
        End::Reported(_) | End::Cancelled => sandbox_fault("no verdict could be reached", false),
    }
}
