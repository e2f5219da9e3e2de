//! Lost connections, closed channels, deleted queues, and the gate.

use tester_worker::broker::{Cause, Gate, Role};
use tester_worker::domain::settlement::PublishEnd;
use tester_worker::ports::conditions::Part;
use tester_worker::ports::messages::{Address, Disposition, Publisher as _, Settled};

use crate::raw_publisher;
use crate::support::{Bench, message, rabbitmqctl, settle, until};

/// Ends the connections of one role of this test's worker, as an operator or a restart would.
async fn cut(bench: &Bench, role: Role) {
    let name = format!("tester-worker {} {}", bench.prefix, role.as_str());
    let pids = until(&format!("{name} is listed"), async || {
        let listed = rabbitmqctl(&["list_connections", "--no-table-headers", "pid", "client_properties"]).await;
        let pids: Vec<String> = listed
            .lines()
            .filter_map(|line| line.split_once('\t'))
            .filter(|(_, properties)| properties.contains(&name))
            .map(|(pid, _)| pid.to_owned())
            .collect();
        (!pids.is_empty()).then_some(pids)
    })
    .await;
    for pid in pids {
        rabbitmqctl(&["close_connection", &pid, "cut by a test"]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_consume_connection_makes_its_deliveries_stale_and_comes_back() {
    let bench = Bench::new("cutconsume").await;
    let mut running = bench.start().await;
    bench.send_job("default", "job-1", b"x").await;
    let first = running.delivery().await;
    cut(&bench, Role::Consume).await;
    until("the delivery is known to be lost", async || (!first.acknowledger.usable()).then_some(())).await;
    assert_eq!(first.acknowledger.settle(Disposition::Acknowledge).await, Settled::Stale);
    let again = running.delivery().await;
    assert_eq!(again.properties.message_id.as_deref(), Some("job-1"));
    assert_eq!(again.attempt, 2);
    settle(again, Disposition::Acknowledge).await;
    running.ready(Part::BrokerConsume).await;
    assert_eq!(running.counter.connected(Role::Consume), 2);
    assert_eq!(running.counter.causes(Role::Consume), [Cause::ConnectionLost]);
    assert_eq!(running.counter.connected(Role::Publish), 1, "the publish connection was not touched");
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_publish_connection_does_not_touch_the_deliveries() {
    let bench = Bench::new("cutpublish").await;
    let mut running = bench.start().await;
    bench.send_job("default", "job-1", b"x").await;
    let delivered = running.delivery().await;
    cut(&bench, Role::Publish).await;
    running.connected(Role::Publish, 2).await;
    assert_eq!(running.publisher.publish(&message(Address::Dead, b"x")).await, PublishEnd::Confirmed);
    assert_eq!(running.counter.causes(Role::Publish), [Cause::ConnectionLost]);
    assert_eq!(running.counter.connected(Role::Consume), 1);
    assert!(delivered.acknowledger.usable());
    settle(delivered, Disposition::Acknowledge).await;
    running.stop().await;
    bench.until_depth(&bench.settings.names.class_queue("default"), 0).await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_go_on_while_their_connection_is_cut_again_and_again() {
    let bench = Bench::new("cutloop").await;
    let running = bench.start().await;
    let publisher = running.publisher.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let publishing = async move {
        let mut confirmed = 0_u32;
        while stopped.try_recv().is_err() {
            // What was not confirmed is repeated, as the pipeline does.
            if publisher.publish(&message(Address::Dead, b"x")).await == PublishEnd::Confirmed {
                confirmed += 1;
            }
        }
        confirmed
    };
    let cutting = async {
        for _ in 0..3 {
            let before = running.counter.connected(Role::Publish);
            cut(&bench, Role::Publish).await;
            running.connected(Role::Publish, before + 1).await;
        }
        stop.send(()).expect("the publisher runs");
    };
    let (confirmed, ()) = tokio::join!(publishing, cutting);
    assert!(confirmed > 0);
    until("what was confirmed is there", async || {
        (bench.depth(&bench.settings.names.dead()).await >= confirmed).then_some(())
    })
    .await;
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_queue_is_noticed_and_declared_anew() {
    let bench = Bench::new("noqueue").await;
    let mut running = bench.start().await;
    bench.delete_queue(&bench.settings.names.class_queue("default")).await;
    running.connected(Role::Consume, 2).await;
    assert_eq!(running.counter.causes(Role::Consume), [Cause::ConsumerEnded]);
    running.ready(Part::BrokerConsume).await;
    bench.send_job("default", "job-1", b"x").await;
    settle(running.delivery().await, Disposition::Acknowledge).await;
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_gate_stops_deliveries_and_keeps_the_running_ones() {
    let bench = Bench::new("gate").await;
    let queue = bench.settings.names.class_queue("default");
    let mut running = bench.start().await;
    bench.send_job("default", "job-1", b"x").await;
    let held = running.delivery().await;
    running.gate.send(Gate::Closed { reason: "Docker is away" }).expect("the adapter listens");
    running.not_ready(Part::BrokerConsume, "Docker is away").await;
    bench.send_job("default", "job-2", b"x").await;
    bench.until_depth(&queue, 1).await;
    assert!(running.deliveries.try_recv().is_err());
    // Given back while nothing consumes: it stays in the queue, and counts once.
    assert!(held.acknowledger.usable());
    settle(held, Disposition::Requeue).await;
    bench.until_depth(&queue, 2).await;
    running.gate.send(Gate::Open).expect("the adapter listens");
    running.ready(Part::BrokerConsume).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let delivered = running.delivery().await;
        seen.push((delivered.properties.message_id.clone(), delivered.attempt));
        settle(delivered, Disposition::Acknowledge).await;
    }
    seen.sort();
    assert_eq!(seen, [(Some("job-1".to_owned()), 2), (Some("job-2".to_owned()), 1)]);
    assert_eq!(running.counter.connected(Role::Consume), 1, "all on one connection");
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_starts_with_its_gate_closed_takes_nothing() {
    let bench = Bench::new("gateclosed").await;
    let mut running = bench.start_unready();
    running.gate.send(Gate::Closed { reason: "starting" }).expect("the adapter listens");
    running.connected(Role::Consume, 1).await;
    running.not_ready(Part::BrokerConsume, "consuming is paused: starting").await;
    // A consumer that ran for a moment before the gate closed has been cancelled.
    let queue = bench.settings.names.class_queue("default");
    until("nothing consumes", async || (bench.consumers(&queue).await == 0).then_some(())).await;
    bench.send_job("default", "job-1", b"x").await;
    bench.until_depth(&queue, 1).await;
    assert!(running.deliveries.try_recv().is_err());
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_memory_alarm_holds_publishes_back_and_acknowledgements_flow() {
    let bench = Bench::new("alarm").await;
    let mut running = bench.start().await;
    bench.send_job("default", "job-1", b"x").await;
    let delivered = running.delivery().await;
    rabbitmqctl(&["set_vm_memory_high_watermark", "absolute", "1"]).await;
    let publisher = running.publisher.clone();
    let held = message(Address::Dead, b"held back");
    let publishing = async { publisher.publish(&held).await };
    let alarm = async {
        running.not_ready(Part::BrokerPublish, "holds publishes back").await;
        settle(delivered, Disposition::Acknowledge).await;
        rabbitmqctl(&["set_vm_memory_high_watermark", "0.4"]).await;
    };
    let (end, ()) = tokio::join!(publishing, alarm);
    assert_eq!(end, PublishEnd::Confirmed);
    running.ready(Part::BrokerPublish).await;
    assert_eq!(running.counter.blocked(), [true, false]);
    assert_eq!(running.counter.connected(Role::Publish), 1, "nothing was repeated on a new connection");
    bench.until_depth(&bench.settings.names.dead(), 1).await;
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_above_the_brokers_maximum_is_not_confirmed_and_breaks_nothing() {
    let bench = Bench::new("toolarge").await;
    // A channel reads it once, when it is opened: RabbitMQ 3.10 from the environment, 4.0 from a term that it makes of it at its start.
    let get = "application:get_env(rabbit, max_message_size, none).";
    let default: u32 = rabbitmqctl(&["eval", get]).await.trim().parse().unwrap();
    let set = |bytes: u32| {
        format!(
            "application:set_env(rabbit, max_message_size, {bytes}), persistent_term:put(max_message_size, {bytes})."
        )
    };
    rabbitmqctl(&["eval", &set(1_000_000)]).await;
    let running = bench.start().await;
    let large = message(Address::Dead, &vec![b'x'; 1_000_001]);
    let end = running.publisher.publish(&large).await;
    rabbitmqctl(&["eval", &set(default)]).await;
    assert_eq!(end, PublishEnd::NotConfirmed);
    assert_eq!(running.publisher.publish(&message(Address::Dead, b"small")).await, PublishEnd::Confirmed);
    bench.until_depth(&bench.settings.names.dead(), 1).await;
    running.stop().await;
    bench.clean().await;
}

/// Either message would end the client library's connection, or the whole process, at each worker in turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn properties_that_nobody_can_read_stop_nobody() {
    let bench = Bench::new("hostile").await;
    let mut running = bench.start().await;
    let jobs = bench.settings.names.jobs();
    raw_publisher::publish(&jobs, "default", 0x0080, &[2, 0xff, 0xfe], b"not UTF-8").await;
    raw_publisher::publish(&jobs, "default", 0x2000, &raw_publisher::nested_table(20_000), b"nested").await;
    for body in [&b"not UTF-8"[..], b"nested"] {
        let delivered = running.delivery().await;
        assert_eq!(&delivered.body[..], body);
        assert_eq!(delivered.properties.message_id.as_deref(), Some("tester-unreadable-properties"));
        settle(delivered, Disposition::Acknowledge).await;
    }
    assert_eq!(running.counter.connected(Role::Consume), 1);
    running.stop().await;
    bench.clean().await;
}
