//! The environment as a layer of configuration, and the secrets in it.

use std::collections::BTreeMap;
use std::fs;

use config::{Map, Value, ValueKind};
use secrecy::{ExposeSecret as _, SecretString};

use super::layers::{Layer, convert};
use super::names::nearest;
use super::problem::Problem;
use super::shape::Shape;

const PREFIX: &str = "TESTER_WORKER__";
const URLS_FILE: &str = "TESTER_WORKER__BROKER__URLS_FILE";
const TOKEN: &str = "WORKER_AUTH_TOKEN";
const TOKEN_FILE: &str = "WORKER_AUTH_TOKEN_FILE";
const TOKEN_BYTES_MIN: usize = 32;

/// Whether the configuration cares for a variable of this name.
pub(in crate::config) fn ours(name: &str) -> bool {
    name == TOKEN || name == TOKEN_FILE || strip(name).is_some()
}

fn strip(name: &str) -> Option<&str> {
    let (prefix, rest) = name.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(rest)
}

/// Reads variables into a layer, collecting what is wrong with them.
#[derive(Debug)]
pub(in crate::config) struct Reader<'a> {
    shape: &'a Shape,
    /// What the defaults and the file say: names in it decide how a variable's capitals are read.
    merged: &'a Value,
    layer: Layer,
    seen: BTreeMap<Vec<String>, String>,
    /// What is wrong.
    pub problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    /// A reader for variables over what `merged` already says.
    pub(in crate::config) fn new(shape: &'a Shape, merged: &'a Value) -> Self {
        Self { shape, merged, layer: Layer(Map::new()), seen: BTreeMap::new(), problems: Vec::new() }
    }

    /// The layer, and what is wrong.
    pub(in crate::config) fn read(mut self, variables: &BTreeMap<String, String>) -> (Layer, Vec<Problem>) {
        for (name, text) in variables {
            let Some(rest) = strip(name) else { continue };
            let outcome = if name.eq_ignore_ascii_case(URLS_FILE) {
                urls_from_file(name, text).map(|value| (vec!["broker".to_owned(), "urls".to_owned()], value))
            } else {
                self.resolve(name, rest)
                    .and_then(|(path, shape)| read_text(name, shape, text).map(|value| (path, value)))
            };
            match outcome {
                Ok((path, value)) => self.set(name, &path, value),
                Err(problem) => self.problems.push(problem),
            }
        }
        (self.layer, self.problems)
    }

    fn set(&mut self, name: &str, path: &[String], value: Value) {
        if let Some(other) = self.seen.insert(path.to_vec(), name.to_owned()) {
            self.problems
                .push(Problem::new(name, format!("`{other}` sets the same key")).hint("set only one of the two"));
        }
        self.layer.insert(path, value);
    }

    /// The path that a variable names, and what may stand there.
    fn resolve(&self, name: &str, rest: &str) -> Result<(Vec<String>, &'a Shape), Problem> {
        let mut parts = rest.split("__");
        let (mut path, mut shape, mut at) = (Vec::new(), self.shape, Some(self.merged));
        loop {
            match shape {
                Shape::Table { fields, .. } => {
                    let part = parts.next().ok_or_else(|| not_a_value(name, shape))?;
                    let key = part.to_lowercase();
                    let (key, inner) = fields.get_key_value(&key).ok_or_else(|| unknown(name, part, fields))?;
                    path.push(key.clone());
                    (shape, at) = (inner, child(at, key));
                }
                Shape::Map(inner) if **inner == Shape::Text => {
                    // An environment: names keep their capitals, and may hold two underscores themselves.
                    let key = parts.by_ref().collect::<Vec<_>>().join("__");
                    if key.is_empty() {
                        return Err(not_a_value(name, shape));
                    }
                    path.push(key);
                    return Ok((path, inner));
                }
                Shape::Map(inner) => {
                    let part = parts.next().filter(|part| !part.is_empty()).ok_or_else(|| not_a_value(name, shape))?;
                    let key = existing(at, part).unwrap_or_else(|| part.to_lowercase());
                    at = child(at, &key);
                    path.push(key);
                    shape = inner;
                }
                Shape::List(_) | Shape::Text | Shape::Choice(_) | Shape::Whole(_) | Shape::Number | Shape::Truth => {
                    return match parts.next() {
                        None => Ok((path, shape)),
                        Some(_) => Err(Problem::new(name, format!("`{}` has no keys below it", path.join(".")))),
                    };
                }
            }
        }
    }
}

fn child<'a>(value: Option<&'a Value>, key: &str) -> Option<&'a Value> {
    let ValueKind::Table(table) = &value?.kind else { return None };
    table.get(key)
}

