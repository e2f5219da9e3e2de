//! Events of a job that asked for them (`stream`): signed and published one after another while it runs.
//!
//! ```text
//! Executor::execute ──▶ EventSink ── a bounded buffer ──▶ EventSource ──▶ tell: sign, publish, await the confirmation
//! ```
//!
//! Each is published once. What is not confirmed is gone and counted; nothing is parked or repeated, and nothing that
//! happens here changes the result or holds it up for longer than [`LAST_EVENTS_LIMIT`].

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Fuse, FusedFuture as _};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::dispatch::Context;
use super::intake::Message;
use super::outgoing;
use crate::domain::event::JobEvent;
use crate::domain::settlement::PublishEnd;
use crate::ports::events::{self, EventSink, EventSource, Numbered};
use crate::ports::execution::Executor;
use crate::ports::messages::Publisher;
use crate::protocol::admission::Reply;
use crate::protocol::event::{EventClaims, Teller, sign_event};
use crate::telemetry::labels::EventOutcome;
use crate::telemetry::metrics::Metrics;

/// How long the events that are left when a job has ended may hold up its result.
const LAST_EVENTS_LIMIT: Duration = Duration::from_secs(2);

/// How long nothing is told after an event that was not confirmed: whatever is wrong would meet the next one, too.
const FAILURE_PAUSE: Duration = Duration::from_secs(1);

/// The telling of one job's events; it ends when there are no more. Dropped, it takes nothing more from the job.
pub(super) struct Telling<'a>(Fuse<BoxFuture<'a, ()>>);

impl Telling<'_> {
    /// Tells while `run` runs.
    pub(super) async fn beside<T>(&mut self, run: impl Future<Output = T>) -> T {
        let mut run = pin!(run);
        loop {
            tokio::select! {
                ran = &mut run => return ran,
                () = &mut self.0, if !self.0.is_terminated() => {}
            }
        }
    }

    /// Tells what is left of a job that has ended, within the limit, and not once the worker has to stop.
    pub(super) async fn end(self, job: Uuid, abort: &CancellationToken) {
        if self.0.is_terminated() {
            return;
        }
        tokio::select! {
            () = self.0 => {}
            () = tokio::time::sleep(LAST_EVENTS_LIMIT) => {
                tracing::info!("Job `{job}`: its last events could not be told in time; the result goes without them");
            }
            () = abort.cancelled() => {}
        }
    }
}

/// The source, and the count of what it still holds when the telling ends, in whatever way.
struct Left {
    source: EventSource,
    /// Whether one is on its way.
    under_way: bool,
    metrics: Metrics,
}

impl Drop for Left {
    fn drop(&mut self) {
        let (dropped, waiting) = self.source.dropped_and_waiting();
        let late = waiting.saturating_add(usize::from(self.under_way));
        self.metrics.events(EventOutcome::NoRoom, dropped);
        self.metrics.events(EventOutcome::Late, u64::try_from(late).unwrap_or(u64::MAX));
    }
}

impl<E: Executor, P: Publisher> Context<E, P> {
    /// Where a job's events go, and the telling of them; a job that did not ask for any has neither.
    pub(super) fn stream<'a>(
        &'a self,
        asked: bool,
        reply: &'a Reply,
        message: &'a Message,
    ) -> (EventSink, Telling<'a>) {
        if !asked {
            return (EventSink::silent(), Telling(Fuse::terminated()));
        }
        let (sink, source) = events::channel();
        let left = Left { source, under_way: false, metrics: self.metrics.clone() };
        (sink, Telling(self.tell(left, reply, message).boxed().fuse()))
    }

    async fn tell(&self, mut left: Left, reply: &Reply, message: &Message) {
        while let Some(Numbered { seq, event }) = left.source.next().await {
            left.under_way = true;
            let outcome = self.tell_one(seq, event, reply, message).await;
            left.under_way = false;
            self.metrics.events(outcome, 1);
            match outcome {
                EventOutcome::Unroutable => {
                    tracing::info!("Job `{}`: no queue takes its events; no more are told", reply.key.id);
                    return;
                }
                EventOutcome::NotConfirmed => tokio::time::sleep(FAILURE_PAUSE).await,
                EventOutcome::Told | EventOutcome::TooLarge | EventOutcome::NoRoom | EventOutcome::Late => {}
            }
        }
    }

    async fn tell_one(&self, seq: u64, event: JobEvent, reply: &Reply, message: &Message) -> EventOutcome {
        let Some(body) = self.signed_event(seq, event, reply, message) else { return EventOutcome::TooLarge };
        let correlation_id = message.properties.correlation_id.clone();
        let outbound = outgoing::event(&reply.reply_to, (reply.key.id, seq), correlation_id, body);
        match self.publisher.publish(&outbound).await {
            PublishEnd::Confirmed => EventOutcome::Told,
            PublishEnd::Unroutable => EventOutcome::Unroutable,
            PublishEnd::NotConfirmed => EventOutcome::NotConfirmed,
        }
    }

    /// `None`: it is too large to be sent.
    fn signed_event(&self, seq: u64, event: JobEvent, reply: &Reply, message: &Message) -> Option<Bytes> {
        let teller = Teller { worker: &self.settings.worker_id, attempt: message.attempt, now: super::now() };
        let claims = EventClaims::new((&reply.key, reply.digest), teller, seq, event);
        let signer = self.signer.borrow().clone();
        sign_event(&claims, &signer, self.settings.result_bytes_max).unwrap_or_else(|error| {
            tracing::warn!("Job `{}`: event {seq} cannot be signed: {error}", reply.key.id);
            None
        })
    }
}
