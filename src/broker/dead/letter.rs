//! What a dead message says of itself.

use lapin::message::Delivery;
use lapin::protocol::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use sha2::{Digest as _, Sha256};

use crate::broker::delivered::{header_text, properties as plain_properties};

/// A dead message, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// Its place in the queue, from 1.
    pub position: usize,
    /// `message_id`, as its sender wrote it.
    pub message_id: Option<String>,
    /// `correlation_id`, likewise.
    pub correlation_id: Option<String>,
    /// `reply_to`, likewise.
    pub reply_to: Option<String>,
    /// The reason code; RabbitMQ's own where the broker gave the message up (`delivery_limit`, `rejected`, `expired`).
    pub reason: Option<String>,
    /// One sentence more.
    pub detail: Option<String>,
    /// The worker that gave it up.
    pub worker: Option<String>,
    /// The exchange it was published to.
    pub exchange: Option<String>,
    /// The routing key it was published with.
    pub routing_key: Option<String>,
    /// When it was given up, in seconds since 1970.
    pub died_at: Option<u64>,
    /// Size of its body.
    pub body_bytes: usize,
    /// SHA-256 of its body, in hexadecimal digits.
    pub body_sha256: String,
}

impl DeadLetter {
    pub(super) fn read(position: usize, delivery: &Delivery) -> Self {
        let none = FieldTable::default();
        let headers = delivery.properties.headers().as_ref().unwrap_or(&none);
        let ours = |name: &str| header_text(headers, name);
        let plain = plain_properties(&delivery.properties);
        let broker = Death::read(headers);
        Self {
            position,
            message_id: plain.message_id,
            correlation_id: plain.correlation_id,
            reply_to: plain.reply_to,
            reason: ours("x-tester-reason").or(broker.reason),
            detail: ours("x-tester-detail"),
            worker: ours("x-tester-worker"),
            exchange: ours("x-tester-exchange").or(broker.exchange),
            routing_key: ours("x-tester-routing-key").or(broker.routing_key),
            died_at: broker.time.or_else(|| *delivery.properties.timestamp()),
            body_bytes: delivery.data.len(),
            body_sha256: hex(&Sha256::digest(&delivery.data)),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).unwrap_or_default());
        }
        text
    })
}

/// What RabbitMQ writes when it dead-letters a message itself.
#[derive(Debug, Default)]
struct Death {
    reason: Option<String>,
    exchange: Option<String>,
    routing_key: Option<String>,
    time: Option<u64>,
}

impl Death {
    fn read(headers: &FieldTable) -> Self {
        let Some(AMQPValue::FieldArray(deaths)) = headers.inner().get("x-death") else { return Self::default() };
        let Some(AMQPValue::FieldTable(latest)) = deaths.as_slice().first() else { return Self::default() };
        Self {
            reason: header_text(latest, "reason"),
            exchange: header_text(latest, "exchange"),
            routing_key: first_text(latest, "routing-keys"),
            time: match latest.inner().get("time") {
                Some(AMQPValue::Timestamp(seconds)) => Some(*seconds),
                _ => None,
            },
        }
    }
}

fn first_text(table: &FieldTable, name: &str) -> Option<String> {
    let Some(AMQPValue::FieldArray(values)) = table.inner().get(name) else { return None };
    match values.as_slice().first() {
        Some(AMQPValue::LongString(text)) => std::str::from_utf8(text.as_bytes()).ok().map(ToOwned::to_owned),
        _ => None,
    }
}

/// The properties that a message has when it is a job again: its sender's, without the marks of its death.
pub(super) fn properties(dead: &BasicProperties) -> BasicProperties {
    let mut kept = FieldTable::default();
    for (name, value) in dead.headers().iter().flatten() {
        if !is_mark(name.as_str()) {
            kept.insert(name.clone(), value.clone());
        }
    }
    let mut properties = BasicProperties::default().with_delivery_mode(2).with_headers(kept);
    if let Some(value) = dead.message_id() {
        properties = properties.with_message_id(value.clone());
    }
    if let Some(value) = dead.correlation_id() {
        properties = properties.with_correlation_id(value.clone());
    }
    if let Some(value) = dead.reply_to() {
        properties = properties.with_reply_to(value.clone());
    }
    if let Some(value) = dead.content_type() {
        properties = properties.with_content_type(value.clone());
    }
    if let Some(value) = dead.kind() {
        properties = properties.with_type(value.clone());
    }
    properties
}

fn is_mark(header: &str) -> bool {
    ["x-tester-", "x-death", "x-first-death-", "x-last-death-"].iter().any(|prefix| header.starts_with(prefix))
        || matches!(header, "x-delivery-count" | "x-acquired-count")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> AMQPValue {
        AMQPValue::LongString(value.into())
    }

    fn dead(headers: &[(&str, AMQPValue)]) -> Delivery {
        let mut delivery = Delivery::mock(1, "tester.dead".into(), "".into(), false, b"body".to_vec());
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        delivery.properties = BasicProperties::default().with_message_id("m".into()).with_headers(table);
        delivery
    }

    #[test]
    fn a_workers_letter_is_read_from_its_headers() {
        let delivery = dead(&[
            ("x-tester-reason", text("bad_signature")),
            ("x-tester-exchange", text("tester.jobs")),
            ("x-tester-routing-key", text("default")),
            ("traceparent", text("00")),
        ]);
        let letter = DeadLetter::read(3, &delivery);
        assert_eq!(letter.reason.as_deref(), Some("bad_signature"));
        assert_eq!((letter.exchange.as_deref(), letter.routing_key.as_deref()), (Some("tester.jobs"), Some("default")));
        assert_eq!((letter.position, letter.body_bytes), (3, 4));
        let back = properties(&delivery.properties);
        let kept: Vec<&str> = back.headers().iter().flatten().map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["traceparent"]);
        assert_eq!(back.message_id().as_ref().map(ToString::to_string), Some("m".to_owned()));
    }

    #[test]
    fn the_brokers_own_letter_is_read_from_x_death() {
        let mut death = FieldTable::default();
        death.insert("reason".into(), text("delivery_limit"));
        death.insert("exchange".into(), text("tester.jobs"));
        death.insert("routing-keys".into(), AMQPValue::FieldArray(vec![text("gpu")].into()));
        death.insert("time".into(), AMQPValue::Timestamp(7));
        let deaths = AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into());
        let letter = DeadLetter::read(1, &dead(&[("x-death", deaths)]));
        assert_eq!(letter.reason.as_deref(), Some("delivery_limit"));
        assert_eq!((letter.exchange.as_deref(), letter.routing_key.as_deref()), (Some("tester.jobs"), Some("gpu")));
        assert_eq!(letter.died_at, Some(7));
    }

    #[test]
    fn headers_of_any_shape_are_survived() {
        for value in [AMQPValue::Void, AMQPValue::FieldArray(Vec::new().into()), text("x")] {
            let letter = DeadLetter::read(1, &dead(&[("x-death", value), ("x-tester-reason", AMQPValue::LongInt(1))]));
            assert_eq!(letter.reason, None);
        }
    }
}
