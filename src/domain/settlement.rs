//! What follows from the end of a delivery: one exhaustive, pure table.
//!
//! Nobody else decides what is published and what becomes of a delivery. The order is always: publish, wait for the
//! broker's confirmation, then acknowledge.

pub mod reference;

use super::reason::{DeadReason, RejectReason};

/// What happened to a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The program ran, however it ended.
    Ran,
    /// The job was cancelled by somebody who may.
    Cancelled,
    /// Not authentic, not for us, its reply queue not allowed or unreadable, or its id used for other bytes.
    Dead(DeadReason),
    /// Authentic, but malformed, expired or over policy.
    Rejected(RejectReason),
    /// The same job again while it runs here.
    RunningHere,
    /// The same job again after it ended here.
    EndedHere,
    /// The sandbox, Docker or the runner failed.
    SandboxFault {
        /// Whether another attempt is allowed.
        attempts_left: bool,
        /// Whether the job itself may have caused it.
        job_suspect: bool,
    },
    /// Docker is away; nothing is wrong with the job.
    DockerAway,
    /// The worker stops before the job's end.
    Shutdown,
}

/// What is published before the delivery is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// Nothing.
    Nothing,
    /// The outcome of the run.
    Outcome,
    /// A signed refusal.
    Rejection(RejectReason),
    /// The result that was stored when the job ended here.
    Stored,
    /// A signed `internal_error`.
    InternalError,
    /// The message itself, to the dead queue.
    DeadLetter(DeadReason),
}

/// What becomes of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Acknowledge it once the reply is confirmed.
    AckWhenConfirmed,
    /// Keep it; it is acknowledged with the run it belongs to.
    KeepUntilRunEnds,
    /// Give it back; that counts against nobody where the broker can tell.
    Requeue,
    /// Give it back as failed; the broker counts it.
    RejectToQueue,
}

/// A reply and what becomes of the delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settlement {
    /// What is published.
    pub reply: Reply,
    /// What becomes of the delivery.
    pub delivery: Delivery,
}

/// The table.
pub const fn settle(event: Event) -> Settlement {
    let (reply, delivery) = match event {
        Event::Ran | Event::Cancelled => (Reply::Outcome, Delivery::AckWhenConfirmed),
        Event::Dead(reason) => (Reply::DeadLetter(reason), Delivery::AckWhenConfirmed),
        Event::Rejected(reason) => (Reply::Rejection(reason), Delivery::AckWhenConfirmed),
        Event::RunningHere => (Reply::Nothing, Delivery::KeepUntilRunEnds),
        Event::EndedHere => (Reply::Stored, Delivery::AckWhenConfirmed),
        Event::SandboxFault { attempts_left: true, job_suspect: true } => (Reply::Nothing, Delivery::RejectToQueue),
        Event::SandboxFault { attempts_left: true, job_suspect: false } | Event::DockerAway | Event::Shutdown => {
            (Reply::Nothing, Delivery::Requeue)
        }
        Event::SandboxFault { attempts_left: false, job_suspect: _ } => {
            (Reply::InternalError, Delivery::AckWhenConfirmed)
        }
    };
    Settlement { reply, delivery }
}

/// How a publish ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishEnd {
    /// The broker has it and a queue took it.
    Confirmed,
    /// The broker has it and no queue wanted it.
    Unroutable,
    /// Refused, or nobody knows.
    NotConfirmed,
}

/// Where a message was headed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The job's reply queue.
    ReplyQueue,
    /// RabbitMQ's direct reply-to: at most once by nature.
    DirectReply,
    /// `tester.dead`.
    Dead,
    /// `tester.unrouted`.
    Unrouted,
}

/// What follows from the end of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterPublish {
    /// Done: acknowledge the delivery.
    Acknowledge,
    /// Publish the same message again, with the same id.
    Repeat,
    /// Put the result into `tester.unrouted`.
    Park,
}

