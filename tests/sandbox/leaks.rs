//! One program leaves something by every means known, and the next one in the same sandbox looks for all of it.
//!
//! The leaver looks too, so that each means is known to work and to be seen. `leaks/leaks.py` is both.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tester_worker::domain::content::Content;
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::domain::outcome::{Isolation, RunRecord};
use tester_worker::domain::verdict::Status;
use tester_worker::ports::conditions::Conditions;
use tester_worker::protocol::job_writer::CaseClaims;
use tester_worker::sandbox::Sandboxes;
use tester_worker::telemetry::metrics::Metrics;

use crate::docker;
use crate::job::Job;

const PROGRAM: &str = include_str!("leaks/leaks.py");

/// Jobs that a sandbox runs here.
const USES: usize = 3;

/// What a program may not even try, with the answer it gets.
const REFUSED: [(&str, &str); 20] = [
    ("System V memory", "ENOSYS"),
    ("System V queue", "ENOSYS"),
    ("System V semaphore", "ENOSYS"),
    ("POSIX queue", "ENOSYS"),
    ("key", "EPERM"),
    ("key of the uid", "EPERM"),
    ("file of a POSIX queue", "EMFILE"),
    ("support folder", "EACCES"),
    ("test driver", "EACCES"),
    ("device", "EPERM"),
    ("file among devices", "EACCES"),
    ("mode of a place", "EPERM"),
    ("times of a place", "EPERM"),
    ("attribute of a place", "EPERM"),
    ("host name", "EROFS"),
    ("last pid", "EROFS"),
    ("own group", "EACCES"),
    ("limits of the runner", "EPERM"),
    ("priority of the runner", "EPERM"),
    ("address of the loopback", "EPERM"),
];

/// What a leaver sees of what it left: all that there is to be seen.
const SEEN: [&str; 10] =
    ["abstract server", "blocks", "datagram", "entries", "inodes", "locks", "memory", "processes", "server", "sockets"];

/// Modules that the profile has imported beforehand, one row a mode.
const MODES: [&[&str]; 2] = [&[], &["json"]];

/// What the program prints.
#[derive(Debug, Deserialize)]
struct Found {
    uid: u32,
    state: Value,
    refused: BTreeMap<String, String>,
    left: BTreeSet<String>,
    seen: BTreeMap<String, Value>,
}

