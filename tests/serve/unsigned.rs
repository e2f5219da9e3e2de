//! A job never runs unsigned: a program that would leave a trace wherever it ran leaves none.

use lapin::BasicProperties;
use serde_json::json;

use super::support::bench::{Bench, Config, Keys, SENDER};
use super::support::client::{claims, properties, python};
use super::support::token::{Seed, finish, hs256};
use super::support::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsigned_or_altered_job_leases_no_sandbox_and_has_no_result() {
    let bench = Bench::new("unsigned", Keys::Ed25519).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;

    let program = claims();
    let payload = program.to_string().into_bytes();
    let header = json!({ "alg": "EdDSA", "kid": SENDER.0, "typ": "job+jwt" });
    let none = json!({ "alg": "none", "kid": SENDER.0, "typ": "job+jwt" });
    // The good signature of another program of the same sender.
    let stolen = String::from_utf8(SENDER.job(&claims())).expect("a token");
    let stolen = stolen.rsplit('.').next().expect("a signature").to_owned();
    let unsigned = finish(&header, &payload, |_| Vec::new());
    let attempts: Vec<Vec<u8>> = vec![
        payload.clone(),
        unsigned.clone(),
        finish(&none, &payload, |_| Vec::new()),
        finish(&header, &payload, |_| vec![0; 64]),
        [unsigned, stolen.into_bytes()].concat(),
        Seed(SENDER.0, 77).job(&program),
        hs256(b"", &json!({ "alg": "HS256", "kid": "default", "typ": "job+jwt" }), &payload),
    ];
    let count = u32::try_from(attempts.len()).expect("few");
    let leases = "tester_worker_lease_wait_seconds_count";
    let created = worker.metric("tester_worker_containers_total", &[("event", "created")]).await;
    for body in &attempts {
        let id = program["jti"].as_str().expect("an id");
        client.publish(body, BasicProperties::default().with_message_id(id.into())).await;
    }
    until("every attempt is dead", async || (client.depth("tester.dead").await == count).then_some(())).await;
    worker.until_metric("tester_worker_deliveries_settled_total", &[("kind", "ack")], f64::from(count)).await;
    for (name, labels) in [
        ("tester_worker_jobs_finished_total", &[][..]),
        ("tester_worker_jobs_rejected_total", &[]),
        (leases, &[]),
        ("tester_worker_stage_seconds_count", &[("stage", "run")]),
        ("tester_worker_containers_total", &[("event", "destroyed")]),
    ] {
        let value = worker.metric(name, labels).await;
        // What filled the runner's volume at start is a container too, but no sandbox, and not counted.
        assert!(value.abs() < 0.5, "{name} is {value}");
    }
    let after = worker.metric("tester_worker_containers_total", &[("event", "created")]).await;
    assert_eq!(created.to_bits(), after.to_bits(), "no sandbox was used up");
    assert_eq!(worker.status().await["profiles"]["python"]["warm"], 1);
    assert!(client.inbox().is_empty(), "nothing was answered");

    // The same program with a signature leaves all of these traces: the test would have seen them.
    let job = client.sign(python("print('it ran')"));
    client.publish(&job.body, properties(&job)).await;
    assert_eq!(client.result(&job).await.outcome.run.stdout.content.as_bytes(), b"it ran\n");
    worker.until_metric("tester_worker_jobs_finished_total", &[("status", "ok")], 1.0).await;
    worker.until_metric(leases, &[], 1.0).await;
    worker.until_metric("tester_worker_containers_total", &[("event", "destroyed")], 1.0).await;
    assert_eq!(client.inbox().len(), 1);
    bench.end(worker).await;
}
