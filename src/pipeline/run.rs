//! One job with a slot: admit, execute, answer, settle.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::answer::disposition;
use super::dispatch::{Context, Slot};
use super::intake::{AnswerContent, Message, Waiting};
use super::outcome::{Stamps, assemble, not_run};
use super::stream::Telling;
use crate::crash::{self, Point};
use crate::domain::job::{Job, JobKey};
use crate::domain::outcome::{Outcome, RunRecord};
use crate::domain::reason::DeadReason;
use crate::domain::settlement::{Event, Reply as SettlementReply, settle};
use crate::domain::verdict::Status;
use crate::ports::events::EventSink;
use crate::ports::execution::{Execution, ExecutionFault, Executor};
use crate::ports::messages::Publisher;
use crate::protocol::admission::Reply;
use crate::protocol::verified::Verified;
use crate::telemetry::labels::Stage;

/// How long a job that met a fault is held before it is given back, so that it does not go round in a tight loop.
const FAULT_PAUSE: Duration = Duration::from_secs(1);

/// Characters of a W3C `traceparent` header, version 00, and some room.
const TRACEPARENT_CHARS: usize = 64;

/// What came of trying to run a job.
enum Ran {
    Execution(Box<Execution>),
    Fault(ExecutionFault),
    Stopped,
}

impl<E: Executor, P: Publisher> Context<E, P> {
    /// Runs one job that has a slot.
    pub(super) async fn run_job(self: Arc<Self>, waiting: Waiting, slot: Slot<E, P>) {
        let id = waiting.authentic.key().id;
        let span = tracing::info_span!("job", job.id = %id, traceparent = tracing::field::Empty);
        if let Some(trace) = &waiting.message.properties.traceparent {
            // The header is unsigned: it is shown, escaped, and decides nothing.
            span.record(
                "traceparent",
                trace.chars().take(TRACEPARENT_CHARS).collect::<String>().escape_debug().to_string(),
            );
        }
        self.run_in_span(waiting, slot).instrument(span).await;
    }

    async fn run_in_span(&self, waiting: Waiting, slot: Slot<E, P>) {
        // Cancelled between its pick and here.
        if waiting.cancel.is_cancelled() {
            drop(slot);
            return self.answer_cancelled(waiting).await;
        }
        let attempt = waiting.attempt(self.registry.faults(waiting.authentic.key()));
        let Waiting { authentic, message, cancel } = waiting;
        let reply = authentic.reply().clone();
        let message = Message { attempt, ..message };
        let admission = self.admission.borrow().clone();
        let job = match authentic.admit(&admission, super::now()) {
            Ok(job) => Arc::new(job),
            Err(refusal) => {
                drop(slot);
                return self.refuse(refusal.into(), &reply, &message).await;
            }
        };
        // After admission: also this answer goes only where the key may have it sent.
        if self.suspicion().is_hopeless(attempt) {
            drop(slot);
            let text = format!("the job was delivered {attempt} times and never answered");
            return self.answer_internal_error(&reply, &message, text).await;
        }
        crash::passed(Point::AfterVerify);
        let began = message.received_at.elapsed();
        let (events, mut telling) = self.stream(job.get().stream, &reply, &message);
        match self.execute(&job, cancel, (events, &mut telling)).await {
            Ran::Execution(execution) => {
                // The sandbox is done with: the next job need not wait for this one's result to travel.
                drop(slot);
                telling.end(reply.key.id, &self.abort).await;
                self.answer_execution(&job, &reply, &message, (began, *execution)).await;
            }
            // What is left to tell of a run that came to nothing is dropped at once, with whatever it holds of the broker.
            Ran::Fault(fault) => {
                drop(telling);
                self.meet_fault(fault, &reply, &message, slot).await;
            }
            Ran::Stopped => {
                drop(telling);
                self.give_back_as(Event::Shutdown, &reply.key).await;
            }
        }
    }

    /// Runs the program, and tells of it meanwhile.
    async fn execute(
        &self,
        job: &Arc<Verified<Job>>,
        cancel: CancellationToken,
        told: (EventSink, &mut Telling<'_>),
    ) -> Ran {
        let (events, telling) = told;
        tokio::select! {
            result = telling.beside(self.executor.execute(Arc::clone(job), cancel, events)) => match result {
                Ok(execution) => Ran::Execution(Box::new(execution)),
                Err(fault) => Ran::Fault(fault),
            },
            () = self.abort.cancelled() => Ran::Stopped,
        }
    }

    async fn answer_execution(
        &self,
        job: &Verified<Job>,
        reply: &Reply,
        message: &Message,
        ran: (Duration, Execution),
    ) {
        let (began, execution) = ran;
        let status = execution.run.status;
        let event = if status == Status::Cancelled { Event::Cancelled } else { Event::Ran };
        let stamps = Stamps { began: Some(began), ..self.stamps(Some(job.get().issued_at), message) };
        let outcome = assemble(job.get(), execution, stamps);
        let stage = |stage, seconds: Option<f64>| {
            if let Some(took) = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
                self.metrics.stage(stage, took);
            }
        };
        let timings = outcome.timings;
        stage(Stage::Queued, timings.queued_seconds);
        stage(Stage::Leased, timings.leased_seconds);
        stage(Stage::Started, timings.started_seconds);
        stage(Stage::Run, timings.run_seconds);
        stage(Stage::Total, timings.total_seconds);
        tracing::info!(job.status = status.as_str(), "Job `{}` ended: {status}", reply.key.id);
        self.answer_outcome(event, outcome, reply, message).await;
    }

