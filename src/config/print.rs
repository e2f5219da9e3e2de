//! Prints the effective configuration as TOML, without its secrets.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::inspect::join;
use super::load::Loaded;
use super::reference;

const REDACTED: &str = "[REDACTED]";

/// The configuration in force as TOML that would load again, but for the secrets. Where a value is not a default, a
/// comment says where it came from.
pub fn print(loaded: &Loaded) -> String {
    let mut printer = Printer { text: String::new(), sources: &loaded.sources, order: order() };
    let mut effective = loaded.effective.clone();
    redact(&mut effective);
    let token = if loaded.token.is_some() { REDACTED } else { "not set" };
    printer.line(&format!("# WORKER_AUTH_TOKEN: {token}"));
    if let Some(file) = &loaded.file {
        printer.line(&format!("# file: {}", file.display()));
    }
    if let Json::Object(sections) = &effective {
        for (name, value) in printer.ordered("", sections) {
            printer.table(&join("", &name), &value, false);
        }
    }
    printer.text
}

/// URLs may hold a password anywhere, so nothing of them is shown.
fn redact(effective: &mut Json) {
    if let Some(Json::Array(urls)) = effective.pointer_mut("/broker/urls") {
        for url in urls {
            *url = Json::from(REDACTED);
        }
    }
}

struct Printer<'a> {
    text: String,
    sources: &'a BTreeMap<String, String>,
    /// Where a key stands in the default configuration, by its last name.
    order: BTreeMap<String, usize>,
}

impl Printer<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn ordered(&self, path: &str, table: &Map<String, Json>) -> Vec<(String, Json)> {
        let place = |key: &String| {
            let full = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            self.order.get(&full).or_else(|| self.order.get(key)).copied().unwrap_or(usize::MAX)
        };
        let mut entries: Vec<_> = table.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        entries.sort_by_key(|(key, _)| (place(key), key.clone()));
        entries
    }

    /// A table: its plain values first, then the tables below it.
    fn table(&mut self, path: &str, value: &Json, of_list: bool) {
        let Json::Object(table) = value else { return };
        let entries = self.ordered(path, table);
        let has_own_header = |key: &str, value: &Json| match value {
            Json::Object(_) => !matches!(key, "env" | "limits" | "limits_max"),
            Json::Array(items) => items.iter().any(Json::is_object),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => false,
        };
        let (tables, values): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|(key, value)| has_own_header(key, value));
        if !values.is_empty() || tables.is_empty() {
            self.line("");
            self.line(&if of_list { format!("[[{path}]]") } else { format!("[{path}]") });
        }
        for (key, value) in &values {
            let full = join(path, key);
            let below = |other: &&String| other.strip_prefix(&full).is_some_and(|rest| rest.starts_with('.'));
            let source = self
                .sources
                .get(&full)
                .or_else(|| self.sources.keys().find(below).and_then(|key| self.sources.get(key)));
            let comment = source.map_or_else(String::new, |source| format!("  # from {source}"));
            self.line(&format!("{} = {}{comment}", join("", key), inline(value)));
        }
        for (key, value) in &tables {
            let full = join(path, key);
            if let Json::Array(items) = value {
                for item in items {
                    self.table(&full, item, true);
                }
            } else {
                self.table(&full, value, false);
            }
        }
    }
}

/// A value on one line.
fn inline(value: &Json) -> String {
    match value {
        Json::Object(table) if table.is_empty() => "{}".to_owned(),
        Json::Object(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{} = {}", join("", key), inline(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        Json::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Json::String(text) => toml::Value::String(text.clone()).to_string(),
        Json::Null | Json::Bool(_) | Json::Number(_) => value.to_string(),
    }
}

fn order() -> BTreeMap<String, usize> {
    let mut order = BTreeMap::new();
    let mut next = 0;
    let mut place = |name: String| {
        next += 1;
        order.entry(name).or_insert(next);
    };
    for section in reference::sections() {
        place(section.name().split('.').next().unwrap_or_default().to_owned());
        place(section.name().to_owned());
        section.entries.into_iter().for_each(|entry| place(entry.key));
    }
    order
}
