//! Makes the vectors, from fixed keys, so that the same come out every time.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail the test")]

mod control;

pub(crate) use control::control;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tester_worker::domain::job::{JobDigest, JobKey};
use tester_worker::domain::reason::{DeadReason, RejectReason};
use tester_worker::protocol::keys::Direction;
use tester_worker::protocol::result::Expected;
use tester_worker::protocol::signing::SigningKey;
use zeroize::Zeroizing;

pub(crate) const NOW: u64 = 1_800_000_000;
const TOKEN: &str = "TEST-ONLY-0123456789abcdef0123456789abcdef";
const SENDER_SEED: [u8; 32] = [0x11; 32];
const WORKER_SEED: [u8; 32] = [0x22; 32];
const OPERATOR_SEED: [u8; 32] = [0x33; 32];
const JOB_ID: &str = "6f2f6a0e-0000-4000-8000-000000000001";
const DIRECT: &str = "amq.rabbitmq.reply-to";

fn sender_key() -> SigningKey {
    SigningKey::from_seed("backend-1", &Zeroizing::new(SENDER_SEED)).unwrap()
}

fn worker_key() -> SigningKey {
    SigningKey::from_seed("worker-1", &Zeroizing::new(WORKER_SEED)).unwrap()
}

fn operator_key() -> SigningKey {
    SigningKey::from_seed("operator-1", &Zeroizing::new(OPERATOR_SEED)).unwrap()
}

pub(crate) fn keys() -> Value {
    json!({
        "warning": "These keys are for tests only. Everybody has them.",
        "senders": { "keys": [
            sender_key().public_jwk(Direction::Jobs, Some("backend-1")).unwrap(),
            operator_key().public_jwk(Direction::Control, Some("backend-1")).unwrap(),
            { "kty": "oct", "alg": "HS256", "kid": "default", "k": URL_SAFE_NO_PAD.encode(TOKEN) },
        ]},
        "workers": { "keys": [worker_key().public_jwk(Direction::Results, Some("worker-1")).unwrap()] },
        "token": TOKEN,
        "sender_private_pem": sender_key().to_pem().unwrap().as_str(),
        "operator_private_pem": operator_key().to_pem().unwrap().as_str(),
        "worker_private_pem": worker_key().to_pem().unwrap().as_str(),
    })
}

fn hs256(input: &str) -> Vec<u8> {
    hs256_with(TOKEN.as_bytes(), input)
}

fn hs256_with(secret: &[u8], input: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(input).finalize().into_bytes().to_vec()
}

fn eddsa(input: &str) -> Vec<u8> {
    ed25519_dalek::SigningKey::from_bytes(&SENDER_SEED).sign(input.as_bytes()).to_vec()
}

fn token(header: &Value, payload: &str, sign: impl Fn(&str) -> Vec<u8>) -> String {
    let input = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
    let signature = URL_SAFE_NO_PAD.encode(sign(&input));
    format!("{input}.{signature}")
}

fn header() -> Value {
    json!({ "alg": "HS256", "kid": "default", "typ": "job+jwt" })
}

fn claims() -> Value {
    json!({
        "v": 1, "iss": "backend-1", "aud": "tester", "jti": JOB_ID, "iat": NOW, "exp": NOW + 60,
        "reply_to": "results.backend-1", "profile": "python",
        "files": [{ "path": "main.py", "content": { "text": "print(1)" } }],
    })
}

fn edit(change: impl FnOnce(&mut Value)) -> String {
    let mut job = claims();
    change(&mut job);
    job.to_string()
}

fn vector(name: &str, token: &str, stock: &str, expect: (&str, Option<&str>)) -> Value {
    json!({
        "name": name, "token": token, "now": NOW, "properties": {}, "stock_library": stock,
        "expect": { "end": expect.0, "reason": expect.1 },
    })
}

fn signed(name: &str, payload: &str, expect: (&str, Option<&str>)) -> Value {
    vector(name, &token(&header(), payload, hs256), "accepts", expect)
}

fn rejected(reason: RejectReason, change: impl FnOnce(&mut Value)) -> Value {
    signed(reason.as_str(), &edit(change), ("rejected", Some(reason.as_str())))
}

