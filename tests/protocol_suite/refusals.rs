//! Every refusal of a job has its own reason code, and nothing but a good job gets in.

use crate::support::{self, AUDIENCE, ISSUER, NOW, claims, dead_reason, edit, rejects, sign_json, token_sender};
use serde_json::{Value, json};
use tester_worker::domain::job::Role;
use tester_worker::domain::limits::{Limits, LimitsPatch};
use tester_worker::domain::reason::{DeadReason, RejectReason};
use tester_worker::protocol::admission::{PropertiesView, Refusal};

#[track_caller]
fn dies(claims: &Value, reason: DeadReason) {
    assert_eq!(dead_reason(&token_sender(), claims), reason, "{claims}");
}

#[test]
fn a_good_job_becomes_exactly_what_it_says() {
    let sender = token_sender();
    let claims = edit(|job| {
        job["nbf"] = json!(NOW);
        job["entry"] = json!("src/main.py");
        job["files"] = json!([
            { "path": "src/main.py", "content": { "text": "print(1)" }, "executable": true },
            { "path": "src/data.bin", "content": { "base64": "AP8=" }, "role": "trusted" },
        ]);
        job["stdin"] = json!({ "text": "a\u{0}b" });
        job["args"] = json!(["-x", ""]);
        job["env"] = json!({ "K": "V=W" });
        job["limits"] = json!({ "wall_seconds": 5, "memory_bytes": 65_536 });
        job["cases"] = json!([]);
        job["stop_on_failure"] = json!(true);
        job["artifacts"] = json!([]);
        job["stream"] = json!(true);
    });
    let body = sign_json(&sender.key, &claims);
    let verified = sender.admit(&body, PropertiesView::default(), NOW).unwrap();
    let job = verified.get();
    assert_eq!((job.key.issuer.as_str(), job.reply_to.as_str()), (ISSUER, "results.backend-1"));
    assert_eq!(job.key.id.to_string(), claims["jti"].as_str().unwrap());
    assert_eq!((job.issued_at, job.expires_at), (NOW, NOW + 60));
    assert_eq!(job.entry.as_ref().unwrap().as_str(), "src/main.py");
    assert_eq!(job.files[0].content.as_bytes(), b"print(1)");
    assert!(job.files[0].executable && job.files[0].role == Role::Submission);
    assert_eq!(job.files[1].content.as_bytes(), [0, 0xff]);
    assert!(!job.files[1].executable && job.files[1].role == Role::Trusted);
    assert_eq!(job.stdin.as_bytes(), b"a\0b");
    assert_eq!(job.args, ["-x", ""]);
    assert_eq!(job.env["K"], "V=W");
    assert_eq!(job.limits, Limits { wall_seconds: 5.0, memory_bytes: 65_536, ..Limits::default() });
    assert!(job.stop_on_failure && job.stream);
    assert_eq!(job.digest.to_string(), support::sha256(&body));
}

#[test]
fn the_smallest_job_is_good_and_its_limits_are_the_profiles() {
    let sender = token_sender();
    let verified = sender.admit(&sign_json(&sender.key, &claims()), PropertiesView::default(), NOW).unwrap();
    assert_eq!(verified.get().limits, Limits::default());
    assert_eq!(verified.get().entry, None);
}

#[test]
fn a_body_over_the_limit_is_not_even_looked_at() {
    let mut sender = token_sender();
    let body = sign_json(&sender.key, &claims());
    sender.settings.body_bytes_max = body.len();
    assert!(sender.admit(&body, PropertiesView::default(), NOW).is_ok());
    sender.settings.body_bytes_max = body.len() - 1;
    let refusal = sender.admit(&body, PropertiesView::default(), NOW).unwrap_err();
    assert!(matches!(refusal, Refusal::Dead { reason: DeadReason::TooLarge, .. }), "{refusal:?}");
}

#[test]
fn another_fleets_job_and_one_for_nobody_are_dead() {
    dies(&edit(|job| job["aud"] = json!("other")), DeadReason::WrongAudience);
    dies(&edit(|job| job["aud"] = json!("Tester")), DeadReason::WrongAudience);
    dies(&edit(|job| drop(job.as_object_mut().unwrap().remove("aud"))), DeadReason::Unreadable);
    dies(&edit(|job| job["aud"] = json!([AUDIENCE])), DeadReason::Unreadable);
}

