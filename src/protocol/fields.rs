//! Reading members of a JSON object one by one, with the place in every message and nothing of the content.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::quote::{message, quote};
use super::strict::Json;
use crate::domain::content::Content;
use crate::domain::limits::{LimitName, LimitsPatch};
use crate::domain::reason::RejectReason;

/// The largest whole number that every JSON implementation reads alike.
const WHOLE_NUMBER_MAX: u64 = 1 << 53;

/// What is wrong with the claims of an authentic job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::protocol) struct ClaimError {
    pub(in crate::protocol) reason: RejectReason,
    pub(in crate::protocol) message: String,
}

impl ClaimError {
    pub(in crate::protocol) fn new(reason: RejectReason, text: impl fmt::Display) -> Self {
        Self { reason, message: message(&text.to_string()) }
    }

    pub(in crate::protocol) fn malformed(text: impl fmt::Display) -> Self {
        Self::new(RejectReason::Malformed, text)
    }
}

/// A place in the job, for messages.
#[derive(Debug, Clone, Copy)]
pub(in crate::protocol) enum At<'a> {
    /// The job itself.
    Top,
    /// A control message itself.
    Control,
    Member(&'a Self, &'static str),
    Item(&'a Self, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => f.write_str("the job"),
            Self::Control => f.write_str("the control message"),
            Self::Member(Self::Top | Self::Control, name) => f.write_str(name),
            Self::Member(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

fn wrong_type(at: At<'_>, wanted: &str, found: &Json) -> ClaimError {
    ClaimError::malformed(format_args!("{at} must be {wanted}, not {}", found.kind()))
}

/// A string.
pub(in crate::protocol) fn string(at: At<'_>, value: Json) -> Result<String, ClaimError> {
    match value {
        Json::String(text) => Ok(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => {
            Err(wrong_type(at, "a string", &value))
        }
    }
}

/// A list.
pub(in crate::protocol) fn list(at: At<'_>, value: Json) -> Result<Vec<Json>, ClaimError> {
    match value {
        Json::Array(values) => Ok(values),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => {
            Err(wrong_type(at, "a list", &value))
        }
    }
}

/// An object with any members.
pub(in crate::protocol) fn object(at: At<'_>, value: Json) -> Result<BTreeMap<String, Json>, ClaimError> {
    match value {
        Json::Object(members) => Ok(members),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
            Err(wrong_type(at, "an object", &value))
        }
    }
}

/// Content: exactly one of `text` and `base64`.
pub(in crate::protocol) fn content(at: At<'_>, value: Json) -> Result<Content, ClaimError> {
    let mut fields = Fields::open(at, value, &["text", "base64"])?;
    match (fields.take("text"), fields.take("base64")) {
        (Some(text), None) => Ok(Content::new(string(At::Member(&at, "text"), text)?.into_bytes())),
        (None, Some(encoded)) => {
            let at = At::Member(&at, "base64");
            let encoded = string(at, encoded)?;
            // The decoder's own message names the offending byte, which is content.
            STANDARD.decode(encoded).map(Content::new).map_err(|_names_a_byte| {
                let text = format_args!("{at} is not base64 (RFC 4648, section 4, padded)");
                ClaimError::new(RejectReason::BadBase64, text)
            })
        }
        (Some(_), Some(_)) => Err(ClaimError::malformed(format_args!("{at} has both `text` and `base64`"))),
        (None, None) => Err(ClaimError::malformed(format_args!("{at} has neither `text` nor `base64`"))),
    }
}

/// Limits by name.
pub(in crate::protocol) fn limits(at: At<'_>, value: Json) -> Result<LimitsPatch, ClaimError> {
    let bad = |text: fmt::Arguments<'_>| ClaimError::new(RejectReason::BadLimit, text);
    let mut patch = LimitsPatch::default();
    for (name, value) in object(at, value)? {
        let limit = LimitName::parse(&name).map_err(|_names_it_in_full| {
            let known = LimitName::ALL.iter().map(|limit| limit.as_str()).collect::<Vec<_>>().join(", ");
            bad(format_args!("{at}: no limit is called {}; the limits are {known}", quote(&name)))
        })?;
        let Json::Number(number) = value else {
            return Err(bad(format_args!("{at}: {limit} must be a number, not {}", value.kind())));
        };
        patch.set(limit, &number.to_string()).map_err(|error| bad(format_args!("{at}: {error}")))?;
    }
    Ok(patch)
}

/// The members of an object that has no others than the allowed ones.
#[derive(Debug)]
pub(in crate::protocol) struct Fields<'a> {
    at: At<'a>,
    members: BTreeMap<String, Json>,
}

impl<'a> Fields<'a> {
    /// Opens an object and refuses members that nobody knows.
    pub(in crate::protocol) fn open(at: At<'a>, value: Json, known: &[&str]) -> Result<Self, ClaimError> {
        let members = object(at, value)?;
        if let Some(name) = members.keys().find(|name| !known.contains(&name.as_str())) {
            let owner = if matches!(at, At::Control) { "control message" } else { "job" };
            let text = format_args!("{at} has the member {}, which no {owner} has", quote(name));
            return Err(ClaimError::new(RejectReason::UnknownField, text));
        }
        Ok(Self { at, members })
    }

    /// A member, if it is there.
    pub(in crate::protocol) fn take(&mut self, name: &str) -> Option<Json> {
        self.members.remove(name)
    }

    /// A member that must be there.
    pub(in crate::protocol) fn need(&mut self, name: &str) -> Result<Json, ClaimError> {
        let at = self.at;
        self.take(name).ok_or_else(|| ClaimError::malformed(format_args!("{at} needs the member {name}")))
    }

    /// A string that must be there.
    pub(in crate::protocol) fn need_string(&mut self, name: &'static str) -> Result<String, ClaimError> {
        let value = self.need(name)?;
        string(At::Member(&self.at, name), value)
    }

    /// A string, if it is there.
    pub(in crate::protocol) fn string(&mut self, name: &'static str) -> Result<Option<String>, ClaimError> {
        self.take(name).map(|value| string(At::Member(&self.at, name), value)).transpose()
    }

    /// A yes or no; absent is no.
    pub(in crate::protocol) fn flag(&mut self, name: &'static str) -> Result<bool, ClaimError> {
        match self.take(name) {
            None => Ok(false),
            Some(Json::Bool(value)) => Ok(value),
            Some(other) => Err(wrong_type(At::Member(&self.at, name), "true or false", &other)),
        }
    }

    /// A list; absent is empty.
    pub(in crate::protocol) fn list(&mut self, name: &'static str) -> Result<Vec<Json>, ClaimError> {
        self.take(name).map_or_else(|| Ok(Vec::new()), |value| list(At::Member(&self.at, name), value))
    }

    /// Content; absent is empty.
    pub(in crate::protocol) fn content(&mut self, name: &'static str) -> Result<Content, ClaimError> {
        self.take(name).map_or_else(|| Ok(Content::default()), |value| content(At::Member(&self.at, name), value))
    }

    /// Limits; absent sets none.
    pub(in crate::protocol) fn limits(&mut self, name: &'static str) -> Result<LimitsPatch, ClaimError> {
        self.take(name).map_or_else(|| Ok(LimitsPatch::default()), |value| limits(At::Member(&self.at, name), value))
    }

    /// A time or another whole number, if it is there.
    pub(in crate::protocol) fn whole(&mut self, name: &'static str) -> Result<Option<u64>, ClaimError> {
        let at = At::Member(&self.at, name);
        let Some(value) = self.members.remove(name) else { return Ok(None) };
        let Json::Number(number) = value else {
            return Err(wrong_type(at, "a whole number", &value));
        };
        let whole = number.as_u64().filter(|whole| *whole <= WHOLE_NUMBER_MAX);
        whole.map(Some).ok_or_else(|| ClaimError::malformed(format_args!("{at} must be a whole number of 0 or more")))
    }

    /// A number of zero or more, if it is there.
    pub(in crate::protocol) fn number(&mut self, name: &'static str) -> Result<Option<f64>, ClaimError> {
        let at = At::Member(&self.at, name);
        let Some(value) = self.members.remove(name) else { return Ok(None) };
        let Json::Number(number) = value else {
            return Err(wrong_type(at, "a number", &value));
        };
        let positive = number.as_f64().filter(|number| *number >= 0.0);
        positive.map(Some).ok_or_else(|| ClaimError::malformed(format_args!("{at} must be a number of 0 or more")))
    }
}