/// The second table: nothing is acknowledged before one of the destinations has it.
pub const fn after_publish(destination: Destination, end: PublishEnd) -> AfterPublish {
    match (destination, end) {
        (_, PublishEnd::Confirmed) | (Destination::DirectReply, _) => AfterPublish::Acknowledge,
        (Destination::ReplyQueue, PublishEnd::Unroutable) => AfterPublish::Park,
        (Destination::ReplyQueue | Destination::Dead | Destination::Unrouted, _) => AfterPublish::Repeat,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(event: Event, reply: Reply, delivery: Delivery) {
        assert_eq!(settle(event), Settlement { reply, delivery }, "{event:?}");
    }

    #[test]
    fn a_run_is_answered_and_acknowledged_once_confirmed() {
        is(Event::Ran, Reply::Outcome, Delivery::AckWhenConfirmed);
        is(Event::Cancelled, Reply::Outcome, Delivery::AckWhenConfirmed);
    }

    #[test]
    fn what_is_not_authentic_is_never_answered() {
        for reason in DeadReason::ALL {
            is(Event::Dead(*reason), Reply::DeadLetter(*reason), Delivery::AckWhenConfirmed);
        }
    }

    #[test]
    fn what_is_authentic_and_wrong_is_answered_with_its_reason() {
        for reason in RejectReason::ALL {
            is(Event::Rejected(*reason), Reply::Rejection(*reason), Delivery::AckWhenConfirmed);
        }
    }

    #[test]
    fn the_same_job_again_waits_for_the_run_or_gets_the_stored_result() {
        is(Event::RunningHere, Reply::Nothing, Delivery::KeepUntilRunEnds);
        is(Event::EndedHere, Reply::Stored, Delivery::AckWhenConfirmed);
    }

    #[test]
    fn a_sandbox_fault_gives_the_job_back_until_its_attempts_are_used_up() {
        let fault = |attempts_left, job_suspect| Event::SandboxFault { attempts_left, job_suspect };
        is(fault(true, true), Reply::Nothing, Delivery::RejectToQueue);
        is(fault(true, false), Reply::Nothing, Delivery::Requeue);
        is(fault(false, true), Reply::InternalError, Delivery::AckWhenConfirmed);
        is(fault(false, false), Reply::InternalError, Delivery::AckWhenConfirmed);
    }

    #[test]
    fn an_outage_and_a_shutdown_give_the_job_back_without_blame() {
        is(Event::DockerAway, Reply::Nothing, Delivery::Requeue);
        is(Event::Shutdown, Reply::Nothing, Delivery::Requeue);
    }

    #[test]
    fn nothing_is_acknowledged_before_a_destination_has_it() {
        use AfterPublish::{Acknowledge, Park, Repeat};
        let rows = [
            (Destination::ReplyQueue, PublishEnd::Confirmed, Acknowledge),
            (Destination::ReplyQueue, PublishEnd::Unroutable, Park),
            (Destination::ReplyQueue, PublishEnd::NotConfirmed, Repeat),
            (Destination::DirectReply, PublishEnd::Confirmed, Acknowledge),
            (Destination::DirectReply, PublishEnd::Unroutable, Acknowledge),
            (Destination::DirectReply, PublishEnd::NotConfirmed, Acknowledge),
            (Destination::Dead, PublishEnd::Confirmed, Acknowledge),
            (Destination::Dead, PublishEnd::Unroutable, Repeat),
            (Destination::Dead, PublishEnd::NotConfirmed, Repeat),
            (Destination::Unrouted, PublishEnd::Confirmed, Acknowledge),
            (Destination::Unrouted, PublishEnd::Unroutable, Repeat),
            (Destination::Unrouted, PublishEnd::NotConfirmed, Repeat),
        ];
        for (destination, end, expected) in rows {
            assert_eq!(after_publish(destination, end), expected, "{destination:?} {end:?}");
        }
    }
}
