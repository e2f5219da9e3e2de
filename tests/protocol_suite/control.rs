//! Control messages: who may say what, for how long, and that nothing else passes for one.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tester_worker::domain::job::JobKey;
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::protocol::admission::{Admission, PropertiesView};
use tester_worker::protocol::control::{
    CONTROL_BYTES_MAX, Command, ControlDraft, ControlRefusal, Order, sign_cancel, sign_drain,
};
use tester_worker::protocol::keys::{Direction, KeyRing};
use tester_worker::protocol::policy::KeyRules;
use tester_worker::protocol::schema::control_schema;
use tester_worker::protocol::signing::SigningKey;
use zeroize::Zeroizing;

use crate::support::{
    AUDIENCE, ISSUER, NOW, TOKEN, claims, hs256, job_key, profiles, settings, shared_key, sign_json, token_sender,
};

const ID: &str = "6f2f6a0e-0000-4000-8000-00000000000c";

/// A change to good claims.
type Change = fn(&mut Value);

fn cancel() -> Value {
    json!({
        "v": 1, "iss": ISSUER, "aud": AUDIENCE, "jti": ID, "iat": NOW, "exp": NOW + 60, "command": "cancel",
        "job": job_key().id,
    })
}

fn edited(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = cancel();
    change(&mut claims);
    claims
}

fn signed(claims: &Value) -> Vec<u8> {
    let header = json!({ "alg": "HS256", "kid": "default", "typ": "control+jwt" });
    hs256(TOKEN.as_bytes(), &header, claims.to_string().as_bytes())
}

fn hear(claims: &Value) -> Result<Order, ControlRefusal> {
    token_sender().admission().control(&signed(claims), NOW)
}

#[track_caller]
fn refused(claims: &Value, text: &str) {
    let error = hear(claims).unwrap_err().to_string();
    assert!(error.contains(text), "{error} lacks {text}: {claims}");
}

/// Keys of a JWKS file, and whether one has a policy that speaks of drains.
fn with_keys(keys: &[(&SigningKey, Direction, Option<&str>)], may_drain: Option<(&str, Option<bool>)>) -> Admission {
    let list: Vec<Value> =
        keys.iter().map(|(key, direction, issuer)| key.public_jwk(*direction, *issuer).unwrap()).collect();
    let ring = KeyRing::from_jwks(json!({ "keys": list }).to_string().as_bytes(), Direction::Jobs).unwrap();
    let rules = |kid| KeyRules::new(kid, None, None, LimitsPatch::default()).unwrap();
    let policies: BTreeMap<String, KeyRules> =
        may_drain.map(|(kid, may)| (kid.to_owned(), rules(kid).with_drain(may))).into_iter().collect();
    Admission::new(settings(), Arc::new(ring), profiles(), policies)
}

fn key(kid: &str, seed: u8) -> SigningKey {
    SigningKey::from_seed(kid, &Zeroizing::new([seed; 32])).unwrap()
}

fn draft(issuer: &str) -> ControlDraft {
    ControlDraft {
        issuer: issuer.to_owned(),
        audience: AUDIENCE.to_owned(),
        id: ID.parse().unwrap(),
        issued_at: NOW,
        expires_at: NOW + 60,
    }
}

#[test]
fn a_cancel_is_about_a_job_of_its_own_issuer() {
    let order = hear(&cancel()).unwrap();
    assert_eq!(order.command, Command::Cancel(job_key()));
    assert_eq!((order.issuer.as_str(), order.kid.as_str()), (ISSUER, "default"));
    assert_eq!((order.issued_at, order.expires_at), (NOW, NOW + 60));
    let other = hear(&edited(|claims| claims["iss"] = json!("backend-2"))).unwrap();
    assert_eq!(other.command, Command::Cancel(JobKey { issuer: "backend-2".to_owned(), ..job_key() }));
}

#[test]
fn what_is_signed_here_is_understood_here() {
    let admission = token_sender().admission();
    let body = sign_cancel(draft(ISSUER), job_key().id, &shared_key()).unwrap();
    assert_eq!(admission.control(&body, NOW).unwrap().command, Command::Cancel(job_key()));
    let body = sign_drain(draft(ISSUER), "worker-1", &shared_key()).unwrap();
    assert_eq!(admission.control(&body, NOW).unwrap().command, Command::Drain("worker-1".to_owned()));
}

#[test]
fn a_message_holds_between_its_times_and_for_another_fleet_never() {
    let admission = token_sender().admission();
    let body = signed(&cancel());
    for (now, good) in [(NOW - 6, false), (NOW - 5, true), (NOW + 64, true), (NOW + 65, false)] {
        assert_eq!(admission.control(&body, now).is_ok(), good, "{now}");
    }
    refused(&edited(|claims| claims["exp"] = json!(NOW + 86_401)), "86400 s is the most");
    refused(&edited(|claims| claims["aud"] = json!("others")), "aud is \"others\"");
}

