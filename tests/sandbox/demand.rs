//! A pool that follows demand.

use std::time::Duration;

use tester_worker::domain::verdict::Status;
use tester_worker::ports::conditions::Conditions;
use tester_worker::sandbox::Sandboxes;
use tester_worker::telemetry::metrics::Metrics;

use crate::docker;
use crate::job::Job;

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
