//! The end of a worker, in every manner: nothing is lost, nothing is left.

use nix::sys::signal::Signal;
use tokio_util::sync::CancellationToken;

use super::absent::{proxy, with_url};
use super::docker_faults::FaultyDocker;
use super::support::bench::{Bench, Config, Keys};
use super::support::client::{properties, python, sleeper};
use super::support::vhost::authority;
use super::support::worker::{Worker, remove_sandboxes};
use super::support::{docker, free_port, http, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_job_is_finished_and_a_waiting_one_goes_back_at_once() {
    let bench = Bench::new("drain", Keys::Token).await;
    let more = "[[broker.classes]]\nname = \"default\"\nweight = 1\n[[broker.classes]]\nname = \"bulk\"\nweight = 1\n";
    let worker = bench.worker(Config { more, ..Config::default() }).await;
    let client = &bench.client;
    let running = client.send(sleeper(4.0)).await;
    worker.until_running(1).await;
    let waiting = client.sign(python("print('later')"));
    client.publish_to("bulk", &waiting.body, properties(&waiting)).await;
    // One slot, but the prefetch is of each class: the second job is here, and waits.
    until("the second job waits", async || (worker.status().await["waiting"] == 1).then_some(())).await;
    assert_eq!(client.depth("tester.jobs.bulk").await, 0);

    worker.signal(Signal::SIGTERM);
    until("the waiting job is back", async || (client.depth("tester.jobs.bulk").await == 1).then_some(())).await;
    assert!(client.inbox().is_empty(), "while the other one still runs");
    let ready = http::ready(worker.port).await.expect("the sidecar answers to the last");
    assert_eq!((ready.status, ready.reason("accepting")), (503, Some("draining")));
    let outcome = client.result(&running).await.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", &b"slept\n"[..]));
    worker.ends_with(0).await;

    let next = Worker::spawn(&bench.setup("next", Config { more, ..Config::default() }));
    let outcome = client.result(&waiting).await.outcome;
    assert_eq!((outcome.worker.as_str(), outcome.run.stdout.content.as_bytes()), (next.id.as_str(), &b"later\n"[..]));
    assert_eq!(client.inbox().len(), 2, "one result a job");
    bench.end(next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_outlasts_the_drain_goes_back_and_another_worker_answers_it() {
    let bench = Bench::new("outlast", Keys::Token).await;
    let worker = bench.worker(Config { drain_seconds: 1, ..Config::default() }).await;
    let client = &bench.client;
    let job = client.send(sleeper(5.0)).await;
    worker.until_running(1).await;
    worker.signal(Signal::SIGTERM);
    worker.ends_with(75).await;
    assert!(client.inbox().is_empty(), "it was not answered");
    until("the job is back", async || (client.depth("tester.jobs.default").await == 1).then_some(())).await;

    let next = Worker::spawn(&bench.setup("next", Config::default()));
    let outcome = client.result(&job).await.outcome;
    assert_eq!((outcome.worker.as_str(), outcome.run.stdout.content.as_bytes()), (next.id.as_str(), &b"slept\n"[..]));
    next.until_metric("tester_worker_deliveries_settled_total", &[("kind", "ack"), ("outcome", "sent")], 1.0).await;
    assert_eq!(client.inbox().len(), 1, "exactly one result");
    assert_eq!((client.depth("tester.jobs.default").await, client.depth("tester.dead").await), (0, 0));
    bench.end(next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sigterm_ends_at_once() {
    let bench = Bench::new("second", Keys::Token).await;
    let mut worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    client.send(sleeper(8.0)).await;
    worker.until_running(1).await;
    let id = worker.id.clone();
    worker.signal(Signal::SIGTERM);
    worker.not_ready("accepting", "draining").await;
    worker.signal(Signal::SIGTERM);
    assert_eq!(worker.ended().await.code(), Some(143));
    until("the job is back", async || (client.depth("tester.jobs.default").await == 1).then_some(())).await;
    assert!(client.inbox().is_empty(), "it was not answered");
    no_sandbox_runs(&id).await;
    worker.forget();
    remove_sandboxes(&id);
    bench.close().await;
}

/// The worker's death ends its sandboxes, whoever removes them later.
async fn no_sandbox_runs(worker_id: &str) {
    until("the dead worker's sandboxes have ended", async || {
        docker::containers(worker_id).await.iter().all(|(_, state)| state != "running").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_worker_was_running_is_answered_by_the_next_one_which_cleans_up() {
    let bench = Bench::new("sigkill", Keys::Token).await;
    let setup = bench.setup("worker", Config { python_warm: 1, ..Config::default() });
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    let client = &bench.client;
    let job = client.send(sleeper(5.0)).await;
    worker.until_running(1).await;
    // The pool is full again behind the job: what is being created in the moment of the kill would be left unstarted,
    // and that is garbage only when it is old.
    worker.until_metric("tester_worker_containers_total", &[("event", "created")], 2.0).await;
    let before = docker::containers(&setup.id).await;
    assert_eq!(before.len(), 2, "the job's sandbox and the next one: {before:?}");
    worker.kill().await;
    no_sandbox_runs(&setup.id).await;
    assert!(client.inbox().is_empty(), "nobody answered yet");

    // A runner's volume of another version, as Docker makes it when it is mounted after it was removed: without a label.
    let half = || uuid::Uuid::new_v4().simple().to_string();
    let stale = format!("tester-runner-{}{}", half(), half());
    docker::docker(&["volume", "create", &stale]).await;
    let mut next = Worker::spawn(&setup);
    let outcome = client.result(&job).await.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", &b"slept\n"[..]));
    assert_eq!(outcome.attempt, 2, "the broker delivered it again");
    next.ready().await;
    until("what the killed worker left is gone", async || {
        let now = docker::containers(&setup.id).await;
        now.iter().all(|(id, _)| before.iter().all(|(old, _)| old != id)).then_some(())
    })
    .await;
    let same_name = format!("name={stale}");
    until("the stale volume is gone", async || {
        docker::docker(&["volume", "ls", "-q", "--filter", &same_name]).await.is_empty().then_some(())
    })
    .await;
    client.good_job_runs().await;
    assert_eq!(client.inbox().len(), 2, "one result a job");
    bench.end(next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_drains_and_a_second_one_ends_at_once() {
    let bench = Bench::new("sigint", Keys::Token).await;
    let mut worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let job = client.send(sleeper(2.0)).await;
    worker.until_running(1).await;
    worker.signal(Signal::SIGINT);
    worker.not_ready("accepting", "draining").await;
    assert_eq!(client.result(&job).await.outcome.run.status.as_str(), "ok");
    worker.ends_with(0).await;

    let mut worker = bench.worker(Config::default()).await;
    client.send(sleeper(8.0)).await;
    worker.until_running(1).await;
    let id = worker.id.clone();
    worker.signal(Signal::SIGINT);
    worker.not_ready("accepting", "draining").await;
    worker.signal(Signal::SIGINT);
    assert_eq!(worker.ended().await.code(), Some(130));
    worker.forget();
    no_sandbox_runs(&id).await;
    remove_sandboxes(&id);
    bench.close().await;
}

/// The sidecar answers until everything else has stopped; then the process is gone within a moment.
async fn is_seen_to_the_last(worker: &Worker) {
    let mut last = None;
    until("the sidecar is gone", async || match http::ready(worker.port).await {
        Some(ready) => {
            last = Some(ready.status);
            None
        }
        None => Some(()),
    })
    .await;
    assert_eq!(last, Some(503), "it said to the last that no job is taken");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_in_time_although_docker_is_silent_and_the_job_goes_to_the_next_worker() {
    let bench = Bench::new("drain-docker", Keys::Token).await;
    let proxy = FaultyDocker::new(bench.folder.path());
    let more = format!("[docker]\nhost = {:?}\ntimeout_seconds = 1\n", proxy.host());
    let mut worker = bench.worker(Config { drain_seconds: 1, more: &more, ..Config::default() }).await;
    let client = &bench.client;
    let job = client.send(sleeper(4.0)).await;
    worker.until_running(1).await;
    proxy.freeze();
    worker.signal(Signal::SIGTERM);
    until("the job is back", async || (client.depth("tester.jobs.default").await == 1).then_some(())).await;
    is_seen_to_the_last(&worker).await;
    assert_eq!(worker.ended().await.code(), Some(75));
    let id = worker.id.clone();
    worker.forget();
    proxy.heal();
    // Its sandboxes end with it; the next worker, which Docker answers, removes what is left of them.
    no_sandbox_runs(&id).await;
    let next = Worker::spawn(&bench.setup("next", Config::default()));
    let outcome = client.result(&job).await.outcome;
    assert_eq!((outcome.worker.as_str(), outcome.run.stdout.content.as_bytes()), (next.id.as_str(), &b"slept\n"[..]));
    assert_eq!(client.inbox().len(), 1, "exactly one result");
    remove_sandboxes(&id);
    bench.end(next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_in_time_although_rabbitmq_is_away_and_nothing_is_lost() {
    let bench = Bench::new("drain-broker", Keys::Token).await;
    let (port, stop) = (free_port(), CancellationToken::new());
    let tasks = proxy(port, stop.clone()).await;
    let url = bench.vhost.url().replace(&authority(), &format!("127.0.0.1:{port}"));
    let mut worker =
        Worker::spawn(&with_url(bench.setup("worker", Config { drain_seconds: 4, ..Config::default() }), url));
    worker.ready().await;
    let client = &bench.client;
    let job = client.send(sleeper(1.0)).await;
    worker.until_running(1).await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    worker.not_ready("broker_publish", "").await;
    worker.signal(Signal::SIGTERM);
    is_seen_to_the_last(&worker).await;
    // The program ended, but nobody could be told.
    worker.ends_with(75).await;
    assert!(client.inbox().is_empty());
    let next = Worker::spawn(&bench.setup("next", Config::default()));
    assert_eq!(client.result(&job).await.outcome.worker, next.id);
    assert_eq!(client.inbox().len(), 1, "exactly one result");
    bench.end(next).await;
}
