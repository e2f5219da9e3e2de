//! A worker that can open nothing more: no connection to Docker, none to the sidecar.

use tokio::process::Command;
use tokio::time::Instant;

use super::super::support::bench::{Bench, Config, Keys};
use super::super::support::client::python;
use super::super::support::until;
use super::super::support::worker::Worker;

const HEARTBEAT_SECONDS: u64 = 2;
const JOBS: &str = "tester.jobs.default";

/// How many files a process may have open from now on; it keeps what it has.
async fn allow(worker: &Worker, files: usize) {
    let arguments = [format!("--pid={}", worker.pid()), format!("--nofile={files}:")];
    let set = Command::new("prlimit").args(arguments).output().await.expect("start prlimit");
    assert!(set.status.success(), "{set:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_without_a_descriptor_left_keeps_its_connections_and_goes_on_when_there_are_some() {
    let bench = Bench::new("files", Keys::Token).await;
    let more = "[broker]\nheartbeat_seconds = 2\n";
    let mut setup = bench.setup("worker", Config { more, ..Config::default() });
    // A job that finds no sandbox is given back, and RabbitMQ before 4.3 counts that.
    setup.variables.push(("TESTER_WORKER__WORKER__ATTEMPTS_MAX".to_owned(), "100".to_owned()));
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    bench.client.good_job_runs().await;
    // Fewer than it has: every new one is refused.
    allow(&worker, 3).await;
    // One of them may have the warm sandbox. There is none for the others, and so they are not taken.
    let paused = "consuming is paused: no sandbox can be made";
    let before = worker.log().matches(paused).count();
    let mut jobs = Vec::new();
    for n in 0..3 {
        jobs.push(bench.client.send(python(&format!("print({n})"))).await);
    }
    until("consuming is paused", async || (worker.log().matches(paused).count() > before).then_some(())).await;
    until("jobs wait in their queue", async || (bench.client.depth(JOBS).await >= 2).then_some(())).await;
    let since = Instant::now();
    until("two heartbeats have passed", async || {
        worker.assert_runs();
        assert!(bench.client.depth(JOBS).await >= 2, "they wait on");
        (since.elapsed().as_secs() > 2 * HEARTBEAT_SECONDS).then_some(())
    })
    .await;
    allow(&worker, 1024).await;
    for (n, job) in jobs.iter().enumerate() {
        bench.one_result(job, format!("{n}\n").as_bytes()).await;
    }
    worker.ready().await;
    worker.alive().await;
    let lost = worker.metric("tester_worker_reconnects_total", &[]).await;
    assert!(lost < 0.5, "both connections to the broker stood: {lost}");
    bench.client.good_job_runs().await;
    bench.end_empty(worker).await;
}
