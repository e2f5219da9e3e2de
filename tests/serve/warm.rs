//! Nothing is created or started on a job's way: Docker's own events say so.

use super::support::bench::{Bench, Config, Keys};
use super::support::client::python;
use super::support::{docker, nanos_now, until};

/// Prints when its process began, in nanoseconds since 1970, rounded down to the kernel's hundredth of a second. What it
/// asks the clocks for is the difference between them, so it does not matter how late it asks.
const BIRTH: &str = "import time
ticks = int(open('/proc/self/stat').read().rsplit(')', 1)[1].split()[19])
print(ticks * 10_000_000 + time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_container_is_created_or_started_between_a_jobs_delivery_and_its_programs_start() {
    let bench = Bench::new("events", Keys::Token).await;
    let worker = bench.worker(Config { python_warm: 1, ..Config::default() }).await;
    for round in 1..=3 {
        until("the pool is full and at rest", async || {
            let page = worker.page("/metrics").await;
            let pool = |state| {
                super::support::http::sample(&page, "tester_worker_pool", &[("profile", "python"), ("state", state)])
            };
            (pool("warm") > 0.5 && pool("starting") < 0.5 && pool("leased") < 0.5).then_some(())
        })
        .await;
        // Before the delivery, which comes after the publish.
        let sent_at = nanos_now();
        let result = bench.client.run(python(BIRTH)).await;
        assert_eq!(result.outcome.run.status.as_str(), "ok", "{:?}", result.outcome.run);
        let born_at: u64 =
            String::from_utf8_lossy(result.outcome.run.stdout.content.as_bytes()).trim().parse().expect("a time");
        assert!(sent_at < born_at + 10_000_000 && born_at < nanos_now(), "{sent_at} {born_at}: one clock for all");

        // The sandbox that was used up is replaced: that this is seen shows that the events are ours.
        let expected = f64::from(round + 1);
        worker.until_metric("tester_worker_containers_total", &[("event", "created")], expected).await;
        let events = docker::events(&worker.id, sent_at, nanos_now()).await;
        let made: Vec<_> = events.iter().filter(|event| event.action == "create" || event.action == "start").collect();
        assert!(made.iter().any(|event| event.action == "create"), "{events:?}");
        assert!(made.iter().any(|event| event.action == "start"), "{events:?}");
        for event in &made {
            assert!(
                event.nanos >= born_at,
                "{} came {} us before the program",
                event.action,
                (born_at - event.nanos) / 1000
            );
        }
        let timings = result.outcome.timings;
        let way = timings.leased_seconds.expect("a lease") + timings.started_seconds.expect("a start");
        println!("round {round}: from delivery to the program's start {:.1} ms", way * 1000.0);
    }
    bench.end(worker).await;
}
