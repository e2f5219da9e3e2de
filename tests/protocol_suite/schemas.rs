//! The schemas in docs/schema are those of the types, and they agree with what the worker takes.

use std::path::PathBuf;

use serde_json::{Value, json};
use tester_worker::domain::limits::LimitName;
use tester_worker::domain::reason::{DeadReason, RejectReason};
use tester_worker::domain::verdict::Status;
use tester_worker::protocol::admission::PropertiesView;
use tester_worker::protocol::result::ResultClaims;
use tester_worker::protocol::schema::{control_schema, event_schema, job_schema, result_schema};

use crate::events::every_event;
use crate::support::{NOW, claims, edit, job_key, outcome, sign_json, token_sender};

#[track_caller]
fn same_as_checked_in(name: &str, schema: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/schema").join(name);
    let mut text = serde_json::to_string_pretty(schema).unwrap();
    text.push('\n');
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let checked_in = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        checked_in == text,
        "docs/schema/{name} is not what the types say; regenerate it with: \
         UPDATE_SCHEMA=1 cargo test --test protocol_suite schemas"
    );
}

#[test]
fn the_checked_in_schema_of_a_job_is_the_types() {
    same_as_checked_in("job.schema.json", &job_schema());
}

#[test]
fn the_checked_in_schema_of_a_result_is_the_types() {
    same_as_checked_in("result.schema.json", &result_schema());
}

#[test]
fn the_checked_in_schema_of_an_event_is_the_types() {
    same_as_checked_in("event.schema.json", &event_schema());
}

#[test]
fn the_checked_in_schema_of_a_control_message_is_the_types() {
    same_as_checked_in("control.schema.json", &control_schema());
}

#[test]
fn the_schema_and_the_worker_agree_about_shapes() {
    let schema = jsonschema::validator_for(&job_schema()).unwrap();
    let sender = token_sender();
    let file = |extra: Value| {
        let mut file = json!({ "path": "main.py", "content": { "text": "" } });
        file.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        edit(|job| job["files"] = json!([file]))
    };
    let rows = [
        (claims(), true),
        (edit(|job| job["nbf"] = json!(NOW)), true),
        (edit(|job| job["entry"] = json!("main.py")), true),
        (edit(|job| job["entry"] = json!(null)), false),
        (edit(|job| job["limits"] = json!({ "wall_seconds": 0.5, "processes": 1 })), true),
        (edit(|job| job["limits"] = json!({ "wall_seconds": 0 })), false),
        (edit(|job| job["limits"] = json!({ "wall_seconds": null })), false),
        (edit(|job| job["limits"] = json!({ "walls": 1 })), false),
        (edit(|job| job["limits"] = json!({ "processes": 1.5 })), false),
        (edit(|job| job["extra"] = json!(1)), false),
        (edit(|job| job["v"] = json!(2)), false),
        (edit(|job| job["iat"] = json!(-1)), false),
        (edit(|job| job["args"] = json!([1])), false),
        (edit(|job| job["env"] = json!({ "K": "V" })), true),
        (edit(|job| job["env"] = json!({ "K": 1 })), false),
        (edit(|job| job["stdin"] = json!({})), false),
        (edit(|job| job["stdin"] = json!({ "text": "", "base64": "" })), false),
        (file(json!({ "executable": true, "role": "trusted" })), true),
        (file(json!({ "role": "root" })), false),
        (file(json!({ "mode": 1 })), false),
        (file(json!({ "content": { "text": "", "x": 1 } })), false),
    ];
    for (job, good) in rows {
        assert_eq!(schema.is_valid(&job), good, "schema: {job}");
        let admitted = sender.admit(&sign_json(&sender.key, &job), PropertiesView::default(), NOW);
        assert_eq!(admitted.is_ok(), good, "worker: {job}: {admitted:?}");
    }
}

#[test]
fn results_match_their_schema_and_a_missing_member_does_not() {
    let schema = jsonschema::validator_for(&result_schema()).unwrap();
    let digest = tester_worker::domain::job::JobDigest([1; 32]);
    let mut full = outcome();
    full.compile = Some(full.run.clone());
    full.run.stdout.content = tester_worker::domain::content::Content::new(vec![0xff]);
    for outcome in [outcome(), full] {
        let claims = serde_json::to_value(ResultClaims::new(&job_key(), digest, NOW, outcome)).unwrap();
        let errors: Vec<String> = schema.iter_errors(&claims).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        for name in claims.as_object().unwrap().keys() {
            let mut less = claims.clone();
            less.as_object_mut().unwrap().remove(name);
            assert!(!schema.is_valid(&less), "{name} may be missing");
        }
        let mut no_usage = claims.clone();
        no_usage["usage"]["cpu_seconds"] = json!(null);
        assert!(!schema.is_valid(&no_usage));
    }
}

#[test]
fn events_match_their_schema_and_a_missing_member_does_not() {
    let schema = jsonschema::validator_for(&event_schema()).unwrap();
    for event in every_event() {
        let claims = serde_json::to_value(&event).unwrap();
        let errors: Vec<String> = schema.iter_errors(&claims).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        for name in claims.as_object().unwrap().keys() {
            let mut less = claims.clone();
            less.as_object_mut().unwrap().remove(name);
            assert!(!schema.is_valid(&less), "{name} may be missing");
        }
    }
    let mut unnumbered = serde_json::to_value(&every_event()[0]).unwrap();
    unnumbered["seq"] = json!(0);
    assert!(!schema.is_valid(&unnumbered));
}

#[test]
fn the_page_about_the_protocol_names_every_code_status_and_limit() {
    let page = std::fs::read_to_string(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/protocol.md")).unwrap();
    let names = RejectReason::ALL.iter().map(|reason| reason.as_str());
    let names = names.chain(DeadReason::ALL.iter().map(|reason| reason.as_str()));
    let names = names.chain(Status::ALL.iter().map(|status| status.as_str()));
    for name in names.chain(LimitName::ALL.iter().map(|limit| limit.as_str())) {
        assert!(page.contains(&format!("`{name}`")), "docs/protocol.md does not name `{name}`");
    }
}