    /// Signs, publishes, stores and acknowledges.
    pub(super) async fn answer_outcome(&self, event: Event, outcome: Outcome, reply: &Reply, message: &Message) {
        let wanted = settle(event).delivery;
        let body = match self.signed(&reply.key, reply.digest, outcome) {
            Ok(body) => body,
            Err(error) => {
                // It can be neither answered nor run again to better effect: people must look at it.
                let buried = self.bury(message, DeadReason::Poison, &error.to_string()).await;
                for delivery in self.registry.given_back(&reply.key) {
                    self.settle(delivery, disposition(wanted, buried)).await;
                }
                return;
            }
        };
        #[cfg(feature = "crash-points")]
        self.acknowledge_too_early(&reply.key).await;
        let Some(stored) = self.publish_result(&reply.reply_to, reply.key.id, message, body).await else {
            return self.give_back_as(Event::Shutdown, &reply.key).await;
        };
        let deliveries = self.registry.answered(&reply.key, stored, super::now());
        crash::passed(Point::AfterConfirm);
        // The issuer has one running job less: another one of it may go.
        self.slot_freed.notify_one();
        for delivery in deliveries {
            self.settle(delivery, disposition(wanted, true)).await;
        }
    }

    pub(super) async fn refuse(&self, content: AnswerContent, reply: &Reply, message: &Message) {
        match content {
            AnswerContent::Dead(reason, detail) => {
                let buried = self.bury(message, reason, &detail).await;
                for delivery in self.registry.given_back(&reply.key) {
                    self.settle(delivery, disposition(settle(Event::Dead(reason)).delivery, buried)).await;
                }
            }
            AnswerContent::Rejected(to, reason, text) => {
                self.metrics.job_rejected(reason);
                tracing::info!(reason = reason.as_str(), "Job `{}` is rejected ({reason}): {text}", to.key.id);
                let record = RunRecord::not_run(Status::Rejected, Some(reason.as_str().to_owned()), text);
                let outcome = not_run(record, to.profile.clone(), self.stamps(to.issued_at, message));
                self.answer_outcome(Event::Rejected(reason), outcome, reply, message).await;
            }
            // Admission never finds a stored result.
            AnswerContent::Stored(..) => self.give_back_as(Event::Shutdown, &reply.key).await,
        }
    }

    async fn meet_fault(&self, fault: ExecutionFault, reply: &Reply, message: &Message, slot: Slot<E, P>) {
        let text = fault.to_string();
        let faults = match fault {
            // Nothing is wrong with the job.
            ExecutionFault::Unavailable { docker_away: true, .. } => 0,
            ExecutionFault::Unavailable { .. } | ExecutionFault::Sandbox { .. } | ExecutionFault::Unrunnable { .. } => {
                self.registry.count_fault(&reply.key)
            }
        };
        let attempts_left = message.attempt.max(faults) < self.settings.attempts_max;
        let event = match fault {
            ExecutionFault::Unavailable { docker_away: true, .. } => Event::DockerAway,
            ExecutionFault::Unavailable { .. } => Event::SandboxFault { attempts_left, job_suspect: false },
            ExecutionFault::Sandbox { job_suspect, .. } => Event::SandboxFault { attempts_left, job_suspect },
            // Another attempt would end the same way.
            ExecutionFault::Unrunnable { .. } => Event::SandboxFault { attempts_left: false, job_suspect: false },
        };
        tracing::warn!("Job `{}`, attempt {}: {text}", reply.key.id, message.attempt);
        if settle(event).reply == SettlementReply::InternalError {
            drop(slot);
            return self.answer_internal_error(reply, message, text).await;
        }
        // The slot is held meanwhile: whatever is wrong here would meet the next job as well.
        tokio::select! {
            () = tokio::time::sleep(FAULT_PAUSE) => {}
            () = self.abort.cancelled() => {}
        }
        drop(slot);
        self.give_back_as(event, &reply.key).await;
    }

    async fn answer_internal_error(&self, reply: &Reply, message: &Message, text: String) {
        let record = RunRecord::not_run(Status::InternalError, None, text);
        let outcome = not_run(record, reply.profile.clone(), self.stamps(reply.issued_at, message));
        let event = Event::SandboxFault { attempts_left: false, job_suspect: true };
        self.answer_outcome(event, outcome, reply, message).await;
    }

    async fn give_back_as(&self, event: Event, key: &JobKey) {
        self.give_back(key, disposition(settle(event).delivery, false)).await;
    }
}
