//! Networks that carry nothing and close nothing.

use std::time::Duration;

use tester_worker::broker::{Cause, Role};
use tester_worker::domain::settlement::PublishEnd;
use tester_worker::ports::conditions::Part;
use tester_worker::ports::messages::{Address, Disposition, Publisher as _, Settled};

use crate::proxy::Proxy;
use crate::support::{Bench, PATIENCE, Running, message, settings, settle, until};

async fn behind(proxy: &Proxy, test: &str) -> Bench {
    let mut bench = Bench::new(test).await;
    bench.settings = settings(&bench.prefix, &[proxy.url()]);
    bench
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_that_is_not_confirmed_in_time_is_repeated_on_a_new_connection() {
    let proxy = Proxy::start().await;
    let mut bench = behind(&proxy, "confirm").await;
    bench.settings.timeouts.confirm = Duration::from_millis(500);
    bench.settings.timeouts.call = Duration::from_secs(1);
    let running = bench.start().await;
    proxy.fall_silent();
    let result = message(Address::Dead, b"x");
    assert_eq!(running.publisher.publish(&result).await, PublishEnd::NotConfirmed);
    running.connected(Role::Publish, 2).await;
    assert_eq!(running.counter.causes(Role::Publish), [Cause::ConfirmTimeout]);
    assert_eq!(running.publisher.publish(&result).await, PublishEnd::Confirmed);
    running.stop().await;
    bench.until_depth(&bench.settings.names.dead(), 1).await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_network_is_found_out_by_its_heartbeat() {
    let proxy = Proxy::start().await;
    let mut bench = behind(&proxy, "heartbeat").await;
    bench.settings.heartbeat_seconds = 1;
    let mut running = bench.start().await;
    bench.send_job("default", "job-1", b"x").await;
    let lost = running.delivery().await;
    proxy.fall_silent();
    until("the delivery is known to be lost", async || (!lost.acknowledger.usable()).then_some(())).await;
    assert_eq!(lost.acknowledger.settle(Disposition::Acknowledge).await, Settled::Stale);
    let again = running.delivery().await;
    assert_eq!(again.attempt, 2);
    settle(again, Disposition::Acknowledge).await;
    assert_eq!(running.counter.causes(Role::Consume), [Cause::Heartbeat]);
    running.ready(Part::BrokerConsume).await;
    running.ready(Part::BrokerPublish).await;
    running.stop().await;
    bench.until_depth(&bench.settings.names.class_queue("default"), 0).await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_over_a_silent_network_takes_no_longer_than_its_limits() {
    let proxy = Proxy::start().await;
    let bench = behind(&proxy, "stop").await;
    let mut limited = bench.settings.clone();
    limited.timeouts.call = Duration::from_millis(200);
    limited.timeouts.close = Duration::from_millis(200);
    bench.start().await.stop().await;
    let running = Running::start(limited);
    running.ready(Part::BrokerConsume).await;
    running.ready(Part::BrokerPublish).await;
    proxy.fall_silent();
    let before = tokio::time::Instant::now();
    running.stop().await;
    assert!(before.elapsed() < PATIENCE / 8, "{:?}", before.elapsed());
    bench.clean().await;
}