#[test]
fn claims_are_strict_and_each_command_has_exactly_what_it_is_about() {
    let rows: [(Change, &str); 12] = [
        (|claims| claims["v"] = json!(2), "v is 2"),
        (|claims| claims["extra"] = json!(1), "which no control message has"),
        (|claims| claims["command"] = json!("stop"), "no command is called \"stop\""),
        (|claims| claims["job"] = json!("1"), "job is not a UUID"),
        (|claims| claims["jti"] = json!(ID.to_uppercase()), "jti is not a UUID"),
        (|claims| claims["worker"] = json!("w"), "cancel needs the member job, and no worker"),
        (|claims| claims["command"] = json!("drain"), "drain needs the member worker, and no job"),
        (|claims| claims["iss"] = json!(""), "iss has 0 bytes"),
        (|claims| claims["exp"] = json!("soon"), "exp must be a whole number"),
        (|claims| drop(claims.as_object_mut().unwrap().remove("iat")), "needs the member iat"),
        (|claims| drop(claims.as_object_mut().unwrap().remove("job")), "cancel needs the member job"),
        (|claims| claims["job"] = json!(null), "job must be a string"),
    ];
    for (change, text) in rows {
        refused(&edited(change), text);
    }
    let twice = cancel().to_string().replace('{', r#"{"command":"drain","#);
    let header = json!({ "alg": "HS256", "kid": "default", "typ": "control+jwt" });
    let error = token_sender().admission().control(&hs256(TOKEN.as_bytes(), &header, twice.as_bytes()), NOW);
    assert!(error.unwrap_err().to_string().contains("not strict JSON"));
    let large = vec![b'a'; CONTROL_BYTES_MAX + 1];
    assert!(token_sender().admission().control(&large, NOW).unwrap_err().to_string().contains("is the most"));
}

#[test]
fn a_job_is_no_control_message_and_a_control_message_is_no_job() {
    let sender = token_sender();
    let error = sender.admission().control(&sign_json(TOKEN, &claims()), NOW).unwrap_err();
    assert!(error.to_string().starts_with("wrong_typ"), "{error}");
    assert!(sender.admission().authenticate(&signed(&cancel()), &PropertiesView::default()).is_err());
}

#[test]
fn only_a_control_key_signs_control_messages_and_only_for_its_issuer() {
    let (jobs, control, bound) = (key("jobs", 1), key("control", 2), key("bound", 3));
    let admission = with_keys(
        &[
            (&jobs, Direction::Jobs, None),
            (&control, Direction::Control, None),
            (&bound, Direction::Control, Some(ISSUER)),
        ],
        None,
    );
    let say = |issuer: &str, key: &SigningKey| {
        let body = sign_cancel(draft(issuer), job_key().id, key).unwrap();
        admission.control(&body, NOW).map_err(|error| error.to_string())
    };
    assert!(say(ISSUER, &jobs).unwrap_err().contains("no key \"jobs\" signs control"));
    assert!(say("anybody", &control).is_ok() && say(ISSUER, &bound).is_ok());
    assert!(say("backend-2", &bound).unwrap_err().contains("does not sign for the issuer"));
    let mut forged = sign_cancel(draft(ISSUER), job_key().id, &control).unwrap().to_vec();
    let last = forged.len() - 5;
    forged[last] = if forged[last] == b'A' { b'B' } else { b'A' };
    assert!(admission.control(&forged, NOW).unwrap_err().to_string().starts_with("bad_signature"));
}

#[test]
fn draining_needs_the_shared_token_or_a_policy() {
    let control = key("control", 2);
    let body = sign_drain(draft(ISSUER), "worker-1", &control).unwrap();
    let keys = [(&control, Direction::Control, None)];
    for (policy, may) in [
        (None, false),
        (Some(("control", None)), false),
        (Some(("control", Some(false))), false),
        (Some(("control", Some(true))), true),
    ] {
        let heard = with_keys(&keys, policy).control(&body, NOW);
        assert_eq!(heard.is_ok(), may, "{policy:?}: {heard:?}");
    }
    let mut sender = token_sender();
    let body = sign_drain(draft(ISSUER), "worker-1", &shared_key()).unwrap();
    assert!(sender.admission().control(&body, NOW).is_ok());
    sender.policy(None, None, LimitsPatch::default());
    assert!(sender.admission().control(&body, NOW).is_ok(), "a policy that says nothing of it takes nothing");
    let rules = KeyRules::new("default", None, None, LimitsPatch::default()).unwrap().with_drain(Some(false));
    sender.policies.insert("default".to_owned(), rules);
    assert!(sender.admission().control(&body, NOW).unwrap_err().to_string().contains("may_drain = true"));
}

#[test]
fn the_schema_and_the_worker_agree() {
    let schema = jsonschema::validator_for(&control_schema()).unwrap();
    let drain = edited(|claims| {
        claims["command"] = json!("drain");
        claims["worker"] = json!("worker-1");
        drop(claims.as_object_mut().unwrap().remove("job"));
    });
    let unversioned = edited(|claims| drop(claims.as_object_mut().unwrap().remove("v")));
    for good in [cancel(), drain, unversioned] {
        assert!(schema.is_valid(&good) && hear(&good).is_ok(), "{good}");
    }
    let rows: [Change; 5] = [
        |claims| claims["v"] = json!(2),
        |claims| claims["extra"] = json!(1),
        |claims| claims["command"] = json!("stop"),
        |claims| claims["iat"] = json!(-1),
        |claims| drop(claims.as_object_mut().unwrap().remove("exp")),
    ];
    for change in rows {
        let bad = edited(change);
        assert!(!schema.is_valid(&bad) && hear(&bad).is_err(), "{bad}");
    }
}
