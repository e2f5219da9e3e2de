//! The main road: a signed job in, a signed result out.

use std::sync::Arc;

use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use tester_worker::broker::Settings;
use tester_worker::broker::client::{ReplyQueue, Submission, Submitter};
use tester_worker::config::{Environment, load_from};
use tester_worker::domain::content::Content;
use tester_worker::domain::outcome::{TestOutcome, TestsTrust};
use tester_worker::protocol::job_writer::JobDraft;
use tokio::time::timeout;

use super::support::PATIENCE;
use super::support::bench::{Bench, Config, Keys};
use super::support::client::{REPLY_TO, collect, draft, python};
use super::support::vhost::rabbitmqctl;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_job_comes_back_as_a_signed_result_of_itself() {
    let bench = Bench::new("hello", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;

    let job = client.send(python("import sys\nprint('hello')\nprint('aside', file=sys.stderr)\nsys.exit(3)")).await;
    let message = client.message(&job).await;
    let id = job.key.id.to_string();
    let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
    assert_eq!(text(message.properties.message_id()), Some(id.clone()));
    assert_eq!(text(message.properties.correlation_id()), Some(format!("c-{id}")));
    assert_eq!(text(message.properties.kind()).as_deref(), Some("result"));
    assert_eq!(text(message.properties.content_type()).as_deref(), Some("application/jwt"));
    assert_eq!(*message.properties.delivery_mode(), Some(2), "results outlive a restart of the broker");
    let result = client.verified(&message.data, &job);
    let outcome = &result.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.exit_code), ("runtime_error", Some(3)));
    assert_eq!(outcome.run.stdout.content.as_bytes(), b"hello\n");
    assert_eq!(outcome.run.stderr.content.as_bytes(), b"aside\n");
    assert_eq!((outcome.worker.as_str(), result.iss.as_str()), (worker.id.as_str(), worker.id.as_str()));
    assert_eq!((outcome.attempt, outcome.profile.as_deref()), (1, Some("python")));
    assert!(outcome.image_digest.as_ref().is_some_and(|digest| digest.starts_with("sha256:")), "{outcome:?}");

    let turn: &[u8] = b"def turn(data):\n    return bytes(reversed(data))\n";
    let main: &[u8] = b"import sys\nfrom turn import turn\nsys.stdout.buffer.write(turn(sys.stdin.buffer.read()))\n";
    let every_byte: Vec<u8> = (0..=255).collect();
    let stdin = Content::new(every_byte.clone());
    let two = JobDraft { stdin, ..draft("python", &[("main.py", main), ("turn.py", turn)]) };
    let outcome = client.run(two).await.outcome;
    assert_eq!(outcome.run.status.as_str(), "ok", "{:?}", outcome.run);
    let expected: Vec<u8> = every_byte.into_iter().rev().collect();
    assert_eq!(outcome.run.stdout.content.as_bytes(), expected);
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suite_of_tests_is_reported_test_by_test() {
    let bench = Bench::new("pytest", Keys::Token).await;
    let worker = bench.worker(Config { python_warm: 0, pytest_warm: 1, ..Config::default() }).await;
    let cart: &[u8] = b"def total(prices):\n    return sum(prices)\n";
    let tests: &[u8] = b"import pytest\nfrom cart import total\n\
        def test_sum():\n    assert total([1, 2]) == 3\n\
        def test_wrong():\n    assert total([1]) == 2\n\
        @pytest.mark.skip(reason='not today')\ndef test_later():\n    pass\n";
    let outcome = bench.client.run(draft("pytest", &[("cart.py", cart), ("test_cart.py", tests)])).await.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.exit_code), ("runtime_error", Some(1)), "{:?}", outcome.run);
    let told: Vec<(&str, TestOutcome)> = outcome.tests.iter().map(|test| (test.name.as_str(), test.outcome)).collect();
    let expected = [
        ("test_cart.py::test_sum", TestOutcome::Passed),
        ("test_cart.py::test_wrong", TestOutcome::Failed),
        ("test_cart.py::test_later", TestOutcome::Skipped),
    ];
    assert_eq!(told, expected);
    assert!(outcome.tests[1].message.contains("assert 1 == 2"), "{:?}", outcome.tests[1]);
    assert_eq!((outcome.tests_complete, outcome.tests_trust), (Some(true), Some(TestsTrust::InProcess)));
    bench.end(worker).await;
}

