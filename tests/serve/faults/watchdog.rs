//! What `/livez` is for: a worker that should work and does not. A broker, or something before it, forgets it: everything
//! is answered, and no delivery comes. Or a loop of its own is stuck.

use super::super::network::Network;
use super::super::support::bench::{Bench, Config, Keys};
use super::super::support::client::python;
use super::super::support::http;
use super::super::support::until;
use super::super::support::vhost::authority;
use super::super::support::worker::{Worker, remove_sandboxes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_is_sent_nothing_while_jobs_wait_connects_anew_and_then_says_that_it_is_stuck() {
    let bench = Bench::new("starved", Keys::Token).await;
    let network = Network::to(&authority()).await;
    let url = bench.vhost.url_at(&network.authority());
    let mut setup = bench.setup_by("worker", Config::default(), &url);
    // RabbitMQ before 4.3 counts a delivery that got lost with its connection.
    for (name, value) in [("STALLED_SECONDS", "5"), ("ATTEMPTS_MAX", "20")] {
        setup.variables.push((format!("TESTER_WORKER__WORKER__{name}"), value.to_owned()));
    }
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    bench.client.good_job_runs().await;
    network.change(|now| now.swallows = true);
    // One is swallowed on its way, for the worker has one slot; the other waits.
    let jobs = [bench.client.send(python("print(1)")).await, bench.client.send(python("print(2)")).await];
    worker.until_metric("tester_worker_queue_waiting", &[("class", "default")], 1.0).await;
    let starved = [("role", "consume"), ("cause", "starved")];
    worker.until_at_least("tester_worker_reconnects_total", &starved, 1.0).await;
    let (status, body) = http::get(worker.port, "/livez").await.expect("the sidecar answers");
    assert_eq!(status, 200, "the next connection may mend it: {body}");
    let body = until("/livez says no", async || {
        let (status, body) = http::get(worker.port, "/livez").await?;
        (status == 503).then_some(body)
    })
    .await;
    assert!(body.contains("jobs wait, and 2 connections in a row brought none"), "{body}");
    assert!(worker.log().contains("the worker is stuck: "), "it is in the log too");
    assert!(bench.client.inbox().len() == 1, "nothing was delivered");

    // Whatever it was is over: the next connection brings the jobs, and all is well without a restart.
    network.change(|now| now.swallows = false);
    for (job, stdout) in jobs.iter().zip([b"1\n", b"2\n"]) {
        bench.one_result(job, stdout).await;
    }
    until("/livez says yes", async || {
        let (status, _) = http::get(worker.port, "/livez").await?;
        (status == 200).then_some(())
    })
    .await;
    worker.ready().await;
    bench.end_empty(worker).await;
}

/// The thread that dispatches goes no further, as in a lock that nobody opens; everything else of the worker works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_dispatcher_is_stuck_says_so_and_another_one_has_its_jobs_once_it_is_killed() {
    let bench = Bench::new("stuck", Keys::Token).await;
    let mut setup = bench.setup("worker", Config::default());
    for (name, value) in
        [("TESTER_WORKER__WORKER__STALLED_SECONDS", "5"), ("TESTER_WORKER_TEST_CRASH", "before_verify:2:hang")]
    {
        setup.variables.push((name.to_owned(), value.to_owned()));
    }
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    bench.client.good_job_runs().await;
    worker.alive().await;
    let job = bench.client.send(python("print('at last')")).await;
    let body = until("/livez says no", async || {
        let (status, body) = http::get(worker.port, "/livez").await?;
        (status == 503).then_some(body)
    })
    .await;
    assert!(body.contains("the dispatcher has stood still for "), "{body}");
    // Readiness does not know: the broker and Docker are well, which is why there is a watchdog.
    worker.ready().await;
    worker.kill().await;
    let id = setup.id.clone();
    let next = Worker::spawn(&bench.setup("next", Config::default()));
    bench.one_result(&job, b"at last\n").await;
    bench.end_empty(next).await;
    remove_sandboxes(&id);
}
