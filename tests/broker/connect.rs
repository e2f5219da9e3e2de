//! Brokers that refuse, that are silent, and that are away.

use std::time::Duration;

use tester_worker::broker::{Cause, Role, Timeouts};
use tester_worker::ports::conditions::Part;
use tester_worker::ports::messages::Disposition;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::support::{Bench, PATIENCE, Running, settings, settle, until, url};

/// Threads of the client library in this process.
fn io_threads() -> usize {
    std::fs::read_dir("/proc/self/task")
        .expect("list the threads")
        .filter_map(Result::ok)
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok())
        .filter(|name| name.trim() == "lapin-io-loop")
        .count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_without_the_password() {
    let url = url().replace("guest:guest@", "guest:wr0ng-s3cret@");
    assert!(url.contains("wr0ng"), "the URL for tests is guest's");
    let running = Running::start(settings("password", &[url]));
    let reason = running.not_ready(Part::BrokerConsume, "refused the user or the password").await;
    assert!(reason.contains("check user and password in `broker.urls`"), "{reason}");
    assert!(!reason.contains("wr0ng"), "{reason}");
    until("it is tried again", async || (running.counter.causes(Role::Consume).len() > 1).then_some(())).await;
    assert!(running.counter.causes(Role::Consume).iter().all(|cause| *cause == Cause::Refused));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_virtual_host_is_told() {
    let (base, _) = url().rsplit_once('/').map(|(base, vhost)| (base.to_owned(), vhost.to_owned())).expect("a path");
    let running = Running::start(settings("vhost", &[format!("{base}/no-such-vhost")]));
    let reason = running.not_ready(Part::BrokerPublish, "refused the virtual host").await;
    assert!(reason.contains("no-such-vhost") && reason.contains("rabbitmqctl add_vhost"), "{reason}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_url_is_passed_over_for_a_good_one() {
    let mut bench = Bench::new("second").await;
    // A port that was free a moment ago and is closed now.
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("bind").local_addr().expect("an address");
    bench.settings = settings(&bench.prefix, &[format!("amqp://{closed}/%2f"), url()]);
    let mut running = bench.start().await;
    bench.send_job("default", "job-1", b"x").await;
    settle(running.delivery().await, Disposition::Acknowledge).await;
    running.stop().await;
    bench.clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_away_is_waited_for_and_said_to_be_away() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("bind").local_addr().expect("an address");
    let running = Running::start(settings("away", &[format!("amqp://us3r:s3cret@{closed}/%2f")]));
    let reason = running.not_ready(Part::BrokerConsume, "cannot be reached").await;
    assert!(reason.contains(&closed.to_string()) && reason.contains("is RabbitMQ running there"), "{reason}");
    assert!(!reason.contains("s3cret") && !reason.contains("us3r"), "{reason}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn something_that_is_not_amqp_is_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let http = async {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accept");
            tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("write");
        }
    };
    let running = Running::start(settings("http", &[format!("amqp://{address}/%2f")]));
    let reason = tokio::select! {
        () = http => unreachable!("the server runs for ever"),
        reason = running.not_ready(Part::BrokerConsume, "RabbitMQ at") => reason,
    };
    assert!(reason.contains("is it the AMQP port"), "{reason}");
    running.stop().await;
}

/// The client library leaves a thread and a descriptor behind for each attempt at such a peer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_peer_holds_no_threads() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("an address");
    let mut silent = settings("silent", &[format!("amqp://{address}/%2f")]);
    silent.timeouts =
        Timeouts { connect: Duration::from_millis(500), backoff_max: Duration::from_millis(10), ..silent.timeouts };
    let running = Running::start(silent);
    // Every connection is accepted and kept open from this side until the other side ends it.
    let (ended, mut endings) = tokio::sync::mpsc::unbounded_channel();
    let tracker = tokio_util::task::TaskTracker::new();
    let accepting = async {
        loop {
            let (mut stream, _) = listener.accept().await.expect("accept");
            let ended = ended.clone();
            tracker.spawn(async move {
                let mut greeting = Vec::new();
                drop(stream.read_to_end(&mut greeting).await);
                assert!(ended.send(()).is_ok(), "the test listens");
            });
        }
    };
    let attempts = async {
        for _ in 0..12 {
            let end = tokio::time::timeout(PATIENCE, endings.recv()).await.expect("the attempt is given up");
            end.expect("the listener runs");
        }
    };
    tokio::select! {
        () = accepting => unreachable!("the listener runs for ever"),
        () = attempts => {}
    }
    assert!(running.counter.causes(Role::Consume).contains(&Cause::Silent));
    let reason = running.not_ready(Part::BrokerConsume, "did not answer").await;
    assert!(reason.contains(&address.to_string()), "{reason}");
    running.stop().await;
    drop(listener);
    // Other tests of this process have threads of their own, so the count is not of these attempts alone; twelve
    // leaked ones would never go away.
    until("the threads are gone", async || (io_threads() < 12).then_some(())).await;
}
