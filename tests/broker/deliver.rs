//! Deliveries and publishes against a real RabbitMQ.

use tester_worker::domain::settlement::PublishEnd;
use tester_worker::ports::messages::{Address, Disposition, Publisher as _};

use crate::support::{Bench, message, settle, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_delivered_and_acknowledged() {
    let bench = Bench::new("ack").await;
    let mut running = bench.start().await;
    bench.send_job("default", "job-1", &[0, 159, 146, 150]).await;
    let delivered = running.delivery().await;
    assert_eq!(&delivered.body[..], [0, 159, 146, 150]);
    assert_eq!(delivered.class, "default");
    assert_eq!(delivered.exchange, bench.settings.names.jobs());
    assert_eq!(delivered.routing_key, "default");
    assert_eq!(delivered.properties.message_id.as_deref(), Some("job-1"));
    assert_eq!(delivered.attempt, 1);
    assert!(delivered.acknowledger.usable());
    settle(delivered, Disposition::Acknowledge).await;
    running.stop().await;
    // Nothing came back when the connection ended.
    bench.until_depth(&bench.settings.names.class_queue("default"), 0).await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_given_back_comes_again_with_the_next_attempt() {
    let bench = Bench::new("requeue").await;
    let mut running = bench.start().await;
    bench.send_job("default", "job-1", b"x").await;
    for (attempt, disposition) in
        [(1, Disposition::Requeue), (2, Disposition::RejectToQueue), (3, Disposition::Acknowledge)]
    {
        let delivered = running.delivery().await;
        assert_eq!(delivered.attempt, attempt);
        settle(delivered, disposition).await;
    }
    running.stop().await;
    bench.until_depth(&bench.settings.names.class_queue("default"), 0).await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_class_has_as_many_deliveries_as_there_are_slots() {
    let mut bench = Bench::new("prefetch").await;
    bench.settings.classes = vec!["default".to_owned(), "gpu".to_owned()];
    let mut running = bench.start().await;
    for n in 0..5 {
        bench.send_job("default", &format!("d-{n}"), b"x").await;
        bench.send_job("gpu", &format!("g-{n}"), b"x").await;
    }
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(running.delivery().await);
    }
    let mut classes: Vec<&str> = held.iter().map(|delivered| delivered.class.as_str()).collect();
    classes.sort_unstable();
    assert_eq!(classes, ["default", "default", "gpu", "gpu"]);
    for class in ["default", "gpu"] {
        bench.until_depth(&bench.settings.names.class_queue(class), 3).await;
    }
    assert!(running.deliveries.try_recv().is_err(), "no delivery beyond the slots");
    let freed = held.pop().expect("four are held");
    let class = freed.class.clone();
    settle(freed, Disposition::Acknowledge).await;
    assert_eq!(running.delivery().await.class, class);
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_is_confirmed_only_when_a_queue_took_it() {
    let bench = Bench::new("publish").await;
    let running = bench.start().await;
    let queue = bench.queue("results").await;
    let mut good = message(Address::ReplyQueue(queue.clone()), b"result");
    good.correlation_id = Some("c-1".to_owned());
    good.headers = vec![("x-a".to_owned(), "1".to_owned())];
    assert_eq!(running.publisher.publish(&good).await, PublishEnd::Confirmed);
    let got = bench.take(&queue).await.expect("the result is there");
    assert_eq!(got.data, b"result");
    let properties = &got.properties;
    assert_eq!(properties.message_id().as_ref().map(ToString::to_string), good.message_id);
    assert_eq!(properties.correlation_id().as_ref().map(ToString::to_string), good.correlation_id);
    assert_eq!(*properties.delivery_mode(), Some(2));
    let nowhere = message(Address::ReplyQueue(format!("{queue}.none")), b"result");
    assert_eq!(running.publisher.publish(&nowhere).await, PublishEnd::Unroutable);
    for address in [Address::Dead, Address::Unrouted] {
        assert_eq!(running.publisher.publish(&message(address, b"kept")).await, PublishEnd::Confirmed);
    }
    bench.until_depth(&bench.settings.names.dead(), 1).await;
    bench.until_depth(&bench.settings.names.unrouted(), 1).await;
    let direct = message(Address::DirectReply("amq.rabbitmq.reply-to.gone".to_owned()), b"late");
    assert_eq!(running.publisher.publish(&direct).await, PublishEnd::Confirmed);
    running.stop().await;
    bench.delete_queue(&queue).await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishes_at_once_each_learn_their_own_end() {
    let bench = Bench::new("mixed").await;
    let running = bench.start().await;
    // A quorum queue confirms late, an unroutable message at once: the returns come between other confirmations.
    let taken = bench.settings.names.dead();
    let publishes = (0..400).map(|n| {
        let publisher = running.publisher.clone();
        let (address, expected) = if n % 3 == 0 {
            (Address::ReplyQueue(format!("{taken}.none")), PublishEnd::Unroutable)
        } else {
            (Address::Dead, PublishEnd::Confirmed)
        };
        async move { (publisher.publish(&message(address, b"x")).await, expected) }
    });
    for (end, expected) in futures_util::future::join_all(publishes).await {
        assert_eq!(end, expected);
    }
    let confirmed = u32::try_from((0..400).filter(|n| n % 3 != 0).count()).expect("few");
    bench.until_depth(&taken, confirmed).await;
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_exchange_costs_one_publish_and_is_declared_anew() {
    let bench = Bench::new("noexchange").await;
    let running = bench.start().await;
    bench.delete_exchange(&bench.settings.names.unrouted()).await;
    let lost = message(Address::Unrouted, b"kept");
    assert_eq!(running.publisher.publish(&lost).await, PublishEnd::NotConfirmed);
    assert_eq!(running.publisher.publish(&message(Address::Dead, b"kept")).await, PublishEnd::Confirmed);
    until("the exchange is back", async || {
        (running.publisher.publish(&lost).await == PublishEnd::Confirmed).then_some(())
    })
    .await;
    assert_eq!(running.counter.connected(tester_worker::broker::Role::Publish), 1, "the connection stayed");
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_of_one_name_both_consume_and_are_told_apart() {
    let bench = Bench::new("samename").await;
    let (mut first, mut second) = (bench.start().await, bench.start().await);
    let queue = bench.settings.names.class_queue("default");
    until("both consume", async || (bench.consumers(&queue).await == 2).then_some(())).await;
    // As many as both can hold: each has its share.
    for n in 0..4 {
        bench.send_job("default", &format!("job-{n}"), b"x").await;
    }
    for running in [&mut first, &mut second] {
        for _ in 0..2 {
            settle(running.delivery().await, Disposition::Acknowledge).await;
        }
    }
    for running in [first, second] {
        assert_eq!(running.counter.connected(tester_worker::broker::Role::Consume), 1, "nobody was thrown out");
        running.stop().await;
    }
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_in_a_queue_is_told() {
    let mut bench = Bench::new("waiting").await;
    bench.settings.timeouts.look = std::time::Duration::from_millis(100);
    let mut running = bench.start().await;
    for n in 0..5 {
        bench.send_job("default", &format!("job-{n}"), b"x").await;
    }
    until("three wait, for two are here", async || (running.counter.waiting("default") == Some(3)).then_some(())).await;
    for _ in 0..5 {
        settle(running.delivery().await, Disposition::Acknowledge).await;
    }
    until("none waits", async || (running.counter.waiting("default") == Some(0)).then_some(())).await;
    running.stop().await;
    bench.clean().await;
}
