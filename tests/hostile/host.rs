//! What is on the host beside a worker: before a program, and after it.
//!
//! Other workers and other containers may be there too, and come and go meanwhile. So every leftover is attributed: to a
//! container that this worker made, or to none that Docker knows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::support::docker::{self, containers};
use super::support::nanos_now;

/// The ids that jobs run under.
const JOB_UIDS: std::ops::Range<u32> = 20_000..60_000;

/// What belongs to a worker, and what was there before it.
#[derive(Debug)]
pub(super) struct Host {
    worker_id: String,
    /// Sandboxes that are kept ready.
    warm: usize,
    /// Folders that the worker may write to, with the names that belong there.
    folders: BTreeMap<PathBuf, BTreeSet<String>>,
    mounts: BTreeSet<String>,
    volumes: BTreeSet<String>,
    /// Every sandbox that the worker was seen to make.
    ours: BTreeSet<String>,
    since: u64,
}

impl Host {
    /// Looks at the host before the worker has done anything.
    pub(super) async fn before(worker_id: &str, warm: usize, folders: &[PathBuf]) -> Self {
        Self {
            worker_id: worker_id.to_owned(),
            warm,
            folders: folders.iter().map(|folder| (folder.clone(), names(folder))).collect(),
            mounts: mounts(),
            volumes: volumes().await,
            ours: BTreeSet::new(),
            since: nanos_now(),
        }
    }

    /// The worker's sandboxes that there are or were until now. Docker remembers 256 events, so it is asked often.
    pub(super) async fn sandboxes(&mut self) -> BTreeSet<String> {
        let until = nanos_now();
        let stamp = |nanos: u64| format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
        let label = format!("tester-worker.id={}", self.worker_id);
        let path = format!("/events?since={}&until={}", stamp(self.since), stamp(until));
        let filters = json!({ "type": ["container"], "event": ["create"], "label": [label] });
        let made = docker::ask(&path, &filters).await;
        self.ours.extend(made.iter().map(|event| text(&event["Actor"]["ID"])));
        self.since = until;
        self.ours.clone()
    }

    /// What is there that must not be, now. `used` are the sandboxes that ran something.
    pub(super) async fn leftovers(&mut self, used: &BTreeSet<String>) -> Vec<String> {
        self.sandboxes().await;
        // Processes before containers: one that is gone from the second list was in no container that has just come.
        let processes = processes();
        let known = known().await;
        let mut left = Vec::new();
        let sandboxes = containers(&self.worker_id).await;
        let stale = sandboxes.iter().filter(|(id, state)| used.contains(id) || state != "running");
        left.extend(stale.map(|(id, state)| format!("the sandbox {id} ({state})")));
        if sandboxes.len() != self.warm {
            left.push(format!("{} sandboxes where {} are kept ready", sandboxes.len(), self.warm));
        }
        left.extend(processes.iter().filter_map(|process| process.left(&self.ours, &known)));
        let belongs = |mount: &String| known.values().flatten().any(|part| mount.contains(part.as_str()));
        let strange = mounts().into_iter().filter(|mount| !self.mounts.contains(mount) && !belongs(mount));
        left.extend(strange.map(|mount| format!("the mount {mount}")));
        left.extend(self.left_volumes().await);
        for (folder, expected) in &self.folders {
            let strange = names(folder).into_iter().filter(|name| !expected.contains(name));
            left.extend(strange.map(|name| format!("the file {}", folder.join(name).display())));
        }
        left
    }

    /// New volumes, but for the runner's own, of this build or of others'.
    async fn left_volumes(&self) -> Vec<String> {
        let mut left = Vec::new();
        for volume in volumes().await.difference(&self.volumes) {
            let used = docker::list("/containers/json?all=1", &json!({ "volume": [volume] })).await;
            if !volume.starts_with("tester-runner-") && used.is_empty() {
                left.push(format!("the volume {volume}"));
            }
        }
        left
    }
}

/// A process of a job's uid, of a container, or the shim of one.
#[derive(Debug)]
struct Process {
    id: u32,
    uid: u32,
    /// The container of its cgroup, or that a shim is for.
    container: Option<String>,
    command: String,
}

impl Process {
    /// What it is, if it must not be there.
    fn left(&self, ours: &BTreeSet<String>, known: &BTreeMap<String, Vec<String>>) -> Option<String> {
        let gone = match &self.container {
            Some(container) => !known.contains_key(container) && (ours.contains(container) || self.is_shim()),
            None => true,
        };
        // A job's process that outlived its run inside of a sandbox that is still there goes with that sandbox, and the
        // sandboxes are counted.
        gone.then(|| format!("the process {} of uid {}: {} ({:?})", self.id, self.uid, self.command, self.container))
    }

