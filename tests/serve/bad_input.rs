//! Bad input: each kind has its own reason code and its own way out, and never stops the worker.
//!
//! Every row is followed, in the same process, by a good job's verified result.

mod forged;
mod refused;

use std::collections::BTreeSet;

use lapin::BasicProperties;
use lapin::message::Delivery;
use serde_json::{Value, json};
use tester_worker::protocol::job_writer::JobDraft;

use super::support::bench::{Bench, Config, Keys, SENDER};
use super::support::client::{Client, claims, message_id, properties, python, signed};
use super::support::token::Seed;
use super::support::until;
use super::support::worker::Worker;

/// What becomes of a bad message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// No result; the dead queue has it, with this reason.
    Dead(&'static str),
    /// A signed result, with this reason.
    Rejected(&'static str),
}
use End::{Dead, Rejected};

/// One kind of bad input.
struct Row {
    name: &'static str,
    claims: Value,
    body: Vec<u8>,
    properties: BasicProperties,
    end: End,
}

impl Row {
    /// A message of any bytes.
    fn bytes(name: &'static str, body: Vec<u8>, end: End) -> Self {
        Self { name, claims: claims(), body, properties: BasicProperties::default(), end }
    }

    /// A token with another header or signature, over the claims of a good job.
    fn token(name: &'static str, make: impl FnOnce(&[u8]) -> Vec<u8>, end: End) -> Self {
        let claims = claims();
        let body = make(claims.to_string().as_bytes());
        Self { claims, ..Self::bytes(name, body, end) }
    }

    /// A rightly signed job whose claims were changed.
    fn claims(name: &'static str, change: impl FnOnce(&mut Value), end: End) -> Self {
        let mut claims = claims();
        change(&mut claims);
        let body = SENDER.job(&claims);
        Self { claims, ..Self::bytes(name, body, end) }
    }

    /// A rightly signed job whose JSON text was changed.
    fn text(name: &'static str, change: impl FnOnce(String) -> String, end: End) -> Self {
        let claims = claims();
        let text = change(claims.to_string());
        assert_ne!(text, claims.to_string(), "{name}: the change changed nothing");
        let body = SENDER.sign(&header(SENDER, &json!({})), text.as_bytes());
        Self { claims, ..Self::bytes(name, body, end) }
    }

    /// A good job with other properties.
    fn properties(name: &'static str, properties: BasicProperties, end: End) -> Self {
        Self { properties, ..Self::claims(name, |_| (), end) }
    }
}

/// The header of a job, with changes; `null` takes a member away.
fn header(key: Seed, changes: &Value) -> Value {
    let mut header = json!({ "alg": "EdDSA", "kid": key.0, "typ": "job+jwt" });
    let members = header.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        members.insert(name.clone(), value.clone());
    }
    members.retain(|_, value| !value.is_null());
    header
}

/// Sends one row and looks at everything that comes of it.
async fn check(client: &Client, worker: &Worker, row: &Row) {
    let before = settled(worker).await;
    let seen = client.inbox().len();
    client.publish(&row.body, row.properties.clone()).await;
    // Settled: whatever the worker has to say of it is said, and confirmed.
    until(&format!("`{}` is settled", row.name), async || (settled(worker).await > before).then_some(())).await;
    let dead = client.take("tester.dead").await;
    let answers = match row.end {
        Dead(reason) => {
            let dead = dead.unwrap_or_else(|| panic!("`{}` is not in the dead queue", row.name));
            check_dead(row, reason, &dead, &worker.id);
            0
        }
        Rejected(reason) => {
            assert!(dead.is_none(), "`{}` is in the dead queue besides", row.name);
            check_refusal(client, row, reason).await;
            1
        }
    };
    let settled_by_then = settled(worker).await;
    client.good_job_runs().await;
    // The good job's result came after whatever a bad one could still have had.
    let ids: Vec<_> = client.inbox().iter().map(|message| message_id(message).map(str::to_owned)).collect();
    assert_eq!(ids.len(), seen + answers + 1, "`{}`: {ids:?}", row.name);
    assert!(client.take("tester.dead").await.is_none(), "`{}`", row.name);
    // The result is here before its job is settled; the next row counts from there.
    until("the good job is settled", async || (settled(worker).await > settled_by_then).then_some(())).await;
}

fn check_dead(row: &Row, reason: &str, dead: &Delivery, worker_id: &str) {
    assert_eq!(dead.data, row.body, "`{}`: the body goes there as it came", row.name);
    assert_eq!(dead_header(dead, "x-tester-reason"), reason, "`{}`", row.name);
    assert_eq!(dead_header(dead, "x-tester-worker"), worker_id, "`{}`", row.name);
}

