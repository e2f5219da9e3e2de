//! The JSON Schemas of job, result, event and control message, generated from the types that write them.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};

use super::control::ControlClaims;
use super::event::EventClaims;
use super::job_writer::JobClaims;
use super::result::ResultClaims;

/// The schema of a job's claims: what a sender may write.
pub fn job_schema() -> Value {
    let mut schema = generate::<JobClaims>();
    // An optional claim is left out; null is no value. Unknown members are refused, and every limit is above zero.
    close_objects(&mut schema);
    drop_null(&mut schema);
    positive_limits(&mut schema);
    titled(schema, "The claims of a tester job, version 1")
}

/// The schema of a result's claims: what a consumer may read. Later versions may add members.
pub fn result_schema() -> Value {
    let mut schema = generate::<ResultClaims>();
    require_all(&mut schema);
    titled(schema, "The claims of a tester result, version 1")
}

/// The schema of an event's claims: what a consumer may read. Later versions may add members.
pub fn event_schema() -> Value {
    let mut schema = generate::<EventClaims>();
    require_all(&mut schema);
    titled(schema, "The claims of a tester event, version 1")
}

/// The schema of a control message's claims: what an operator or a sender may write.
pub fn control_schema() -> Value {
    let mut schema = generate::<ControlClaims>();
    close_objects(&mut schema);
    drop_null(&mut schema);
    titled(schema, "The claims of a tester control message, version 1")
}

fn generate<T: JsonSchema>() -> Value {
    let schema: Schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    schema.to_value()
}

fn titled(mut schema: Value, title: &str) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert("title".to_owned(), json!(title));
    }
    schema
}

/// Applies a change to every object of a schema.
fn walk(schema: &mut Value, change: &mut impl FnMut(&mut Map<String, Value>)) {
    match schema {
        Value::Object(members) => {
            change(members);
            members.values_mut().for_each(|value| walk(value, change));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| walk(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn close_objects(schema: &mut Value) {
    walk(schema, &mut |members| {
        if members.get("properties").is_some_and(Value::is_object) && !members.contains_key("additionalProperties") {
            members.insert("additionalProperties".to_owned(), json!(false));
        }
    });
}

fn drop_null(schema: &mut Value) {
    walk(schema, &mut |members| {
        if let Some(Value::Array(types)) = members.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                members.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
            choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
        }
    });
}

fn positive_limits(schema: &mut Value) {
    let Some(limits) = schema.pointer_mut("/$defs/LimitsPatch/properties").and_then(Value::as_object_mut) else {
        return;
    };
    for limit in limits.values_mut().filter_map(Value::as_object_mut) {
        limit.remove("minimum");
        limit.insert("exclusiveMinimum".to_owned(), json!(0));
    }
}

/// Every member of a result or event is always present, null where it does not apply.
fn require_all(schema: &mut Value) {
    walk(schema, &mut |members| {
        let names = match members.get("properties").and_then(Value::as_object) {
            Some(properties) if !members.contains_key("oneOf") => properties.keys().cloned().collect::<Vec<_>>(),
            Some(_) | None => return,
        };
        members.insert("required".to_owned(), json!(names));
    });
}
