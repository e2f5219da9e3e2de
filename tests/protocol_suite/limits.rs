//! Profiles, limits and times: what a sender may ask for, and what is too much.

use serde_json::{Value, json};
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::domain::reason::RejectReason;
use tester_worker::protocol::admission::PropertiesView;

use crate::support::{NOW, claims, edit, reject_reason, rejects, sign_json, token_sender};

#[test]
fn profiles_are_known_and_the_keys_to_use() {
    rejects(&edit(|job| job["profile"] = json!("cobol")), RejectReason::UnknownProfile);
    let mut sender = token_sender();
    sender.policy(Some(&["pytest"]), None, LimitsPatch::default());
    assert_eq!(reject_reason(&sender, &claims()), RejectReason::OverPolicy);
}

#[test]
fn limits_that_are_no_limits_are_refused() {
    for limits in [
        json!({ "wall_seconds": 0 }),
        json!({ "wall_seconds": -1 }),
        json!({ "wall_seconds": "5" }),
        json!({ "wall_seconds": null }),
        json!({ "memory_bytes": 1.5 }),
        json!({ "memory_bytes": 1e300 }),
        json!({ "processes": true }),
        json!({ "walls": 5 }),
        json!({ "": 5 }),
    ] {
        rejects(&edit(|job| job["limits"] = limits.clone()), RejectReason::BadLimit);
        rejects(&edit(|job| job["cases"] = json!([{ "name": "1", "limits": limits }])), RejectReason::BadLimit);
    }
}

#[test]
fn limits_above_the_profiles_and_the_keys_maxima_are_over_policy() {
    // The profile `python` allows 60 s of wall time and names no maximum for processes.
    let wanted = |limits: Value| edit(|job| job["limits"] = limits);
    rejects(&wanted(json!({ "wall_seconds": 60.5 })), RejectReason::OverPolicy);
    rejects(&wanted(json!({ "processes": 51 })), RejectReason::OverPolicy);
    let mut sender = token_sender();
    let good = wanted(json!({ "wall_seconds": 60, "processes": 1 }));
    assert!(sender.admit(&sign_json(&sender.key, &good), PropertiesView::default(), NOW).is_ok());
    sender.policy(None, None, LimitsPatch { wall_seconds: Some(30.0), ..LimitsPatch::default() });
    assert_eq!(reject_reason(&sender, &good), RejectReason::OverPolicy);
    assert!(sender.admit(&sign_json(&sender.key, &claims()), PropertiesView::default(), NOW).is_ok());
}

#[test]
fn times_hold_with_five_seconds_of_leeway_and_no_more() {
    let at = |field: &'static str, seconds: u64| edit(|job| job[field] = json!(seconds));
    rejects(&at("exp", NOW - 5), RejectReason::Expired);
    rejects(&at("exp", NOW - 1000), RejectReason::Expired);
    rejects(&at("nbf", NOW + 6), RejectReason::NotYetValid);
    rejects(&at("iat", NOW + 6), RejectReason::NotYetValid);
    let sender = token_sender();
    for good in [at("exp", NOW - 4), at("nbf", NOW + 5), at("iat", NOW + 5)] {
        assert!(sender.admit(&sign_json(&sender.key, &good), PropertiesView::default(), NOW).is_ok(), "{good}");
    }
}

#[test]
fn a_job_may_not_live_or_run_longer_than_allowed() {
    rejects(&edit(|job| job["exp"] = json!(NOW + 86_401)), RejectReason::DeadlineTooLong);
    let mut sender = token_sender();
    sender.settings.lifetimes.consumer_timeout_seconds = 130;
    assert!(sender.admit(&sign_json(&sender.key, &claims()), PropertiesView::default(), NOW).is_ok());
    sender.settings.lifetimes.consumer_timeout_seconds = 129;
    assert_eq!(reject_reason(&sender, &claims()), RejectReason::DeadlineTooLong);
    // The compiler's time counts too.
    sender.settings.lifetimes.consumer_timeout_seconds = 149;
    assert!(sender.admit(&sign_json(&sender.key, &claims()), PropertiesView::default(), NOW).is_ok());
    sender.profiles.get_mut("python").unwrap().compile_wall_seconds = 20.0;
    assert_eq!(reject_reason(&sender, &claims()), RejectReason::DeadlineTooLong);
}

#[test]
fn files_that_do_not_fit_the_scratch_folder_are_over_policy_before_any_sandbox_is_touched() {
    let file = |path: &str, bytes: usize| json!({ "path": path, "content": { "text": "x".repeat(bytes) } });
    let with = |limits: Value, files: Value| {
        edit(|job| {
            job["entry"] = json!("main.py");
            job["limits"] = limits;
            job["files"] = files;
        })
    };
    // A file of one byte takes a page.
    let two = || json!([file("main.py", 1), file("b.py", 1)]);
    rejects(&with(json!({ "scratch_bytes": 8191 }), two()), RejectReason::OverPolicy);
    // A quarter of the memory is the most.
    rejects(&with(json!({ "memory_bytes": 32767 }), two()), RejectReason::OverPolicy);
    // Two files, the folder of one of them, and the scratch folder itself.
    let nested = || json!([file("main.py", 1), file("a/b.py", 1)]);
    rejects(&with(json!({ "scratch_files": 3 }), nested()), RejectReason::OverPolicy);
    let sender = token_sender();
    for good in [with(json!({ "scratch_bytes": 8192 }), two()), with(json!({ "scratch_files": 4 }), nested())] {
        assert!(sender.admit(&sign_json(&sender.key, &good), PropertiesView::default(), NOW).is_ok());
    }
}
