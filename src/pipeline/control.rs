//! What control messages do: cancel a job wherever it is, ask this worker to drain.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::dispatch::{Context, Dispatcher};
use super::intake::Waiting;
use super::outcome::not_run;
use super::registry::Found;
use crate::domain::outcome::RunRecord;
use crate::domain::settlement::Event;
use crate::domain::verdict::Status;
use crate::ports::execution::Executor;
use crate::ports::messages::Publisher;
use crate::protocol::control::{Command, Order};
use crate::telemetry::labels::{ControlCommand, ControlOutcome};

/// What became of a control message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was for others, not allowed, or had nothing to do.
    Nothing,
    /// This worker shall drain.
    Drain,
}

impl<E: Executor, P: Publisher> Dispatcher<E, P> {
    /// Heeds control messages until `stop` is cancelled or their channel closes. `drain` is cancelled once somebody who may has asked for it.
    pub async fn heed(self, mut messages: mpsc::Receiver<Bytes>, drain: CancellationToken, stop: CancellationToken) {
        loop {
            let body = tokio::select! {
                () = stop.cancelled() => return,
                body = messages.recv() => body,
            };
            let Some(body) = body else { return };
            if self.context.hear(&body) == Heard::Drain {
                drain.cancel();
            }
        }
    }
}

impl<E, P> Context<E, P> {
    /// Checks one control message and does what it says.
    fn hear(&self, body: &[u8]) -> Heard {
        let now = super::now();
        let order = match self.admission.borrow().control(body, now) {
            Ok(order) => order,
            Err(refusal) => {
                tracing::warn!("A control message is not heeded: {refusal}");
                self.metrics.control_message(ControlCommand::Unknown, ControlOutcome::Refused);
                return Heard::Nothing;
            }
        };
        let (command, outcome, heard) = match &order.command {
            Command::Cancel(key) => {
                let found = self.registry.cancel(key, order.expires_at, now);
                // Whoever holds the waiting jobs looks for cancelled ones.
                self.cancelled.notify_one();
                self.metrics.cancelled_ids(self.registry.cancelled_ids());
                (ControlCommand::Cancel, outcome(found), Heard::Nothing)
            }
            Command::Drain(worker) => {
                let (outcome, heard) = self.drain_asked(worker, &order);
                (ControlCommand::Drain, outcome, heard)
            }
        };
        tell(&order, outcome);
        self.metrics.control_message(command, outcome);
        heard
    }

    fn drain_asked(&self, worker: &str, order: &Order) -> (ControlOutcome, Heard) {
        if worker != self.settings.worker_id {
            return (ControlOutcome::OtherWorker, Heard::Nothing);
        }
        // It was meant for the process before this one: sent again, it would stop every one that is started.
        if order.issued_at < self.made_at {
            return (ControlOutcome::Stale, Heard::Nothing);
        }
        (ControlOutcome::Draining, Heard::Drain)
    }
}

impl<E: Executor, P: Publisher> Context<E, P> {
    /// Answers a job that was cancelled before it was run. Its sender must be allowed the reply queue all the same.
    pub(super) async fn answer_cancelled(&self, waiting: Waiting) {
        let Waiting { authentic, message, cancel: _ } = waiting;
        let reply = authentic.reply().clone();
        let admission = self.admission.borrow().clone();
        if let Err(refusal) = authentic.may_be_answered(&admission) {
            return self.refuse(refusal.into(), &reply, &message).await;
        }
        tracing::info!(job.id = %reply.key.id, "Job `{}` was cancelled and is not run", reply.key.id);
        let text = "the job was cancelled; it was not run for this result".to_owned();
        let record = RunRecord::not_run(Status::Cancelled, None, text);
        let outcome = not_run(record, reply.profile.clone(), self.stamps(reply.issued_at, &message));
        self.answer_outcome(Event::Cancelled, outcome, &reply, &message).await;
    }
}

const fn outcome(found: Found) -> ControlOutcome {
    match found {
        Found::Running => ControlOutcome::Running,
        Found::Waiting => ControlOutcome::Waiting,
        Found::Ended => ControlOutcome::Ended,
        Found::Elsewhere => ControlOutcome::Noted,
    }
}

/// What changes something here is worth a line to an operator; the rest is said to every worker and concerns one.
fn tell(order: &Order, outcome: ControlOutcome) {
    let Order { issuer, kid, .. } = order;
    let what = match &order.command {
        Command::Cancel(key) => format!("cancel job `{}`", key.id),
        Command::Drain(worker) => format!("drain worker {worker:?}"),
    };
    match outcome {
        ControlOutcome::Running | ControlOutcome::Waiting | ControlOutcome::Draining | ControlOutcome::Stale => {
            tracing::info!("{issuer:?} (key {kid:?}) asks to {what}: {}", outcome.as_str());
        }
        ControlOutcome::Ended | ControlOutcome::Noted | ControlOutcome::OtherWorker | ControlOutcome::Refused => {
            tracing::debug!("{issuer:?} (key {kid:?}) asks to {what}: {}", outcome.as_str());
        }
    }
}
