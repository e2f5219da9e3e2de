//! Networks that carry nothing and close nothing, and workers that stand still.

use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::time::Instant;

use super::super::network::Network;
use super::super::support::bench::{Bench, Config, Keys};
use super::super::support::client::{message_id, properties, python, waiter};
use super::super::support::docker::{go_on, waits};
use super::super::support::until;
use super::super::support::vhost::authority;
use super::super::support::worker::Worker;

const HEARTBEAT_SECONDS: u64 = 2;
const JOBS: &str = "tester.jobs.default";
const QUICK: &str = "[broker]\nheartbeat_seconds = 2\n";

/// A worker that reaches the broker over a network of the test's.
fn behind(bench: &Bench, network: &Network, more: &str) -> Worker {
    let url = bench.vhost.url_at(&network.authority());
    Worker::spawn(&bench.setup_by("worker", Config { more, ..Config::default() }, &url))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_network_that_carries_nothing_is_found_out_within_two_heartbeats_and_the_job_is_kept() {
    let bench = Bench::new("halfopen", Keys::Token).await;
    let network = Network::to(&authority()).await;
    let mut worker = behind(&bench, &network, QUICK);
    worker.ready().await;
    let job = bench.client.send(waiter()).await;
    waits(&worker.id).await;
    let silent = Instant::now();
    network.change(|now| now.silences += 1);
    for role in ["consume", "publish"] {
        let lost = [("role", role), ("cause", "lost")];
        worker.until_at_least("tester_worker_reconnects_total", &lost, 1.0).await;
    }
    let found_out = silent.elapsed();
    println!("found out after {found_out:?}");
    // Half a second is the page's own, and the machine's.
    assert!(found_out <= Duration::from_secs(2 * HEARTBEAT_SECONDS) + Duration::from_millis(1500), "{found_out:?}");
    worker.ready().await;
    worker.until_at_least("tester_worker_jobs_adopted_total", &[], 1.0).await;
    go_on(&worker.id).await;
    bench.one_result(&job, b"went on\n").await;
    bench.client.good_job_runs().await;
    bench.end_empty(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_stopped_for_longer_than_two_heartbeats_goes_on_with_its_job() {
    let bench = Bench::new("stopped", Keys::Token).await;
    let mut worker = Worker::spawn(&bench.setup("worker", Config { more: QUICK, ..Config::default() }));
    worker.ready().await;
    let job = bench.client.send(waiter()).await;
    waits(&worker.id).await;
    worker.signal(Signal::SIGSTOP);
    until("the broker has given the worker up", async || (bench.client.depth(JOBS).await == 1).then_some(())).await;
    // The program ends while nobody listens.
    go_on(&worker.id).await;
    worker.signal(Signal::SIGCONT);
    bench.one_result(&job, b"went on\n").await;
    worker.ready().await;
    worker.alive().await;
    let ran = worker.metric("tester_worker_stage_seconds_count", &[("stage", "run")]).await;
    assert!((0.5..1.5).contains(&ran), "it ran once: {ran}");
    bench.client.good_job_runs().await;
    bench.end_empty(worker).await;
}

/// A worker that is cut off cannot know that its jobs are somebody else's by now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_cut_off_starts_nothing_that_waits_and_its_late_result_comes_second() {
    let bench = Bench::new("cutoff", Keys::Token).await;
    let client = &bench.client;
    let classes =
        "[[broker.classes]]\nname = \"default\"\nweight = 1\n[[broker.classes]]\nname = \"bulk\"\nweight = 1\n";
    let more = format!("{QUICK}{classes}");
    let network = Network::to(&authority()).await;
    let mut first = behind(&bench, &network, &more);
    first.ready().await;
    let running = client.send(waiter()).await;
    waits(&first.id).await;
    let waiting = client.sign(python("print('once')"));
    client.publish_to("bulk", &waiting.body, properties(&waiting)).await;
    until("the second job waits", async || (first.status().await["waiting"] == 1).then_some(())).await;

    network.change(|now| now.dark = true);
    let mut second =
        Worker::spawn(&bench.setup("second", Config { more: &more, slots: 2, python_warm: 2, ..Config::default() }));
    second.ready().await;
    second.until_at_least("tester_worker_jobs_received_total", &[], 2.0).await;
    assert_eq!(client.result(&waiting).await.outcome.worker, second.id);
    go_on(&second.id).await;
    let accepted = client.result(&running).await.outcome;
    assert_eq!((accepted.worker.as_str(), accepted.run.status.as_str()), (second.id.as_str(), "ok"));

    // The broker may give a worker up sooner than the worker finds out; until then it may start what waits.
    first.until_at_least("tester_worker_reconnects_total", &[("role", "consume"), ("cause", "lost")], 1.0).await;
    // The first one ends its job in the dark. Its slot is free, and the waiting job is not its own any more.
    go_on(&first.id).await;
    first.until_said(&format!("Job `{}` ended: ok", running.key.id)).await;
    first.until_said("a job was not started: its delivery is no longer ours").await;
    first.alive().await;
    network.change(|now| now.dark = false);
    let id = running.key.id.to_string();
    let both = client.messages(&id, 2).await;
    let late = client.verified(&both[1].data, &running).outcome;
    assert_eq!((late.worker.as_str(), late.run.status.as_str()), (first.id.as_str(), "ok"), "valid, and second");
    first.until_at_least("tester_worker_deliveries_settled_total", &[("outcome", "stale")], 1.0).await;
    first.ready().await;
    let ran = first.metric("tester_worker_stage_seconds_count", &[("stage", "run")]).await;
    assert!((0.5..1.5).contains(&ran), "it ran the one that it had begun: {ran}");
    second.stop().await;
    client.good_job_runs().await;
    let of_waiting = waiting.key.id.to_string();
    let copies = client.inbox().iter().filter(|message| message_id(message) == Some(&of_waiting)).count();
    assert_eq!(copies, 1, "the job that waited was answered once");
    bench.end_empty(first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_network_costs_time_and_nothing_else() {
    const JOBS_SENT: usize = 20;
    let bench = Bench::new("slow", Keys::Token).await;
    let network = Network::to(&authority()).await;
    let url = bench.vhost.url_at(&network.authority());
    let mut setup =
        bench.setup_by("worker", Config { more: QUICK, slots: 2, python_warm: 2, ..Config::default() }, &url);
    setup.variables.push(("TESTER_WORKER__WORKER__STALLED_SECONDS".to_owned(), "5".to_owned()));
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    network.change(|now| now.delay = Duration::from_millis(200));
    let mut jobs = Vec::new();
    for n in 0..JOBS_SENT {
        jobs.push(bench.client.send(python(&format!("print({n})"))).await);
    }
    for (n, job) in jobs.iter().enumerate() {
        bench.one_result(job, format!("{n}\n").as_bytes()).await;
        worker.alive().await;
    }
    assert_eq!(bench.client.inbox().len(), JOBS_SENT, "each was published once");
    let lost = worker.metric("tester_worker_reconnects_total", &[]).await;
    assert!(lost < 0.5, "heartbeats come in time: {lost}");
    worker.ready().await;
    bench.end_empty(worker).await;
}
