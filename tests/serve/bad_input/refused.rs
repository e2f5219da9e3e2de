//! Jobs of a known sender that must not run: each is answered with a signed refusal and its reason.

use lapin::BasicProperties;
use serde_json::{Value, json};

use super::End::Rejected;
use super::Row;
use crate::support::now;

/// Every row.
pub(super) fn refused() -> Vec<Row> {
    [times_and_properties(), shapes(), policies(), files_and_contents()].into_iter().flatten().collect()
}

/// A rightly signed job with one member changed.
fn changed(name: &'static str, member: &str, value: Value, reason: &'static str) -> Row {
    Row::claims(name, |job| job[member] = value, Rejected(reason))
}

/// A file's claims.
fn file(path: &str) -> Value {
    json!({ "path": path, "content": { "text": "" } })
}

fn times_and_properties() -> Vec<Row> {
    let now = now();
    let mismatch = Rejected("properties_mismatch");
    vec![
        Row::claims(
            "expired",
            |job| (job["iat"], job["exp"]) = (json!(now - 100), json!(now - 50)),
            Rejected("expired"),
        ),
        changed("not yet valid", "nbf", json!(now + 100), "not_yet_valid"),
        Row::claims(
            "signed in the future",
            |job| (job["iat"], job["exp"]) = (json!(now + 100), json!(now + 200)),
            Rejected("not_yet_valid"),
        ),
        changed("valid for too long", "exp", json!(now + 1_000_000), "deadline_too_long"),
        Row::properties(
            "a reply_to property of another queue",
            BasicProperties::default().with_reply_to("results.other".into()),
            mismatch,
        ),
        Row::properties(
            "a message_id property of another job",
            BasicProperties::default().with_message_id("other".into()),
            mismatch,
        ),
    ]
}

fn shapes() -> Vec<Row> {
    vec![
        changed("an unknown field", "priority", json!(9), "unknown_field"),
        Row::claims(
            "an unknown field of a file",
            |job| job["files"][0]["mode"] = json!(511),
            Rejected("unknown_field"),
        ),
        changed("a wrong type", "files", json!("main.py"), "malformed"),
        changed("a number for a text", "profile", json!(7), "malformed"),
        changed("null for an absent member", "stdin", Value::Null, "malformed"),
        changed("another version", "v", json!(2), "malformed"),
        Row::claims(
            "a missing claim",
            |job| drop(job.as_object_mut().expect("an object").remove("files")),
            Rejected("malformed"),
        ),
        Row::text("a key twice", |text| text.replacen("\"v\":1", "\"v\":1,\"v\":1", 1), Rejected("malformed")),
        Row::text(
            "a key twice, once escaped",
            |text| text.replacen("\"profile\":", "\"profil\\u0065\":\"pytest\",\"profile\":", 1),
            Rejected("malformed"),
        ),
    ]
}

fn policies() -> Vec<Row> {
    let over = |name, limits: Value, reason| changed(name, "limits", limits, reason);
    vec![
        over("a limit of zero", json!({ "wall_seconds": 0 }), "bad_limit"),
        over("a negative limit", json!({ "memory_bytes": -1 }), "bad_limit"),
        over("a limit that is no number", json!({ "processes": "many" }), "bad_limit"),
        over("a limit that no run has", json!({ "wall": 1 }), "bad_limit"),
        over("a limit above the policy", json!({ "wall_seconds": 61 }), "over_policy"),
        changed("an unknown profile", "profile", json!("cobol"), "unknown_profile"),
    ]
}

fn files_and_contents() -> Vec<Row> {
    let files = |name, paths: &[&str], reason| {
        let files: Vec<Value> = ["main.py"].iter().chain(paths).map(|path| file(path)).collect();
        changed(name, "files", json!(files), reason)
    };
    vec![
        files("a path out of the folder", &["../x"], "bad_path"),
        files("an absolute path", &["/etc/x"], "bad_path"),
        files("a path twice", &["x", "x"], "bad_path"),
        files("a file that is a folder too", &["x", "x/y"], "bad_path"),
        files("a NUL in a path", &["x\0y"], "bad_path"),
        files("a path of 300 bytes", &[&"x".repeat(300)], "bad_path"),
        Row::claims(
            "ten thousand files",
            |job| {
                job["files"] = (0..10_000).map(|number| file(&format!("f{number}"))).collect();
            },
            Rejected("too_many_files"),
        ),
        changed("base64 that is not", "stdin", json!({ "base64": "not base64!" }), "bad_base64"),
        Row::claims(
            "base64 without its padding",
            |job| job["files"][0]["content"] = json!({ "base64": "YQ" }),
            Rejected("bad_base64"),
        ),
        changed("a variable without a name", "env", json!({ "": "x" }), "bad_env"),
    ]
}
