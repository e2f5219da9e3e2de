//! What Docker and this host hold, seen from outside: through the `docker` command and `/proc`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tokio::time::Instant;

/// The bound of every wait in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Waits until something holds.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited too long for: {what}");
        thread::sleep(Duration::from_millis(25));
    }
}

/// What a `docker` command prints.
#[track_caller]
pub(crate) fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().unwrap();
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The containers of a worker, whatever their state: name and state.
pub(crate) fn containers(worker_id: &str) -> Vec<String> {
    let filter = format!("label=tester-worker.id={worker_id}");
    let listed = docker(&["ps", "-a", "--filter", &filter, "--format", "{{.Names}} {{.State}}"]);
    listed.lines().map(str::to_owned).collect()
}

/// The command lines on this host, containers included, that contain `marker`.
pub(crate) fn host_processes(marker: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let Ok(command_line) = fs::read(entry.unwrap().path().join("cmdline")) else { continue };
        let command_line = String::from_utf8_lossy(&command_line).replace('\0', " ");
        if command_line.contains(marker) {
            found.push(command_line);
        }
    }
    found
}

/// Docker's events about one worker's containers, from its making on.
#[derive(Debug)]
pub(crate) struct Events {
    child: Child,
    lines: Arc<Mutex<Vec<(String, String)>>>,
}

impl Events {
    pub(crate) fn of(worker_id: &str) -> Self {
        let filter = format!("label=tester-worker.id={worker_id}");
        let mut child = Command::new("docker")
            .args(["events", "--since", "10s", "--filter", &filter, "--filter", "type=container"])
            .args(["--format", "{{.Action}} {{.Actor.ID}}"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (stdout, seen) = (child.stdout.take().unwrap(), Arc::clone(&lines));
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let (action, id) = line.rsplit_once(' ').unwrap();
                seen.lock().unwrap().push((action.to_owned(), id.to_owned()));
            }
        });
        Self { child, lines }
    }

    /// The containers that something happened to.
    pub(crate) fn ids(&self, action: &str) -> BTreeSet<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().filter(|(found, _)| found == action).map(|(_, id)| id.clone()).collect()
    }

    /// Waits until every container that was created is gone again; the ids of all.
    #[track_caller]
    pub(crate) fn all_destroyed(&self) -> BTreeSet<String> {
        let destroyed = || !self.ids("create").is_empty() && self.ids("create") == self.ids("destroy");
        wait_until("every container to be destroyed", destroyed);
        self.ids("create")
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        // It listens for ever otherwise. It can only have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An image of a test's own, removed at its end.
#[derive(Debug)]
pub(crate) struct Image {
    pub(crate) name: String,
}

impl Image {
    /// Builds it; the lines follow `FROM` the sandbox image.
    #[track_caller]
    pub(crate) fn build(lines: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!("FROM {}\n{lines}\n", crate::job::sandbox_image());
        fs::write(folder.path().join("Dockerfile"), text).unwrap();
        let image = Self { name: crate::job::unique_worker_id() };
        docker(&["build", "-q", "-t", &image.name, folder.path().to_str().unwrap()]);
        image
    }

    /// The sandbox image with other settings, as a Dockerfile would have them.
    #[track_caller]
    pub(crate) fn changed(changes: &[&str]) -> Self {
        let image = Self { name: crate::job::unique_worker_id() };
        image.rebuild(changes);
        image
    }

    /// Another image of the sandbox image under the same name.
    #[track_caller]
    pub(crate) fn rebuild(&self, changes: &[&str]) {
        docker(&["create", "--name", &self.name, &crate::job::sandbox_image(), "true"]);
        let changes = changes.iter().flat_map(|change| ["--change", change]);
        let commit: Vec<&str> = ["commit"].into_iter().chain(changes).chain([self.name.as_str(); 2]).collect();
        docker(&commit);
        docker(&["rm", &self.name]);
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let removed = Command::new("docker").args(["rmi", "-f", &self.name]).stdout(Stdio::null()).status();
        // Shown by the test's own failure, if it has one; a second panic would hide that.
        assert!(removed.is_ok_and(|status| status.success()) || thread::panicking(), "{} is not removed", self.name);
    }
}
