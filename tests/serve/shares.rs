//! Slots are shared out: by class, whatever waits in the others, and by issuer, up to a cap.

use tester_worker::domain::job::JobKey;
use tester_worker::protocol::job_writer::{SignedJob, Stamp, sign_job};
use uuid::Uuid;

use super::support::bench::{Bench, Config, Keys};
use super::support::client::{REPLY_TO, message_id, properties, python, sleeper};
use super::support::{now, until};

const CLASSES: &str =
    "[[broker.classes]]\nname = \"batch\"\nweight = 1\n[[broker.classes]]\nname = \"default\"\nweight = 3\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_in_one_class_does_not_delay_the_other() {
    let bench = Bench::new("flood", Keys::Token).await;
    let worker = bench.worker(Config { slots: 2, python_warm: 2, more: CLASSES, ..Config::default() }).await;
    let client = &bench.client;
    let mut flood = Vec::new();
    for _ in 0..30 {
        let job = client.sign(sleeper(0.3));
        client.publish_to("batch", &job.body, properties(&job)).await;
        flood.push(job);
    }
    worker.until_running(2).await;
    let mut urgent = Vec::new();
    for _ in 0..6 {
        urgent.push(client.send(python("print('soon')")).await);
    }
    for job in &urgent {
        assert_eq!(client.result(job).await.outcome.run.status.as_str(), "ok");
    }
    let answered = |jobs: &[SignedJob]| {
        let inbox = client.inbox();
        jobs.iter()
            .filter(|job| inbox.iter().any(|message| message_id(message) == Some(job.key.id.to_string().as_str())))
            .count()
    };
    // Behind the whole flood they would have been last. They take at least every other slot that comes free.
    let before = answered(&flood);
    assert!(before <= 15, "{before} of the flood were answered first");
    until("the flood is answered, too", async || (answered(&flood) == flood.len()).then_some(())).await;
    assert_eq!(client.inbox().len(), flood.len() + urgent.len());
    bench.end(worker).await;
}

/// A job of this issuer.
fn job_of(bench: &Bench, issuer: &str, seconds: f64) -> SignedJob {
    let key = JobKey { issuer: issuer.to_owned(), id: Uuid::new_v4() };
    let stamp = Stamp { key, audience: "tester".to_owned(), issued_at: now(), expires_at: now() + 300 };
    sign_job(sleeper(seconds), stamp, &bench.client.key).expect("claims go into JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_issuer_never_has_more_slots_than_the_cap() {
    let bench = Bench::new("cap", Keys::Token).await;
    let more =
        "[[broker.classes]]\nname = \"default\"\nweight = 1\n[[broker.classes]]\nname = \"greedy\"\nweight = 1\n";
    let mut setup = bench.setup("worker", Config { slots: 3, python_warm: 3, more, ..Config::default() });
    setup.variables.push(("TESTER_WORKER__WORKER__RUNNING_PER_ISSUER_MAX".to_owned(), "1".to_owned()));
    let mut worker = super::support::worker::Worker::spawn(&setup);
    worker.ready().await;
    let client = &bench.client;
    let greedy: Vec<SignedJob> = (0..3).map(|_| job_of(&bench, "greedy", 2.0)).collect();
    for job in &greedy {
        client.publish_to("greedy", &job.body, properties(job)).await;
    }
    until("its other jobs wait", async || {
        let status = worker.status().await;
        (status["running"] == 1 && status["waiting"] == 2).then_some(())
    })
    .await;
    let modest = job_of(&bench, "modest", 0.0);
    client.publish(&modest.body, properties(&modest)).await;
    assert_eq!(client.result(&modest).await.outcome.run.status.as_str(), "ok");
    let early = client.inbox().len();
    assert_eq!(early, 1, "the modest issuer's job was answered while the greedy one's first still ran");
    for job in &greedy {
        assert_eq!(client.result(job).await.outcome.run.status.as_str(), "ok");
    }
    assert_eq!(client.depth(REPLY_TO).await, 0);
    bench.end(worker).await;
}
