//! Declaring and checking.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use tester_worker::broker::{Cause, Role};
use tester_worker::config::model;
use tester_worker::ports::conditions::Part;

use crate::support::{Bench, rabbitmqctl, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn declaring_again_changes_nothing_and_checking_finds_it() {
    let mut bench = Bench::new("idempotent").await;
    bench.start().await.stop().await;
    bench.start().await.stop().await;
    bench.settings.topology = model::Topology::Check;
    bench.start().await.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_another_width_is_the_same_argument() {
    let bench = Bench::new("width").await;
    let names = &bench.settings.names;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(1_000_000));
    arguments.insert("x-max-length-bytes".into(), AMQPValue::LongInt(1 << 30));
    bench
        .channel()
        .await
        .queue_declare(names.dead().as_str().into(), QueueDeclareOptions::durable(), arguments)
        .await
        .expect("declare as another client would");
    bench.start().await.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_and_an_exchange_that_differ_are_both_named_with_what_to_do() {
    let bench = Bench::new("differs").await;
    let names = bench.settings.names.clone();
    let channel = bench.channel().await;
    let queue = names.dead();
    channel
        .queue_declare(queue.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await
        .expect("declare a classic queue");
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel
        .exchange_declare(names.control().as_str().into(), lapin::ExchangeKind::Topic, options, FieldTable::default())
        .await
        .expect("declare a topic exchange");
    let running = bench.start_unready();
    let reason = running.not_ready(Part::BrokerConsume, "exists with other properties").await;
    assert!(reason.contains(&format!("queue `{queue}`")) && reason.contains("inequivalent arg"), "{reason}");
    assert!(reason.contains(&format!("rabbitmqctl delete_queue {queue}")), "{reason}");
    assert!(reason.contains(&format!("exchange `{}`", names.control())), "{reason}");
    assert!(running.counter.causes(Role::Consume).contains(&Cause::Topology));
    // It is mended while the worker runs.
    bench.delete_queue(&queue).await;
    bench.delete_exchange(&names.control()).await;
    running.ready(Part::BrokerConsume).await;
    running.ready(Part::BrokerPublish).await;
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_declares_nothing_and_names_all_that_is_missing() {
    let mut bench = Bench::new("check").await;
    bench.settings.topology = model::Topology::Check;
    let running = bench.start_unready();
    let reason = running.not_ready(Part::BrokerConsume, "does not exist").await;
    let names = bench.settings.names.clone();
    for name in [names.jobs(), names.dead(), names.unrouted(), names.control(), names.class_queue("default")] {
        assert!(reason.contains(&format!("`{name}` does not exist")), "{name}: {reason}");
    }
    // Somebody declares it.
    bench.settings.topology = model::Topology::Declare;
    bench.start().await.stop().await;
    running.ready(Part::BrokerConsume).await;
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_expires_goes_by_itself_with_what_is_in_it_once_nobody_consumes() {
    let mut bench = Bench::new("expires").await;
    bench.settings = bench.settings.with_queues_expiring(Duration::from_secs(1));
    let mut running = bench.start().await;
    bench.send_job("default", "1", b"a job").await;
    // Given back when the worker ends, as a worker that is killed would.
    let delivered = running.delivery().await;
    running.stop().await;
    drop(delivered);
    let queue = bench.settings.names.class_queue("default");
    // To declare it again, even passively, would begin its time anew.
    until("RabbitMQ has removed the queue", async || {
        let queues = rabbitmqctl(&["list_queues", "-p", "/", "name"]).await;
        assert!(queues.contains(&bench.settings.names.dead()), "the others stay: {queues}");
        (!queues.lines().any(|name| name == queue)).then_some(())
    })
    .await;
    assert_eq!(bench.depth(&bench.settings.names.dead()).await, 0);
    bench.clean().await;
}