#[test]
fn whom_to_answer_must_be_readable() {
    for name in ["iss", "jti", "reply_to"] {
        dies(&edit(|job| drop(job.as_object_mut().unwrap().remove(name))), DeadReason::Unreadable);
        dies(&edit(|job| job[name] = json!(7)), DeadReason::Unreadable);
        dies(&edit(|job| job[name] = json!("")), DeadReason::Unreadable);
    }
    dies(&edit(|job| job["reply_to"] = json!("q".repeat(256))), DeadReason::Unreadable);
    dies(&json!([1]), DeadReason::Unreadable);
    dies(&json!("job"), DeadReason::Unreadable);
}

#[test]
fn a_worker_does_not_write_into_its_own_queues() {
    dies(&edit(|job| job["reply_to"] = json!("tester.jobs.default")), DeadReason::ReplyNotAllowed);
    dies(&edit(|job| job["reply_to"] = json!("tester.dead")), DeadReason::ReplyNotAllowed);
    // Not even to say that the job is expired or broken.
    let broken = edit(|job| {
        job["reply_to"] = json!("tester.dead");
        job["files"] = json!(7);
    });
    dies(&broken, DeadReason::ReplyNotAllowed);
    let expired = edit(|job| {
        job["reply_to"] = json!("tester.dead");
        job["exp"] = json!(NOW - 100);
    });
    dies(&expired, DeadReason::ReplyNotAllowed);
}

#[test]
fn a_keys_policy_names_the_queues_that_it_may_use() {
    let mut sender = token_sender();
    sender.policy(None, Some(&["results.*", "replies?"]), LimitsPatch::default());
    for queue in ["results.a", "results.a.b/c", "replies1"] {
        let body = sign_json(&sender.key, &edit(|job| job["reply_to"] = json!(queue)));
        assert!(sender.admit(&body, PropertiesView::default(), NOW).is_ok(), "{queue}");
    }
    for queue in ["result", "xresults.a", "replies", "amq.rabbitmq.reply-to.x"] {
        let reason = dead_reason(&sender, &edit(|job| job["reply_to"] = json!(queue)));
        assert_eq!(reason, DeadReason::ReplyNotAllowed, "{queue}");
    }
}

#[test]
fn missing_and_mistyped_claims_are_malformed() {
    for name in ["v", "iat", "exp", "profile", "files"] {
        rejects(&edit(|job| drop(job.as_object_mut().unwrap().remove(name))), RejectReason::Malformed);
    }
    let mistyped = [
        ("v", json!(2)),
        ("v", json!("1")),
        ("v", json!(1.0)),
        ("iat", json!("now")),
        ("iat", json!(-1)),
        ("exp", json!(1.5)),
        ("exp", json!(u64::MAX)),
        ("nbf", json!(null)),
        ("profile", json!(null)),
        ("profile", json!("")),
        ("entry", json!(null)),
        ("files", json!({})),
        ("files", json!([7])),
        ("files", json!([{ "path": "a", "content": "x" }])),
        ("files", json!([{ "path": "a", "content": {} }])),
        ("files", json!([{ "path": "a", "content": { "text": "", "base64": "" } }])),
        ("files", json!([{ "path": "a" }])),
        ("files", json!([{ "content": { "text": "" } }])),
        ("files", json!([{ "path": "a", "content": { "text": "" }, "executable": 1 }])),
        ("files", json!([{ "path": "a", "content": { "text": "" }, "role": "root" }])),
        ("stdin", json!("x")),
        ("args", json!("x")),
        ("args", json!([1])),
        ("args", json!(["a\u{0}b"])),
        ("args", json!(["x".repeat(128 * 1024)])),
        ("args", json!(vec!["x"; 200_000])),
        ("env", json!([])),
        ("env", json!({ "K": 1 })),
        ("limits", json!([])),
        ("cases", json!({})),
        ("cases", json!([{}])),
        ("cases", json!([{ "name": "1", "expect": {} }])),
        ("cases", json!([{ "name": "1", "expect": { "stdout": { "text": "" }, "checker": "fuzzy" } }])),
        ("cases", json!([{ "name": "1", "expect": { "stdout": { "text": "" }, "absolute_tolerance": -1 } }])),
        ("cases", json!(vec![json!({ "name": "1" }); 1001])),
        ("stop_on_failure", json!(0)),
        ("artifacts", json!([7])),
        ("artifacts", json!([""])),
        ("artifacts", json!(["["])),
        ("artifacts", json!(vec!["a"; 65])),
        ("artifacts", json!(["a".repeat(256)])),
        ("stream", json!("yes")),
    ];
    for (name, value) in mistyped {
        rejects(&edit(|job| job[name] = value), RejectReason::Malformed);
    }
}

