//! A Docker that fails: no result blames the program for it, no more jobs are taken meanwhile, deadlines hold, and when it
//! works again so does the worker, by itself.

use serde_json::json;
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::protocol::job_writer::{JobDraft, SignedJob};

use super::docker_faults::{Call, Fault, FaultyDocker};
use super::support::bench::{Bench, Config, Keys};
use super::support::client::{python, sleeper};
use super::support::worker::Worker;
use super::support::{docker, http, until};

const CREATE: Call = Call("POST", "/containers/create");
const ATTACH: Call = Call("POST", "/attach");
const START: Call = Call("POST", "/start");
const UPDATE: Call = Call("POST", "/update");
const REMOVE: Call = Call("DELETE", "/containers/");
const IMAGE: Call = Call("GET", "/tester-sandbox/json");
const VOLUME: Call = Call("POST", "/volumes/create");

/// A job that needs this call: one that no warm sandbox fits, or fits only after a change.
fn needing(call: Call) -> JobDraft {
    let limits = if call == UPDATE {
        LimitsPatch { memory_bytes: Some(300_000_000), ..LimitsPatch::default() }
    } else {
        LimitsPatch { scratch_bytes: Some(8_000_000), ..LimitsPatch::default() }
    };
    JobDraft { limits, ..python("print('at last')") }
}

/// What the worker calls it, and the part of readiness that tells of its failure.
fn phrase(call: Call) -> &'static str {
    match call {
        CREATE => "create a sandbox",
        ATTACH => "attach to a sandbox",
        START => "start a sandbox",
        UPDATE => "set the limits of a sandbox",
        REMOVE => "remove a sandbox",
        IMAGE => "inspect the sandbox image",
        _ => "look after the runner volume",
    }
}

fn started(bench: &Bench, name: &str, proxy: &FaultyDocker) -> Worker {
    let more = format!("[docker]\nhost = {:?}\ntimeout_seconds = 1\n", proxy.host());
    let mut setup = bench.setup(name, Config { more: &more, ..Config::default() });
    // A job may be given back by every failure that it meets here.
    setup.variables.push(("TESTER_WORKER__WORKER__ATTEMPTS_MAX".to_owned(), "1000".to_owned()));
    Worker::spawn(&setup)
}

/// Waits for a line of the log, written after `from`, that says that something is not ready because of this call.
async fn told(worker: &Worker, from: usize, call: Call) {
    let found = |line: &str| line.contains("is not ready: ") && line.contains(phrase(call));
    until(&format!("a reason that names `{}`", phrase(call)), async || {
        worker.log().get(from..)?.lines().any(found).then_some(())
    })
    .await;
}

async fn is_right(bench: &Bench, job: &SignedJob) {
    let outcome = bench.client.result(job).await.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", &b"at last\n"[..]));
}

/// One call that a job needs fails in this way; its job is answered once it does not.
async fn call_of_a_job(bench: &Bench, worker: &mut Worker, proxy: &FaultyDocker, (call, fault): (Call, Fault)) {
    let (from, answered) = (worker.log().len(), bench.client.inbox().len());
    proxy.break_call(call, fault);
    let job = bench.client.send(needing(call)).await;
    told(worker, from, call).await;
    until("no more jobs are taken", async || {
        worker.log().get(from..)?.contains("consuming is paused: no sandbox can be made").then_some(())
    })
    .await;
    assert_eq!(bench.client.inbox().len(), answered, "{call:?}: it was answered although it could not be run");
    proxy.heal();
    is_right(bench, &job).await;
    worker.ready().await;
}

/// What Docker refuses may be the job's own limits: they hold up no other job.
async fn update_that_is_refused(bench: &Bench, worker: &mut Worker, proxy: &FaultyDocker) {
    let (from, answered) = (worker.log().len(), bench.client.inbox().len());
    proxy.break_call(UPDATE, Fault::Error);
    let job = bench.client.send(needing(UPDATE)).await;
    until("it was given back, and came again", async || (proxy.hits() >= 2).then_some(())).await;
    assert_eq!(bench.client.inbox().len(), answered);
    let log = worker.log();
    let since = log.get(from..).expect("the log only grows");
    assert!(since.contains("set the limits of a sandbox") && !since.contains("consuming is paused"), "{since}");
    proxy.heal();
    is_right(bench, &job).await;
    worker.ready().await;
}

/// A sandbox that cannot be removed costs its job nothing, but there is no place for the next one.
async fn removal(bench: &Bench, worker: &mut Worker, proxy: &FaultyDocker, fault: Fault) {
    let from = worker.log().len();
    proxy.break_call(REMOVE, fault);
    bench.client.good_job_runs().await;
    if fault == Fault::AnswerLost {
        // It was removed, and the second attempt says so.
        until("a second attempt", async || (proxy.hits() >= 2).then_some(())).await;
    } else {
        told(worker, from, REMOVE).await;
    }
    proxy.heal();
    worker.ready().await;
}

