//! The vectors in docs/vectors: what they say is what the worker does, and every reason code has one.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

mod make;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use make::{NOW, control, events, expected, jobs, keys, results};
use secrecy::SecretString;
use serde_json::{Value, json};
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::domain::path::PathBounds;
use tester_worker::domain::reason::{DeadReason, RejectReason};
use tester_worker::protocol::admission::{Admission, Bounds, PropertiesView, Refusal, Settings};
use tester_worker::protocol::event::verify_event;
use tester_worker::protocol::keys::{Direction, KeyRing};
use tester_worker::protocol::policy::{KeyRules, Lifetimes, ProfileRules};
use tester_worker::protocol::result::verify_result;
use tester_worker::protocol::signing::SigningKey;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/vectors")
}

fn load(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

fn admission(settings: &Value, keys: &Value) -> Admission {
    let number = |name: &str| settings[name].as_u64().unwrap();
    let size = |name: &str| usize::try_from(number(name)).unwrap();
    let profiles = settings["profiles"].as_object().unwrap().iter().map(|(name, profile)| {
        let limits_max: LimitsPatch = serde_json::from_value(profile["limits_max"].clone()).unwrap();
        let entry = profile["entry"].as_str().unwrap().to_owned();
        (name.clone(), ProfileRules { entry, limits: LimitsPatch::default(), limits_max, compile_wall_seconds: 0.0 })
    });
    let lifetimes = Lifetimes {
        lifetime_seconds_max: number("lifetime_seconds_max"),
        consumer_timeout_seconds: number("consumer_timeout_seconds"),
    };
    let path = PathBounds { bytes_max: size("path_bytes_max"), depth_max: size("path_depth_max") };
    let settings = Settings {
        audience: settings["audience"].as_str().unwrap().to_owned(),
        body_bytes_max: size("body_bytes_max"),
        bounds: Bounds { files_max: size("files_max"), path },
        lifetimes,
    };
    let ring = KeyRing::from_jwks(keys["senders"].to_string().as_bytes(), Direction::Jobs).unwrap();
    Admission::new(settings, Arc::new(ring), profiles.collect(), BTreeMap::<String, KeyRules>::new())
}

/// What the worker does with a vector, in the vector's own words.
fn judged(admission: &Admission, vector: &Value) -> Value {
    let reply_to = vector["properties"]["reply_to"].as_str();
    let properties = PropertiesView { reply_to, message_id: vector["properties"]["message_id"].as_str() };
    let now = vector["now"].as_u64().unwrap();
    let found = admission
        .authenticate(vector["token"].as_str().unwrap().as_bytes(), &properties)
        .and_then(|authentic| authentic.admit(admission, now));
    match found {
        Ok(_) => json!({ "end": "run", "reason": null }),
        Err(Refusal::Rejected { reason, .. }) => json!({ "end": "rejected", "reason": reason.as_str() }),
        Err(Refusal::Dead { reason, .. }) => json!({ "end": "dead", "reason": reason.as_str() }),
    }
}

#[track_caller]
fn same_as_checked_in(name: &str, made: &Value) {
    let mut text = serde_json::to_string_pretty(made).unwrap();
    text.push('\n');
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        std::fs::write(folder().join(name), text).unwrap();
        return;
    }
    let checked_in = std::fs::read_to_string(folder().join(name)).unwrap_or_default();
    assert!(
        checked_in == text,
        "docs/vectors/{name} is not what this test makes; regenerate it with: \
         UPDATE_VECTORS=1 cargo test --test protocol_vectors"
    );
}

#[test]
fn the_checked_in_vectors_are_the_ones_made_here() {
    same_as_checked_in("keys.json", &keys());
    same_as_checked_in("jobs.json", &jobs());
    same_as_checked_in("results.json", &results());
    same_as_checked_in("events.json", &events());
    same_as_checked_in("control.json", &control());
}

#[test]
fn the_worker_does_with_each_job_what_its_vector_says() {
    let jobs = load("jobs.json");
    let admission = admission(&jobs["settings"], &load("keys.json"));
    for vector in jobs["vectors"].as_array().unwrap() {
        assert_eq!(judged(&admission, vector), vector["expect"], "{}", vector["name"]);
    }
}

#[test]
fn a_consumer_does_with_each_result_what_its_vector_says() {
    let ring = KeyRing::from_jwks(load("keys.json")["workers"].to_string().as_bytes(), Direction::Results).unwrap();
    for vector in load("results.json")["vectors"].as_array().unwrap() {
        let found = verify_result(vector["token"].as_str().unwrap().as_bytes(), &ring, &expected());
        assert_eq!(found.is_ok(), vector["accepted"], "{}: {found:?}", vector["name"]);
    }
}

#[test]
fn the_worker_does_with_each_control_message_what_its_vector_says() {
    let admission = admission(&load("jobs.json")["settings"], &load("keys.json"));
    for vector in load("control.json")["vectors"].as_array().unwrap() {
        let token = vector["token"].as_str().unwrap().as_bytes();
        let found = admission.control(token, vector["now"].as_u64().unwrap());
        assert_eq!(found.is_ok(), vector["accepted"], "{}: {found:?}", vector["name"]);
        let job = admission.authenticate(token, &PropertiesView::default());
        assert!(job.is_err(), "{} passes for a job", vector["name"]);
    }
}

#[test]
fn a_consumer_does_with_each_event_what_its_vector_says() {
    let ring = KeyRing::from_jwks(load("keys.json")["workers"].to_string().as_bytes(), Direction::Results).unwrap();
    for vector in load("events.json")["vectors"].as_array().unwrap() {
        let token = vector["token"].as_str().unwrap().as_bytes();
        let found = verify_event(token, &ring, &expected());
        assert_eq!(found.is_ok(), vector["accepted"], "{}: {found:?}", vector["name"]);
        assert!(verify_result(token, &ring, &expected()).is_err(), "{} passes for a result", vector["name"]);
    }
}

#[test]
fn every_reason_that_a_message_alone_can_cause_has_a_vector() {
    let jobs = load("jobs.json");
    let has = |code: &str| jobs["vectors"].as_array().unwrap().iter().any(|vector| vector["expect"]["reason"] == code);
    for reason in RejectReason::ALL {
        assert!(has(reason.as_str()), "{reason}");
    }
    // These two need a history: another job with the same id, or attempts that failed.
    let of_history = [DeadReason::IdReused, DeadReason::Poison];
    for reason in DeadReason::ALL {
        assert_eq!(has(reason.as_str()), !of_history.contains(reason), "{reason}");
    }
}

#[test]
fn tokens_of_another_library_are_good() {
    let foreign = load("foreign.json");
    let keys = load("keys.json");
    let admission = admission(&load("jobs.json")["settings"], &keys);
    for token in foreign["jobs"].as_array().unwrap() {
        let vector = json!({ "token": token, "now": NOW });
        assert_eq!(judged(&admission, &vector)["end"], "run", "{token}");
    }
    let ring = KeyRing::from_jwks(keys["workers"].to_string().as_bytes(), Direction::Results).unwrap();
    let pem = SecretString::from(keys["worker_private_pem"].as_str().unwrap());
    assert_eq!(SigningKey::from_pem("worker-1", &pem).unwrap().kid(), "worker-1");
    let body = foreign["result"].as_str().unwrap();
    assert!(verify_result(body.as_bytes(), &ring, &expected()).is_ok());
}
