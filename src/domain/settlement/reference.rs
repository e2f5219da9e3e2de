//! Both tables of settlement as the documents print them.

use std::fmt::Write as _;

use super::{AfterPublish, Delivery, Destination, Event, PublishEnd, Reply, after_publish, settle};
use crate::domain::reason::{DeadReason, RejectReason};

/// One event of every row. The reasons stand for all reasons: no row looks at them.
const EVENTS: [Event; 11] = [
    Event::Ran,
    Event::Cancelled,
    Event::Rejected(RejectReason::Malformed),
    Event::Dead(DeadReason::BadSignature),
    Event::RunningHere,
    Event::EndedHere,
    Event::SandboxFault { attempts_left: true, job_suspect: true },
    Event::SandboxFault { attempts_left: true, job_suspect: false },
    Event::SandboxFault { attempts_left: false, job_suspect: true },
    Event::DockerAway,
    Event::Shutdown,
];

const DESTINATIONS: [Destination; 4] =
    [Destination::ReplyQueue, Destination::DirectReply, Destination::Dead, Destination::Unrouted];

/// What is published and what becomes of a delivery, in Markdown.
pub fn events() -> String {
    let mut text = "| what happened | what is published | the delivery |\n|---|---|---|\n".to_owned();
    for event in EVENTS {
        let settlement = settle(event);
        let (published, delivery) = (reply(settlement.reply), delivery(settlement.delivery));
        // Writing to a string does not fail.
        writeln!(text, "| {} | {published} | {delivery} |", happened(event)).unwrap_or_default();
    }
    text
}

/// What follows from the end of a publish, in Markdown.
pub fn publishes() -> String {
    let mut text = "| to | confirmed | no queue took it | refused, or not known |\n|---|---|---|---|\n".to_owned();
    for destination in DESTINATIONS {
        let after = |end| next(after_publish(destination, end));
        let [confirmed, unroutable, unknown] =
            [PublishEnd::Confirmed, PublishEnd::Unroutable, PublishEnd::NotConfirmed].map(after);
        writeln!(text, "| {} | {confirmed} | {unroutable} | {unknown} |", place(destination)).unwrap_or_default();
    }
    text
}

const fn happened(event: Event) -> &'static str {
    match event {
        Event::Ran => "the program ran, however it ended",
        Event::Cancelled => "the job was cancelled",
        Event::Rejected(_) => "authentic, but malformed, expired or over policy",
        Event::Dead(_) => {
            "not authentic, not for this fleet, a reply queue that is not allowed or not readable, or an id that was used \
             for other bytes"
        }
        Event::RunningHere => "the same job again while it waits or runs here",
        Event::EndedHere => "the same job again after it ended here",
        Event::SandboxFault { attempts_left: true, job_suspect: true } => {
            "the sandbox failed and the job may be the cause; attempts are left"
        }
        Event::SandboxFault { attempts_left: true, job_suspect: false } => {
            "the sandbox failed and the job is not the cause; attempts are left"
        }
        Event::SandboxFault { attempts_left: false, job_suspect: _ } => {
            "the sandbox failed and no attempt is left, or none would help"
        }
        Event::DockerAway => "Docker is away",
        Event::Shutdown => "the worker stops before the job's end",
    }
}

const fn reply(reply: Reply) -> &'static str {
    match reply {
        Reply::Nothing => "nothing",
        Reply::Outcome => "the signed outcome",
        Reply::Rejection(_) => "a signed `rejected` with the reason",
        Reply::Stored => "the stored result, again",
        Reply::InternalError => "a signed `internal_error`",
        Reply::DeadLetter(_) => "the message itself, to `tester.dead`, with the reason",
    }
}

const fn delivery(delivery: Delivery) -> &'static str {
    match delivery {
        Delivery::AckWhenConfirmed => "acknowledged once the publish is confirmed",
        Delivery::KeepUntilRunEnds => "kept, and settled with the run",
        Delivery::Requeue => "back to the queue (nack)",
        Delivery::RejectToQueue => "back to the queue (reject)",
    }
}

const fn next(after: AfterPublish) -> &'static str {
    match after {
        AfterPublish::Acknowledge => "acknowledge the job",
        AfterPublish::Repeat => "publish again, same id",
        AfterPublish::Park => "park it in `tester.unrouted`",
    }
}

const fn place(destination: Destination) -> &'static str {
    match destination {
        Destination::ReplyQueue => "the job's reply queue",
        Destination::DirectReply => "direct reply-to",
        Destination::Dead => "`tester.dead`",
        Destination::Unrouted => "`tester.unrouted`",
    }
}