fn dead(reason: DeadReason, token: &str, stock: &str) -> Value {
    vector(reason.as_str(), token, stock, ("dead", Some(reason.as_str())))
}

fn with_properties(mut vector: Value, name: &str, reply_to: &str) -> Value {
    vector["name"] = json!(name);
    vector["properties"] = json!({ "reply_to": reply_to });
    vector
}

fn good_jobs() -> Vec<Value> {
    let full = edit(|job| {
        job["nbf"] = json!(NOW);
        job["entry"] = json!("src/main.py");
        job["files"] = json!([
            { "path": "src/main.py", "content": { "text": "print('ü')\n" }, "executable": true, "role": "submission" },
            { "path": "data.bin", "content": { "base64": "AP8=" }, "executable": false, "role": "trusted" },
        ]);
        job["stdin"] = json!({ "text": "1\n" });
        job["args"] = json!(["a"]);
        job["env"] = json!({ "K": "V" });
        job["limits"] = json!({ "wall_seconds": 5, "cpus": 0.25 });
    });
    let eddsa_header = json!({ "alg": "EdDSA", "kid": "backend-1", "typ": "job+jwt" });
    let direct = signed("direct", &edit(|job| job["reply_to"] = json!(DIRECT)), ("run", None));
    vec![
        signed("good HS256", &claims().to_string(), ("run", None)),
        vector("good EdDSA", &token(&eddsa_header, &full, eddsa), "accepts", ("run", None)),
        with_properties(direct, "good with direct reply-to", "amq.rabbitmq.reply-to.g1.x=="),
        signed("good, four seconds after exp", &edit(|job| job["exp"] = json!(NOW - 4)), ("run", None)),
    ]
}

