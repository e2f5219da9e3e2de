//! One layer of configuration: a tree of values, each of which knows where it came from.

use config::{Map, Source, Value, ValueKind};

use super::problem::{ConfigError, Problem};

/// A layer for the `config` crate to merge. Later layers win, tables merge, lists are replaced.
#[derive(Debug, Clone)]
pub(in crate::config) struct Layer(pub Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

impl Layer {
    /// Parses TOML text. `origin` is the file's path; the defaults have none.
    pub(in crate::config) fn parse(text: &str, origin: Option<&str>) -> Result<Self, ConfigError> {
        let table: toml::Table = toml::from_str(text).map_err(|error| {
            // The library's own message quotes the line, and the line may hold a password.
            let at = error.span().and_then(|span| text.get(..span.start)).map(position);
            let place = origin.unwrap_or("the defaults");
            let message = at.map_or_else(String::new, |(line, column)| format!("line {line}, column {column}: "));
            ConfigError::one(Problem::new(place, format!("not TOML: {message}{}", error.message())))
        })?;
        let origin = origin.map(str::to_owned);
        Ok(Self(table.into_iter().map(|(key, value)| (key, convert(origin.as_ref(), value))).collect()))
    }

    /// Puts a value at a path, tables on the way as needed.
    pub(in crate::config) fn insert(&mut self, path: &[String], value: Value) {
        insert(&mut self.0, path, value);
    }
}

fn insert(map: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((key, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        map.insert(key.clone(), value);
        return;
    }
    let child = map.entry(key.clone()).or_insert_with(|| Value::new(None, ValueKind::Table(Map::new())));
    if let ValueKind::Table(inner) = &mut child.kind {
        insert(inner, rest, value);
    }
}

/// Line and column, from 1, of the end of this text.
fn position(before: &str) -> (usize, usize) {
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    (before.matches('\n').count() + 1, column + 1)
}

/// A TOML value with its origin at every leaf.
pub(in crate::config) fn convert(origin: Option<&String>, value: toml::Value) -> Value {
    let kind = match value {
        toml::Value::String(text) => ValueKind::String(text),
        toml::Value::Integer(number) => ValueKind::I64(number),
        toml::Value::Float(number) => ValueKind::Float(number),
        toml::Value::Boolean(flag) => ValueKind::Boolean(flag),
        toml::Value::Datetime(datetime) => ValueKind::String(datetime.to_string()),
        toml::Value::Array(list) => ValueKind::Array(list.into_iter().map(|item| convert(origin, item)).collect()),
        toml::Value::Table(table) => {
            ValueKind::Table(table.into_iter().map(|(key, value)| (key, convert(origin, value))).collect())
        }
    };
    Value::new(origin, kind)
}