/// Deliveries that the workers of a virtual host hold unsettled, as the broker's own channels count them.
async fn unsettled(vhost: &str) -> u64 {
    let vhost = vhost.to_owned();
    let looked =
        tokio::task::spawn_blocking(move || rabbitmqctl(&["list_channels", "vhost", "messages_unacknowledged"]));
    let listed = looked.await.expect("look at the channels");
    let ours = listed.lines().filter_map(|line| line.split_once('\t')).filter(|(of, _)| *of == vhost);
    ours.map(|(_, count)| count.trim().parse::<u64>().expect("a number")).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_jobs_at_once_take_two_slots_and_no_more() {
    let bench = Bench::new("twenty", Keys::Token).await;
    let worker = bench.worker(Config { slots: 2, python_warm: 2, ..Config::default() }).await;
    let client = &bench.client;
    let mut jobs = Vec::new();
    for number in 0..20 {
        // Long enough for the broker to be asked several times while they run.
        let program = format!("import time; time.sleep(0.5); print({number})");
        jobs.push((number, client.send(python(&program)).await));
    }
    let most = async {
        let mut most = 0;
        while client.inbox().len() < jobs.len() {
            most = unsettled(&bench.vhost.name).await.max(most);
        }
        most
    };
    let most = timeout(PATIENCE, most).await.expect("twenty results come in time");
    assert_eq!(most, 2, "as many deliveries are held as there are slots, and never more");
    for (number, job) in &jobs {
        let outcome = client.result(job).await.outcome;
        assert_eq!(outcome.run.status.as_str(), "ok", "{:?}", outcome.run);
        assert_eq!(outcome.run.stdout.content.as_bytes(), format!("{number}\n").as_bytes());
    }
    worker.until_metric("tester_worker_deliveries_settled_total", &[("kind", "ack"), ("outcome", "sent")], 20.0).await;
    assert_eq!(client.inbox().len(), 20, "one result a job");
    assert_eq!(client.depth("tester.jobs.default").await, 0);
    assert_eq!(client.depth("tester.dead").await, 0);
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_go_to_a_queue_of_the_submitters_own_and_to_direct_reply_to() {
    let bench = Bench::new("replies", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;

    let defaults = load_from(None, &Environment { host_name: "e2e".to_owned(), ..Environment::default() })
        .expect("the default configuration");
    let mut config = defaults.config.broker;
    config.urls = vec![bench.vhost.url().into()];
    let settings = Settings::new(&config, "e2e", 1);
    let mut submitter = Submitter::connect(settings, ReplyQueue::Own).await.expect("connect");
    let job = client.sign(JobDraft { reply_to: submitter.reply_to().to_owned(), ..python("print('own')") });
    let id = job.key.id.to_string();
    let submission = Submission {
        class: "default".to_owned(),
        body: job.body.clone(),
        message_id: id.clone(),
        correlation_id: None,
    };
    submitter.submit(&submission).await.expect("submit");
    let reply = submitter.wait(&id, PATIENCE).await.expect("a result");
    assert_eq!(client.verified(&reply.body, &job).outcome.run.stdout.content.as_bytes(), b"own\n");
    submitter.close().await;

    // Direct reply-to: consumed and published on one channel, and the queue is none.
    let channel = client.new_channel().await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("ask for confirms");
    let direct = "amq.rabbitmq.reply-to";
    let mut inbox = collect(&channel, direct).await;
    let job = client.sign(JobDraft { reply_to: direct.to_owned(), ..python("print('direct')") });
    let id = job.key.id.to_string();
    let properties = BasicProperties::default().with_reply_to(direct.into()).with_message_id(id.as_str().into());
    let published = channel.basic_publish(
        "tester.jobs".into(),
        "default".into(),
        BasicPublishOptions::default(),
        &job.body,
        properties,
    );
    published.await.expect("publish").await.expect("a confirmation");
    let came = timeout(PATIENCE, inbox.wait_for(|all| !all.is_empty())).await.expect("a result in time");
    let message = Arc::clone(&came.expect("the connection stands")[0]);
    assert_eq!(client.verified(&message.data, &job).outcome.run.stdout.content.as_bytes(), b"direct\n");
    assert_eq!(client.inbox().len(), 0, "nothing came to {REPLY_TO}");
    bench.end(worker).await;
}
