//! From our message to lapin's.

use std::time::{SystemTime, UNIX_EPOCH};

use lapin::protocol::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::topology::Names;
use crate::ports::messages::{Address, Outbound};

/// Properties travel in one frame, which cannot be split: a frame above the negotiated size (128 KiB, at least 8 KiB)
/// would end the connection, and its repetition the next one.
const HEADER_BYTES_MAX: usize = 4096;
/// All headers together.
const HEADERS_BYTES_MAX: usize = 6144;

/// Headers of one message.
const HEADERS_MAX: usize = 32;

/// `delivery_mode`: survives the broker's restart.
const PERSISTENT: u8 = 2;

/// Where a message goes, in AMQP's terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    /// Whether the broker shall tell when no queue takes it.
    pub(super) mandatory: bool,
}

/// The route to an address; `None` for a name that no queue can have.
pub(super) fn route(names: &Names, address: &Address) -> Option<Route> {
    let (exchange, key, mandatory) = match address {
        Address::ReplyQueue(queue) => (names.results_exchange().to_owned(), queue.as_str(), true),
        // RabbitMQ 3.10 returns every mandatory message to such an address, the delivered ones too.
        Address::DirectReply(queue) => (String::new(), queue.as_str(), false),
        Address::Dead => (names.dead(), "", true),
        Address::Unrouted => (names.unrouted(), "", true),
    };
    Some(Route { exchange: ShortString::try_new(exchange).ok()?, key: ShortString::try_new(key).ok()?, mandatory })
}

/// The properties of a message. What does not fit into AMQP's bounds is left out or cut, and logged.
pub(super) fn properties(message: &Outbound) -> BasicProperties {
    let mut properties =
        BasicProperties::default().with_delivery_mode(PERSISTENT).with_headers(headers(&message.headers));
    if let Ok(now) = SystemTime::now().duration_since(UNIX_EPOCH) {
        properties = properties.with_timestamp(now.as_secs());
    }
    if let Some(value) = property("message_id", message.message_id.as_ref()) {
        properties = properties.with_message_id(value);
    }
    if let Some(value) = property("correlation_id", message.correlation_id.as_ref()) {
        properties = properties.with_correlation_id(value);
    }
    if let Some(value) = property("type", message.kind.as_ref()) {
        properties = properties.with_type(value);
    }
    if let Some(value) = property("content_type", message.content_type.as_ref()) {
        properties = properties.with_content_type(value);
    }
    if let Some(value) = property("reply_to", message.reply_to.as_ref()) {
        properties = properties.with_reply_to(value);
    }
    properties
}

fn property(name: &str, value: Option<&String>) -> Option<ShortString> {
    let short = ShortString::try_new(value?.as_str()).ok();
    if short.is_none() {
        tracing::warn!("publish without the property `{name}`: it has more than 255 bytes");
    }
    short
}

fn headers(headers: &[(String, String)]) -> FieldTable {
    let mut table = FieldTable::default();
    let mut room = HEADERS_BYTES_MAX;
    for (name, value) in headers.iter().take(HEADERS_MAX) {
        let kept = cut(value, HEADER_BYTES_MAX.min(room));
        if kept.len() < value.len() {
            tracing::warn!("publish with the header `{name}` cut from {} bytes to {}", value.len(), kept.len());
        }
        let Ok(name) = ShortString::try_new(name.as_str()) else { continue };
        room = room.saturating_sub(name.as_str().len() + kept.len());
        table.insert(name, AMQPValue::LongString(kept.into()));
    }
    table
}

/// The longest beginning of `text` that has at most `max` bytes.
fn cut(text: &str, max: usize) -> &str {
    let end = (0..=max.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(address: &Address) -> Option<Route> {
        route(&Names::new("results"), address)
    }

    #[test]
    fn every_address_has_its_route() {
        let route = |exchange: &str, key: &str, mandatory| {
            Some(Route { exchange: exchange.into(), key: key.into(), mandatory })
        };
        assert_eq!(to(&Address::ReplyQueue("q".to_owned())), route("results", "q", true));
        assert_eq!(to(&Address::DirectReply("amq.x".to_owned())), route("", "amq.x", false));
        assert_eq!(to(&Address::Dead), route("tester.dead", "", true));
        assert_eq!(to(&Address::Unrouted), route("tester.unrouted", "", true));
        assert_eq!(to(&Address::ReplyQueue("q".repeat(256))), None);
    }

    #[test]
    fn headers_never_outgrow_a_frame() {
        let long = "ü".repeat(50_000);
        let many: Vec<(String, String)> = (0..50).map(|n| (format!("x-{n}"), long.clone())).collect();
        let table = headers(&many);
        let bytes: usize = table
            .inner()
            .iter()
            .map(|(name, value)| {
                let AMQPValue::LongString(text) = value else { panic!("{value:?}") };
                name.as_str().len() + text.len() + 6
            })
            .sum();
        assert!(bytes < 8192 - 1024, "{bytes}");
    }

    #[test]
    fn a_property_that_does_not_fit_is_left_out() {
        let message = Outbound {
            address: Address::Dead,
            body: bytes::Bytes::new(),
            message_id: Some("m".to_owned()),
            correlation_id: Some("c".repeat(256)),
            kind: None,
            content_type: None,
            reply_to: None,
            headers: Vec::new(),
        };
        let properties = properties(&message);
        assert_eq!(properties.message_id().as_ref().map(ShortString::as_str), Some("m"));
        assert_eq!(*properties.correlation_id(), None);
        assert_eq!(*properties.delivery_mode(), Some(2));
    }

    #[test]
    fn a_cut_keeps_whole_characters() {
        assert_eq!(cut("aü", 2), "a");
        assert_eq!(cut("aü", 3), "aü");
        assert_eq!(cut("aü", 0), "");
    }
}
