//! Ways to spoil something that was good.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

/// The configuration of every property: as many cases as the environment says, and no file of old failures.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

/// One change of a row of bytes.
#[derive(Debug, Clone)]
pub(crate) enum Spoil {
    Set(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
    Repeat(Index, Index),
}

pub(crate) fn spoil() -> impl Strategy<Value = Spoil> {
    // Bytes that mean something to a reader come more often than others.
    let byte = || prop_oneof![any::<u8>(), proptest::sample::select(b"\0\"\\{}[]:,./=-_0eE+".to_vec())];
    prop_oneof![
        (any::<Index>(), byte()).prop_map(|(at, byte)| Spoil::Set(at, byte)),
        (any::<Index>(), byte()).prop_map(|(at, byte)| Spoil::Insert(at, byte)),
        any::<Index>().prop_map(Spoil::Remove),
        any::<Index>().prop_map(Spoil::Cut),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Spoil::Repeat(from, to)),
    ]
}

/// The bytes after these changes.
pub(crate) fn spoilt(bytes: &[u8], spoils: &[Spoil]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for spoil in spoils {
        if bytes.is_empty() {
            break;
        }
        let count = bytes.len();
        match spoil {
            Spoil::Set(at, byte) => bytes[at.index(count)] = *byte,
            Spoil::Insert(at, byte) => bytes.insert(at.index(count), *byte),
            Spoil::Remove(at) => drop(bytes.remove(at.index(count))),
            Spoil::Cut(at) => bytes.truncate(at.index(count)),
            Spoil::Repeat(from, to) => {
                let (from, to) = (from.index(count), to.index(count));
                let piece = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(piece);
            }
        }
    }
    bytes
}

/// Any JSON, not deep and not large.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        proptest::sample::select(vec![
            "",
            ".",
            "..",
            "/",
            "a/b",
            "main.py",
            "python",
            "amq.gen-x",
            "A==",
            "\0",
            "exact"
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let name = prop_oneof!["[a-z_]{1,12}", Just("text".to_owned()), Just("base64".to_owned())];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(name, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One change of a JSON document: which node of it, and what becomes of that.
pub(crate) fn change() -> impl Strategy<Value = (Index, Option<Value>)> {
    (any::<Index>(), proptest::option::of(json()))
}

/// Replaces a node of the document, or removes it.
pub(crate) fn apply(document: &mut Value, (at, new): &(Index, Option<Value>)) {
    let mut paths = Vec::new();
    walk(document, String::new(), &mut paths);
    let path = &paths[at.index(paths.len())];
    let (above, name) = path.rsplit_once('/').unwrap_or_default();
    let node = match new {
        Some(new) => document.pointer_mut(path).map(|node| *node = new.clone()),
        None => document.pointer_mut(above).map(|node| match node {
            Value::Object(members) => drop(members.remove(name)),
            Value::Array(items) => drop(items.pop()),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }),
    };
    assert!(node.is_some() || path.is_empty() || path.contains('~') || name.is_empty(), "no node at {path}");
}

/// The JSON pointers of all nodes.
fn walk(node: &Value, path: String, paths: &mut Vec<String>) {
    match node {
        Value::Object(members) => members.iter().for_each(|(name, node)| walk(node, format!("{path}/{name}"), paths)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, node)| walk(node, format!("{path}/{at}"), paths));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    paths.push(path);
}
