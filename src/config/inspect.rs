//! Holds merged values against the model's shape, finds every problem, and gives back plain JSON for the model.

use std::collections::BTreeMap;

use config::{Value, ValueKind};
use serde_json::{Map, Value as Json};

use super::names::nearest;
use super::problem::Problem;
use super::shape::Shape;

/// What an inspection found.
#[derive(Debug, Default)]
pub(in crate::config) struct Findings {
    /// Everything that is wrong.
    pub problems: Vec<Problem>,
    /// Where each value came from that is not a default, by key.
    pub sources: BTreeMap<String, String>,
}

impl Findings {
    /// The tree as JSON. A value that cannot stand where it stands is a problem, and `defaults` has its place, so that
    /// the inspection can go on.
    pub(in crate::config) fn inspect(&mut self, shape: &Shape, path: &str, value: &Value, defaults: &Json) -> Json {
        let kept = self.value(shape, path, value, defaults);
        kept.unwrap_or_else(|| defaults.clone())
    }

    fn value(&mut self, shape: &Shape, path: &str, value: &Value, defaults: &Json) -> Option<Json> {
        match (shape, &value.kind) {
            (Shape::Table { fields, required }, ValueKind::Table(table)) => {
                self.table((fields, required), path, table, defaults)
            }
            (Shape::Map(inner), ValueKind::Table(table)) => {
                let mut kept = Map::new();
                for (key, value) in sorted(table) {
                    let default = defaults.get(key).unwrap_or(&Json::Null);
                    if let Some(json) = self.value(inner, &join(path, key), value, default) {
                        kept.insert(key.clone(), json);
                    }
                }
                Some(Json::Object(kept))
            }
            (Shape::List(inner), ValueKind::Array(items)) => {
                self.note_source(path, value);
                let each = |(index, item)| self.value(inner, &format!("{path}[{index}]"), item, &Json::Null);
                Some(Json::Array(items.iter().enumerate().filter_map(each).collect()))
            }
            (
                Shape::Table { .. }
                | Shape::Map(_)
                | Shape::List(_)
                | Shape::Text
                | Shape::Choice(_)
                | Shape::Whole(_)
                | Shape::Number
                | Shape::Truth,
                _,
            ) => self.leaf(shape, path, value),
        }
    }

    fn table(
        &mut self,
        (fields, required): (&BTreeMap<String, Shape>, &[String]),
        path: &str,
        table: &config::Map<String, Value>,
        defaults: &Json,
    ) -> Option<Json> {
        let mut kept = Map::new();
        for (key, value) in sorted(table) {
            let path = join(path, key);
            let Some(shape) = fields.get(key) else {
                self.problems.push(unknown(&path, key, origin(value), fields));
                continue;
            };
            let default = defaults.get(key);
            if let Some(json) =
                self.value(shape, &path, value, default.unwrap_or(&Json::Null)).or_else(|| default.cloned())
            {
                kept.insert(key.clone(), json);
            }
        }
        let missing: Vec<_> = required.iter().filter(|key| !table.contains_key(key.as_str())).collect();
        for key in &missing {
            let source = table.values().find_map(origin);
            let problem = Problem::new(join(path, key), "is missing").from_source(source);
            self.problems.push(problem);
        }
        missing.is_empty().then_some(Json::Object(kept))
    }

    fn leaf(&mut self, shape: &Shape, path: &str, value: &Value) -> Option<Json> {
        self.note_source(path, value);
        let json = match (shape, &value.kind) {
            (Shape::Text, ValueKind::String(text)) => Some(Json::from(text.as_str())),
            (Shape::Choice(words), ValueKind::String(text)) => words.contains(text).then(|| Json::from(text.as_str())),
            (Shape::Whole(most), ValueKind::I64(number)) => {
                u64::try_from(*number).ok().filter(|number| number <= most).map(Json::from)
            }
            (Shape::Truth, ValueKind::Boolean(truth)) => Some(Json::from(*truth)),
            (Shape::Number, ValueKind::I64(number)) => Some(Json::from(*number)),
            (Shape::Number, ValueKind::Float(number)) => serde_json::Number::from_f64(*number).map(Json::Number),
            _ => None,
        };
        if json.is_none() {
            let message = format!("must be {}, not {}", shape.describe(), shown(shape, &value.kind));
            self.problems.push(Problem::new(path, message).from_source(value.origin()));
        }
        json
    }

    fn note_source(&mut self, path: &str, value: &Value) {
        if let Some(origin) = value.origin() {
            self.sources.insert(path.to_owned(), origin.to_owned());
        }
    }
}

fn unknown(path: &str, key: &str, source: Option<&str>, fields: &BTreeMap<String, Shape>) -> Problem {
    let names = fields.keys().map(String::as_str);
    let problem = Problem::new(path, "there is no such key").from_source(source);
    match nearest(key, names.clone()) {
        Some(name) => problem.hint(format!("did you mean `{name}`?")),
        None => problem.hint(format!("the keys here are {}", names.collect::<Vec<_>>().join(", "))),
    }
}

/// What stands there instead. Text is quoted only where it should be one of a few words; elsewhere it could be secret.
fn shown(shape: &Shape, kind: &ValueKind) -> String {
    match (shape, kind) {
        (Shape::Choice(_), ValueKind::String(text)) => format!("`{text}`"),
        (_, ValueKind::String(_)) => "text".to_owned(),
        (_, ValueKind::Table(_)) => "a table".to_owned(),
        (_, ValueKind::Array(_)) => "a list".to_owned(),
        (_, ValueKind::Nil) => "nothing".to_owned(),
        (_, ValueKind::Boolean(flag)) => flag.to_string(),
        (_, ValueKind::I64(number)) => number.to_string(),
        (_, ValueKind::I128(number)) => number.to_string(),
        (_, ValueKind::U64(number)) => number.to_string(),
        (_, ValueKind::U128(number)) => number.to_string(),
        (_, ValueKind::Float(number)) => number.to_string(),
    }
}

/// The first origin in a tree; a merged table has none of its own.
fn origin(value: &Value) -> Option<&str> {
    value.origin().or_else(|| match &value.kind {
        ValueKind::Table(table) => table.values().find_map(origin),
        ValueKind::Array(items) => items.iter().find_map(origin),
        ValueKind::Nil
        | ValueKind::Boolean(_)
        | ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_)
        | ValueKind::String(_) => None,
    })
}

fn sorted(table: &config::Map<String, Value>) -> BTreeMap<&String, &Value> {
    table.iter().collect()
}

/// A key below a path, quoted where TOML would quote it.
pub(in crate::config) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}