impl Found {
    #[track_caller]
    fn of(run: &RunRecord) -> Self {
        let printed = String::from_utf8_lossy(run.stdout.content.as_bytes()).into_owned();
        assert_eq!((run.status, run.stderr.content.as_bytes()), (Status::Ok, b"".as_slice()), "{run:#?}");
        // What a leaver's daemon writes at last may come in time or not.
        let printed = printed.strip_suffix("late").unwrap_or(&printed);
        serde_json::from_str(printed.trim_end()).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// Whoever left something did all that it could, and saw it.
    #[track_caller]
    fn has_left_everything(&self) {
        let refused: BTreeMap<&str, &str> =
            self.refused.iter().map(|(means, error)| (means.as_str(), error.as_str())).collect();
        assert_eq!(refused, BTreeMap::from(REFUSED));
        assert!(self.left.len() > 15, "{:?}", self.left);
        assert_eq!(self.seen.keys().map(String::as_str).collect::<Vec<_>>(), SEEN, "{:#?}", self.seen);
    }

    /// Whoever it is, it begins as the first one did.
    #[track_caller]
    fn begins_as(&self, first: &Self, stdin: &str) {
        let mut expected = first.state.clone();
        expected["stdin"] = Value::from(stdin);
        if self.state != expected {
            let (was, is) = (pretty(&expected), pretty(&self.state));
            let changed: Vec<_> = is.lines().filter(|line| !was.contains(*line)).collect();
            panic!("another state: {changed:#?} of {is}\nand not {was}");
        }
    }

    /// Whoever comes next sees nothing.
    #[track_caller]
    fn has_found_nothing(&self) {
        assert_eq!(self.seen, BTreeMap::new());
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

fn job(what: &str, preload: &[&str]) -> Job {
    let mut job = Job::python(PROGRAM).args(&[what]).stdin(what).limit("scratch_files", 4096);
    if !preload.is_empty() {
        job = job.args(&["warm"]);
    }
    let profile = job.profile();
    (profile.warm, profile.uses_per_sandbox) = (1, USES);
    profile.preload = preload.iter().map(|module| (*module).to_owned()).collect();
    profile.limits.scratch_files = Some(4096);
    job
}

/// Sandboxes for one job at a time.
fn sandboxes(job: &Job) -> (Sandboxes, Metrics) {
    let mut config = job.config.clone();
    config.worker.slots = 1;
    config.profiles.retain(|name, _| name == "python");
    let metrics = Metrics::new(&config);
    (Sandboxes::start_unproved(&config, "leaks", &Conditions::default(), &metrics), metrics)
}

/// Emptying goes on behind a job that has its result.
fn wait_for(metrics: &Metrics, event: &str, count: u32) {
    let line = format!("tester_worker_containers_total{{event=\"{event}\"}} {count}\n");
    docker::wait_until(&line, || metrics.encode().unwrap().contains(&line));
}

async fn end(sandboxes: Sandboxes, metrics: &Metrics, job: &Job, (recycled, unclean): (u32, u32)) {
    wait_for(metrics, "recycled", recycled);
    wait_for(metrics, "unclean", unclean);
    sandboxes.stop(Duration::from_secs(30)).await;
    job.leaves_nothing();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_a_job_leaves_is_found_by_the_next_one_in_its_sandbox() {
    for preload in MODES {
        let (leaver, seeker) = (job("leave", preload), job("look", preload));
        let (sandboxes, metrics) = sandboxes(&leaver);
        let mut uids = BTreeSet::new();
        for row in [[&leaver, &seeker, &leaver], [&seeker, &leaver, &seeker]] {
            let mut before: Option<Found> = None;
            for (number, job) in row.into_iter().enumerate() {
                let execution = job.execution_in(&sandboxes).await;
                let expected = if number == 0 { Isolation::Fresh } else { Isolation::Reused };
                assert_eq!(execution.isolation, expected, "the job number {number}");
                let found = Found::of(&execution.run);
                assert!(uids.insert(found.uid), "the uid {} was used before", found.uid);
                let looks = job.draft.args[0] == "look";
                let first = before.get_or_insert_with(|| Found::of(&execution.run));
                found.begins_as(first, if looks { "look" } else { "" });
                if looks { found.has_found_nothing() } else { found.has_left_everything() }
            }
        }
        end(sandboxes, &metrics, &leaver, (4, 0)).await;
    }
}

#[test]
fn nothing_that_a_case_leaves_is_found_by_the_next_one() {
    for preload in MODES {
        let mut job = job("", preload);
        job.draft.args.remove(0);
        let case = |number: usize| CaseClaims {
            name: number.to_string(),
            args: vec![["look", "leave"][number % 2].to_owned()],
            stdin: Content::new(number.to_string().into_bytes()),
            ..CaseClaims::default()
        };
        job.draft.cases = (0..5).map(case).collect();
        let outcome = job.run().0.outcome;
        assert_eq!(outcome.isolation, Some(Isolation::Fresh), "no other job ran in it");
        let found: Vec<Found> = outcome.cases.iter().map(|case| Found::of(&case.run)).collect();
        for (number, case) in found.iter().enumerate() {
            let looks = number % 2 == 0;
            case.begins_as(&found[0], if looks { &outcome.cases[number].name } else { "" });
            if looks { case.has_found_nothing() } else { case.has_left_everything() }
        }
        assert_eq!(found.iter().map(|case| case.uid).collect::<BTreeSet<_>>().len(), found.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_that_cannot_be_shown_to_be_clean_is_not_used_again() {
    // Closed connections, which the kernel keeps for a minute.
    let connects = "import socket\n\
        server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()\n\
        client = socket.create_connection(server.getsockname()); peer = server.accept()[0]\n\
        client.close(); peer.close(); print(1)";
    let mut connects = Job::python(connects);
    (connects.profile().warm, connects.profile().uses_per_sandbox) = (1, USES);
    let counts =
        Job { config: connects.config.clone(), ..Job::python("print(len(open('/proc/net/tcp').readlines()))") };
    let (sandboxes, metrics) = sandboxes(&connects);
    assert_eq!(connects.execute_in(&sandboxes).await.stdout.content.as_bytes(), b"1\n");
    let next = counts.execution_in(&sandboxes).await;
    assert_eq!((next.isolation, next.run.stdout.content.as_bytes()), (Isolation::Fresh, b"1\n".as_slice()));
    let next = counts.execution_in(&sandboxes).await;
    assert_eq!((next.isolation, next.run.stdout.content.as_bytes()), (Isolation::Reused, b"1\n".as_slice()));
    end(sandboxes, &metrics, &connects, (2, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_is_used_again_only_as_its_profile_has_it_and_while_its_runner_lives() {
    let mut plain = Job::python("import sys; print(len(sys.stdin.read()) if 'all' in sys.argv else 0)");
    (plain.profile().warm, plain.profile().uses_per_sandbox) = (1, 10);
    let plain = plain.limit("memory_bytes", 512 << 20);
    let mut usual = plain.clone();
    usual.draft.limits = LimitsPatch::default();
    let (sandboxes, metrics) = sandboxes(&plain);
    let isolation = |job: &Job, sandboxes: &Sandboxes| {
        let (job, sandboxes) = (job.clone(), sandboxes.clone());
        async move {
            let execution = job.execution_in(&sandboxes).await;
            assert_eq!(execution.run.status, Status::Ok, "{:?}", execution.run);
            execution.isolation
        }
    };
    // Docker gave it more memory for the first job.
    assert_eq!(isolation(&plain, &sandboxes).await, Isolation::Fresh);
    assert_eq!(isolation(&usual, &sandboxes).await, Isolation::Fresh);
    // Whose own input was never read, and is not the next one's.
    let mut unread = usual.clone().stdin(vec![b'x'; 1 << 20]);
    assert_eq!(isolation(&unread, &sandboxes).await, Isolation::Reused);
    unread = usual.clone().stdin(b"seven..".to_vec()).args(&["all"]);
    let read = unread.execution_in(&sandboxes).await;
    assert_eq!(read.run.stdout.content.as_bytes(), b"7\n");
    assert_eq!(read.isolation, Isolation::Reused);
    wait_for(&metrics, "recycled", 3);
    let containers = docker::containers(&plain.config.worker.id);
    let [sandbox] = containers.as_slice() else { panic!("{containers:?}") };
    docker::docker(&["kill", sandbox.split(' ').next().unwrap()]);
    assert_eq!(isolation(&usual, &sandboxes).await, Isolation::Fresh);
    sandboxes.stop(Duration::from_secs(30)).await;
    plain.leaves_nothing();
}
