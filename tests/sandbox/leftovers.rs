//! Nothing is left behind: not by a run, not by a worker that dies in the middle of one, not by a start that fails.

use std::process::{Child, Command};

use tester_worker::domain::verdict::Status;

use crate::docker::{Events, containers, docker, host_processes, wait_until};
use crate::job::{Job, unique_worker_id};
use crate::worker::Worker;

/// A number that only one test's program has in its command line.
fn marker() -> String {
    format!("8{:08}", std::process::id())
}

/// A program that becomes `sleep` with that number.
pub(crate) fn sleeper(marker: &str) -> String {
    format!("import os\nprint('begun', flush=True)\nos.execvp('sleep', ['sleep', '{marker}'])")
}

/// Runs the binary until the program sleeps.
pub(crate) fn spawn_sleeping(worker: &mut Worker, marker: &str) -> Child {
    let child = worker.spawn();
    wait_until("the program to run", || !host_processes(&format!("sleep {marker}")).is_empty());
    child
}

#[test]
fn after_a_run_no_container_no_volume_and_no_shim_is_left() {
    let volumes = || docker(&["volume", "ls", "-q", "--filter", "label=tester-worker.id"]);
    for job in [
        Job::python("print(1)"),
        Job::python("import os\nos.kill(os.getpid(), 9)"),
        Job::python("x = b'x' * (1 << 30)").limit("memory_bytes", 64 << 20),
        Job::python("import time\ntime.sleep(60)").limit("wall_seconds", 0.5),
    ] {
        let events = Events::of(&job.config.worker.id);
        job.run();
        let ids = events.all_destroyed();
        assert!(ids.len() >= 2, "a sandbox, and the one behind it: {ids:?}");
        for id in ids {
            wait_until("the shim to end", || host_processes(&id).is_empty());
        }
    }
    // At most the one volume that all workers of this version share, while another of them is at work.
    let left: Vec<String> = volumes().lines().map(str::to_owned).collect();
    assert!(left.len() <= 1 && left.iter().all(|name| name.starts_with("tester-runner-")), "{left:?}");
}

#[test]
fn a_worker_that_is_killed_takes_its_sandboxes_along_and_the_next_start_removes_them() {
    let marker = marker();
    let mut worker = Worker::exec().file("main.py", sleeper(&marker)).args(&["--limit", "wall_seconds=50"]);
    let mut child = spawn_sleeping(&mut worker, &marker);
    // The one that runs and the warm one behind it; a container that was never started would only be removed later.
    let both_run = || {
        let states = containers(&worker.id);
        states.len() == 2 && states.iter().all(|state| state.ends_with(" running"))
    };
    wait_until("both sandboxes to run", both_run);
    child.kill().unwrap();
    child.wait().unwrap();
    let none_runs = || !containers(&worker.id).iter().any(|state| state.ends_with(" running"));
    wait_until("the sandboxes to end by themselves", none_runs);
    assert_eq!(host_processes(&format!("sleep {marker}")), Vec::<String>::new());
    let next = Job::python("print('next')").run();
    assert_eq!(next.printed(), "next\n");
    wait_until("the next start to remove what was left", || containers(&worker.id).is_empty());
}

#[test]
fn an_image_that_does_not_exist_is_named_with_the_command_that_builds_it() {
    let image = unique_worker_id();
    let error = Job::python("print(1)").in_image(&image).try_run().unwrap_err().to_string();
    let build = format!("docker build -t {image} -f Dockerfile.sandbox .");
    assert!(error.contains(&format!("Image {image} not found")) && error.contains(&build), "{error}");
    let mut worker = Worker::exec().file("main.py", "print(1)").env("TESTER_WORKER__PROFILES__PYTHON__IMAGE", &image);
    let output = worker.output();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(70), Vec::new()), "{stderr}");
    assert!(stderr.contains(&format!("Image {image} not found")) && stderr.contains(&build), "{stderr}");
    assert_eq!(containers(&worker.id), Vec::<String>::new());
    assert_eq!(Job::python("print(1)").run().status(), Status::Ok);
}

#[test]
fn without_docker_the_error_says_where_it_was_looked_for() {
    let mut worker =
        Worker::exec().file("main.py", "print(1)").env("TESTER_WORKER__DOCKER__HOST", "unix:///nowhere/docker.sock");
    let output = worker.output();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(70), Vec::new()), "{stderr}");
    assert!(stderr.contains("cannot reach Docker at unix:///nowhere/docker.sock"), "{stderr}");
}

#[test]
fn workers_that_start_and_stop_at_once_do_not_take_the_runner_from_each_other() {
    // Each removes the volume that no container uses when it ends, while others are about to use it.
    let running: Vec<_> = (0..6)
        .map(|n| Worker::exec().file("main.py", format!("print({n})")))
        .map(|mut worker| (worker.spawn(), worker))
        .collect();
    for (n, (child, worker)) in running.into_iter().enumerate() {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout), (Some(0), format!("{n}\n").into_bytes()), "{stderr}");
        assert_eq!(containers(&worker.id), Vec::<String>::new());
    }
}

/// Sends a signal to a process that a test started.
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}
