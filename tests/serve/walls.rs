//! Walls that a worker's own attack finds missing: it takes no job, says why, and begins when they stand.

use super::docker_proxy::DockerProxy;
use super::support::bench::{Bench, Config, Keys};
use super::support::client::python;
use super::support::http;
use super::support::worker::Worker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_sandboxes_have_a_network_takes_no_job_and_says_why_until_they_have_none() {
    let bench = Bench::new("walls", Keys::Token).await;
    let proxy = DockerProxy::new(bench.folder.path(), |container| {
        container["HostConfig"]["NetworkMode"] = "bridge".into();
        container["NetworkDisabled"] = false.into();
    });
    let more = format!("[docker]\nhost = {:?}\n", proxy.host());
    let mut worker = Worker::spawn(&bench.setup("worker", Config { more: &more, ..Config::default() }));
    let said = worker.not_ready("walls", "the wall `network` does not hold").await;
    assert_eq!(said.status, 503);
    let reason = said.reason("walls").expect("a reason");
    assert!(
        reason.contains("the profile `") && reason.contains("eth0") && reason.contains("docker.runtime"),
        "{reason}"
    );
    assert_eq!(said.reason("docker"), None, "Docker itself is well: {said:?}");
    // Connected, and yet it takes nothing.
    worker.until_metric("tester_worker_amqp_connected", &[], 2.0).await;
    worker.not_ready("broker_consume", "consuming is paused").await;
    let job = bench.client.send(python("print('behind walls')")).await;
    // Another attack fails meanwhile: the pauses are short at first.
    worker.until_attacked(2).await;
    assert_eq!(bench.client.depth("tester.jobs.default").await, 1, "the job waits in its queue");
    assert!(
        worker.metric("tester_worker_containers_total", &[("event", "created")]).await < 0.5,
        "no sandbox was made"
    );

    proxy.set(false);
    worker.ready().await;
    assert_eq!(bench.client.result(&job).await.outcome.run.stdout.content.as_bytes(), b"behind walls\n");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profiles_of_one_image_and_blueprint_share_one_attack_and_a_pool_that_keeps_nothing_warm_has_it_too() {
    let bench = Bench::new("shared", Keys::Token).await;
    // `pytest` keeps none warm, and differs from `python` in its times only.
    let worker = bench.worker(Config::default()).await;
    worker.until_attacked(1).await;
    assert_eq!(worker.attacks(), 1);
    let ready = http::ready(worker.port).await.expect("the sidecar answers");
    assert_eq!(ready.reason("walls"), None);
    bench.end(worker).await;
}
