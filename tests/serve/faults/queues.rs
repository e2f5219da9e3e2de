//! Queues and exchanges that are missing, of another kind, full, or taken away.

use std::collections::BTreeSet;

use lapin::options::{
    BasicPublishOptions, ExchangeDeclareOptions, ExchangeDeleteOptions, QueueBindOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, ExchangeKind};
use tester_worker::protocol::job_writer::JobDraft;

use super::super::support::bench::{Bench, Config, Keys};
use super::super::support::client::{REPLY_TO, properties, python, waiter};
use super::super::support::docker::{go_on, waits};
use super::super::support::until;
use super::super::support::worker::Worker;

const JOBS: &str = "tester.jobs.default";
const DEAD: &str = "tester.dead";
const ACKNOWLEDGED: [(&str, &str); 2] = [("kind", "ack"), ("outcome", "sent")];

/// Declares a durable queue with these arguments.
async fn declare(channel: &Channel, queue: &str, arguments: &[(&str, AMQPValue)]) {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert((*name).into(), value.clone());
    }
    channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), table).await.expect("declare a queue");
}

async fn delete(channel: &Channel, queue: &str) {
    channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.expect("delete a queue");
}

fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_queue_of_another_kind_is_named_at_the_start_and_mended_without_a_restart() {
    let bench = Bench::new("kind", Keys::Token).await;
    let channel = bench.client.new_channel().await;
    declare(&channel, JOBS, &[("x-queue-type", text("classic"))]).await;
    let mut worker = Worker::spawn(&bench.setup("worker", Config::default()));
    for part in ["broker_consume", "broker_publish"] {
        let said = worker.not_ready(part, "exists with other properties").await;
        let reason = said.reason(part).expect("a reason");
        assert!(reason.contains(&format!("rabbitmqctl delete_queue {JOBS}")), "{reason}");
    }
    worker.alive().await;
    delete(&channel, JOBS).await;
    worker.ready().await;
    bench.client.good_job_runs().await;
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_queue_that_is_deleted_under_a_running_job_is_consumed_again_once_it_is_back() {
    let bench = Bench::new("deleted", Keys::Token).await;
    // Some other worker declares, and this one only checks: nobody makes the queue anew but the test.
    bench.worker(Config::default()).await.stop().await;
    let mut setup = bench.setup("checking", Config::default());
    setup.variables.push(("TESTER_WORKER__BROKER__TOPOLOGY".to_owned(), "check".to_owned()));
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    let job = bench.client.send(waiter()).await;
    waits(&worker.id).await;
    let channel = bench.client.new_channel().await;
    delete(&channel, JOBS).await;
    let said = worker.not_ready("broker_consume", &format!("queue `{JOBS}` does not exist")).await;
    assert_eq!((said.status, said.reason("broker_publish")), (503, None), "{said:?}");
    // The job is nobody's now, but its program runs, and its sender waits.
    go_on(&worker.id).await;
    let outcome = bench.client.result(&job).await.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", &b"went on\n"[..]));
    worker.alive().await;
    declare(&channel, JOBS, &[("x-queue-type", text("quorum"))]).await;
    let options = QueueBindOptions { nowait: false };
    let bound = channel.queue_bind(JOBS.into(), "tester.jobs".into(), "default".into(), options, FieldTable::default());
    bound.await.expect("bind the queue");
    worker.ready().await;
    bench.client.good_job_runs().await;
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_reply_queue_gets_its_result_once_it_has_room_and_not_before_is_the_job_acknowledged() {
    let bench = Bench::new("full", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let channel = client.new_channel().await;
    let full = "results.full";
    let refuses = [("x-max-length", AMQPValue::LongInt(1)), ("x-overflow", text("reject-publish"))];
    declare(&channel, full, &refuses).await;
    let filler = channel.basic_publish(
        "".into(),
        full.into(),
        BasicPublishOptions::default(),
        b"filler",
        BasicProperties::default(),
    );
    drop(filler.await.expect("publish"));
    until("the reply queue is full", async || (client.depth(full).await == 1).then_some(())).await;
    let job = client.sign(JobDraft { reply_to: full.to_owned(), ..python("print('kept')") });
    client.publish(&job.body, properties(&job).with_reply_to(full.into())).await;
    worker.until_at_least("tester_worker_publishes_total", &[("outcome", "not_confirmed")], 3.0).await;
    worker.until_metric("tester_worker_deliveries_settled_total", &ACKNOWLEDGED, 0.0).await;
    assert_eq!(client.depth(JOBS).await, 0, "it is the worker's");

    assert_eq!(client.take(full).await.expect("the filler").data, b"filler");
    let result = until("the result is there", async || client.take(full).await).await;
    assert_eq!(client.verified(&result.data, &job).outcome.run.stdout.content.as_bytes(), b"kept\n");
    worker.until_metric("tester_worker_deliveries_settled_total", &ACKNOWLEDGED, 1.0).await;
    client.good_job_runs().await;
    assert_eq!(client.depth(full).await, 0, "once");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_queue_that_refuses_or_is_gone_loses_nothing_that_should_go_there() {
    let bench = Bench::new("refuses", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    // By a policy, as an operator would, and while the worker works.
    let limit = r#"{"max-length":1,"overflow":"reject-publish"}"#;
    let vhost = bench.vhost.name.clone();
    bench.vhost.rabbitmqctl(&["set_policy", "-p", &vhost, "small", "^tester\\.dead$", limit, "--apply-to", "queues"]);
    let refused = async || worker.metric("tester_worker_publishes_total", &[("outcome", "not_confirmed")]).await;
    // A quorum queue takes a few more than it should before it refuses.
    let mut sent: u32 = 0;
    until("the dead queue refuses", async || {
        if refused().await >= 2.0 {
            return Some(());
        }
        if client.depth(JOBS).await == 0 {
            client.publish(format!("rubbish {sent}").as_bytes(), BasicProperties::default()).await;
            sent += 1;
        }
        None
    })
    .await;
    let dead = client.depth(DEAD).await;
    assert!(dead < sent, "{dead} of {sent} are there");
    bench.vhost.rabbitmqctl(&["clear_policy", "-p", &vhost, "small"]);
    let mut bodies = BTreeSet::new();
    until("all are dead", async || {
        // What was refused may be there all the same, and then again.
        bodies.extend(client.take(DEAD).await.map(|message| message.data));
        (bodies.len() == sent as usize).then_some(())
    })
    .await;
    worker.until_metric("tester_worker_deliveries_settled_total", &ACKNOWLEDGED, f64::from(sent)).await;

    // Gone altogether: the worker declares it anew, and then the message is there.
    delete(&client.new_channel().await, DEAD).await;
    client.publish(b"rubbish again", BasicProperties::default()).await;
    worker.until_metric("tester_worker_deliveries_settled_total", &ACKNOWLEDGED, f64::from(sent + 1)).await;
    assert_eq!(client.take(DEAD).await.expect("the message").data, b"rubbish again");
    client.good_job_runs().await;
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_results_exchange_that_is_taken_away_gets_its_results_once_it_is_back() {
    let bench = Bench::new("exchange", Keys::Token).await;
    let client = &bench.client;
    let channel = client.new_channel().await;
    let make = async || {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let made = channel.exchange_declare("results".into(), ExchangeKind::Direct, options, FieldTable::default());
        made.await.expect("declare an exchange");
        let options = QueueBindOptions { nowait: false };
        let bound =
            channel.queue_bind(REPLY_TO.into(), "results".into(), REPLY_TO.into(), options, FieldTable::default());
        bound.await.expect("bind the reply queue");
    };
    make().await;
    let mut setup = bench.setup("worker", Config::default());
    setup.variables.push(("TESTER_WORKER__BROKER__RESULTS_EXCHANGE".to_owned(), "results".to_owned()));
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    client.good_job_runs().await;
    let job = client.send(waiter()).await;
    waits(&worker.id).await;
    let taken = channel.exchange_delete("results".into(), ExchangeDeleteOptions::default());
    taken.await.expect("delete the exchange");
    go_on(&worker.id).await;
    worker.not_ready("broker_publish", "exchange `results` does not exist").await;
    worker.alive().await;
    make().await;
    bench.one_result(&job, b"went on\n").await;
    assert_eq!(client.messages(&job.key.id.to_string(), 1).await.len(), 1, "once");
    worker.ready().await;
    client.good_job_runs().await;
    assert_eq!(client.depth("tester.unrouted").await, 0, "nothing was parked");
    bench.end(worker).await;
}