    fn is_shim(&self) -> bool {
        self.command.contains("containerd-shim") || self.command.contains("runsc")
    }
}

/// The processes of this host that could be a job's or a container's.
fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    entries.filter_map(|entry| process(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// `None` too for one that ends while it is looked at.
fn process(id: u32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?.parse().ok()?;
    let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).replace('\0', " ");
    let cgroup = fs::read_to_string(format!("/proc/{id}/cgroup")).ok()?;
    let mut process = Process { id, uid, container: container_id(&cgroup), command };
    if process.is_shim() {
        process.container = container_id(&process.command);
        process.container.as_ref()?;
    }
    (process.container.is_some() || JOB_UIDS.contains(&uid)).then_some(process)
}

/// The last 64 hexadecimal digits in a row.
fn container_id(text: &str) -> Option<String> {
    let mut words = text.split(|letter: char| !letter.is_ascii_hexdigit());
    words.rfind(|word| word.len() == 64).map(str::to_owned)
}

/// Every container that Docker has, with the parts by which its mounts are known.
async fn known() -> BTreeMap<String, Vec<String>> {
    let mut known = BTreeMap::new();
    for container in docker::list("/containers/json?all=1", &json!({})).await {
        let id = text(&container["Id"]);
        // None for one that is gone since it was listed: then so are its mounts, soon.
        let inspected = docker::ask(&format!("/containers/{id}/json"), &json!({})).await;
        let places = inspected
            .iter()
            .flat_map(|of| [&of["GraphDriver"]["Data"]["MergedDir"], &of["NetworkSettings"]["SandboxKey"]])
            .filter_map(|place| place.as_str().filter(|place| place.starts_with('/')).map(str::to_owned));
        let parts = places.chain([id.clone()]).collect();
        known.insert(id, parts);
    }
    known
}

fn mounts() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/mounts").expect("/proc/mounts");
    // Where, and of what kind: options of a mount that stays may change.
    let mount = |line: &str| line.split(' ').skip(1).take(2).collect::<Vec<_>>().join(" ");
    table.lines().map(mount).collect()
}

async fn volumes() -> BTreeSet<String> {
    let answer = docker::ask("/volumes", &json!({})).await;
    let listed = answer.iter().filter_map(|document| document["Volumes"].as_array()).flatten();
    listed.map(|volume| text(&volume["Name"])).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn names(folder: &PathBuf) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).expect("a folder of the test");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_process_is_left_when_its_container_is_gone_or_it_is_in_none() {
    let id = |letter: &str| letter.repeat(64);
    let known = BTreeMap::from([(id("a"), Vec::new())]);
    let ours = BTreeSet::from([id("a"), id("b")]);
    let left = |container: Option<String>, command: &str| {
        Process { id: 7, uid: 20_001, container, command: command.to_owned() }.left(&ours, &known).is_some()
    };
    assert!(!left(Some(id("a")), "sleep") && left(Some(id("b")), "sleep") && left(None, "sleep"));
    assert!(!left(Some(id("c")), "sleep"), "somebody else's");
    assert!(left(Some(id("c")), "containerd-shim -id x") && !left(Some(id("a")), "containerd-shim -id x"));
    assert_eq!(container_id(&format!("0::/system.slice/docker-{}.scope", id("d"))), Some(id("d")));
    assert_eq!(container_id("12:pids:/user.slice"), None);
}

#[tokio::test]
async fn what_a_worker_leaves_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let name = format!("hostile-{}", uuid::Uuid::new_v4());
    let mut host = Host::before(&name, 0, &[folder.path().to_owned()]).await;
    assert_eq!(host.leftovers(&BTreeSet::new()).await.iter().filter(|left| left.contains(&name)).count(), 0);
    let label = format!("tester-worker.id={name}");
    let made =
        docker::docker(&["create", "--label", &label, "--volume", &format!("{name}:/data"), "tester-sandbox"]).await;
    fs::write(folder.path().join(&name), "").unwrap();
    let volume = format!("{name}-unused");
    docker::docker(&["volume", "create", &volume]).await;
    let left = host.leftovers(&BTreeSet::new()).await;
    docker::docker(&["rm", "-fv", made.trim()]).await;
    docker::docker(&["volume", "rm", &volume, &name]).await;
    let found = |what: &str| left.iter().any(|left| left.contains(what));
    assert!(found(&format!("the sandbox {} (created)", made.trim())) && found("1 sandboxes where 0"), "{left:?}");
    assert!(found(&format!("the volume {volume}")), "{left:?}");
    assert!(found(&format!("the file {}", folder.path().join(&name).display())), "{left:?}");
    assert!(!left.contains(&format!("the volume {name}")), "a volume in use is not left: {left:?}");
    assert!(host.sandboxes().await.contains(made.trim()));
}
