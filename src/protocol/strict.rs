//! Strict JSON: a key twice in one object, at any depth, is an error; depth and the number of values are bounded.
//!
//! Two parsers that read a duplicate key differently would see two different jobs under one signature.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::quote::quote;

/// Objects and lists inside one another at most.
pub(in crate::protocol) const DEPTH_MAX: usize = 16;
/// Values in one document at most; a job of the largest size has far fewer.
const VALUES_MAX: usize = 500_000;

/// A JSON value in which no key hides another.
#[derive(Clone, PartialEq)]
pub(in crate::protocol) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Self>),
    Object(BTreeMap<String, Self>),
}

impl fmt::Debug for Json {
    /// The kind only: values are not ours to show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl Json {
    /// What it is, for messages; never the value itself.
    pub(in crate::protocol) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
        }
    }

    /// The member of an object, if this is one that has it and it is a string.
    pub(in crate::protocol) fn string_member(&self, name: &str) -> Option<&str> {
        match self {
            Self::Object(members) => match members.get(name) {
                Some(Self::String(text)) => Some(text),
                Some(Self::Null | Self::Bool(_) | Self::Number(_) | Self::Array(_) | Self::Object(_)) | None => None,
            },
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::String(_) | Self::Array(_) => None,
        }
    }
}

/// Parses one document. The error is a sentence without any of the document's values.
pub(in crate::protocol) fn parse(bytes: &[u8]) -> Result<Json, String> {
    let values = Cell::new(0);
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let seed = Value { depth: 0, values: &values };
    let value = seed.deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    deserializer.end().map_err(|error| error.to_string())?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Value<'a> {
    depth: usize,
    values: &'a Cell<usize>,
}

impl Value<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH_MAX {
            return Err(E::custom(format!("more than {DEPTH_MAX} objects and lists inside one another")));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = Json;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > VALUES_MAX {
            return Err(D::Error::custom(format!("more than {VALUES_MAX} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value).map(Json::Number).ok_or_else(|| E::custom("a number is not finite"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json, E> {
        Ok(Json::String(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Json, E> {
        Ok(Json::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Json, A::Error> {
        let inner = self.inner()?;
        let mut members = BTreeMap::new();
        while let Some(name) = object.next_key::<String>()? {
            let value = object.next_value_seed(inner)?;
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!("the member {} is there twice", quote(&name))));
            }
            members.insert(name, value);
        }
        Ok(Json::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(json: &[u8], because: &str) {
        let error = parse(json).err().unwrap();
        assert!(error.contains(because), "{error}");
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let Json::Object(members) = parse(br#"{"a":null,"b":[true,1,-2,0.5],"c":{"d":"x"}}"#).unwrap() else {
            panic!("not an object");
        };
        assert_eq!(members["a"].kind(), "null");
        assert_eq!(members["b"].kind(), "a list");
        assert_eq!(members["c"].string_member("d"), Some("x"));
    }

    #[test]
    fn a_key_twice_is_refused_at_any_depth_and_however_it_is_escaped() {
        refused(br#"{"a":1,"a":1}"#, "\"a\" is there twice");
        refused(br#"{"x":[{"a":1,"\u0061":2}]}"#, "\"a\" is there twice");
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
        assert!(parse(&nested(DEPTH_MAX)).is_ok());
        refused(&nested(DEPTH_MAX + 1), "inside one another");
        refused(&vec![b'['; 1_000_000], "inside one another");
    }

    #[test]
    fn the_number_of_values_is_bounded() {
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 1)).into_bytes();
        assert!(parse(&list(VALUES_MAX - 1)).is_ok());
        refused(&list(VALUES_MAX), "values");
    }

    #[test]
    fn what_is_not_json_is_refused() {
        let bad: [&[u8]; 9] =
            [b"", b"{", b"{}x", b"\xef\xbb\xbf{}", b"\"\xff\"", br#""\ud800""#, b"NaN", b"1e999", b"{'a':1}"];
        for json in bad {
            assert!(parse(json).is_err(), "{json:?}");
        }
    }
}
