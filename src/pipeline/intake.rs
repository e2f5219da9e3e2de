//! The first look at a delivery: authentic, and new?

use super::dispatch::Context;
use super::registry::{Arrival, Seen, Stored};
use crate::crash::{self, Point};
use crate::domain::reason::{DeadReason, RejectReason};
use crate::domain::settlement::Event;
use crate::ports::messages::{Acknowledger, Delivered, Properties};
use crate::protocol::admission::{Authentic, PropertiesView, Refusal, Reply};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a message whose id stands for other bytes is told to operators as.
const ID_REUSED: &str = "the issuer used this job id before, for other bytes";

/// A new job that waits for a slot. Its delivery is in the registry.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) authentic: Authentic,
    /// The message as it came, without its acknowledger: a job that is found dead later still goes there whole.
    pub(super) message: Message,
    /// Cancelled when somebody who may has cancelled the job.
    pub(super) cancel: CancellationToken,
}

/// A delivery without its acknowledger.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) body: bytes::Bytes,
    pub(super) properties: Properties,
    pub(super) exchange: String,
    pub(super) routing_key: String,
    pub(super) attempt: u32,
    pub(super) received_at: Instant,
}

impl Waiting {
    /// Which attempt this would be: by the broker's count, or by our own where the broker does not count.
    pub(super) fn attempt(&self, faults: u32) -> u32 {
        self.message.attempt.max(faults.saturating_add(1))
    }
}

/// What is answered without running anything.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) content: AnswerContent,
    pub(super) message: Message,
    pub(super) delivery: Box<dyn Acknowledger>,
}

/// What the answer says.
#[derive(Debug)]
pub(super) enum AnswerContent {
    /// The message goes to the dead queue.
    Dead(DeadReason, String),
    /// The sender gets a refusal.
    Rejected(Box<Reply>, RejectReason, String),
    /// The sender gets the stored result again.
    Stored(uuid::Uuid, Stored),
}

impl AnswerContent {
    /// The row of the settlement table.
    pub(super) const fn event(&self) -> Event {
        match self {
            Self::Dead(reason, _) => Event::Dead(*reason),
            Self::Rejected(_, reason, _) => Event::Rejected(*reason),
            Self::Stored(..) => Event::EndedHere,
        }
    }
}

/// What becomes of a delivery at first sight. (A delivery of a job that runs here is kept with it, and is neither.)
#[derive(Debug)]
pub(super) enum Intake {
    /// A new job: it waits for a slot.
    Wait(Box<Waiting>),
    /// Answered at once.
    Answer(Box<Answer>),
}

impl From<Refusal> for AnswerContent {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Dead { reason, detail } => Self::Dead(reason, detail),
            Refusal::Rejected { to, reason, message } => Self::Rejected(to, reason, message),
        }
    }
}

impl<E, P> Context<E, P> {
    /// Sorts a delivery. `None`: it belongs to a job that waits or runs here, and is kept with it.
    pub(super) fn intake(&self, delivered: Delivered) -> Option<Intake> {
        crash::passed(Point::BeforeVerify);
        self.metrics.job_received(&delivered.class);
        if delivered.attempt > 1 {
            self.metrics.redelivered();
        }
        let Delivered { body, properties, class: _, exchange, routing_key, attempt, received_at, acknowledger } =
            delivered;
        let message = Message { body, properties, exchange, routing_key, attempt, received_at };
        let view = PropertiesView {
            reply_to: message.properties.reply_to.as_deref(),
            message_id: message.properties.message_id.as_deref(),
        };
        let admission = self.admission.borrow().clone();
        let authentic = match admission.authenticate(&message.body, &view) {
            Ok(authentic) => authentic,
            Err(refusal) => return Some(answer(self.refused(refusal), message, acknowledger)),
        };
        let times = (super::now(), authentic.expires_at());
        let key = authentic.key();
        match self.registry.arrive(key, authentic.digest(), times, acknowledger) {
            Arrival::New(cancel) => Some(Intake::Wait(Box::new(Waiting { authentic, message, cancel }))),
            Arrival::Adopted => {
                self.metrics.job_adopted();
                tracing::info!(job.id = %key.id, "Job `{}` came again while it is here; the delivery is kept with it", key.id);
                None
            }
            Arrival::Ended(stored, delivery) => {
                self.metrics.result_resent();
                Some(answer(AnswerContent::Stored(key.id, stored), message, delivery))
            }
            Arrival::Forgotten(delivery) => {
                let detail = "the job ended here before, and its result was confirmed, but is no longer stored";
                Some(answer(AnswerContent::Dead(DeadReason::IdReused, detail.to_owned()), message, delivery))
            }
            Arrival::IdReused(delivery) => {
                Some(answer(AnswerContent::Dead(DeadReason::IdReused, ID_REUSED.to_owned()), message, delivery))
            }
        }
    }
}

impl<E, P> Context<E, P> {
    /// A job that is malformed may still have the id of one that ended here: then that one's rules hold.
    fn refused(&self, refusal: Refusal) -> AnswerContent {
        if let Refusal::Rejected { to, .. } = &refusal {
            match self.registry.seen(&to.key, to.digest, super::now()) {
                Some(Seen::Ended(stored)) => return AnswerContent::Stored(to.key.id, stored),
                Some(Seen::IdReused) => return AnswerContent::Dead(DeadReason::IdReused, ID_REUSED.to_owned()),
                None => {}
            }
        }
        refusal.into()
    }
}

fn answer(content: AnswerContent, message: Message, delivery: Box<dyn Acknowledger>) -> Intake {
    Intake::Answer(Box::new(Answer { content, message, delivery }))
}
