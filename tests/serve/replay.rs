//! Replays: a job runs once here, however often it comes.

use super::support::bench::{Bench, Config, Keys};
use super::support::client::{ISSUER, properties, python, sleeper};
use super::support::until;
use tester_worker::domain::job::JobKey;
use tester_worker::protocol::job_writer::{Stamp, sign_job};

use super::support::now;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_comes_again_gets_its_result_again_and_does_not_run_again() {
    let bench = Bench::new("replay", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    // It prints what no second run could print again.
    let program = "import os\nprint(os.urandom(16).hex())";

    let job = client.send(python(program)).await;
    let id = job.key.id.to_string();
    let first = client.message(&job).await;
    let outcome = client.verified(&first.data, &job).outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.bytes_total), ("ok", 33));
    let acknowledged = [("kind", "ack"), ("outcome", "sent")];
    worker.until_metric("tester_worker_deliveries_settled_total", &acknowledged, 1.0).await;

    for times in 2..=3 {
        client.publish(&job.body, properties(&job)).await;
        let all = client.messages(&id, times).await;
        assert_eq!(all[times - 1].data, first.data, "the stored result, byte for byte");
    }
    worker.until_metric("tester_worker_deliveries_settled_total", &acknowledged, 3.0).await;
    worker.until_metric("tester_worker_results_resent_total", &[], 2.0).await;
    worker.until_metric("tester_worker_jobs_finished_total", &[], 1.0).await;
    worker.until_metric("tester_worker_stage_seconds_count", &[("stage", "run")], 1.0).await;

    // Another job under the same id: whoever answered it could mask the real one.
    let key = JobKey { issuer: ISSUER.to_owned(), id: job.key.id };
    let stamp = Stamp { key, audience: "tester".to_owned(), issued_at: now(), expires_at: now() + 300 };
    let other = sign_job(python("print('other')"), stamp, &client.key).expect("claims go into JSON");
    client.publish(&other.body, properties(&other)).await;
    let dead = until("the other job is dead", async || client.take("tester.dead").await).await;
    assert_eq!(dead.data, other.body);
    let reason = dead.properties.headers().as_ref().and_then(|headers| headers.inner().get("x-tester-reason").cloned());
    assert_eq!(reason.and_then(|value| value.as_long_string().map(ToString::to_string)).as_deref(), Some("id_reused"));
    client.good_job_runs().await;
    assert_eq!(client.messages(&id, 3).await.len(), 3, "no answer to the other job");
    worker.until_metric("tester_worker_stage_seconds_count", &[("stage", "run")], 2.0).await;
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_comes_twice_at_once_runs_once() {
    let bench = Bench::new("twice", Keys::Token).await;
    let worker = bench.worker(Config { slots: 2, python_warm: 2, ..Config::default() }).await;
    let client = &bench.client;
    let job = client.sign(sleeper(1.5));
    let id = job.key.id.to_string();
    client.publish(&job.body, properties(&job)).await;
    client.publish(&job.body, properties(&job)).await;
    worker.until_metric("tester_worker_jobs_adopted_total", &[], 1.0).await;
    assert_eq!(worker.status().await["running"], 1, "one run for both deliveries");
    let outcome = client.result(&job).await.outcome;
    assert_eq!(outcome.run.stdout.content.as_bytes(), b"slept\n");
    // Both deliveries are settled by the one result.
    worker.until_metric("tester_worker_deliveries_settled_total", &[("kind", "ack"), ("outcome", "sent")], 2.0).await;
    client.good_job_runs().await;
    assert_eq!(client.messages(&id, 1).await.len(), 1, "one result for both");
    worker.until_metric("tester_worker_stage_seconds_count", &[("stage", "run")], 2.0).await;
    assert_eq!((client.depth("tester.jobs.default").await, client.depth("tester.dead").await), (0, 0));
    bench.end(worker).await;
}
