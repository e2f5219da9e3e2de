//! What `submit`, `dead` and `doctor` use.

use std::time::Duration;

use bytes::Bytes;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use tester_worker::broker::client::{ReplyQueue, Submission, SubmitError, Submitter};
use tester_worker::broker::dead::{DeadQueue, Which};
use tester_worker::broker::doctor;
use tester_worker::config::model;
use tester_worker::domain::settlement::PublishEnd;
use tester_worker::ports::messages::{Address, Disposition, Outbound, Publisher as _};

use crate::support::{Bench, PATIENCE, message, rabbitmqctl, settings, settle, url};

fn job(class: &str, id: &str) -> Submission {
    Submission {
        class: class.to_owned(),
        body: Bytes::from_static(b"job"),
        message_id: id.to_owned(),
        correlation_id: Some("c-1".to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_submitted_job_is_answered() {
    let bench = Bench::new("submit").await;
    let mut running = bench.start().await;
    let mut submitter = Submitter::connect(bench.settings.clone(), ReplyQueue::Own).await.expect("connect");
    for id in ["job-1", "job-2"] {
        submitter.submit(&job("default", id)).await.expect("submit");
        let delivered = running.delivery().await;
        let properties = delivered.properties.clone();
        assert_eq!(properties.message_id.as_deref(), Some(id));
        assert_eq!(properties.correlation_id.as_deref(), Some("c-1"));
        assert_eq!(properties.content_type.as_deref(), Some("application/jwt"));
        assert_eq!(properties.reply_to.as_deref(), Some(submitter.reply_to()));
        let result = Outbound {
            message_id: Some(id.to_owned()),
            ..message(Address::ReplyQueue(properties.reply_to.expect("a reply queue")), id.as_bytes())
        };
        assert_eq!(running.publisher.publish(&result).await, PublishEnd::Confirmed);
        settle(delivered, Disposition::Acknowledge).await;
    }
    // The one that came first is kept while the other is waited for.
    assert_eq!(&submitter.wait("job-2", PATIENCE).await.expect("a result").body[..], b"job-2");
    let reply = submitter.wait("job-1", PATIENCE).await.expect("a result");
    assert_eq!((&reply.body[..], reply.kind.as_deref()), (&b"job-1"[..], Some("result")));
    let late = submitter.wait("job-3", Duration::from_millis(50)).await.expect_err("nobody answers");
    assert!(matches!(late, SubmitError::NoResult { .. }), "{late}");
    let nobody = submitter.submit(&job("gpu", "job-4")).await.expect_err("no such class");
    assert!(nobody.to_string().contains("no worker has declared class `gpu`"), "{nobody}");
    let own = submitter.reply_to().to_owned();
    submitter.close().await;
    let gone = message(Address::ReplyQueue(own), b"late");
    assert_eq!(running.publisher.publish(&gone).await, PublishEnd::Unroutable, "the queue went with its submitter");
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_reply_queue_keeps_what_is_not_looked_for() {
    let bench = Bench::new("named").await;
    let running = bench.start().await;
    let queue = bench.queue("results").await;
    for id in ["other", "mine"] {
        let address = Address::ReplyQueue(queue.clone());
        let result = Outbound { message_id: Some(id.to_owned()), ..message(address, id.as_bytes()) };
        assert_eq!(running.publisher.publish(&result).await, PublishEnd::Confirmed);
    }
    let named = ReplyQueue::Named(queue.clone());
    let mut submitter = Submitter::connect(bench.settings.clone(), named).await.expect("connect");
    assert_eq!(&submitter.wait("mine", PATIENCE).await.expect("a result").body[..], b"mine");
    submitter.close().await;
    bench.until_depth(&queue, 1).await;
    assert_eq!(bench.take(&queue).await.expect("the other one").data, b"other");
    let missing = ReplyQueue::Named(format!("{queue}.none"));
    let error = Submitter::connect(bench.settings.clone(), missing).await.expect_err("no such queue");
    assert!(error.to_string().contains("NOT_FOUND"), "{error}");
    running.stop().await;
    bench.delete_queue(&queue).await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_for_a_broker_without_workers_says_so() {
    let bench = Bench::new("noworkers").await;
    let mut submitter = Submitter::connect(bench.settings.clone(), ReplyQueue::Own).await.expect("connect");
    let error = submitter.submit(&job("default", "job-1")).await.expect_err("no exchange");
    assert!(error.to_string().contains("no worker has ever been connected"), "{error}");
    submitter.close().await;
}

/// A dead letter as the pipeline writes it.
fn dead_letter(bench: &Bench, id: &str, key: &str) -> Outbound {
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Outbound {
        message_id: Some(id.to_owned()),
        headers: vec![
            header("x-tester-reason", "bad_signature"),
            header("x-tester-detail", "the signature is not the key's"),
            header("x-tester-worker", "worker-1"),
            header("x-tester-exchange", &bench.settings.names.jobs()),
            header("x-tester-routing-key", key),
        ],
        ..message(Address::Dead, id.as_bytes())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_shown_requeued_and_dropped() {
    let bench = Bench::new("dead").await;
    let running = bench.start().await;
    for (id, key) in [("a", "default"), ("b", "default"), ("c", "nowhere"), ("d", "default")] {
        assert_eq!(running.publisher.publish(&dead_letter(&bench, id, key)).await, PublishEnd::Confirmed);
    }
    running.stop().await;
    let queue = bench.settings.names.dead();
    let dead = DeadQueue::connect(bench.settings.clone()).await.expect("connect");
    let ids = |letters: &[tester_worker::broker::dead::DeadLetter]| -> Vec<String> {
        letters.iter().map(|letter| letter.message_id.clone().expect("an id")).collect()
    };
    // Looking changes nothing, not even the order.
    for _ in 0..2 {
        bench.until_depth(&queue, 4).await;
        assert_eq!(ids(&dead.list(10).await.expect("list")), ["a", "b", "c", "d"]);
    }
    bench.until_depth(&queue, 4).await;
    let listed = dead.list(10).await.expect("list");
    assert_eq!(listed[0].reason.as_deref(), Some("bad_signature"));
    assert_eq!(listed[0].detail.as_deref(), Some("the signature is not the key's"));
    assert_eq!(listed[0].worker.as_deref(), Some("worker-1"));
    assert_eq!(listed[0].routing_key.as_deref(), Some("default"));
    assert!(listed[0].died_at.is_some());
    bench.until_depth(&queue, 4).await;
    let (letter, body) = dead.show(&Which::Position(2)).await.expect("show").expect("the second");
    assert_eq!((letter.message_id.as_deref(), &body[..]), (Some("b"), &b"b"[..]));
    bench.until_depth(&queue, 4).await;
    assert_eq!(dead.show(&Which::MessageId("x".to_owned())).await.expect("show"), None);
    bench.until_depth(&queue, 4).await;
    // The queue has turned meanwhile; a body is found wherever it lies.
    let by_body = Which::Body(listed[3].body_sha256.chars().take(12).collect());
    let (letter, body) = dead.show(&by_body).await.expect("show").expect("the fourth");
    assert_eq!((letter.message_id.as_deref(), &body[..]), (Some("d"), &b"d"[..]));
    bench.until_depth(&queue, 4).await;
    assert_eq!(dead.list(2).await.expect("list").len(), 2);
    bench.until_depth(&queue, 4).await;
    assert_eq!(ids(&dead.requeue(&Which::MessageId("b".to_owned())).await.expect("requeue").done), ["b"]);
    bench.until_depth(&queue, 3).await;
    assert_eq!(ids(&dead.discard(&Which::MessageId("a".to_owned())).await.expect("drop")), ["a"]);
    bench.until_depth(&queue, 2).await;
    let rest = dead.requeue(&Which::All).await.expect("requeue");
    assert_eq!(ids(&rest.done), ["d"]);
    assert_eq!(rest.kept.len(), 1);
    assert!(rest.kept[0].1.contains("no queue takes it"), "{}", rest.kept[0].1);
    bench.until_depth(&queue, 1).await;
    assert_eq!(dead.count().await.expect("count"), 1);
    assert_eq!(ids(&dead.discard(&Which::All).await.expect("drop")), ["c"]);
    dead.close().await;
    let jobs = bench.settings.names.class_queue("default");
    for id in ["b", "d"] {
        let job = bench.take(&jobs).await.expect("a job again");
        assert_eq!(job.data, id.as_bytes());
        assert_eq!(job.properties.message_id().as_ref().map(ToString::to_string).as_deref(), Some(id));
        assert!(job.properties.headers().iter().flatten().all(|(name, _)| !name.as_str().starts_with("x-tester-")));
    }
    bench.until_depth(&queue, 0).await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_origin_makes_nobody_publish_elsewhere() {
    let bench = Bench::new("forged").await;
    bench.start().await.stop().await;
    let victim = bench.queue("victim").await;
    let mut headers = FieldTable::default();
    headers.insert("x-tester-exchange".into(), AMQPValue::LongString("".into()));
    headers.insert("x-tester-routing-key".into(), AMQPValue::LongString(victim.as_str().into()));
    let properties = BasicProperties::default().with_headers(headers);
    bench.send(&bench.settings.names.dead(), "", properties, b"forged").await;
    bench.send(&bench.settings.names.dead(), "", BasicProperties::default(), b"bare").await;
    let dead = DeadQueue::connect(bench.settings.clone()).await.expect("connect");
    let requeued = dead.requeue(&Which::All).await.expect("requeue");
    assert_eq!(requeued.done, []);
    let reasons: Vec<&str> = requeued.kept.iter().map(|(_, reason)| reason.as_str()).collect();
    assert!(reasons[0].contains("which is not for jobs") && reasons[1].contains("does not say"), "{reasons:?}");
    dead.close().await;
    assert_eq!(bench.depth(&victim).await, 0);
    bench.until_depth(&bench.settings.names.dead(), 2).await;
    bench.delete_queue(&victim).await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_is_content_with_a_broker_that_works() {
    let bench = Bench::new("doctor").await;
    bench.start().await.stop().await;
    let report = doctor::probe(&bench.settings).await;
    assert!(report.healthy(), "{report:#?}");
    assert!(report.checks[0].found.contains("RabbitMQ "), "{report:#?}");
    for queue in [bench.settings.names.dead(), bench.settings.names.unrouted()] {
        assert_eq!(bench.depth(&queue).await, 0, "nothing was published");
    }
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_names_what_is_missing_and_what_is_not_allowed() {
    let mut bench = Bench::new("sick").await;
    bench.settings.topology = model::Topology::Check;
    let report = doctor::probe(&bench.settings).await;
    assert!(!report.healthy());
    let missing = report.checks.iter().filter(|check| !check.good).count();
    assert_eq!(missing, 7, "four exchanges and three queues: {report:#?}");
    bench.settings.topology = model::Topology::Declare;
    bench.start().await.stop().await;
    // A user who may read and nothing else.
    let user = bench.prefix.clone();
    rabbitmqctl(&["add_user", &user, "pass"]).await;
    rabbitmqctl(&["set_permissions", "-p", "/", &user, "^$", "^$", ".*"]).await;
    let mut limited = settings(&bench.prefix, &[url().replace("guest:guest@", &format!("{user}:pass@"))]);
    limited.names = bench.settings.names.clone();
    let report = doctor::probe(&limited).await;
    rabbitmqctl(&["delete_user", &user]).await;
    let refused: Vec<&str> =
        report.checks.iter().filter(|check| !check.good).map(|check| check.subject.as_str()).collect();
    let expected = [
        "permission to declare".to_owned(),
        "permission to publish to the default exchange".to_owned(),
        format!("permission to publish to `{}`", bench.settings.names.dead()),
        format!("permission to publish to `{}`", bench.settings.names.unrouted()),
        "permission to hear control messages".to_owned(),
    ];
    assert_eq!(refused, expected, "{report:#?}");
    assert!(report.checks.iter().filter(|check| !check.good).all(|check| check.hint.is_some()));
    bench.clean().await;
}
