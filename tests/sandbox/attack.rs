//! The worker's attack on its own walls, by `doctor`: every one of them stands here, and each that is taken away is found.

use std::time::Duration;

use serde_json::{Value, json};
use tester_worker::domain::outcome::RunRecord;
use tester_worker::ports::conditions::{Conditions, Part, State};
use tester_worker::sandbox::Sandboxes;
use tester_worker::telemetry::metrics::Metrics;
use tokio::time::timeout;

use crate::docker::{Image, PATIENCE, containers, docker};
use crate::docker_proxy::{Change, DockerProxy};
use crate::job::Job;
use crate::worker::Worker;

/// Every wall that is attacked.
const WALLS: [&str; 28] = [
    "network",
    "socket_families",
    "read_only_root",
    "image_volumes",
    "capabilities",
    "no_new_privileges",
    "job_uid",
    "runner_hidden",
    "descriptors",
    "deny_list",
    "proc_masks",
    "oom_preference",
    "scratch_size",
    "scratch_files",
    "shared_memory",
    "pseudo_terminals",
    "file_size",
    "open_files",
    "core_dumps",
    "output",
    "processes",
    "cpu_time",
    "cpu_quota",
    "wall_time",
    "kill",
    "memory",
    "swap",
    "evidence",
];

/// What `doctor` found; nothing of what it made is left.
fn findings(worker: Worker) -> Vec<Value> {
    let id = worker.id.clone();
    // Nobody listens there: the broker is not what is looked at.
    let mut worker = worker
        .args(&["--json"])
        .env("TESTER_WORKER__BROKER__URLS", "amqp://127.0.0.1:1")
        .env("WORKER_AUTH_TOKEN", "t".repeat(32));
    let output = worker.output();
    assert_eq!(output.status.code(), Some(1), "the broker is red: {output:?}");
    assert_eq!(containers(&id), Vec::<String>::new());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn text<'a>(finding: &'a Value, name: &str) -> &'a str {
    finding[name].as_str().unwrap()
}

/// The walls of the profile `python` that are as `colour`, with what was seen.
fn walls(findings: &[Value], colour: &str) -> Vec<(String, String)> {
    let walls = findings.iter().filter(|finding| finding["colour"] == colour);
    let walls =
        walls.filter_map(|finding| Some((text(finding, "name").strip_prefix("python: ")?, text(finding, "text"))));
    walls.map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

#[test]
fn every_wall_of_every_profile_holds_on_this_host_and_is_told() {
    let found = findings(Worker::doctor());
    for profile in ["python", "pytest"] {
        for wall in WALLS {
            let name = format!("{profile}: {wall}");
            let finding =
                found.iter().find(|finding| finding["name"] == name.as_str()).unwrap_or_else(|| panic!("{name}"));
            println!("{} {name}: {}", finding["colour"], text(finding, "text"));
            // Docker 20.10 under cgroup v1 and any host since can give all of them.
            assert_eq!(finding["colour"], "green", "{finding}");
        }
        let made = found.iter().find(|finding| finding["name"] == format!("profile {profile}").as_str()).unwrap();
        println!("{}", text(made, "text"));
    }
}

/// Exactly this wall is named when a sandbox is made so.
#[track_caller]
fn found_when(worker: Worker, wall: &str, says: &str, change: Change) {
    let proxy = DockerProxy::new(worker.folder.path(), change);
    let worker = worker
        .env("TESTER_WORKER__DOCKER__HOST", proxy.host())
        .env("TESTER_WORKER__PROFILES__PYTEST__ENABLED", "false");
    let found = findings(worker);
    let mut red = walls(&found, "red");
    red.retain(|(_, text)| !text.starts_with("not attacked"));
    assert_eq!(red.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), [wall], "{found:#?}");
    assert!(red[0].1.contains(says), "{red:?}");
    let hint = found.iter().find(|finding| finding["name"] == format!("python: {wall}").as_str()).unwrap();
    assert!(hint["hint"].is_string(), "{hint}");
}

#[test]
fn a_sandbox_with_a_network_is_found() {
    found_when(Worker::doctor(), "network", "eth0", |container| {
        container["HostConfig"]["NetworkMode"] = json!("bridge");
        container["NetworkDisabled"] = json!(false);
    });
}

#[test]
fn a_writable_root_is_found() {
    found_when(Worker::doctor(), "read_only_root", "mounted writable", |container| {
        container["HostConfig"]["ReadonlyRootfs"] = json!(false);
    });
}

#[test]
fn a_folder_of_the_host_is_found() {
    found_when(Worker::doctor(), "read_only_root", "/srv", |container| {
        container["HostConfig"]["Binds"] = json!(["/var/tmp:/srv"]);
    });
}

