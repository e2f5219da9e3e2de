//! A real Docker daemon that is stopped, killed, or out of space under the worker.

use std::io::Write as _;

use nix::sys::signal::Signal;
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::protocol::job_writer::JobDraft;

use super::support::bench::{Bench, Config, Keys};
use super::support::client::{python, sleeper};
use super::support::daemon::Daemon;
use super::support::until;
use super::support::worker::Worker;

/// A worker before this daemon.
fn beside(bench: &Bench, daemon: &Daemon) -> Worker {
    let more = format!("[docker]\nhost = {:?}\ntimeout_seconds = 5\n", daemon.host());
    let mut setup = bench.setup("worker", Config { more: &more, ..Config::default() });
    setup.variables.push(("TESTER_WORKER__WORKER__ATTEMPTS_MAX".to_owned(), "1000".to_owned()));
    Worker::spawn(&setup)
}

async fn ends_clean(worker: Worker, daemon: Daemon, bench: Bench) {
    let id = worker.id.clone();
    worker.stop().await;
    assert_eq!(daemon.containers(&id).await, "", "nothing is left there either");
    drop(daemon);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_is_restarted_or_killed_under_a_job_costs_it_an_attempt_and_nothing_else() {
    let bench = Bench::new("dockerd", Keys::Token).await;
    let mut daemon = Daemon::new(None).await;
    let mut worker = beside(&bench, &daemon);
    worker.ready().await;
    for (answered, signal) in [Signal::SIGTERM, Signal::SIGKILL].into_iter().enumerate() {
        let job = bench.client.send(sleeper(3.0)).await;
        worker.until_running(1).await;
        daemon.end(signal);
        worker.not_ready("docker", "cannot reach Docker").await;
        worker.not_ready("broker_consume", "no sandbox can be made").await;
        assert_eq!(bench.client.inbox().len(), answered, "nothing is said of a job whose sandbox is gone");
        daemon.start_again().await;
        let outcome = bench.client.result(&job).await.outcome;
        assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", &b"slept\n"[..]));
        assert!(outcome.attempt > 1, "{signal}: it was run again");
        worker.ready().await;
    }
    bench.client.good_job_runs().await;
    ends_clean(worker, daemon, bench).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_pauses_the_worker_until_there_is_room() {
    let bench = Bench::new("dockerd-full", Keys::Token).await;
    let daemon = Daemon::new(Some(400 << 20)).await;
    let mut worker = beside(&bench, &daemon);
    worker.ready().await;
    bench.client.good_job_runs().await;
    let filler = daemon.path("data/filler");
    let mut file = std::fs::File::create(&filler).expect("a file");
    // Until the disk says that it is full.
    while file.write_all(&[0; 4096]).is_ok() {}
    // A job that no warm sandbox fits: one must be made.
    let limits = LimitsPatch { scratch_bytes: Some(8_000_000), ..LimitsPatch::default() };
    let job = bench.client.send(JobDraft { limits, ..python("print('at last')") }).await;
    worker.not_ready("pool", "no space left on device").await;
    worker.not_ready("broker_consume", "no sandbox can be made").await;
    until("the job is back in its queue", async || {
        (bench.client.depth("tester.jobs.default").await == 1).then_some(())
    })
    .await;
    assert_eq!(bench.client.inbox().len(), 1, "it was not answered");
    drop(file);
    std::fs::remove_file(&filler).expect("make room");
    worker.ready().await;
    let outcome = bench.client.result(&job).await.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", &b"at last\n"[..]));
    ends_clean(worker, daemon, bench).await;
}
