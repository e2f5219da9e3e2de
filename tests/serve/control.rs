//! Cancel and drain, from end to end: a job is ended wherever it is, at most one result comes, and never after another.

use std::process::Output;

use lapin::BasicProperties;
use lapin::options::BasicPublishOptions;
use serde_json::{Value, json};
use tester_worker::protocol::job_writer::{JobDraft, SignedJob};
use uuid::Uuid;

use super::support::bench::{Bench, Config, Keys, SENDER};
use super::support::client::{ISSUER, message_id, properties, python, sleeper};
use super::support::token::{SECRET, Seed, hs256};
use super::support::worker::{Worker, command};
use super::support::{now, until};

const MESSAGES: &str = "tester_worker_control_messages_total";
/// An operator's key.
const OPERATOR: Seed = Seed("operator", 5);

async fn run(bench: &Bench, arguments: &[&str]) -> Output {
    command(&bench.variables()).args(arguments).output().await.expect("run a command")
}

async fn cancel(bench: &Bench, job: &SignedJob) {
    let id = job.key.id.to_string();
    let output = run(bench, &["cancel", &id, "--iss", ISSUER]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Publishes anything to the control exchange.
async fn say(bench: &Bench, body: &[u8]) {
    let channel = bench.client.new_channel().await;
    let options = BasicPublishOptions::default();
    let published =
        channel.basic_publish("tester.control".into(), "".into(), options, body, BasicProperties::default());
    drop(published.await.expect("publish"));
    channel.close(200, "OK".into()).await.expect("close a channel");
}

async fn heard(worker: &Worker, command: &str, outcome: &str, count: f64) {
    worker.until_metric(MESSAGES, &[("command", command), ("outcome", outcome)], count).await;
}

/// The job's one result says that it was cancelled; nothing of it is left anywhere.
async fn is_cancelled(bench: &Bench, job: &SignedJob) -> Value {
    let result = bench.client.result(job).await;
    assert_eq!(result.outcome.run.status.as_str(), "cancelled", "{:?}", result.outcome.run);
    serde_json::to_value(result).expect("a result goes into JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_cancelled_while_it_runs_while_it_waits_and_before_it_comes() {
    let bench = Bench::new("cancel", Keys::Token).await;
    let more = "[[broker.classes]]\nname = \"default\"\nweight = 1\n[[broker.classes]]\nname = \"bulk\"\nweight = 1\n";
    let worker = bench.worker(Config { more, ..Config::default() }).await;
    worker.until_metric("tester_worker_control_listening", &[], 1.0).await;
    let client = &bench.client;

    let program = python("print('begun', flush=True)\nimport time\ntime.sleep(60)");
    let running = client.send(JobDraft { stream: true, ..program }).await;
    // It has been started, and has written its line.
    client.messages(&format!("{}/2", running.key.id), 1).await;
    let waiting = client.sign(python("print('never')"));
    client.publish_to("bulk", &waiting.body, properties(&waiting)).await;
    until("the second job waits", async || (worker.status().await["waiting"] == 1).then_some(())).await;

    cancel(&bench, &waiting).await;
    let result = is_cancelled(&bench, &waiting).await;
    assert_eq!((&result["exit_code"], &result["image_digest"]), (&Value::Null, &Value::Null), "it never ran");
    heard(&worker, "cancel", "waiting", 1.0).await;
    assert_eq!(worker.status().await["running"], 1, "the other one still runs");

    cancel(&bench, &running).await;
    let result = is_cancelled(&bench, &running).await;
    assert_eq!(result["stdout"]["text"], "begun\n", "what it wrote until then is kept");
    heard(&worker, "cancel", "running", 1.0).await;

    let later = client.sign(python("print('never')"));
    cancel(&bench, &later).await;
    heard(&worker, "cancel", "noted", 1.0).await;
    assert!(worker.metric("tester_worker_cancelled_ids", &[]).await >= 1.0);
    client.publish(&later.body, properties(&later)).await;
    is_cancelled(&bench, &later).await;

    // A job that ended keeps its result, and its redelivery gets the same one again.
    let ended = client.send(python("print('done')")).await;
    assert_eq!(client.result(&ended).await.outcome.run.status.as_str(), "ok");
    cancel(&bench, &ended).await;
    heard(&worker, "cancel", "ended", 1.0).await;
    client.publish(&ended.body, properties(&ended)).await;
    let both = client.messages(&ended.key.id.to_string(), 2).await;
    assert_eq!(both[0].data, both[1].data);

    client.good_job_runs().await;
    let results =
        client.inbox().iter().filter(|message| message_id(message).is_some_and(|id| !id.contains('/'))).count();
    assert_eq!(results, 6, "no job has another result");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_finds_the_job_on_whichever_worker_it_is() {
    let bench = Bench::new("cancel-two", Keys::Token).await;
    let first = bench.worker(Config::default()).await;
    let mut second = Worker::spawn(&bench.setup("second", Config::default()));
    second.ready().await;
    for worker in [&first, &second] {
        worker.until_metric("tester_worker_control_listening", &[], 1.0).await;
    }
    let client = &bench.client;
    let (one, two) = (client.send(sleeper(60.0)).await, client.send(sleeper(60.0)).await);
    first.until_running(1).await;
    second.until_running(1).await;
    cancel(&bench, &one).await;
    is_cancelled(&bench, &one).await;
    let found = [
        first.metric(MESSAGES, &[("outcome", "running")]).await,
        second.metric(MESSAGES, &[("outcome", "running")]).await,
    ];
    assert!(found.iter().sum::<f64>().to_bits() == 1.0_f64.to_bits(), "one of them had it: {found:?}");
    cancel(&bench, &two).await;
    is_cancelled(&bench, &two).await;
    assert_eq!(client.inbox().len(), 2);
    first.stop().await;
    bench.end(second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_changes_nothing() {
    let bench = Bench::new("control-keys", Keys::Ed25519).await;
    let operator = OPERATOR.jwk("someone");
    let mut control = operator.clone();
    control["tester:direction"] = json!("control");
    bench.write_jwks(&[SENDER.jwk(ISSUER), control]);
    let worker = bench.worker(Config::default()).await;
    worker.until_metric("tester_worker_control_listening", &[], 1.0).await;
    let client = &bench.client;
    let job = client.send(sleeper(3.0)).await;
    worker.until_running(1).await;

    let claims = |issuer: &str| {
        json!({ "v": 1, "iss": issuer, "aud": "tester", "jti": Uuid::new_v4(), "iat": now(), "exp": now() + 60,
                "command": "cancel", "job": job.key.id })
    };
    let header = |kid: &str, alg: &str| json!({ "alg": alg, "kid": kid, "typ": "control+jwt" });
    let refused = [
        // The sender's own key signs jobs only.
        SENDER.sign(&header(SENDER.0, "EdDSA"), claims(ISSUER).to_string().as_bytes()),
        // The operator's key is bound to another issuer.
        OPERATOR.sign(&header(OPERATOR.0, "EdDSA"), claims(ISSUER).to_string().as_bytes()),
        hs256(SECRET.as_bytes(), &header("default", "HS256"), claims(ISSUER).to_string().as_bytes()),
        b"no token at all".to_vec(),
    ];
    let count = f64::from(u32::try_from(refused.len()).expect("a small number"));
    for body in &refused {
        say(&bench, body).await;
    }
    heard(&worker, "unknown", "refused", count).await;
    // For its own issuer the operator's key is good, and then it is another job that is meant.
    say(&bench, &OPERATOR.sign(&header(OPERATOR.0, "EdDSA"), claims("someone").to_string().as_bytes())).await;
    heard(&worker, "cancel", "noted", 1.0).await;
    assert_eq!(client.result(&job).await.outcome.run.status.as_str(), "ok");

    // Draining is for keys whose policy says so; these have none.
    let mut drain = claims("someone");
    drain["command"] = json!("drain");
    drain["worker"] = json!(worker.id);
    drop(drain.as_object_mut().expect("an object").remove("job"));
    say(&bench, &OPERATOR.sign(&header(OPERATOR.0, "EdDSA"), drain.to_string().as_bytes())).await;
    heard(&worker, "unknown", "refused", count + 1.0).await;
    client.good_job_runs().await;
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_is_for_one_worker_which_finishes_its_job_and_ends() {
    let bench = Bench::new("control-drain", Keys::Token).await;
    let first = bench.worker(Config::default()).await;
    let mut second = Worker::spawn(&bench.setup("second", Config::default()));
    second.ready().await;
    for worker in [&first, &second] {
        worker.until_metric("tester_worker_control_listening", &[], 1.0).await;
    }
    let client = &bench.client;
    let jobs = [client.send(sleeper(3.0)).await, client.send(sleeper(3.0)).await];
    first.until_running(1).await;
    second.until_running(1).await;
    let output = run(&bench, &["drain", &first.id, "--json"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
    assert_eq!((&said["command"], &said["worker"]), (&json!("drain"), &json!(first.id)));
    heard(&second, "drain", "other_worker", 1.0).await;
    first.ends_with(0).await;
    for job in &jobs {
        assert_eq!(client.result(job).await.outcome.run.status.as_str(), "ok");
    }

    // The same order again does not stop a process that was started after it.
    let mut claims = json!({
        "v": 1, "iss": "ops", "aud": "tester", "jti": Uuid::new_v4(), "iat": now() - 300, "exp": now() + 60,
        "command": "drain", "worker": second.id,
    });
    let header = json!({ "alg": "HS256", "kid": "default", "typ": "control+jwt" });
    say(&bench, &hs256(SECRET.as_bytes(), &header, claims.to_string().as_bytes())).await;
    heard(&second, "drain", "stale", 1.0).await;
    client.good_job_runs().await;
    claims["iat"] = json!(now());
    say(&bench, &hs256(SECRET.as_bytes(), &header, claims.to_string().as_bytes())).await;
    second.ends_with(0).await;

    let output = run(&bench, &["drain", "nobody"]).await;
    assert_eq!(output.status.code(), Some(70));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("no worker listens"), "{text}");
    bench.close().await;
}