#[test]
fn members_that_no_job_has_are_unknown_fields() {
    rejects(&edit(|job| job["prioritaet"] = json!(1)), RejectReason::UnknownField);
    rejects(&edit(|job| job["sub"] = json!("x")), RejectReason::UnknownField);
    rejects(&edit(|job| job["files"][0]["mode"] = json!(1)), RejectReason::UnknownField);
    rejects(&edit(|job| job["files"][0]["content"]["hex"] = json!("")), RejectReason::UnknownField);
    rejects(&edit(|job| job["cases"] = json!([{ "name": "1", "weight": 1 }])), RejectReason::UnknownField);
}

#[test]
fn a_key_twice_is_malformed_wherever_it_is() {
    let sender = token_sender();
    let text = edit(|job| job["env"] = json!({ "K": "V" })).to_string();
    let twice = [
        text.replacen(r#""v":1"#, r#""v":1,"v":1"#, 1),
        text.replacen(r#""K":"V""#, r#""K":"V","K":"W""#, 1),
        text.replacen(r#""path":"#, r#""path":"x","path":"#, 1),
        text.replacen(r#""profile":"python""#, r#""profile":"python","profil\u0065":"pytest""#, 1),
    ];
    for payload in twice {
        assert_ne!(payload, text);
        let refusal = sender.refuse(&sender.sign_payload(payload.as_bytes()));
        assert!(matches!(refusal, Refusal::Rejected { reason: RejectReason::Malformed, .. }), "{refusal:?}");
    }
    let whom = text.replacen(r#""reply_to":"#, r#""reply_to":"elsewhere","reply_to":"#, 1);
    let refusal = sender.refuse(&sender.sign_payload(whom.as_bytes()));
    assert!(matches!(refusal, Refusal::Dead { reason: DeadReason::Unreadable, .. }), "{refusal:?}");
}

#[test]
fn a_payload_that_is_no_json_is_unreadable() {
    let sender = token_sender();
    for payload in [&b""[..], b"{", b"\xff", b"not json", b"\xef\xbb\xbf{}"] {
        let refusal = sender.refuse(&sender.sign_payload(payload));
        assert!(matches!(refusal, Refusal::Dead { reason: DeadReason::Unreadable, .. }), "{refusal:?}");
    }
}

#[test]
fn properties_may_repeat_claims_and_never_contradict_them() {
    let sender = token_sender();
    let body = sign_json(&sender.key, &claims());
    let id = claims()["jti"].as_str().unwrap().to_owned();
    let same = PropertiesView { reply_to: Some("results.backend-1"), message_id: Some(&id) };
    assert!(sender.admit(&body, same, NOW).is_ok());
    let other_queue = PropertiesView { reply_to: Some("results.mallory"), message_id: None };
    let other_id = PropertiesView { reply_to: None, message_id: Some("another") };
    for properties in [other_queue, other_id] {
        let refusal = sender.admit(&body, properties, NOW).unwrap_err();
        let Refusal::Rejected { to, reason: RejectReason::PropertiesMismatch, message } = refusal else {
            panic!("{refusal:?}");
        };
        assert_eq!(to.reply_to, "results.backend-1", "the answer goes where the signature says");
        assert!(!message.contains("mallory"));
    }
}

#[test]
fn direct_reply_to_is_answered_at_the_address_that_the_broker_made() {
    let sender = token_sender();
    let body = sign_json(&sender.key, &edit(|job| job["reply_to"] = json!("amq.rabbitmq.reply-to")));
    let address = "amq.rabbitmq.reply-to.g2dkABByYWJiaXQ.x==";
    let admit = |reply_to| sender.admit(&body, PropertiesView { reply_to, message_id: None }, NOW);
    assert_eq!(admit(Some(address)).unwrap().get().reply_to, address);
    for reply_to in [None, Some("results.x"), Some("amq.rabbitmq.reply-to"), Some("amq.rabbitmq.reply-to.")] {
        let refusal = admit(reply_to).unwrap_err();
        assert!(matches!(refusal, Refusal::Dead { reason: DeadReason::Unreadable, .. }), "{refusal:?}");
    }
}

#[test]
fn paths_that_lead_elsewhere_or_contradict_each_other_are_refused() {
    let files = |paths: &[&str]| {
        let list: Vec<Value> = paths.iter().map(|path| json!({ "path": path, "content": { "text": "" } })).collect();
        edit(|job| job["files"] = json!(list))
    };
    let long = "x".repeat(256);
    let deep = ["d"; 17].join("/");
    for path in ["../x", "/etc/x", "a/../x", "a//b", "a/", ".", "", "a\0b", &long, &deep] {
        rejects(&files(&["main.py", path]), RejectReason::BadPath);
    }
    rejects(&files(&["main.py", "a", "a"]), RejectReason::BadPath);
    rejects(&files(&["main.py", "a", "a/b"]), RejectReason::BadPath);
    rejects(&files(&["main.py", "a/b/c", "a/b"]), RejectReason::BadPath);
    rejects(&files(&["other.py"]), RejectReason::BadPath);
    rejects(&edit(|job| job["entry"] = json!("absent.py")), RejectReason::BadPath);
    rejects(&edit(|job| job["entry"] = json!("../main.py")), RejectReason::BadPath);
    rejects(&edit(|job| job["artifacts"] = json!(["../*"])), RejectReason::BadPath);
    let sender = token_sender();
    let good = files(&["main.py", "Main.py", "ab", "a/b", "a.b/c"]);
    assert!(sender.admit(&sign_json(&sender.key, &good), PropertiesView::default(), NOW).is_ok());
}

#[test]
fn ten_thousand_files_are_too_many() {
    let many: Vec<Value> =
        (0..10_000).map(|index| json!({ "path": format!("f{index}"), "content": { "text": "" } })).collect();
    rejects(&edit(|job| job["files"] = json!(many)), RejectReason::TooManyFiles);
}

#[test]
fn base64_that_is_not_is_refused_without_quoting_it() {
    for encoded in ["%", "YQ", "YQ=", "YR==", "Y Q=", "_-8="] {
        rejects(&edit(|job| job["files"][0]["content"] = json!({ "base64": encoded })), RejectReason::BadBase64);
        rejects(&edit(|job| job["stdin"] = json!({ "base64": encoded })), RejectReason::BadBase64);
    }
}

#[test]
fn an_environment_that_cannot_be_is_refused() {
    let long = "x".repeat(128 * 1024);
    for env in
        [json!({ "": "x" }), json!({ "A=B": "x" }), json!({ "A\0": "x" }), json!({ "A": "x\0" }), json!({ "A": long })]
    {
        rejects(&edit(|job| job["env"] = env), RejectReason::BadEnv);
    }
    let many: serde_json::Map<String, Value> = (0..70_000).map(|index| (format!("VAR{index:06}"), json!(""))).collect();
    rejects(&edit(|job| job["env"] = Value::Object(many)), RejectReason::BadEnv);
}

#[test]
fn no_message_quotes_content_and_none_is_long() {
    let secret = "SWORDFISH";
    let long = format!("\u{1b}{}", "n".repeat(5000));
    let bad = [
        edit(|job| job["files"][0]["content"] = json!({ "base64": secret })),
        edit(|job| job["stdin"] = json!(secret)),
        edit(|job| job["env"] = json!({ "A": format!("{secret}\0") })),
        edit(|job| job["args"] = json!([format!("{secret}\0")])),
        edit(|job| job["files"][0]["role"] = json!(secret)),
        edit(|job| job[long.as_str()] = json!(secret)),
        edit(|job| job["limits"] = json!({ long.as_str(): 1 })),
        edit(|job| job["profile"] = json!("p".repeat(255))),
    ];
    let sender = token_sender();
    for claims in bad {
        let refusal = sender.refuse(&sign_json(&sender.key, &claims));
        let Refusal::Rejected { message, .. } = refusal else { panic!("{refusal:?}") };
        assert!(!message.contains(secret) && !message.contains('\u{1b}'), "{message}");
        assert!(message.chars().count() <= 601, "{message}");
    }
}

#[test]
fn a_rejection_says_whom_to_answer_about_what() {
    let sender = token_sender();
    let body = sign_json(&sender.key, &edit(|job| job["files"] = json!(7)));
    let Refusal::Rejected { to, .. } = sender.refuse(&body) else { panic!("not rejected") };
    assert_eq!(to.key.issuer, ISSUER);
    assert_eq!(to.reply_to, "results.backend-1");
    assert_eq!(to.digest.to_string(), support::sha256(&body));
    assert_eq!((to.kid.as_str(), to.profile.as_deref()), ("default", Some("python")));
}