fn rejected_jobs() -> Vec<Value> {
    use RejectReason as R;
    let good = signed("", &claims().to_string(), ("rejected", Some("properties_mismatch")));
    let twice = claims().to_string().replacen(r#""v":1"#, r#""v":1,"v":1"#, 1);
    let many: Vec<Value> = (0..11).map(|n| json!({ "path": format!("{n}"), "content": { "text": "" } })).collect();
    let file = |path: &str| json!([{ "path": path, "content": { "text": "" } }]);
    vec![
        rejected(R::Malformed, |job| job["files"] = json!("main.py")),
        signed("malformed: a key twice", &twice, ("rejected", Some("malformed"))),
        rejected(R::UnknownField, |job| job["prority"] = json!(1)),
        rejected(R::Expired, |job| job["exp"] = json!(NOW - 5)),
        rejected(R::NotYetValid, |job| job["nbf"] = json!(NOW + 6)),
        with_properties(good, "properties_mismatch", "results.other"),
        rejected(R::UnknownProfile, |job| job["profile"] = json!("cobol")),
        rejected(R::BadLimit, |job| job["limits"] = json!({ "wall_seconds": 0 })),
        rejected(R::OverPolicy, |job| job["limits"] = json!({ "wall_seconds": 61 })),
        rejected(R::BadPath, |job| job["files"] = file("../main.py")),
        rejected(R::TooManyFiles, |job| job["files"] = json!(many)),
        rejected(R::BadBase64, |job| job["stdin"] = json!({ "base64": "YQ" })),
        rejected(R::BadEnv, |job| job["env"] = json!({ "A=B": "C" })),
        rejected(R::DeadlineTooLong, |job| job["exp"] = json!(NOW + 86_401)),
    ]
}

fn dead_jobs() -> Vec<Value> {
    use DeadReason as D;
    let job = claims().to_string();
    let good = token(&header(), &job, hs256);
    let with = |name: &str, value: &str| {
        let mut header = header();
        header[name] = json!(value);
        header
    };
    let mut critical = header();
    critical["crit"] = json!(["exp"]);
    let large = edit(|job| job["stdin"] = json!({ "text": "x".repeat(12_288) }));
    let public = ed25519_dalek::SigningKey::from_bytes(&SENDER_SEED).verifying_key().to_bytes();
    let confused = json!({ "alg": "HS256", "kid": "backend-1", "typ": "job+jwt" });
    let none = token(&with("alg", "none"), &job, |_| Vec::new());
    let other = edit(|job| job["iss"] = json!("backend-2"));
    let eddsa_header = json!({ "alg": "EdDSA", "kid": "backend-1", "typ": "job+jwt" });
    let named = |name: &str, mut vector: Value| {
        vector["name"] = json!(name);
        vector
    };
    let last = if good.ends_with('A') { "E" } else { "A" };
    let changed = format!("{}{last}", good.get(..good.len() - 1).unwrap());
    vec![
        dead(D::TooLarge, &token(&header(), &large, hs256), "accepts"),
        dead(D::NotJws, &format!("{good}."), "refuses"),
        dead(D::BadHeader, &token(&with("x5u", "https://example.org"), &job, hs256), "accepts"),
        named("bad_header: crit", dead(D::BadHeader, &token(&critical, &job, hs256), "refuses")),
        named(
            "bad_header: jku",
            dead(D::BadHeader, &token(&with("jku", "https://example.org"), &job, hs256), "accepts"),
        ),
        dead(D::AlgNotAllowed, &none, "refuses"),
        named(
            "alg_not_allowed: HS256 made with an EdDSA public key",
            dead(D::AlgNotAllowed, &token(&confused, &job, |input| hs256_with(&public, input)), "refuses"),
        ),
        dead(D::UnknownKey, &token(&with("kid", "nobody"), &job, hs256), "refuses"),
        named(
            "unknown_key: the key is bound to another issuer",
            dead(D::UnknownKey, &token(&eddsa_header, &other, eddsa), "accepts"),
        ),
        dead(D::BadSignature, &changed, "refuses"),
        dead(D::WrongTyp, &token(&with("typ", "JWT"), &job, hs256), "accepts"),
        dead(D::WrongAudience, &token(&header(), &edit(|job| job["aud"] = json!("other")), hs256), "accepts"),
        dead(
            D::ReplyNotAllowed,
            &token(&header(), &edit(|job| job["reply_to"] = json!("tester.dead")), hs256),
            "accepts",
        ),
        dead(D::Unreadable, &token(&header(), &edit(|job| job["jti"] = json!("one")), hs256), "accepts"),
    ]
}

fn settings() -> Value {
    json!({
        "audience": "tester", "body_bytes_max": 8192, "files_max": 10, "path_bytes_max": 255, "path_depth_max": 16,
        "lifetime_seconds_max": 86_400, "consumer_timeout_seconds": 1800,
        "profiles": { "python": { "entry": "main.py", "limits_max": { "wall_seconds": 60 } } },
    })
}

pub(crate) fn jobs() -> Value {
    let vectors = [good_jobs(), rejected_jobs(), dead_jobs()].concat();
    json!({ "settings": settings(), "vectors": vectors })
}

fn result_claims() -> Value {
    let silent = json!({ "text": "", "bytes_total": 0, "truncated": false });
    json!({
        "v": 1, "iss": "worker-1", "aud": "backend-1", "iat": NOW + 1, "jti": JOB_ID,
        "job_sha256": expected().digest.to_string(),
        "status": "ok", "limit": null, "reason": null, "message": null, "exit_code": 0, "signal": null,
        "stdout": { "text": "1\n", "bytes_total": 2, "truncated": false }, "stderr": silent,
        "usage": { "wall_seconds": 0.5, "cpu_seconds": 0.25, "memory_peak_bytes": 8_388_608 },
        "evidence": {
            "ended_by": "program", "oom_kills": 0, "pids_limit_hits": 0, "cpu_throttled_seconds": 0.0,
            "processes_killed": 0, "kill_seconds": 0.0, "runner_lost": false, "memory_peak_source": "cgroup",
        },
        "timings": {
            "queued_seconds": 0.5, "leased_seconds": 0.25, "started_seconds": 0.25, "run_seconds": 0.5,
            "total_seconds": 1.0,
        },
        "compile": null, "cases": [], "tests": [], "tests_complete": null, "tests_trust": null, "artifacts": [],
        "artifacts_refused": [], "profile": "python", "image_digest": "sha256:00", "isolation": "fresh",
        "worker": "worker-1", "attempt": 1,
    })
}

pub(crate) fn results() -> Value {
    let header = json!({ "alg": "EdDSA", "kid": "worker-1", "typ": "result+jwt" });
    let sign = |input: &str| ed25519_dalek::SigningKey::from_bytes(&WORKER_SEED).sign(input.as_bytes()).to_vec();
    let row = |name: &str, token: &str, stock: &str, accepted: bool| json!({ "name": name, "token": token, "stock_library": stock, "accepted": accepted });
    let edited = |name: &str, member: &str, value: Value| {
        let mut claims = result_claims();
        claims[member] = value;
        row(name, &token(&header, &claims.to_string(), sign), "accepts", false)
    };
    let text = result_claims().to_string();
    let mut as_job = header.clone();
    as_job["typ"] = json!("job+jwt");
    let foreign_key = token(&header, &text, eddsa);
    let vectors = [
        row("good", &token(&header, &text, sign), "accepts", true),
        row("a job's typ", &token(&as_job, &text, sign), "accepts", false),
        row("signed by a sender's key", &foreign_key, "refuses", false),
        edited("for another issuer", "aud", json!("backend-2")),
        edited("of another job", "jti", json!("6f2f6a0e-0000-4000-8000-000000000002")),
        edited("for other bytes of the same job", "job_sha256", json!("00".repeat(32))),
        edited("by another worker than the key's", "iss", json!("worker-2")),
        edited("of another version", "v", json!(2)),
    ];
    let expected = json!({ "aud": "backend-1", "jti": JOB_ID, "job_sha256": expected().digest.to_string() });
    json!({ "expected": expected, "vectors": vectors })
}

fn event_claims(seq: u64, event: &str, content: &Value, case: &Value) -> Value {
    json!({
        "v": 1, "iss": "worker-1", "aud": "backend-1", "iat": NOW + 1, "jti": JOB_ID,
        "job_sha256": expected().digest.to_string(),
        "attempt": 1, "seq": seq, "event": event, "content": content, "case": case,
    })
}

pub(crate) fn events() -> Value {
    let header = |typ: &str| json!({ "alg": "EdDSA", "kid": "worker-1", "typ": typ });
    let sign = |input: &str| ed25519_dalek::SigningKey::from_bytes(&WORKER_SEED).sign(input.as_bytes()).to_vec();
    let row = |name: &str, typ: &str, claims: &Value, accepted: bool| {
        let token = token(&header(typ), &claims.to_string(), sign);
        json!({ "name": name, "token": token, "stock_library": "accepts", "accepted": accepted })
    };
    let good = |name: &str, claims: &Value| row(name, "event+jwt", claims, true);
    let bad = |name: &str, claims: &Value| row(name, "event+jwt", claims, false);
    let mut case = json!({ "name": "1" });
    let record = result_claims();
    let members =
        ["status", "limit", "reason", "message", "exit_code", "signal", "stdout", "stderr", "usage", "evidence"];
    for member in members {
        case[member] = record[member].clone();
    }
    let stdout = event_claims(2, "stdout", &json!({ "text": "1\n" }), &Value::Null);
    let mut other_job = stdout.clone();
    other_job["jti"] = json!("6f2f6a0e-0000-4000-8000-000000000002");
    let vectors = [
        good("started", &event_claims(1, "started", &Value::Null, &Value::Null)),
        good("stdout", &stdout),
        good("stderr, half a character", &event_claims(3, "stderr", &json!({ "base64": "ww==" }), &Value::Null)),
        good("case", &event_claims(4, "case", &Value::Null, &case)),
        row("a result's typ", "result+jwt", &stdout, false),
        bad("a result's claims", &record),
        bad("of another job", &other_job),
        bad("stdout without content", &event_claims(2, "stdout", &Value::Null, &Value::Null)),
        bad("started with a case", &event_claims(1, "started", &Value::Null, &case)),
    ];
    let expected = json!({ "aud": "backend-1", "jti": JOB_ID, "job_sha256": expected().digest.to_string() });
    json!({ "expected": expected, "vectors": vectors })
}

pub(crate) fn expected() -> Expected {
    let good = good_jobs();
    let token = good[0]["token"].as_str().unwrap();
    Expected {
        job: JobKey { issuer: "backend-1".to_owned(), id: JOB_ID.parse().unwrap() },
        digest: JobDigest(Sha256::digest(token).into()),
    }
}