/// The name in a table that a variable means: capitals do not count, and `_` may stand for any sign that no variable's
/// name can hold.
fn existing(table: Option<&Value>, part: &str) -> Option<String> {
    let ValueKind::Table(table) = &table?.kind else { return None };
    let plain = |name: &str| {
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect::<String>()
    };
    let mut names = table.keys().filter(|name| plain(name) == plain(part));
    let name = names.next()?;
    names.next().is_none().then(|| name.clone())
}

fn unknown(name: &str, part: &str, fields: &BTreeMap<String, Shape>) -> Problem {
    let names = fields.keys().map(String::as_str);
    let problem = Problem::new(name, format!("there is no key `{}`", part.to_lowercase()));
    match nearest(part, names.clone()) {
        Some(near) => problem.hint(format!("did you mean {}?", near.to_uppercase())),
        None => problem.hint(format!("the keys there are {}", names.collect::<Vec<_>>().join(", "))),
    }
}

fn not_a_value(name: &str, shape: &Shape) -> Problem {
    let problem = Problem::new(name, format!("names {}, not a value", shape.describe()));
    problem.hint(format!("set one key of it: {name}__KEY"))
}

fn read_text(name: &str, shape: &Shape, text: &str) -> Result<Value, Problem> {
    let origin = name.to_owned();
    let wrong = || Problem::new(name, format!("must be {}", shape.describe()));
    let kind = match shape {
        Shape::Whole(_) => ValueKind::I64(text.trim().parse().map_err(|_not_a_number| wrong())?),
        Shape::Truth => ValueKind::Boolean(text.trim().parse().map_err(|_neither| wrong())?),
        Shape::Number => ValueKind::Float(text.trim().parse().map_err(|_not_a_number| wrong())?),
        Shape::List(_) if text.trim_start().starts_with('[') => return toml_list(name, text),
        Shape::List(inner) if **inner == Shape::Text => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            ValueKind::Array(items.map(|item| Value::new(Some(&origin), item)).collect())
        }
        Shape::List(_) => return Err(wrong().hint("write it as a TOML array: [{ name = \"default\", weight = 1 }]")),
        Shape::Text | Shape::Choice(_) => ValueKind::String(text.to_owned()),
        Shape::Table { .. } | Shape::Map(_) => return Err(not_a_value(name, shape)),
    };
    Ok(Value::new(Some(&origin), kind))
}

fn toml_list(name: &str, text: &str) -> Result<Value, Problem> {
    let parsed: Result<toml::Table, _> = toml::from_str(&format!("list = {text}"));
    match parsed.map(|mut table| table.remove("list")) {
        Ok(Some(list)) => Ok(convert(Some(&name.to_owned()), list)),
        Ok(None) => Err(Problem::new(name, "is not a TOML array")),
        // Only the library's summary: its full message quotes the text, which may be secret.
        Err(error) => Err(Problem::new(name, format!("is not a TOML array: {}", error.message()))),
    }
}

fn urls_from_file(name: &str, path: &str) -> Result<Value, Problem> {
    let text = read_secret(name, path)?;
    let origin = format!("{name}={path}");
    let lines = text.expose_secret().lines().map(str::trim).filter(|line| !line.is_empty());
    let urls = lines.map(|line| Value::new(Some(&origin), line)).collect::<Vec<_>>();
    Ok(Value::new(Some(&origin), ValueKind::Array(urls)))
}

fn read_secret(name: &str, path: &str) -> Result<SecretString, Problem> {
    let text = fs::read_to_string(path).map_err(|error| Problem::new(name, format!("cannot read {path}: {error}")))?;
    Ok(SecretString::from(text.trim_end_matches(['\n', '\r'])))
}

/// The shared token, from its variable or its file. An empty variable counts as none: Compose sets those.
pub(in crate::config) fn token(
    variables: &BTreeMap<String, String>,
    problems: &mut Vec<Problem>,
) -> Option<SecretString> {
    let given = |name: &str| variables.get(name).filter(|value| !value.is_empty());
    let (source, token) = match (given(TOKEN), given(TOKEN_FILE)) {
        (None, None) => return None,
        (Some(_), Some(_)) => {
            problems.push(Problem::new(TOKEN, format!("{TOKEN_FILE} is set too")).hint("set only one of the two"));
            return None;
        }
        (Some(token), None) => (TOKEN, SecretString::from(token.trim_end_matches(['\n', '\r']))),
        (None, Some(path)) => match read_secret(TOKEN_FILE, path) {
            Ok(token) => (TOKEN_FILE, token),
            Err(problem) => {
                problems.push(problem);
                return None;
            }
        },
    };
    let length = token.expose_secret().len();
    if length < TOKEN_BYTES_MIN {
        let message = format!("the token has {length} bytes, but {TOKEN_BYTES_MIN} are the least");
        problems.push(Problem::new(source, message).hint("make a good one with: openssl rand -hex 32"));
        return None;
    }
    Some(token)
}
