//! The control queue: there while the worker is, heard, and never in the way of jobs.

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use tester_worker::broker::operator::{Operator, OperatorError};
use tester_worker::config::model;
use tester_worker::ports::conditions::{Part, State};
use tester_worker::ports::messages::{Disposition, Settled};

use crate::support::{Bench, Running, until};

async fn listens(running: &Running) {
    until("control messages are heard", async || running.counter.listening().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_said_is_heard_by_every_worker_and_by_none_that_is_gone() {
    let bench = Bench::new("control").await;
    let mut first = bench.start().await;
    let mut other = bench.settings.clone();
    other.worker_id.push_str("-2");
    let mut second = Running::start(other);
    listens(&first).await;
    listens(&second).await;
    let operator = Operator::connect(&bench.settings).await.expect("connect");
    for text in ["one", "two"] {
        operator.say(text.as_bytes(), "id").await.expect("said");
        assert_eq!(first.control.recv().await.expect("heard"), text.as_bytes());
        assert_eq!(second.control.recv().await.expect("heard"), text.as_bytes());
    }
    first.stop().await;
    second.stop().await;
    until("both queues are gone", async || {
        matches!(operator.say(b"three", "id").await, Err(OperatorError::NobodyListens { .. })).then_some(())
    })
    .await;
    operator.close().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_cannot_listen_takes_jobs_and_listens_once_it_can() {
    let mut bench = Bench::new("deaf").await;
    bench.start().await.stop().await;
    // Another connection holds the queue of this very process, as a half-open one does for a while.
    let names = bench.settings.names.clone();
    let queue = names.control_queue(&bench.settings.worker_id, "0123456789ab");
    let holder = bench.channel().await;
    let exclusive = QueueDeclareOptions { exclusive: true, ..QueueDeclareOptions::default() };
    holder.queue_declare(queue.as_str().into(), exclusive, FieldTable::default()).await.expect("hold the queue");
    bench.settings.topology = model::Topology::Check;
    let mut running = bench.start().await;
    bench.send_job("default", "1", b"job").await;
    let delivered = running.deliveries.recv().await.expect("a job comes all the same");
    assert!(!running.counter.listening());
    assert_eq!(running.state(Part::BrokerConsume), State::Ready);
    assert_eq!(delivered.acknowledger.settle(Disposition::Acknowledge).await, Settled::Sent);
    holder.queue_delete(queue.as_str().into(), lapin::options::QueueDeleteOptions::default()).await.expect("let go");
    listens(&running).await;
    let operator = Operator::connect(&bench.settings).await.expect("connect");
    operator.say(b"late", "id").await.expect("said");
    assert_eq!(running.control.recv().await.expect("heard"), &b"late"[..]);
    operator.close().await;
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_is_told_that_nobody_is_there() {
    let bench = Bench::new("nobody").await;
    let operator = Operator::connect(&bench.settings).await.expect("connect");
    let exchange = bench.settings.names.control();
    let error = operator.say(b"x", "id").await.expect_err("no exchange");
    assert_eq!(error, OperatorError::NoExchange { exchange: exchange.clone() });
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let fanout = lapin::ExchangeKind::Fanout;
    let declared = bench.channel().await;
    declared.exchange_declare(exchange.as_str().into(), fanout, options, FieldTable::default()).await.expect("declare");
    let operator = Operator::connect(&bench.settings).await.expect("connect");
    let error = operator.say(b"x", "id").await.expect_err("no queue");
    assert_eq!(error, OperatorError::NobodyListens { exchange });
    operator.close().await;
    bench.clean().await;
}
