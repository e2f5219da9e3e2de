//! The worker as a process: started, asked, told to stop, looked after.

use std::fs::File;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::http::{self, Ready};
use super::{PATIENCE, docker, free_port, time_scale, until};

/// What a worker is started with.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) id: String,
    pub(crate) config: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) variables: Vec<(String, String)>,
}

/// A worker's process. Dropped before it was stopped, it is killed, and its log is printed.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: String,
    pub(crate) port: u16,
    child: Child,
    log: PathBuf,
    settled: bool,
}

/// A command of the real binary that sees none of the worker's variables but these.
pub(crate) fn command(variables: &[(String, String)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tester-worker"));
    for (name, _) in std::env::vars_os() {
        let ours = name.to_string_lossy().to_ascii_uppercase();
        if ours.starts_with("TESTER_WORKER__") || ours.starts_with("WORKER_AUTH_TOKEN") {
            command.env_remove(name);
        }
    }
    command.envs(variables.iter().map(|(name, value)| (name, value))).stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Worker {
    /// Starts the process; it may take until [`Worker::ready`] to be of use.
    pub(crate) fn spawn(setup: &Setup) -> Self {
        let port = free_port();
        let log = File::options().create(true).append(true).open(&setup.log).expect("a file for the log");
        let child = command(&setup.variables)
            .args(["serve", "--config"])
            .arg(&setup.config)
            .env("TESTER_WORKER__WORKER__ID", &setup.id)
            .env("TESTER_WORKER__SIDECAR__LISTEN", format!("127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start tester-worker serve");
        Self { id: setup.id.clone(), port, child, log: setup.log.clone(), settled: false }
    }

    /// Waits until `/readyz` says yes.
    pub(crate) async fn ready(&mut self) {
        until("/readyz says yes", async || {
            self.assert_runs();
            http::ready(self.port).await.filter(|ready| ready.well && ready.status == 200)
        })
        .await;
    }

    /// Waits until `/readyz` says no, with a reason for this part that has `text` in it; gives the whole answer.
    pub(crate) async fn not_ready(&mut self, part: &str, text: &str) -> Ready {
        until(&format!("`{part}` is not ready, and says `{text}`"), async || {
            self.assert_runs();
            let ready = http::ready(self.port).await?;
            let said = ready.reason(part).is_some_and(|reason| reason.contains(text));
            said.then_some(ready)
        })
        .await
    }

    /// Fails if the process has ended.
    pub(crate) fn assert_runs(&mut self) {
        let ended = self.child.try_wait().expect("ask for the process");
        assert_eq!(ended, None, "the worker ended");
    }

    /// One page of the sidecar.
    pub(crate) async fn page(&self, path: &str) -> String {
        let (status, body) = http::get(self.port, path).await.expect("the sidecar answers");
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    /// What `/status` says.
    pub(crate) async fn status(&self) -> Value {
        serde_json::from_str(&self.page("/status").await).expect("/status answers in JSON")
    }

    /// The sum of a metric's samples with these labels.
    pub(crate) async fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        http::sample(&self.page("/metrics").await, name, labels)
    }

    /// Waits until the sum of a metric's samples is `value`.
    pub(crate) async fn until_metric(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        until(&format!("{name} {labels:?} is {value}"), async || {
            (self.metric(name, labels).await.to_bits() == value.to_bits()).then_some(())
        })
        .await;
    }

    /// Fails unless `/livez` says that the worker is well.
    pub(crate) async fn alive(&self) {
        let (status, body) = http::get(self.port, "/livez").await.expect("the sidecar answers");
        assert_eq!(status, 200, "a worker that waits is well: {body}");
    }

    /// Waits until a metric's samples sum up to `value` or more.
    pub(crate) async fn until_at_least(&self, name: &str, labels: &[(&str, &str)], value: f64) {
        until(&format!("{name} {labels:?} is at least {value}"), async || {
            (self.metric(name, labels).await >= value).then_some(())
        })
        .await;
    }

    /// Waits until the log has this text.
    pub(crate) async fn until_said(&self, text: &str) {
        until(&format!("the log says `{text}`"), async || self.log().contains(text).then_some(())).await;
    }

    /// Attacks on walls of its own so far, by the log.
    pub(crate) fn attacks(&self) -> usize {
        self.log().matches("held against an attack").count()
    }

    /// Waits until there were so many.
    pub(crate) async fn until_attacked(&self, attacks: usize) {
        until(&format!("{attacks} attacks"), async || (self.attacks() >= attacks).then_some(())).await;
    }

    /// Waits until so many jobs are in a slot.
    pub(crate) async fn until_running(&self, jobs: u64) {
        until(&format!("{jobs} jobs run"), async || (self.status().await["running"] == jobs).then_some(())).await;
    }

    /// What the process wrote so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("the log")
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the process has not ended")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.pid()).expect("a process id")), signal).expect("send a signal");
    }

    /// Waits for the end of the process.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        timeout(PATIENCE.mul_f64(time_scale()), self.child.wait())
            .await
            .expect("the worker ends in time")
            .expect("wait for the process")
    }

    /// Waits for the end of a process that was told to stop; its exit status must be this, and nothing may be left.
    pub(crate) async fn ends_with(mut self, code: i32) {
        assert_eq!(self.ended().await.code(), Some(code), "the exit status of the worker");
        docker::assert_nothing_left(&self.id).await;
        self.settled = true;
    }

    /// Tells it to stop; it must end with 0 and leave nothing.
    pub(crate) async fn stop(self) {
        self.signal(Signal::SIGTERM);
        self.ends_with(0).await;
    }

    /// Kills it at once; what it leaves is the caller's to look after.
    pub(crate) async fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        self.ended().await;
        self.forget();
    }

    /// The process has ended as the test wanted; what it left is the caller's to look after.
    pub(crate) fn forget(mut self) {
        self.settled = true;
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if self.settled && !std::thread::panicking() {
            return;
        }
        // The process goes with its handle; its sandboxes follow it, and are removed here.
        let killed = self.child.start_kill();
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        eprintln!("--- log of the worker `{}` ({killed:?}) ---\n{log}--- end of the log ---", self.id);
        remove_sandboxes(&self.id);
    }
}

/// Removes whatever containers of a worker there are.
pub(crate) fn remove_sandboxes(worker_id: &str) {
    let label = format!("label=tester-worker.id={worker_id}");
    let listed = std::process::Command::new("docker").args(["ps", "-aq", "--filter", &label]).output();
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    for id in listed.split_whitespace() {
        let removed = std::process::Command::new("docker").args(["rm", "-fv", id]).output();
        if let Err(error) = removed {
            eprintln!("the container {id} stays: {error}");
        }
    }
}
