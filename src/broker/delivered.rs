//! From lapin's delivery to ours.

use std::time::Duration;

use bytes::Bytes;
use lapin::message::Delivery;
use lapin::protocol::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use tokio::time::Instant;

use super::acknowledger::AckHandle;
use super::looks::Held;
use crate::ports::messages::{Delivered, Properties};

/// Takes a delivery over; its body is moved, never copied, whatever its size.
pub(super) fn delivered(delivery: Delivery, class: &str, settle_limit: Duration, held: Held) -> Delivered {
    Delivered {
        attempt: attempt(delivery.redelivered, delivery.properties.headers().as_ref()),
        properties: properties(&delivery.properties),
        class: class.to_owned(),
        exchange: delivery.exchange.to_string(),
        routing_key: delivery.routing_key.to_string(),
        received_at: Instant::now(),
        body: Bytes::from(delivery.data),
        acknowledger: Box::new(AckHandle::new(delivery.acker, settle_limit, held)),
    }
}

/// The properties that say something about a job.
pub(super) fn properties(properties: &BasicProperties) -> Properties {
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    Properties {
        reply_to: text(properties.reply_to()),
        message_id: text(properties.message_id()),
        correlation_id: text(properties.correlation_id()),
        content_type: text(properties.content_type()),
        traceparent: properties.headers().as_ref().and_then(|headers| header_text(headers, "traceparent")),
    }
}

/// A header that is a string of UTF-8.
#[expect(clippy::wildcard_enum_match_arm, reason = "lapin's, and it may grow")]
pub(super) fn header_text(headers: &FieldTable, name: &str) -> Option<String> {
    match headers.inner().get(name)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok().map(ToOwned::to_owned),
        AMQPValue::ShortString(text) => Some(text.to_string()),
        _ => None,
    }
}

/// A header that is a whole number; which width the broker chooses varies with its version.
#[expect(clippy::wildcard_enum_match_arm, reason = "lapin's, and it may grow")]
pub(super) fn header_number(headers: &FieldTable, name: &str) -> Option<u64> {
    match headers.inner().get(name)? {
        AMQPValue::ShortShortInt(number) => u64::try_from(*number).ok(),
        AMQPValue::ShortShortUInt(number) => Some(u64::from(*number)),
        AMQPValue::ShortInt(number) => u64::try_from(*number).ok(),
        AMQPValue::ShortUInt(number) => Some(u64::from(*number)),
        AMQPValue::LongInt(number) => u64::try_from(*number).ok(),
        AMQPValue::LongUInt(number) => Some(u64::from(*number)),
        AMQPValue::LongLongInt(number) => u64::try_from(*number).ok(),
        AMQPValue::Timestamp(number) => Some(*number),
        _ => None,
    }
}

/// Which delivery of the message this is. A message that was never delivered before has no count of the broker's: a
/// count it carries then is its sender's invention.
fn attempt(redelivered: bool, headers: Option<&FieldTable>) -> u32 {
    if !redelivered {
        return 1;
    }
    let returned = headers.and_then(|headers| header_number(headers, "x-delivery-count")).unwrap_or(0);
    u32::try_from(returned).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(value: AMQPValue) -> FieldTable {
        let mut headers = FieldTable::default();
        headers.insert("x-delivery-count".into(), value);
        headers
    }

    #[test]
    fn the_attempt_is_the_brokers_count_and_one_whatever_its_width() {
        for value in [
            AMQPValue::ShortShortInt(3),
            AMQPValue::ShortShortUInt(3),
            AMQPValue::ShortInt(3),
            AMQPValue::ShortUInt(3),
            AMQPValue::LongInt(3),
            AMQPValue::LongUInt(3),
            AMQPValue::LongLongInt(3),
        ] {
            assert_eq!(attempt(true, Some(&counted(value.clone()))), 4, "{value:?}");
        }
        assert_eq!(attempt(true, None), 1);
    }

    #[test]
    fn a_count_that_cannot_be_the_brokers_counts_for_nothing() {
        assert_eq!(attempt(false, Some(&counted(AMQPValue::LongLongInt(99)))), 1);
        assert_eq!(attempt(true, Some(&counted(AMQPValue::LongLongInt(-5)))), 1);
        assert_eq!(attempt(true, Some(&counted(AMQPValue::Boolean(true)))), 1);
        assert_eq!(attempt(true, Some(&counted(AMQPValue::LongLongInt(i64::MAX)))), u32::MAX);
    }

    #[test]
    fn the_body_is_moved_and_the_properties_are_copied() {
        let mut delivery = Delivery::mock(1, "tester.jobs".into(), "default".into(), false, vec![0, 159, 146, 150]);
        let mut headers = FieldTable::default();
        headers.insert("traceparent".into(), AMQPValue::LongString("00-1-2-01".into()));
        delivery.properties =
            BasicProperties::default().with_reply_to("r".into()).with_message_id("m".into()).with_headers(headers);
        let address = delivery.data.as_ptr();
        let delivered = delivered(delivery, "default", Duration::from_secs(1), Held::default());
        assert_eq!(delivered.body.as_ptr(), address);
        assert_eq!(&delivered.body[..], [0, 159, 146, 150]);
        assert_eq!(delivered.class, "default");
        assert_eq!((delivered.exchange.as_str(), delivered.routing_key.as_str()), ("tester.jobs", "default"));
        let expected = Properties {
            reply_to: Some("r".to_owned()),
            message_id: Some("m".to_owned()),
            traceparent: Some("00-1-2-01".to_owned()),
            ..Properties::default()
        };
        assert_eq!(delivered.properties, expected);
        assert!(delivered.acknowledger.usable());
    }
}