async fn check_refusal(client: &Client, row: &Row, reason: &str) {
    let result = client.result(&signed(&row.claims, row.body.clone())).await;
    let run = &result.outcome.run;
    assert_eq!((run.status.as_str(), run.reason.as_deref()), ("rejected", Some(reason)), "`{}`: {run:?}", row.name);
    assert!(run.message.as_ref().is_some_and(|message| !message.is_empty()), "`{}`: {run:?}", row.name);
    assert_eq!((&run.evidence, run.stdout.bytes_total), (&None, 0), "`{}` did not run", row.name);
}

async fn settled(worker: &Worker) -> f64 {
    worker.metric("tester_worker_deliveries_settled_total", &[("kind", "ack"), ("outcome", "sent")]).await
}

fn dead_header(message: &Delivery, name: &str) -> String {
    let headers = message.properties.headers().as_ref().expect("headers");
    headers.inner().get(name).and_then(|value| value.as_long_string()).map(ToString::to_string).unwrap_or_default()
}

async fn check_all(test: &str, rows: Vec<Row>) {
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name).collect();
    assert_eq!(names.len(), rows.len(), "every row has a name of its own");
    let bench = Bench::new(test, Keys::Ed25519).await;
    let more = "[protocol]\nbody_bytes_max = 1000000\n";
    let worker = bench.worker(Config { slots: 2, python_warm: 2, more, ..Config::default() }).await;
    for row in &rows {
        check(&bench.client, &worker, row).await;
    }
    let ran = worker.metric("tester_worker_jobs_finished_total", &[("status", "ok")]).await;
    assert_eq!(ran.to_bits(), (f64::from(u32::try_from(rows.len()).expect("few rows"))).to_bits(), "only the good ran");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_vouches_for_goes_to_the_dead_queue_and_is_not_answered() {
    check_all("forged", forged::forged()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_sender_got_wrong_is_refused_with_a_signed_result() {
    check_all("refused", refused::refused()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_result_without_its_reply_queue_is_parked_as_it_is() {
    let bench = Bench::new("unrouted", Keys::Ed25519).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let nowhere = JobDraft { reply_to: "results.nobody".to_owned(), ..python("print('lost')") };
    let job = client.sign(nowhere);
    client.publish(&job.body, properties(&job).with_reply_to("results.nobody".into())).await;
    let parked = until("the result is parked", async || client.take("tester.unrouted").await).await;
    assert_eq!(client.verified(&parked.data, &job).outcome.run.stdout.content.as_bytes(), b"lost\n");
    assert_eq!(message_id(&parked), Some(job.key.id.to_string().as_str()));
    worker.until_metric("tester_worker_deliveries_settled_total", &[("kind", "ack"), ("outcome", "sent")], 1.0).await;
    worker.until_metric("tester_worker_results_unrouted_total", &[], 1.0).await;
    assert_eq!((client.depth("tester.jobs.default").await, client.depth("tester.dead").await), (0, 0));
    client.good_job_runs().await;
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_image_that_does_not_exist_is_our_fault_and_stops_no_other_profile() {
    let bench = Bench::new("image", Keys::Ed25519).await;
    let image = "tester-no-such-image";
    let more = format!("[profiles.ghost]\nimage = \"{image}\"\nargv = [\"x\"]\nentry = \"\"\nwarm = 1\n");
    let mut worker = Worker::spawn(&bench.setup("worker", Config { more: &more, ..Config::default() }));
    let said = worker.not_ready("image", &format!("Image {image} not found")).await;
    assert_eq!(said.status, 503);
    let reason = said.reason("image").expect("a reason");
    assert!(reason.contains(&format!("docker build -t {image}")), "{reason}");
    worker.until_metric("tester_worker_amqp_connected", &[], 2.0).await;
    bench.client.good_job_runs().await;
    let outcome = bench.client.run(JobDraft { profile: "ghost".to_owned(), ..python("") }).await.outcome;
    assert_eq!(outcome.run.status.as_str(), "internal_error");
    let message = outcome.run.message.as_deref().unwrap_or_default();
    assert!(message.contains(&format!("Image {image} not found")), "{message}");
    assert_eq!((outcome.attempt, outcome.run.exit_code), (2, None), "answered at the last attempt");
    bench.client.good_job_runs().await;
    assert_eq!(bench.client.depth("tester.dead").await, 0);
    bench.end(worker).await;
}
