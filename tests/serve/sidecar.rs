//! The sidecar of a worker at work.

use std::collections::BTreeSet;

use super::support::bench::{Bench, Config, Keys};
use super::support::{http, until};

/// The first column of the first table of docs/metrics.md.
fn documented() -> BTreeSet<String> {
    let page = include_str!("../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `tester_worker_"));
    rows.filter_map(|rest| rest.split_once('`')).map(|(name, _)| format!("tester_worker_{name}")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_says_what_the_documents_promise() {
    let bench = Bench::new("sidecar", Keys::Token).await;
    let worker = bench.worker(Config { slots: 2, ..Config::default() }).await;
    bench.client.good_job_runs().await;

    let page = worker.page("/metrics").await;
    let families: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next().map(str::to_owned)).collect();
    let promised = documented();
    assert!(promised.len() > 20, "{promised:?}");
    for name in &promised {
        // OpenMetrics names the family of a counter and of an info without its suffix.
        let family = ["_total", "_info"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        assert!(families.contains(family), "{name} is documented and not served");
        let sample = |line: &str| line.starts_with(name.as_str());
        assert!(page.lines().any(sample), "{name} has no sample");
    }
    assert_eq!(families.len(), promised.len(), "what is served is documented: {families:?}");
    assert!(page.ends_with("# EOF\n"), "an OpenMetrics page ends so");
    assert!(http::sample(&page, "tester_worker_amqp_connected", &[]) > 1.5);

    // The job has its slot until RabbitMQ has confirmed the result, which its sender may have before.
    let status = until("the job is acknowledged", async || {
        let status = worker.status().await;
        (status["running"] == 0).then_some(status)
    })
    .await;
    assert_eq!(status["worker"], worker.id.as_str());
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status["slots"], &status["running"], &status["waiting"]), (&2.into(), &0.into(), &0.into()));
    for part in ["broker_consume", "broker_publish", "docker", "image", "walls", "accepting"] {
        assert_eq!(status["parts"][part], "ready", "{status}");
    }
    let digest = status["profiles"]["python"]["image_digest"].as_str().expect("a digest");
    assert!(digest.starts_with("sha256:"), "{digest}");

    assert_eq!(http::get(worker.port, "/livez").await, Some((200, "{\"live\":true}".to_owned())));
    assert_eq!(http::get(worker.port, "/nothing").await.map(|(status, _)| status), Some(404));
    let health = super::support::worker::command(&[])
        .arg("health")
        .env("TESTER_WORKER__SIDECAR__LISTEN", format!("127.0.0.1:{}", worker.port))
        .output()
        .await
        .expect("run health");
    assert_eq!(health.status.code(), Some(0), "{health:?}");
    bench.end(worker).await;
}
