//! What is away at the start: the worker stays up, says what it misses, and begins when it is there.

use std::os::unix::fs::symlink;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::support::bench::{Bench, Config, Keys};
use super::support::free_port;
use super::support::vhost::{authority, rabbitmqctl};
use super::support::worker::{Setup, Worker};

pub(crate) fn with_url(mut setup: Setup, url: String) -> Setup {
    setup.variables.retain(|(name, _)| name != "TESTER_WORKER__BROKER__URLS");
    setup.variables.push(("TESTER_WORKER__BROKER__URLS".to_owned(), url));
    setup
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_docker_the_worker_waits_for_it() {
    let bench = Bench::new("nodocker", Keys::Token).await;
    let socket = bench.path("docker.sock");
    let more = format!("[docker]\nhost = \"unix://{}\"\n", socket.display());
    let mut worker = Worker::spawn(&bench.setup("worker", Config { more: &more, ..Config::default() }));
    let said = worker.not_ready("docker", "cannot reach Docker").await;
    assert_eq!(said.status, 503);
    assert!(said.reason("docker").expect("a reason").contains(socket.to_str().expect("a path")), "{said:?}");
    worker.alive().await;
    // Connected, and yet it takes nothing: a job waits in its queue, where another worker can have it.
    worker.until_metric("tester_worker_amqp_connected", &[], 2.0).await;
    worker.not_ready("broker_consume", "consuming is paused").await;
    let job = bench.client.send(super::support::client::python("print('late')")).await;
    assert_eq!(bench.client.depth("tester.jobs.default").await, 1);

    symlink("/var/run/docker.sock", &socket).expect("make the socket appear");
    worker.ready().await;
    assert_eq!(bench.client.result(&job).await.outcome.run.stdout.content.as_bytes(), b"late\n");
    bench.client.good_job_runs().await;
    bench.end(worker).await;
}

/// Passes connections on to the broker, from the moment it is made.
pub(crate) async fn proxy(port: u16, stop: CancellationToken) -> TaskTracker {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.expect("the port is still free");
    let tasks = TaskTracker::new();
    let connections = tasks.clone();
    tasks.spawn(async move {
        loop {
            let mut inward = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted.expect("a connection").0,
            };
            let stop = stop.clone();
            connections.spawn(async move {
                let mut outward = TcpStream::connect(authority()).await.expect("the broker");
                tokio::select! {
                    () = stop.cancelled() => {}
                    // However a connection ends, its two ends know.
                    _ended = copy_bidirectional(&mut inward, &mut outward) => {}
                }
            });
        }
    });
    tasks
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_rabbitmq_the_worker_waits_for_it() {
    let bench = Bench::new("norabbit", Keys::Token).await;
    let port = free_port();
    let url = bench.vhost.url().replace(&authority(), &format!("127.0.0.1:{port}"));
    let mut worker = Worker::spawn(&with_url(bench.setup("worker", Config::default()), url));
    for part in ["broker_consume", "broker_publish"] {
        let said = worker.not_ready(part, "cannot be reached").await;
        assert_eq!(said.status, 503);
        let reason = said.reason(part).expect("a reason");
        assert!(reason.contains(&port.to_string()) && reason.contains("is RabbitMQ running there"), "{reason}");
        assert!(!reason.contains("guest:guest"), "{reason}");
    }
    worker.alive().await;
    let stop = CancellationToken::new();
    let tasks = proxy(port, stop.clone()).await;
    worker.ready().await;
    bench.client.good_job_runs().await;
    worker.stop().await;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_password_is_told_without_being_shown_and_mended_without_a_restart() {
    let mut bench = Bench::new("password", Keys::Token).await;
    let password = "SWORDFISH-73";
    let user = bench.vhost.add_user("another-password");
    let url = bench.vhost.url_as(&user, password, &authority());
    let mut worker = Worker::spawn(&with_url(bench.setup("worker", Config::default()), url));
    for part in ["broker_consume", "broker_publish"] {
        let said = worker.not_ready(part, "refused the user or the password").await;
        assert_eq!(said.status, 503);
        assert!(!format!("{said:?}").contains(password), "{said:?}");
    }
    worker.alive().await;
    assert!(!worker.page("/status").await.contains(password));
    rabbitmqctl(&["change_password", &user, password]);
    worker.ready().await;
    bench.client.good_job_runs().await;
    let log = worker.log();
    assert!(log.contains("refused the user or the password") && !log.contains(password), "the log tells, and hides");
    bench.end(worker).await;
}
