//! Keys: rotation and reload without a restart, and what a key may do.

use serde_json::json;

use super::support::bench::{Bench, Config, Keys, SENDER};
use super::support::client::{Client, ISSUER, REPLY_TO, claims, python, signed};
use super::support::token::Seed;
use super::support::until;
use super::support::worker::Worker;
use lapin::BasicProperties;
use serde_json::Value;

/// What a job is called here, its key, how its claims are changed; status and reason of its result.
type Row<'a> = (&'a str, Seed, &'a dyn Fn(&mut Value), (&'a str, Option<&'a str>));

/// The sender's next key.
const NEXT: Seed = Seed("backend-1b", 2);

async fn reloaded(worker: &Worker, outcome: &str, times: f64) {
    worker.until_metric("tester_worker_key_reloads_total", &[("outcome", outcome)], times).await;
}

/// Sends a job under a key; the status of its verified result.
async fn status_under(client: &Client, key: Seed) -> String {
    let claims = claims();
    let job = signed(&claims, key.job(&claims));
    client.publish(&job.body, BasicProperties::default().with_message_id(job.key.id.to_string().as_str().into())).await;
    client.result(&job).await.outcome.run.status.as_str().to_owned()
}

/// Sends a job that must not be answered; the reason in the dead queue.
async fn dead_reason(client: &Client, body: &[u8]) -> String {
    client.publish(body, BasicProperties::default()).await;
    let dead = until("the job is dead", async || client.take("tester.dead").await).await;
    assert_eq!(dead.data, body);
    let headers = dead.properties.headers().clone().expect("headers");
    let reason =
        headers.inner().get("x-tester-reason").and_then(|value| value.as_long_string().map(ToString::to_string));
    reason.expect("a reason")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_without_a_restart_and_a_broken_file_changes_nothing() {
    let bench = Bench::new("rotation", Keys::Ed25519).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    assert_eq!(status_under(client, SENDER).await, "ok");
    assert_eq!(dead_reason(client, &NEXT.job(&claims())).await, "unknown_key", "not in the file yet");

    bench.write_jwks(&[SENDER.jwk(ISSUER), NEXT.jwk(ISSUER)]);
    reloaded(&worker, "loaded", 1.0).await;
    assert_eq!(status_under(client, NEXT).await, "ok", "the new key");
    assert_eq!(status_under(client, SENDER).await, "ok", "beside the old one");

    bench.write_jwks_text("{\"keys\": [");
    reloaded(&worker, "failed", 1.0).await;
    assert_eq!(status_under(client, SENDER).await, "ok", "a broken file keeps the old keys");
    assert_eq!(status_under(client, NEXT).await, "ok", "all of them");
    let log = worker.log();
    assert!(log.contains("the old ones stay in force") && log.contains("senders.json"), "the log names the file");

    bench.write_jwks(&[NEXT.jwk(ISSUER)]);
    reloaded(&worker, "loaded", 2.0).await;
    assert_eq!(dead_reason(client, &SENDER.job(&claims())).await, "unknown_key", "the old key is gone");
    assert_eq!(status_under(client, NEXT).await, "ok");

    // A worker's key signs no jobs, and a result of ours is none either.
    let worker_key = super::support::bench::WORKER;
    bench.write_jwks(&[NEXT.jwk(ISSUER), {
        let mut key = worker_key.jwk(ISSUER);
        key["tester:direction"] = json!("results");
        key
    }]);
    reloaded(&worker, "loaded", 3.0).await;
    assert_eq!(dead_reason(client, &worker_key.job(&claims())).await, "unknown_key", "a key has one direction");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_is_signed_by_the_workers_own_key() {
    let bench = Bench::new("ownkey", Keys::Ed25519).await;
    let worker = bench.worker(Config::default()).await;
    let job = bench.client.send(python("print(1)")).await;
    let message = bench.client.message(&job).await;
    let text = std::str::from_utf8(&message.data).expect("a token");
    let header = text.split('.').next().expect("a header");
    let header = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, header).expect("base64url");
    let header: Value = serde_json::from_slice(&header).expect("JSON");
    assert_eq!(header, json!({ "alg": "EdDSA", "kid": "worker-key", "typ": "result+jwt" }));
    bench.client.verified(&message.data, &job);
    // The result published as a job: typ keeps the directions apart.
    assert_eq!(dead_reason(&bench.client, &message.data).await, "wrong_typ");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_may_do_what_its_policy_says() {
    let bench = Bench::new("policy", Keys::Ed25519).await;
    bench.write_jwks(&[SENDER.jwk(ISSUER), NEXT.jwk(ISSUER)]);
    let more = "[keys.policies.\"backend-1b\"]\nprofiles = [\"python\"]\nreply_queues = [\"results.*\"]\n\
                limits_max = { wall_seconds = 5 }\n";
    // The file's table of keys comes later and has no members of these names: TOML lets it.
    let worker = bench.worker(Config { more, ..Config::default() }).await;
    let client = &bench.client;
    let job = |key: Seed, change: &dyn Fn(&mut Value)| {
        let mut claims = claims();
        change(&mut claims);
        signed(&claims, key.job(&claims))
    };
    let asks_little = |claims: &mut Value| claims["limits"] = json!({ "wall_seconds": 5 });
    let rows: [Row<'_>; 5] = [
        ("within the policy", NEXT, &asks_little, ("ok", None)),
        (
            "above the key's maximum",
            NEXT,
            &|claims| claims["limits"] = json!({ "wall_seconds": 6 }),
            ("rejected", Some("over_policy")),
        ),
        ("the profile's own limit, above the key's maximum", NEXT, &|_| (), ("rejected", Some("over_policy"))),
        (
            "another profile",
            NEXT,
            &|claims| {
                asks_little(claims);
                claims["profile"] = json!("pytest");
            },
            ("rejected", Some("over_policy")),
        ),
        ("a key without a policy", SENDER, &|claims| claims["limits"] = json!({ "wall_seconds": 6 }), ("ok", None)),
    ];
    for (name, key, change, expected) in rows {
        let job = job(key, change);
        client.publish(&job.body, BasicProperties::default()).await;
        let run = client.result(&job).await.outcome.run;
        assert_eq!((run.status.as_str(), run.reason.as_deref()), expected, "{name}: {run:?}");
    }
    for queue in ["other.queue", "tester.jobs.default", "tester.dead"] {
        let body = job(NEXT, &|claims| claims["reply_to"] = json!(queue)).body;
        assert_eq!(dead_reason(client, &body).await, "reply_not_allowed", "{queue}");
    }
    // Without a list, every queue but the workers' own.
    let body = job(SENDER, &|claims| claims["reply_to"] = json!("tester.jobs.default")).body;
    assert_eq!(dead_reason(client, &body).await, "reply_not_allowed");
    assert!(REPLY_TO.starts_with("results."));
    bench.end(worker).await;
}
