//! Content on the wire: `{"text": …}` exactly when the bytes are UTF-8, else `{"base64": …}`.
//!
//! Results are read and written so. Jobs are read by `fields`, which tells every mistake apart.

use std::borrow::Cow;

use base64::Engine as _;
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::content::Content;

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(default, borrow)]
    text: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    base64: Option<Cow<'a, str>>,
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        match std::str::from_utf8(self.as_bytes()) {
            Ok(text) => map.serialize_entry("text", text)?,
            Err(_not_utf8) => {
                map.serialize_entry("base64", &format_args!("{}", Base64Display::new(self.as_bytes(), &STANDARD)))?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        match (wire.text, wire.base64) {
            (Some(text), None) => Ok(Self::new(text.into_owned().into_bytes())),
            (None, Some(encoded)) => STANDARD
                .decode(encoded.as_bytes())
                .map(Self::new)
                .map_err(|error| D::Error::custom(format!("content is not base64: {error}"))),
            (Some(_), Some(_)) => Err(D::Error::custom("content has both `text` and `base64`")),
            (None, None) => Err(D::Error::custom("content has neither `text` nor `base64`")),
        }
    }
}

impl JsonSchema for Content {
    fn schema_name() -> Cow<'static, str> {
        "Content".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Bytes: as text when they are UTF-8, else as base64 (RFC 4648, section 4, padded).",
            "properties": { "text": { "type": "string" }, "base64": { "type": "string" } },
            "oneOf": [{ "required": ["text"] }, { "required": ["base64"] }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::outcome::Output;

    #[test]
    fn text_is_used_exactly_when_the_bytes_are_utf8() {
        let text = serde_json::to_value(Content::from("a\0ü")).unwrap();
        assert_eq!(text, serde_json::json!({ "text": "a\0ü" }));
        let bytes = serde_json::to_value(Content::new(vec![0xff, 0xfe])).unwrap();
        assert_eq!(bytes, serde_json::json!({ "base64": "//4=" }));
    }

    #[test]
    fn every_byte_survives_the_way_there_and_back() {
        for bytes in [Vec::new(), (0..=255).collect::<Vec<u8>>(), b"\r\n\x1b[0m".to_vec()] {
            let content = Content::new(bytes);
            let json = serde_json::to_string(&content).unwrap();
            assert_eq!(serde_json::from_str::<Content>(&json).unwrap(), content);
        }
    }

    #[test]
    fn output_holds_its_content_beside_its_totals() {
        let output = Output { content: Content::from("1\n"), bytes_total: 2, truncated: false };
        let json = serde_json::to_value(&output).unwrap();
        assert_eq!(json, serde_json::json!({ "text": "1\n", "bytes_total": 2, "truncated": false }));
        assert_eq!(serde_json::from_value::<Output>(json).unwrap(), output);
    }

    #[test]
    fn neither_both_and_broken_base64_are_errors() {
        for json in ["{}", r#"{"text":"a","base64":"YQ=="}"#, r#"{"base64":"%"}"#, r#"{"base64":"YQ"}"#] {
            assert!(serde_json::from_str::<Content>(json).is_err(), "{json}");
        }
    }
}
