//! What the pipeline publishes, as messages.

use bytes::Bytes;
use uuid::Uuid;

use super::intake::Message;
use crate::domain::reason::DeadReason;
use crate::domain::settlement::Destination;
use crate::ports::messages::{Address, Outbound};

/// What RabbitMQ's direct reply-to addresses begin with.
const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to.";

/// Bytes of one header that says why a message is dead.
const DETAIL_BYTES_MAX: usize = 1_024;

/// A result on its way to the job's reply queue.
pub(super) fn result(reply_to: &str, id: Uuid, correlation_id: Option<String>, body: Bytes) -> Outbound {
    to_sender(reply_to, ("result", id.hyphenated().to_string()), correlation_id, body)
}

/// An event on its way to the same place. Its message id is that of the result, and its number.
pub(super) fn event(reply_to: &str, id: (Uuid, u64), correlation_id: Option<String>, body: Bytes) -> Outbound {
    let (job, seq) = id;
    to_sender(reply_to, ("event", format!("{}/{seq}", job.hyphenated())), correlation_id, body)
}

fn to_sender(reply_to: &str, what: (&str, String), correlation_id: Option<String>, body: Bytes) -> Outbound {
    let address = if is_direct(reply_to) {
        Address::DirectReply(reply_to.to_owned())
    } else {
        Address::ReplyQueue(reply_to.to_owned())
    };
    let (kind, message_id) = what;
    Outbound {
        address,
        body,
        message_id: Some(message_id),
        correlation_id,
        kind: Some(kind.to_owned()),
        content_type: Some("application/jwt".to_owned()),
        reply_to: None,
        headers: Vec::new(),
    }
}

/// A message on its way to the dead queue: as it came, with the reason beside it.
pub(super) fn dead_letter(message: &Message, reason: DeadReason, detail: &str, worker: &str) -> Outbound {
    let properties = &message.properties;
    let header = |name: &str, value: &str| (format!("x-tester-{name}"), bounded(value));
    Outbound {
        address: Address::Dead,
        body: message.body.clone(),
        message_id: properties.message_id.clone(),
        correlation_id: properties.correlation_id.clone(),
        kind: None,
        content_type: properties.content_type.clone(),
        reply_to: properties.reply_to.clone(),
        headers: vec![
            header("reason", reason.as_str()),
            header("detail", detail),
            header("exchange", &message.exchange),
            header("routing-key", &message.routing_key),
            header("worker", worker),
        ],
    }
}

/// The same result, parked: nobody took it from the reply queue it was for, which its headers name.
pub(super) fn parked(result: Outbound) -> Outbound {
    let queue = match &result.address {
        Address::ReplyQueue(queue) | Address::DirectReply(queue) => queue.clone(),
        Address::Dead | Address::Unrouted => String::new(),
    };
    let headers =
        vec![("x-tester-reason".to_owned(), "unroutable".to_owned()), ("x-tester-reply-to".to_owned(), queue)];
    Outbound { address: Address::Unrouted, headers, ..result }
}

/// Whether an address is one of RabbitMQ's direct reply-to.
pub(super) fn is_direct(reply_to: &str) -> bool {
    reply_to.starts_with(DIRECT_REPLY)
}

/// The address as the settlement table knows it.
pub(super) const fn destination(address: &Address) -> Destination {
    match address {
        Address::ReplyQueue(_) => Destination::ReplyQueue,
        Address::DirectReply(_) => Destination::DirectReply,
        Address::Dead => Destination::Dead,
        Address::Unrouted => Destination::Unrouted,
    }
}

fn bounded(text: &str) -> String {
    text.get(..text.floor_char_boundary(DETAIL_BYTES_MAX)).unwrap_or_default().to_owned()
}
