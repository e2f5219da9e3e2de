//! Faults of a whole RabbitMQ node, which no other test may notice: each test has a node of its own.

use tokio::time::Instant;

use super::support::bench::{Bench, Config, Keys};
use super::support::client::waiter;
use super::support::docker::{go_on, waits};
use super::support::node::Node;
use super::support::until;
use super::support::worker::{Setup, Worker};

/// How long the worker may do nothing although it should, in seconds: less than any outage here.
const STALLED_SECONDS: u64 = 5;

/// A worker whose watchdog is as quick as it can be.
fn watched(bench: &Bench, config: Config<'_>) -> Setup {
    let mut setup = bench.setup("worker", config);
    setup.variables.push(("TESTER_WORKER__WORKER__STALLED_SECONDS".to_owned(), STALLED_SECONDS.to_string()));
    setup
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_restarted_or_killed_under_a_running_job_gets_one_result_of_it() {
    let node = Node::start().await;
    let mut bench = Bench::at(node.broker(), "outage", Keys::Token).await;
    let mut worker = Worker::spawn(&watched(&bench, Config::default()));
    worker.ready().await;
    bench.client.good_job_runs().await;
    for killed in [false, true] {
        let before = worker.metric("tester_worker_jobs_adopted_total", &[]).await;
        let job = bench.client.send(waiter()).await;
        waits(&worker.id).await;
        if killed {
            node.kill();
        } else {
            node.ctl(&["stop_app"]);
        }
        for part in ["broker_consume", "broker_publish"] {
            let said = worker.not_ready(part, "").await;
            assert_eq!((said.status, said.reason("docker")), (503, None), "{said:?}");
        }
        if killed {
            // Longer than the watchdog waits: the broker is away, and no restart of the worker would bring it back.
            let away = Instant::now();
            until("the outage outlasts the watchdog", async || {
                worker.alive().await;
                (away.elapsed().as_secs() > STALLED_SECONDS + 1).then_some(())
            })
            .await;
            node.run().await;
        } else {
            node.ctl(&["start_app"]);
        }
        let back = Instant::now();
        bench.reconnect().await;
        worker.ready().await;
        println!("killed: {killed}; consuming {:?} after the broker was back", back.elapsed());
        // The job is not over: its new delivery is kept with it.
        worker.until_at_least("tester_worker_jobs_adopted_total", &[], before + 1.0).await;
        go_on(&worker.id).await;
        bench.one_result(&job, b"went on\n").await;
        bench.client.good_job_runs().await;
    }
    worker.alive().await;
    bench.end_empty(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_a_memory_alarm_and_on_a_full_disk_running_jobs_finish_and_each_result_arrives_once() {
    let node = Node::start().await;
    let bench = Bench::at(node.broker(), "alarms", Keys::Token).await;
    let mut worker = Worker::spawn(&watched(&bench, Config::default()));
    worker.ready().await;
    bench.client.good_job_runs().await;
    let alarms = [
        (["set_vm_memory_high_watermark", "absolute", "1"], ["set_vm_memory_high_watermark", "0.6"]),
        (["set_disk_free_limit", "900000GB", ""], ["set_disk_free_limit", "50MB"]),
    ];
    for (raised, cleared) in alarms {
        let job = bench.client.send(waiter()).await;
        waits(&worker.id).await;
        let raise: Vec<&str> = raised.into_iter().filter(|word| !word.is_empty()).collect();
        node.ctl(&raise);
        let results = bench.client.inbox().len();
        go_on(&worker.id).await;
        let said = worker.not_ready("broker_publish", "RabbitMQ holds publishes back").await;
        assert_eq!(said.reason("broker_consume"), None, "deliveries and acknowledgements flow: {said:?}");
        let ended = format!("Job `{}` ended: ok", job.key.id);
        worker.until_said(&ended).await;
        worker.alive().await;
        assert_eq!(bench.client.inbox().len(), results, "the result waits");
        node.ctl(&cleared);
        bench.one_result(&job, b"went on\n").await;
        let id = job.key.id.to_string();
        assert_eq!(bench.client.messages(&id, 1).await.len(), 1, "it was published once");
        worker.ready().await;
        bench.client.good_job_runs().await;
    }
    let lost = worker.metric("tester_worker_reconnects_total", &[]).await;
    assert!(lost < 0.5, "no connection was given up for an alarm");
    bench.end_empty(worker).await;
}

/// The broker waits for less than it is said to: whoever runs it forgot to tell the worker.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_the_broker_closes_over_its_consumer_timeout_is_made_anew_and_the_job_is_kept() {
    let node = Node::start().await;
    // In milliseconds; a channel looks at them once, when it is opened.
    node.ctl(&["eval", "application:set_env(rabbit, consumer_timeout, 3000)."]);
    node.ctl(&["eval", "application:set_env(rabbit, channel_tick_interval, 1000)."]);
    let bench = Bench::at(node.broker(), "timeout", Keys::Token).await;
    let mut worker = Worker::spawn(&watched(&bench, Config::default()));
    worker.ready().await;
    let job = bench.client.send(waiter()).await;
    waits(&worker.id).await;
    let closed = [("role", "consume"), ("cause", "closed_by_broker")];
    worker.until_at_least("tester_worker_reconnects_total", &closed, 1.0).await;
    worker.until_at_least("tester_worker_jobs_adopted_total", &[], 1.0).await;
    let log = worker.log();
    assert!(log.contains("PRECONDITION_FAILED") && log.contains("timed out"), "the log has the broker's own words");
    assert_eq!(worker.status().await["running"], 1, "it runs once");
    let published = worker.metric("tester_worker_reconnects_total", &[("role", "publish")]).await;
    assert!(published < 0.5, "the publish connection was not touched");
    go_on(&worker.id).await;
    bench.one_result(&job, b"went on\n").await;
    worker.ready().await;
    bench.client.good_job_runs().await;
    bench.end_empty(worker).await;
}
