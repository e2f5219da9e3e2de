//! A job that ends its worker whenever it runs: it ends no other job with it, and at last it is answered.

use lapin::message::Delivery;
use std::sync::Arc;
use tester_worker::protocol::event::{EventClaims, EventName, verify_event};
use tester_worker::protocol::job_writer::{JobDraft, SignedJob};
use tester_worker::protocol::result::Expected;

use super::support::bench::{Bench, Config, Keys};
use super::support::client::{Client, message_id, python, sleeper};
use super::support::until;
use super::support::worker::{Worker, remove_sandboxes};

fn event(client: &Client, job: &SignedJob, message: &Arc<Delivery>) -> Option<EventClaims> {
    let about = message_id(message)?.strip_prefix(&job.key.id.to_string())?;
    let expected = Expected { job: job.key.clone(), digest: job.digest };
    about.starts_with('/').then(|| verify_event(&message.data, &client.results, &expected).expect("an event of it"))
}

/// Waits until the program was started for this time.
async fn starts(client: &Client, job: &SignedJob, attempt: u32) {
    until(&format!("attempt {attempt} is started"), async || {
        let started = |event: &EventClaims| event.event == EventName::Started && event.attempt == attempt;
        client
            .inbox()
            .iter()
            .filter_map(|message| event(client, job, message))
            .any(|event| started(&event))
            .then_some(())
    })
    .await;
}

/// Whether there is a result of the job.
fn is_answered(client: &Client, job: &SignedJob) -> bool {
    client.inbox().iter().any(|message| message_id(message) == Some(job.key.id.to_string().as_str()))
}

async fn killed(worker: Worker) {
    // Nothing is being created: what Docker goes on with after the kill would be left.
    worker.until_metric("tester_worker_pool", &[("profile", "python"), ("state", "warm")], 2.0).await;
    let id = worker.id.clone();
    worker.kill().await;
    remove_sandboxes(&id);
}

async fn started(bench: &Bench) -> Worker {
    bench.worker(Config { slots: 2, python_warm: 2, ..Config::default() }).await
}

async fn is_ok(client: &Client, job: &SignedJob) {
    let outcome = client.result(job).await.outcome;
    assert_eq!(outcome.run.status.as_str(), "ok", "an innocent job: {outcome:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_is_run_alone_then_answered_and_innocents_beside_it_are_unharmed() {
    let bench = Bench::new("poison", Keys::Token).await;
    let client = &bench.client;
    // `attempts_max` is 2 here: twice beside others, four times alone.
    let mut worker = started(&bench).await;
    let poison = client.send(JobDraft { stream: true, ..sleeper(60.0) }).await;
    starts(client, &poison, 1).await;
    killed(worker).await;
    // From now on these are delivered beside it.
    let innocents = [client.send(sleeper(1.0)).await, client.send(sleeper(1.0)).await, client.send(sleeper(1.0)).await];
    worker = started(&bench).await;
    starts(client, &poison, 2).await;

    killed(worker).await;
    worker = started(&bench).await;
    starts(client, &poison, 3).await;
    // It let them go first, and now it is alone: a job that comes waits although a slot is free.
    for job in &innocents {
        assert!(is_answered(client, job), "what came fewer times went first");
        is_ok(client, job).await;
    }
    let beside = client.send(python("print('beside')")).await;
    until("it waits", async || {
        let status = worker.status().await;
        (status["running"] == 1 && status["waiting"] == 1).then_some(())
    })
    .await;
    assert!(worker.metric("tester_worker_jobs_quarantined_total", &[]).await >= 1.0);

    for attempt in 4..=6 {
        killed(worker).await;
        worker = started(&bench).await;
        starts(client, &poison, attempt).await;
        assert!(is_answered(client, &beside), "it went first");
    }
    is_ok(client, &beside).await;
    killed(worker).await;
    worker = started(&bench).await;
    let outcome = client.result(&poison).await.outcome;
    assert_eq!(outcome.run.status.as_str(), "internal_error");
    let text = outcome.run.message.expect("a message");
    assert!(text.contains("delivered 7 times") && text.contains("never answered"), "{text}");
    client.good_job_runs().await;
    assert_eq!((client.depth("tester.jobs.default").await, client.depth("tester.dead").await), (0, 0));
    bench.end(worker).await;
}