#[test]
fn a_volume_of_the_image_that_is_not_sealed_is_found() {
    let image = Image::changed(&[r#"VOLUME ["/data"]"#]);
    let worker = Worker::doctor().env("TESTER_WORKER__PROFILES__PYTHON__IMAGE", &image.name);
    found_when(worker, "image_volumes", "/data is writable", |container| {
        container["HostConfig"]["Tmpfs"].as_object_mut().unwrap().remove("/data").unwrap();
    });
}

#[test]
fn a_capability_more_than_the_runner_needs_is_found() {
    found_when(Worker::doctor(), "capabilities", "more than it needs", |container| {
        container["HostConfig"]["CapAdd"].as_array_mut().unwrap().push(json!("SYS_ADMIN"));
    });
}

#[test]
fn new_privileges_are_found() {
    found_when(Worker::doctor(), "no_new_privileges", "NoNewPrivs is `0`", |container| {
        container["HostConfig"]["SecurityOpt"] = json!([]);
    });
}

#[test]
fn a_missing_filter_of_the_daemon_is_found() {
    found_when(Worker::doctor(), "deny_list", "the daemon's own seccomp filter", |container| {
        container["HostConfig"]["SecurityOpt"] = json!(["no-new-privileges", "seccomp=unconfined"]);
    });
}

#[test]
fn memory_without_a_limit_is_found() {
    found_when(Worker::doctor(), "memory", "was not killed", |container| {
        container["HostConfig"]["Memory"] = json!(0);
        container["HostConfig"]["MemorySwap"] = json!(0);
    });
}

#[test]
fn processes_without_a_limit_are_found() {
    found_when(Worker::doctor(), "processes", "66 processes", |container| {
        container["HostConfig"]["PidsLimit"] = json!(-1);
    });
}

#[test]
fn a_larger_scratch_folder_and_larger_shared_memory_are_found() {
    found_when(Worker::doctor(), "scratch_size", "/tmp has room", |container| {
        container["HostConfig"]["Tmpfs"]["/tmp"] = json!("rw,noexec,nosuid,nodev,mode=1777,size=1g,nr_inodes=4096");
    });
    found_when(Worker::doctor(), "shared_memory", "/dev/shm has room", |container| {
        container["HostConfig"]["Tmpfs"]["/dev/shm"] = json!("rw,noexec,nosuid,nodev,mode=1777,size=1g,nr_inodes=4096");
    });
}

#[test]
fn pseudo_terminals_are_found() {
    found_when(Worker::doctor(), "pseudo_terminals", "/dev/ptmx", |container| {
        container["HostConfig"]["Tmpfs"].as_object_mut().unwrap().remove("/dev/pts").unwrap();
    });
}

#[test]
fn what_tells_of_the_host_is_found() {
    found_when(Worker::doctor(), "proc_masks", "read /proc/keys", |container| {
        container["HostConfig"]["MaskedPaths"] = json!([]);
    });
}

fn state(conditions: &Conditions, part: Part) -> State {
    conditions.snapshot().into_iter().find(|(of, _)| *of == part).unwrap().1
}

fn number(run: &RunRecord) -> &[u8] {
    run.stdout.content.as_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_image_under_the_same_name_is_attacked_before_a_sandbox_of_it_counts() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = DockerProxy::new(folder.path(), |container| {
        container["HostConfig"]["ReadonlyRootfs"] = json!(false);
    });
    proxy.set(false);
    let image = Image::changed(&["ENV NUMBER=1"]);
    let first = docker(&["image", "inspect", "--format", "{{.Id}}", &image.name]).trim().to_owned();
    let mut job = Job::python("import os; print(os.environ['NUMBER'])").in_image(&image.name);
    job.config.profiles.remove("pytest");
    job.config.docker.host = proxy.host();
    job.profile().warm = 1;
    let conditions = Conditions::default();
    let sandboxes = Sandboxes::start(&job.config, "rebuilt", &conditions, &Metrics::new(&job.config));
    let mut usable = sandboxes.usable();
    assert_eq!(state(&conditions, Part::Walls), State::NotReady("starting".to_owned()));
    timeout(PATIENCE, usable.wait_for(|usable| *usable)).await.unwrap().unwrap();
    assert_eq!(state(&conditions, Part::Walls), State::Ready);
    assert_eq!(number(&job.execute_in(&sandboxes).await), b"1\n");

    // The next sandboxes get a writable root, which nobody looks for while it is the same image.
    image.rebuild(&["ENV NUMBER=2"]);
    proxy.set(true);
    let fallen = async {
        while *usable.borrow() {
            // Each job uses a sandbox up, and the filler makes another one: in the end of the new image.
            tokio::select! {
                // In this order: without sandboxes the job has none either.
                biased;
                _ = usable.wait_for(|usable| !usable) => {}
                run = job.execute_in(&sandboxes) => assert_eq!(number(&run), b"1\n", "it ran before its walls held"),
            }
        }
    };
    timeout(PATIENCE, fallen).await.unwrap();
    let State::NotReady(reason) = state(&conditions, Part::Walls) else { panic!("ready") };
    assert!(reason.contains("`read_only_root` does not hold"), "{reason}");

    proxy.set(false);
    timeout(PATIENCE, usable.wait_for(|usable| *usable)).await.unwrap().unwrap();
    sandboxes.warmed("python").await.unwrap();
    let mut run = job.execute_in(&sandboxes).await;
    while number(&run) == b"1\n" {
        run = job.execute_in(&sandboxes).await;
    }
    assert_eq!(number(&run), b"2\n");
    sandboxes.stop(Duration::from_secs(30)).await;
    assert_eq!(containers(&job.config.worker.id), Vec::<String>::new());
    docker(&["rmi", "-f", &first]);
}
