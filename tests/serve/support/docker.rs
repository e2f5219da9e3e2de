//! What Docker holds, asked by its own command; and where a test asks often, over its socket, which costs far less.

use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::{optional_variable, until};

/// Runs `docker` and gives what it printed.
pub(crate) async fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().await.expect("start docker");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("docker prints UTF-8")
}

/// Where the daemon listens, unless `DOCKER_HOST` says otherwise.
const SOCKET: &str = "/var/run/docker.sock";

/// The documents that the daemon answers a GET with; none where there is no such thing.
pub(crate) async fn ask(path: &str, filters: &Value) -> Vec<Value> {
    let host = optional_variable("DOCKER_HOST").unwrap_or_default();
    let socket = host.strip_prefix("unix://").filter(|path| !path.is_empty()).unwrap_or(SOCKET);
    let filters = filters.to_string().bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}"));
    let sign = if path.contains('?') { '&' } else { '?' };
    // Version 1.0, so that the answer is neither in chunks nor kept open.
    let request = format!("GET {path}{sign}filters={filters} HTTP/1.0\r\nHost: docker\r\n\r\n");
    let mut stream = UnixStream::connect(socket).await.expect("the socket of Docker");
    stream.write_all(request.as_bytes()).await.expect("ask Docker");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("Docker's answer");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a header");
    let (head, body) = answer.split_at(end + 4);
    if head.starts_with(b"HTTP/1.0 404") {
        return Vec::new();
    }
    assert!(head.starts_with(b"HTTP/1.0 200"), "{path}: {}", String::from_utf8_lossy(&answer));
    serde_json::Deserializer::from_slice(body).into_iter().map(|document| document.expect("JSON")).collect()
}

/// The members of the one list that the daemon answers with.
pub(crate) async fn list(path: &str, filters: &Value) -> Vec<Value> {
    let mut documents = ask(path, filters).await;
    match documents.pop() {
        Some(Value::Array(members)) if documents.is_empty() => members,
        other => panic!("{path}: {other:?} is no list"),
    }
}

/// Containers of a worker, running or not: id and state.
pub(crate) async fn containers(worker_id: &str) -> Vec<(String, String)> {
    let label = format!("tester-worker.id={worker_id}");
    let listed = list("/containers/json?all=1", &json!({ "label": [label] })).await;
    let text = |container: &Value, name: &str| container[name].as_str().expect("a text").to_owned();
    listed.iter().map(|container| (text(container, "Id"), text(container, "State"))).collect()
}

/// Fails unless Docker holds nothing of a worker that has stopped.
///
/// The runner's volume bears the label of the worker that made it, and is every worker's of the same build: it stays
/// for as long as another one's sandboxes use it.
pub(crate) async fn assert_nothing_left(worker_id: &str) {
    assert_eq!(containers(worker_id).await, [], "containers that the worker left behind");
    let label = format!("label=tester-worker.id={worker_id}");
    until("the volumes of the worker are gone, or another worker's sandboxes use them", async || {
        for volume in docker(&["volume", "ls", "-q", "--filter", &label]).await.lines() {
            let users = docker(&["ps", "-aq", "--filter", &format!("volume={volume}")]).await;
            if users.trim().is_empty() {
                return None;
            }
        }
        Some(())
    })
    .await;
}

/// Waits until a program of a worker has stopped itself; gives its process on the host.
pub(crate) async fn waits(worker_id: &str) -> Pid {
    until("a program has stopped itself", async || {
        for (id, _) in containers(worker_id).await {
            // The container may end meanwhile, if it is one that attacks the walls.
            let top = Command::new("docker").args(["top", &id, "-eo", "pid,stat"]).stdin(Stdio::null()).output().await;
            let top = String::from_utf8(top.expect("start docker").stdout).expect("docker prints UTF-8");
            let mut processes = top.lines().skip(1).filter_map(|line| line.trim().split_once(' '));
            if let Some((pid, _)) = processes.find(|(_, stat)| stat.trim().starts_with('T')) {
                return Some(Pid::from_raw(pid.parse().expect("a process id")));
            }
        }
        None
    })
    .await
}

/// Has a program of a worker that stopped itself go on. Fails when there is none in time.
pub(crate) async fn go_on(worker_id: &str) {
    kill(waits(worker_id).await, Signal::SIGCONT).expect("have the program go on");
}

/// Something that Docker did to a container.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) action: String,
    pub(crate) nanos: u64,
}

/// What Docker did to containers of a worker between two points in time, in nanoseconds since 1970.
pub(crate) async fn events(worker_id: &str, since: u64, until: u64) -> Vec<Event> {
    let stamp = |nanos: u64| format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    let label = format!("label=tester-worker.id={worker_id}");
    let (since, until) = (stamp(since), stamp(until));
    let filter = ["--filter", "type=container", "--filter", &label, "--format", "{{json .}}"];
    let printed = docker(&[&["events", "--since", &since, "--until", &until], &filter[..]].concat()).await;
    let event = |line: &str| {
        let event: Value = serde_json::from_str(line).expect("an event in JSON");
        let action = event["Action"].as_str().expect("an action").to_owned();
        Event { action, nanos: event["timeNano"].as_u64().expect("a time") }
    };
    printed.lines().map(event).collect()
}
