//! What Docker holds, asked by its own command.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::until;

/// Runs `docker` and gives what it printed.
pub(crate) async fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output().await.expect("start docker");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("docker prints UTF-8")
}

/// Containers of a worker, running or not, one line each: id and state.
pub(crate) async fn containers(worker_id: &str) -> Vec<(String, String)> {
    let label = format!("label=tester-worker.id={worker_id}");
    let listed = docker(&["ps", "-a", "--no-trunc", "--filter", &label, "--format", "{{.ID}} {{.State}}"]).await;
    let pair = |line: &str| line.split_once(' ').map(|(id, state)| (id.to_owned(), state.to_owned()));
    listed.lines().filter_map(pair).collect()
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
