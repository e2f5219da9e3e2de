//! What is counted, and under which names.

use super::*;
use crate::config::{Environment, load_from};

fn metrics() -> Metrics {
    let environment = Environment { host_name: "host".to_owned(), ..Environment::default() };
    Metrics::new(&load_from(None, &environment).unwrap().config)
}

#[test]
fn every_metric_begins_with_our_name_and_is_there_from_the_start() {
    let page = metrics().encode().unwrap();
    let samples: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(samples.iter().all(|line| line.starts_with("tester_worker_")), "{page}");
    for sample in [
        r#"tester_worker_jobs_finished_total{profile="pytest",status="time_limit"} 0"#,
        r#"tester_worker_amqp_connected{role="publish"} 0"#,
        r#"tester_worker_jobs_dead_lettered_total{reason="bad_signature"} 0"#,
        r#"tester_worker_stage_seconds_bucket{le="0.001",stage="run"} 0"#,
    ] {
        assert!(samples.contains(&sample), "{sample} in {page}");
    }
    assert!(page.ends_with("# EOF\n"));
}

#[test]
fn what_is_counted_shows_and_names_from_outside_do_not() {
    let metrics = metrics();
    metrics.job_finished(Some("python"), Status::Ok);
    metrics.job_finished(Some("evil\"} 1"), Status::Rejected);
    metrics.job_received("nobody's");
    metrics.slots(1, 3);
    let page = metrics.encode().unwrap();
    for sample in [
        r#"tester_worker_jobs_finished_total{profile="python",status="ok"} 1"#,
        r#"tester_worker_jobs_finished_total{profile="other",status="rejected"} 1"#,
        r#"tester_worker_jobs_received_total{class="other"} 1"#,
        r#"tester_worker_slots{state="free"} 2"#,
    ] {
        assert!(page.lines().any(|line| line == sample), "{sample} in {page}");
    }
    assert!(!page.contains("evil"));
}
