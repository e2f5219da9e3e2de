//! The sidecar over a real socket.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::health::{Probe, ask};
use super::*;
use crate::config::{Environment, load_from};
use crate::ports::conditions::Part;

struct App {
    well: AtomicBool,
}

impl Liveness for App {
    fn check(&self) -> Result<(), String> {
        if self.well.load(Ordering::SeqCst) { Ok(()) } else { Err("the pipeline is stuck".to_owned()) }
    }
}

impl StatusSource for App {
    fn status(&self) -> Value {
        serde_json::json!({ "version": "1", "running": [] })
    }
}

struct Running {
    address: SocketAddr,
    conditions: Conditions,
    app: Arc<App>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

async fn start() -> Running {
    let environment = Environment { host_name: "host".to_owned(), ..Environment::default() };
    let metrics = Metrics::new(&load_from(None, &environment).unwrap().config);
    let app = Arc::new(App { well: AtomicBool::new(true) });
    let conditions = Conditions::default();
    let shown = Shown {
        conditions: conditions.clone(),
        metrics,
        liveness: Arc::<App>::clone(&app),
        status: Arc::<App>::clone(&app),
    };
    let sidecar = Sidecar::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (address, stop) = (sidecar.address(), CancellationToken::new());
    let mut tasks = JoinSet::new();
    tasks.spawn(sidecar.serve(shown, stop.clone()));
    Running { address, conditions, app, stop, tasks }
}

async fn send(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn get(address: SocketAddr, path: &str) -> String {
    send(address, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
}

#[tokio::test]
async fn readiness_says_what_is_missing_and_then_that_nothing_is() {
    let running = start().await;
    let answer = ask(running.address, Probe::Ready).await.unwrap();
    assert!(!answer.well);
    assert_eq!(answer.reasons.len(), Part::ALL.len());
    for part in Part::ALL {
        running.conditions.part(*part).ready();
    }
    assert!(ask(running.address, Probe::Ready).await.unwrap().well);
    running.conditions.part(Part::Docker).not_ready("the daemon does not answer");
    let page = get(running.address, "/readyz").await;
    assert!(page.starts_with("HTTP/1.1 503"), "{page}");
    assert!(page.contains(r#"{"part":"docker","ready":false,"reason":"the daemon does not answer"}"#), "{page}");
}

#[tokio::test]
async fn liveness_is_the_watchdogs_word() {
    let running = start().await;
    assert!(ask(running.address, Probe::Live).await.unwrap().well);
    running.app.well.store(false, Ordering::SeqCst);
    let answer = ask(running.address, Probe::Live).await.unwrap();
    assert_eq!((answer.well, answer.reasons.as_slice()), (false, &["the pipeline is stuck".to_owned()][..]));
    assert!(get(running.address, "/healthz").await.starts_with("HTTP/1.1 503"));
}

#[tokio::test]
async fn metrics_and_status_are_served_in_their_formats() {
    let running = start().await;
    let metrics = get(running.address, "/metrics").await;
    assert!(metrics.contains("application/openmetrics-text"), "{metrics}");
    assert!(metrics.contains("tester_worker_build_info{version="), "{metrics}");
    assert!(metrics.ends_with("# EOF\n"));
    let status = get(running.address, "/status").await;
    assert!(status.ends_with(r#"{"running":[],"version":"1"}"#), "{status}");
}

#[tokio::test]
async fn wrong_paths_methods_and_bodies_get_json_answers() {
    let running = start().await;
    let head = "Host: x\r\nConnection: close\r\n";
    let rows = [
        (format!("GET /x HTTP/1.1\r\n{head}\r\n"), "404", "there is nothing at /x"),
        (format!("POST /livez HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n"), "405", "POST is not allowed here"),
        (format!("GET /livez HTTP/1.1\r\n{head}Content-Length: 3\r\n\r\nabc"), "413", "no body"),
    ];
    for (request, status, message) in rows {
        let answer = send(running.address, &request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert!(answer.contains(message) && answer.contains("application/json"), "{answer}");
    }
}

#[tokio::test]
async fn a_taken_address_is_named_with_what_to_do() {
    let running = start().await;
    let error = Sidecar::bind(running.address).await.unwrap_err();
    assert!(error.to_string().contains("set sidecar.listen to a free address"), "{error}");
}

#[tokio::test]
async fn stopping_ends_the_server_although_a_connection_is_open() {
    let mut running = start().await;
    let open = TcpStream::connect(running.address).await.unwrap();
    assert!(ask(running.address, Probe::Live).await.unwrap().well);
    running.stop.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(10), running.tasks.join_next()).await;
    ended.unwrap().unwrap().unwrap();
    assert!(ask(running.address, Probe::Live).await.is_err());
    drop(open);
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_until_one_ends() {
    let running = start().await;
    let mut held = Vec::new();
    for _ in 0..listener::CONNECTIONS_MAX {
        held.push(TcpStream::connect(running.address).await.unwrap());
    }
    let asking = ask(running.address, Probe::Live);
    tokio::pin!(asking);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut asking).await;
    assert!(early.is_err(), "answered although every place is taken");
    held.pop();
    assert!(asking.await.unwrap().well);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_loses_its_connection() {
    let running = start().await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    let began = tokio::time::Instant::now();
    let mut answer = Vec::new();
    // The clock jumps ahead whenever nothing can go on, so this hour is short.
    let ended = tokio::time::timeout(Duration::from_hours(1), stream.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection is open after an hour");
    assert!(began.elapsed() >= listener::IDLE_LIMIT, "it was closed after {:?}", began.elapsed());
}
