//! A pool that follows demand.

use std::time::Duration;

use tester_worker::domain::verdict::Status;
use tester_worker::ports::conditions::Conditions;
use tester_worker::sandbox::{Sandboxes, Size};
use tester_worker::telemetry::metrics::Metrics;
use tokio_util::sync::CancellationToken;

use crate::docker;
use crate::job::Job;

/// Bytes of a MiB.
const MIB: u64 = 1_048_576;

/// Jobs at once.
const BURST: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_burst_as_many_are_ready_as_it_needed_and_no_more_than_the_bound() {
    let job = Job::python("print(1)");
    for (extra_max, expected) in [(0, 1), (1, 2), (5, BURST)] {
        let mut config = job.config.clone();
        (config.worker.slots, config.pool.extra_max) = (BURST, extra_max);
        config.profiles.retain(|name, _| name == "python");
        config.profiles.get_mut("python").unwrap().warm = 1;
        let metrics = Metrics::new(&config);
        let sandboxes = Sandboxes::start_unproved(&config, "demand", &Conditions::default(), &metrics);
        let warm = |sandboxes: &Sandboxes| sandboxes.status()[0].1.warm;
        // A job that came earlier would wait too, and be counted.
        docker::wait_until("the pool is filled", || warm(&sandboxes) == 1);
        let burst = futures_util::future::join_all((0..BURST).map(|_| job.execute_in(&sandboxes)));
        assert!(burst.await.iter().all(|run| run.status == Status::Ok));
        docker::wait_until("the pool is as large as the burst", || warm(&sandboxes) == expected);
        // And stays so.
        assert_eq!(job.execute_in(&sandboxes).await.status, Status::Ok);
        docker::wait_until("the pool is filled again", || warm(&sandboxes) == expected);
        sandboxes.stop(Duration::from_secs(30)).await;
        job.leaves_nothing();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_that_is_enough_is_refilled_behind_a_short_job_and_beside_a_long_one() {
    let job = Job::python("import time; time.sleep(float(input()))");
    let mut config = job.config.clone();
    config.pool.extra_max = 0;
    config.profiles.retain(|name, _| name == "python");
    config.profiles.get_mut("python").unwrap().warm = 4;
    let metrics = Metrics::new(&config);
    let sandboxes = Sandboxes::start_unproved(&config, "refill", &Conditions::default(), &metrics);
    let warm = || sandboxes.status()[0].1.warm;
    let starting = || !metrics.encode().unwrap().contains("{profile=\"python\",state=\"starting\"} 0\n");
    // Looks again and again while the job runs: whether it had its sandbox, and whether one was being made.
    let run = async |seconds: &str, enough: &dyn Fn(bool, bool) -> bool| {
        docker::wait_until("the pool is filled", || warm() == 4 && !starting());
        let (job, cancel, mut seen) = (job.clone().stdin(seconds), CancellationToken::new(), (false, false));
        let mut running = std::pin::pin!(job.execution_until(&sandboxes, cancel.clone()));
        let mut period = tokio::time::interval(Duration::from_millis(5));
        loop {
            tokio::select! {
                execution = &mut running => return (execution.run.status, seen),
                _ = period.tick() => {
                    seen = (seen.0 || warm() == 3, seen.1 || starting());
                    if enough(seen.0, warm() == 4) {
                        cancel.cancel();
                    }
                }
            }
        }
    };
    let (status, (had, made)) = run("0.5", &|_, _| false).await;
    assert_eq!((status, had, made), (Status::Ok, true, false), "nothing is made beside it");
    let (status, (_, made)) = run("25", &|had, full| had && full).await;
    assert_eq!((status, made), (Status::Cancelled, true), "it went on while the pool was filled");
    docker::wait_until("the pool is filled again", || warm() == 4);
    sandboxes.stop(Duration::from_secs(30)).await;
    job.leaves_nothing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_are_kept_as_the_hosts_memory_has_room_for() {
    let job = Job::python("print(1)");
    let mut config = job.config.clone();
    (config.worker.slots, config.pool.extra_max) = (BURST, 5);
    config.profiles.retain(|name, _| name == "python");
    // The jobs may ask for all of the host's memory but what one more sandbox takes.
    let host: u64 = docker::docker(&["info", "--format", "{{.MemTotal}}"]).trim().parse().unwrap();
    let slots = u64::try_from(BURST).unwrap();
    let size = |config: &mut tester_worker::config::model::Config, job_mib: u64| {
        let python = config.profiles.get_mut("python").unwrap();
        (python.warm, python.limits_max.memory_bytes) = (1, Some(job_mib * MIB));
        Size::of(config)
    };
    let around = size(&mut config, 1024).with_extras_mib(1) - slots * 1024;
    let size = size(&mut config, (host / MIB - around) / slots);
    assert_eq!(size.extras_within(host / MIB, 5), Some(1));
    let metrics = Metrics::new(&config);
    let sandboxes = Sandboxes::start(&config, "room", &Conditions::default(), &metrics);
    let count = |sandboxes: &Sandboxes| sandboxes.status()[0].1;
    docker::wait_until("the pool is filled", || count(&sandboxes).warm == 1);
    docker::wait_until("the host's memory is known", || {
        metrics.encode().unwrap().contains("tester_worker_pool_extra_max 1\n")
    });
    let burst = futures_util::future::join_all((0..BURST).map(|_| job.execute_in(&sandboxes)));
    assert!(burst.await.iter().all(|run| run.status == Status::Ok));
    docker::wait_until("the pool is as large as the host lets it be", || count(&sandboxes).warm == 2);
    assert_eq!(count(&sandboxes).wanted, 2);
    assert!(metrics.encode().unwrap().contains("tester_worker_pool_wanted{profile=\"python\"} 2\n"));
    sandboxes.stop(Duration::from_secs(30)).await;
    job.leaves_nothing();
}
