//! A runner that is taken away under a program: what is said depends on what the kernel did, never on the silence alone.

use serde_json::Value;

use crate::docker::{Events, containers, docker, wait_until};
use crate::leftovers::{sleeper, spawn_sleeping};
use crate::worker::Worker;

/// The container in which a process has this in its command line.
fn container_of(worker_id: &str, marker: &str) -> String {
    let names = containers(worker_id).into_iter().filter_map(|line| line.strip_suffix(" running").map(str::to_owned));
    let mut found = names.filter(|name| docker(&["top", name]).contains(marker));
    found.next().expect("the program's sandbox")
}

/// Runs a program until it sleeps, kills the first process of its sandbox from outside, and gives the exit status and what
/// was printed.
///
/// Docker tells of a kill for memory by an event of its own, and shows it in the container's state only at the end.
fn run_and_take_the_runner(program: &str, marker: &str, oom_kills: usize) -> (Option<i32>, Vec<u8>, String) {
    let mut worker = Worker::exec().args(&["--json", "--limit", "wall_seconds=50"]).file("main.py", program);
    let events = Events::of(&worker.id);
    let child = spawn_sleeping(&mut worker, marker);
    let sandbox = container_of(&worker.id, marker);
    wait_until("Docker to know of the kill", || events.ids("oom").len() == oom_kills);
    docker(&["kill", "--signal", "KILL", &sandbox]);
    let output = child.wait_with_output().unwrap();
    assert_eq!(containers(&worker.id), Vec::<String>::new());
    (output.status.code(), output.stdout, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn marker(number: u32) -> String {
    format!("7{number}{:08}", std::process::id())
}

#[test]
fn a_runner_that_went_after_a_kill_for_memory_is_memory_limit_with_what_had_been_written() {
    let marker = marker(1);
    let bomb = "import os\nif os.fork() == 0:\n    held = []\n    while True: held.append(bytearray(8 << 20))\n\
        os.wait()\nprint('the child is gone', flush=True)\n";
    let program = format!("{bomb}{}", sleeper(&marker));
    let (status, stdout, stderr) = run_and_take_the_runner(&program, &marker, 1);
    let result: Value = serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    assert_eq!(
        (status, result["status"].as_str(), result["limit"].as_str()),
        (Some(1), Some("memory_limit"), Some("memory"))
    );
    let evidence = &result["evidence"];
    assert_eq!((evidence["runner_lost"].as_bool(), evidence["ended_by"].as_str()), (Some(true), Some("kernel")));
    assert_eq!(result["stdout"]["text"].as_str(), Some("the child is gone\nbegun\n"));
}

#[test]
fn a_runner_that_went_for_no_reason_of_the_programs_is_nobodys_verdict() {
    let marker = marker(2);
    let (status, stdout, stderr) = run_and_take_the_runner(&sleeper(&marker), &marker, 0);
    assert_eq!((status, stdout.as_slice()), (Some(70), b"".as_slice()), "{stderr}");
    assert!(stderr.contains("the runner was gone before it could report"), "{stderr}");
}