/// Every call that a job needs fails in this way, one after the other.
async fn every_call_of_a_job(test: &str, fault: Fault) {
    let bench = Bench::new(test, Keys::Token).await;
    let proxy = FaultyDocker::new(bench.folder.path());
    let mut worker = started(&bench, "worker", &proxy);
    worker.ready().await;
    let calls = [CREATE, ATTACH, START, UPDATE];
    for call in calls {
        if (call, fault) == (UPDATE, Fault::Error) {
            update_that_is_refused(&bench, &mut worker, &proxy).await;
        } else {
            call_of_a_job(&bench, &mut worker, &proxy, (call, fault)).await;
        }
    }
    removal(&bench, &mut worker, &proxy, fault).await;
    assert_eq!(bench.client.inbox().len(), calls.len() + 1, "one result a job");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_answered_with_an_error() {
    every_call_of_a_job("docker-error", Fault::Error).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_never_answered() {
    every_call_of_a_job("docker-hang", Fault::Hang).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_cut_before_docker_hears_of_it() {
    every_call_of_a_job("docker-cut", Fault::Cut).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_done_and_its_answer_lost() {
    every_call_of_a_job("docker-lost", Fault::AnswerLost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_starts_beside_a_broken_docker_says_so_and_works_once_it_is_whole() {
    let bench = Bench::new("docker-start", Keys::Token).await;
    let proxy = FaultyDocker::new(bench.folder.path());
    let rows = [(IMAGE, Fault::Error), (IMAGE, Fault::Hang), (VOLUME, Fault::Cut), (VOLUME, Fault::Error)];
    for (number, (call, fault)) in rows.into_iter().enumerate() {
        proxy.break_call(call, fault);
        let mut worker = started(&bench, &format!("worker-{number}"), &proxy);
        told(&worker, 0, call).await;
        worker.not_ready("broker_consume", "consuming is paused").await;
        proxy.heal();
        worker.ready().await;
        bench.client.good_job_runs().await;
        worker.stop().await;
    }
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_that_falls_silent_under_a_running_job_gives_no_verdict_and_the_deadline_holds() {
    let bench = Bench::new("docker-silent", Keys::Token).await;
    let proxy = FaultyDocker::new(bench.folder.path());
    let mut worker = started(&bench, "worker", &proxy);
    worker.ready().await;
    let limits = LimitsPatch { wall_seconds: Some(3.0), ..LimitsPatch::default() };
    let job = bench.client.send(JobDraft { limits, ..python("while True: pass") }).await;
    worker.until_running(1).await;
    proxy.freeze();
    // The worker's own deadline passes; it cannot prove that the program is dead, so it says nothing of it.
    worker.not_ready("docker", "did not answer within 1 s").await;
    until("the job is given back", async || (bench.client.depth("tester.jobs.default").await == 1).then_some(())).await;
    assert!(bench.client.inbox().is_empty());
    proxy.heal();
    worker.ready().await;
    let outcome = bench.client.result(&job).await.outcome;
    assert_eq!(outcome.run.status.as_str(), "time_limit", "{:?}", outcome.run);
    assert_eq!(bench.client.inbox().len(), 1);
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_to_a_running_sandbox_that_is_cut_blames_nobody() {
    let bench = Bench::new("docker-line", Keys::Token).await;
    let proxy = FaultyDocker::new(bench.folder.path());
    let mut worker = started(&bench, "worker", &proxy);
    worker.ready().await;
    let job = bench.client.send(sleeper(2.0)).await;
    worker.until_running(1).await;
    proxy.cut();
    let outcome = bench.client.result(&job).await.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", &b"slept\n"[..]));
    assert_eq!(outcome.attempt, 2, "it was run again");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_creation_that_was_given_up_and_comes_to_be_later_leaves_nothing() {
    let bench = Bench::new("docker-late", Keys::Token).await;
    let proxy = FaultyDocker::new(bench.folder.path());
    let mut worker = started(&bench, "worker", &proxy);
    worker.ready().await;
    proxy.break_call(CREATE, Fault::Late);
    let job = bench.client.send(needing(CREATE)).await;
    until("a container comes to be that the worker does not know of", async || {
        docker::containers(&worker.id).await.iter().any(|(_, state)| state == "created").then_some(())
    })
    .await;
    proxy.heal();
    is_right(&bench, &job).await;
    worker.ready().await;
    worker.until_metric("tester_worker_pool", &[("profile", "python"), ("state", "starting")], 0.0).await;
    let made = docker::containers(&worker.id).await;
    assert!(made.iter().any(|(_, state)| state == "created"), "it is not there any more: {made:?}");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_that_is_removed_under_the_worker_pauses_it_until_it_is_back() {
    let bench = Bench::new("docker-image", Keys::Token).await;
    // A name of this test's own for the same image.
    let image = bench.vhost.name.clone();
    docker::docker(&["tag", "tester-sandbox", &image]).await;
    let mut setup = bench.setup("worker", Config::default());
    let variable = |name: &str, value: &str| (format!("TESTER_WORKER__PROFILES__{name}"), value.to_owned());
    setup.variables.extend([variable("PYTHON__IMAGE", &image), variable("PYTEST__ENABLED", "false")]);
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    bench.client.good_job_runs().await;

    docker::docker(&["rmi", &image]).await;
    // What is known of an image is believed for ten seconds, and asked for by a sandbox that is made after them.
    let mut jobs = Vec::new();
    until("the image is missed", async || {
        if bench.client.inbox().len() > jobs.len() {
            jobs.push(bench.client.send(needing(CREATE)).await);
        }
        let ready = http::ready(worker.port).await?;
        ready.reason("image")?.contains(&format!("Image {image} not found")).then_some(())
    })
    .await;
    worker.not_ready("broker_consume", "consuming is paused").await;
    docker::docker(&["tag", "tester-sandbox", &image]).await;
    worker.ready().await;
    for job in &jobs {
        is_right(&bench, job).await;
    }
    worker.stop().await;
    docker::docker(&["rmi", &image]).await;
    bench.close().await;
    assert!(docker::list("/images/json", &json!({ "reference": [image] })).await.is_empty());
}
