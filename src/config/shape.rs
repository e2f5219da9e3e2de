//! What may stand where in a configuration, derived from the model's own schema.
//!
//! The model is the single source: this tree only makes it possible to find every problem in one go, to read variables
//! by the type of their key, and to say which name was probably meant.

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::model::Config;

/// What may stand at one place.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) enum Shape {
    /// A table with these keys.
    Table {
        /// The keys.
        fields: BTreeMap<String, Self>,
        /// Those that have no default.
        required: Vec<String>,
    },
    /// A table whose keys are names that the operator chooses.
    Map(Box<Self>),
    /// A list.
    List(Box<Self>),
    /// Any text.
    Text,
    /// One of these words.
    Choice(Vec<String>),
    /// A whole number up to this one.
    Whole(u64),
    /// Any number.
    Number,
    /// `true` or `false`.
    Truth,
}

impl Shape {
    /// The shape of the whole configuration.
    pub(in crate::config) fn of_config() -> Self {
        Self::read(&schema())
    }

    /// What must stand here, for messages.
    pub(in crate::config) fn describe(&self) -> String {
        match self {
            Self::Table { .. } | Self::Map(_) => "a table".to_owned(),
            Self::List(_) => "a list".to_owned(),
            Self::Text => "text".to_owned(),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Whole(u64::MAX) => "a whole number, 0 or more".to_owned(),
            Self::Whole(most) => format!("a whole number from 0 to {most}"),
            Self::Number => "a number".to_owned(),
            Self::Truth => "true or false".to_owned(),
        }
    }

    fn read(schema: &Value) -> Self {
        if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
            let fields = properties.iter().map(|(name, schema)| (name.clone(), Self::read(schema))).collect();
            return Self::Table { fields, required: texts(schema.get("required")) };
        }
        if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
            return Self::Map(Box::new(Self::read(inner)));
        }
        if let Some(items) = schema.get("items") {
            return Self::List(Box::new(Self::read(items)));
        }
        if let Some(variants) = schema.get("oneOf").and_then(Value::as_array) {
            return Self::Choice(variants.iter().flat_map(|variant| texts(variant.get("const"))).collect());
        }
        let words = texts(schema.get("enum"));
        if !words.is_empty() {
            return Self::Choice(words);
        }
        match texts(schema.get("type")).first().map(String::as_str) {
            Some("integer") => Self::Whole(most(schema)),
            Some("number") => Self::Number,
            Some("boolean") => Self::Truth,
            _ => Self::Text,
        }
    }
}

/// One text, or a list of them.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

fn most(schema: &Value) -> u64 {
    match schema.get("format").and_then(Value::as_str) {
        Some("uint16") => u64::from(u16::MAX),
        Some("uint32") => u64::from(u32::MAX),
        _ => schema.get("maximum").and_then(Value::as_u64).unwrap_or(u64::MAX),
    }
}

/// The JSON Schema, without references.
pub(in crate::config) fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// The JSON Schema of a file, which may leave out whatever has a default or is built in.
pub(in crate::config) fn schema_of_a_file() -> Value {
    let mut schema = schema();
    require_nothing(&mut schema);
    schema
}

fn require_nothing(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else { return };
    members.remove("required");
    for (name, member) in members.iter_mut() {
        match name.as_str() {
            "properties" => {
                for member in member.as_object_mut().into_iter().flat_map(|all| all.values_mut()) {
                    require_nothing(member);
                }
            }
            "additionalProperties" => require_nothing(member),
            // The items of a list replace the defaults, so they must be whole.
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn at<'a>(shape: &'a Shape, path: &[&str]) -> &'a Shape {
        path.iter().fold(shape, |shape, key| match shape {
            Shape::Table { fields, .. } => &fields[*key],
            Shape::Map(inner) | Shape::List(inner) => inner,
            Shape::Text | Shape::Choice(_) | Shape::Whole(_) | Shape::Number | Shape::Truth => {
                panic!("{key} in {shape:?}")
            }
        })
    }

    #[test]
    fn every_kind_of_key_is_recognised_in_the_model() {
        let shape = Shape::of_config();
        assert_eq!(at(&shape, &["worker", "slots"]), &Shape::Whole(u64::MAX));
        assert_eq!(at(&shape, &["broker", "heartbeat_seconds"]), &Shape::Whole(65_535));
        assert_eq!(at(&shape, &["worker", "attempts_max"]), &Shape::Whole(4_294_967_295));
        assert_eq!(at(&shape, &["broker", "urls"]), &Shape::List(Box::new(Shape::Text)));
        assert_eq!(at(&shape, &["log", "format"]), &Shape::Choice(vec!["text".to_owned(), "json".to_owned()]));
        assert_eq!(at(&shape, &["profiles", "x", "env"]), &Shape::Map(Box::new(Shape::Text)));
        assert_eq!(at(&shape, &["profiles", "x", "limits", "cpus"]), &Shape::Number);
        assert_eq!(at(&shape, &["profiles", "x", "enabled"]), &Shape::Truth);
        assert_eq!(at(&shape, &["keys", "policies", "x", "profiles"]), &Shape::List(Box::new(Shape::Text)));
        assert_eq!(at(&shape, &["profiles", "x", "limits", "processes"]), &Shape::Whole(u64::MAX));
    }

    #[test]
    fn a_profile_needs_its_image_and_argv_and_nothing_else() {
        let shape = Shape::of_config();
        let Shape::Table { required, .. } = at(&shape, &["profiles", "x"]) else { panic!("no table") };
        assert_eq!(required, &["image", "argv"]);
    }
}
