//! Three RabbitMQ nodes as one cluster, of which some die: the worker's queue is a quorum queue, and goes on elsewhere.

use std::fmt::Write as _;

use serde_json::json;
use tokio::time::Instant;

use super::support::bench::{Bench, Config, Keys};
use super::support::client::{python, sleeper, waiter};
use super::support::cluster::Cluster;
use super::support::docker::{go_on, waits};
use super::support::until;
use super::support::worker::{Setup, Worker};

/// The queue that jobs come from.
const JOBS: &str = "tester.jobs.default";

/// A worker that knows these nodes.
fn setup(bench: &Bench, cluster: &Cluster, nodes: &[u8]) -> Setup {
    let mut setup = bench.setup("worker", Config::default());
    let urls = nodes.iter().fold(String::new(), |mut urls, node| {
        writeln!(urls, "{}", bench.vhost.url_at(&cluster.node(*node).authority)).expect("write into a text");
        urls
    });
    let file = bench.path("urls");
    std::fs::write(&file, urls).expect("write the URLs");
    setup.variables.retain(|(name, _)| name != "TESTER_WORKER__BROKER__URLS");
    let file = file.to_str().expect("a path in UTF-8").to_owned();
    setup.variables.push(("TESTER_WORKER__BROKER__URLS_FILE".to_owned(), file));
    setup
}

/// One result of each job, whatever happened meanwhile; a second copy of it is the same.
async fn one_result(bench: &Bench, job: &tester_worker::protocol::job_writer::SignedJob, stdout: &[u8]) {
    let outcome = bench.client.result(job).await.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", stdout));
    let id = job.key.id.to_string();
    for copy in bench.client.inbox() {
        if super::support::client::message_id(&copy) == Some(&id) {
            let outcome = bench.client.verified(&copy.data, job).outcome;
            assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", stdout));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_loses_the_leader_of_the_queue_loses_no_job() {
    let cluster = Cluster::start().await;
    // The client stays on the first node. The worker declares its queue on one of the others: there is the leader.
    let bench = Bench::at(cluster.node(1), "leader", Keys::Token).await;
    let mut worker = Worker::spawn(&setup(&bench, &cluster, &[2, 3]));
    worker.ready().await;
    bench.client.good_job_runs().await;
    let leader = cluster.leader(1, &bench.vhost.name, JOBS).expect("the queue has a leader");
    assert_ne!(leader, 1, "the worker declared the queue where it is connected");

    let job = bench.client.send(sleeper(3.0)).await;
    worker.until_running(1).await;
    cluster.kill_node(leader);
    one_result(&bench, &job, b"slept\n").await;
    until("another node leads", async || cluster.leader(1, &bench.vhost.name, JOBS).filter(|now| *now != leader)).await;
    worker.ready().await;
    bench.client.good_job_runs().await;
    until("every job is acknowledged", async || {
        cluster.messages(1, &bench.vhost.name, JOBS).filter(|messages| *messages == 0)
    })
    .await;

    cluster.start_node(leader);
    until("the node is back", async || (cluster.leader(leader, &bench.vhost.name, JOBS).is_some()).then_some(())).await;
    bench.client.good_job_runs().await;
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_without_a_majority_is_said_to_be_away_and_its_return_loses_no_job() {
    let cluster = Cluster::start().await;
    let bench = Bench::at(cluster.node(1), "majority", Keys::Token).await;
    let mut worker = Worker::spawn(&setup(&bench, &cluster, &[2, 3]));
    worker.ready().await;
    let running = bench.client.send(sleeper(3.0)).await;
    worker.until_running(1).await;
    let waiting = bench.client.send(python("print('waited')")).await;

    cluster.kill_node(2);
    cluster.kill_node(3);
    let said = worker.not_ready("broker_consume", "").await;
    assert_eq!(said.status, 503);
    worker.not_ready("broker_publish", "").await;
    // The program runs on, and its result waits.
    until("the program ended", async || worker.log().contains("ended: ok").then_some(())).await;
    assert_eq!(worker.status().await["parts"]["docker"], json!("ready"));

    cluster.start_node(2);
    cluster.start_node(3);
    one_result(&bench, &running, b"slept\n").await;
    one_result(&bench, &waiting, b"waited\n").await;
    worker.ready().await;
    bench.client.good_job_runs().await;
    until("every job is acknowledged", async || {
        cluster.messages(1, &bench.vhost.name, JOBS).filter(|messages| *messages == 0)
    })
    .await;
    bench.end(worker).await;
}

/// The last node takes connections and answers what it can answer alone; jobs wait in it, and it can give none out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_at_the_last_node_of_a_cluster_is_not_said_to_be_stuck() {
    const STALLED_SECONDS: u64 = 5;
    let cluster = Cluster::start().await;
    let bench = Bench::at(cluster.node(1), "last", Keys::Token).await;
    let mut setup = setup(&bench, &cluster, &[1]);
    let stalled = ("TESTER_WORKER__WORKER__STALLED_SECONDS".to_owned(), STALLED_SECONDS.to_string());
    setup.variables.push(stalled);
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    assert_eq!(
        cluster.leader(1, &bench.vhost.name, JOBS),
        Some(1),
        "the worker declared the queue where it is connected"
    );
    let running = bench.client.send(waiter()).await;
    waits(&worker.id).await;
    let waiting = bench.client.send(python("print('waited')")).await;
    cluster.kill_node(2);
    cluster.kill_node(3);
    // The reply queue is on the last node alone, so the result arrives. Its acknowledgement needs a majority.
    go_on(&worker.id).await;
    let outcome = bench.client.result(&running).await.outcome;
    assert_eq!(outcome.run.stdout.content.as_bytes(), b"went on\n");
    worker.not_ready("broker_consume", "").await;
    let began = Instant::now();
    until("it would have been said to be stuck", async || {
        worker.alive().await;
        (began.elapsed().as_secs() > 3 * STALLED_SECONDS).then_some(())
    })
    .await;
    cluster.start_node(2);
    cluster.start_node(3);
    one_result(&bench, &waiting, b"waited\n").await;
    worker.ready().await;
    worker.alive().await;
    bench.end(worker).await;
}
