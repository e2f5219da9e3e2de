//! All programs once more, in sandboxes that other programs have used, and in warm interpreters: each ends as it does in a
//! sandbox of its own and a plain start.
//!
//! Some at once, and without a look at the host after each: what that would show does not hang on it.

use futures_util::StreamExt as _;
use tester_worker::domain::outcome::Isolation;
use tester_worker::protocol::result::{Expected, verify_result};
use tokio::time::timeout;

use super::catalogue::{Program, all};
use super::profiles::Profiles;
use super::support::bench::{Bench, Config, Keys};
use super::support::client::{message_id, properties};
use super::support::worker::Worker;
use super::support::{PATIENCE, optional_variable, time_scale};

/// Jobs at the same time.
const LANES: usize = 3;

/// Jobs of a sandbox: more than there are programs.
const USES: &str = "1000";

/// A module that programs of their own import, too.
const PRELOAD: &str = r#"["json"]"#;

/// How the sandboxes are used, besides fresh and plain.
struct Mode {
    name: &'static str,
    uses: &'static str,
    /// What Python programs find imported.
    preload: Option<&'static str>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_program_ends_the_same_in_a_sandbox_that_others_have_used() {
    every_program(&Mode { name: "reused", uses: USES, preload: None }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_python_program_ends_the_same_in_a_warm_interpreter() {
    every_program(&Mode { name: "warm", uses: "1", preload: Some(PRELOAD) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_python_program_ends_the_same_in_a_child_of_a_warm_interpreter_that_others_have_used() {
    every_program(&Mode { name: "children", uses: USES, preload: Some(PRELOAD) }).await;
}

async fn every_program(way: &Mode) {
    let filter = optional_variable("TESTER_WORKER_TEST_HOSTILE").unwrap_or_default();
    // Several at once share the machine.
    let scale = 1.5 * time_scale();
    let bench = Bench::new(way.name, Keys::Ed25519).await;
    let more = Profiles::new(scale).configuration();
    let mut setup =
        bench.setup("worker", Config { slots: LANES, python_warm: LANES, more: &more, ..Config::default() });
    for profile in ["PYTHON", "PYTEST", "SHELL", "C"] {
        setup.variables.push((format!("TESTER_WORKER__PROFILES__{profile}__USES_PER_SANDBOX"), way.uses.to_owned()));
    }
    if let Some(preload) = way.preload {
        setup.variables.push(("TESTER_WORKER__PROFILES__PYTHON__PRELOAD".to_owned(), preload.to_owned()));
    }
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    // The image with volumes is made by the family that needs it, and is the same in this. What is no Python never starts warm.
    let ours = |profile: &str| match way.preload {
        Some(_) => ["python", "pytest"].contains(&profile),
        None => profile != "volumes",
    };
    let chosen: Vec<Program> =
        all().into_iter().filter(|program| ours(program.profile()) && program.name().contains(&filter)).collect();
    let results = futures_util::stream::iter(&chosen).map(|program| differences(&bench, program, scale));
    let results: Vec<(Option<Isolation>, Vec<String>)> = results.buffer_unordered(LANES).collect().await;
    let wrong: Vec<String> = results.iter().flat_map(|(_, differences)| differences.clone()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let reused = results.iter().filter(|(isolation, _)| *isolation == Some(Isolation::Reused)).count();
    let count = async |name: &str, label: (&str, &str)| worker.metric(name, &[label]).await;
    let made = count("tester_worker_containers_total", ("event", "created")).await;
    let unclean = count("tester_worker_containers_total", ("event", "unclean")).await;
    let cold = count("tester_worker_warmed_total", ("start", "plain")).await;
    println!("{reused} of {} in a used sandbox; {made} sandboxes made, {unclean} found unclean", chosen.len());
    assert!(filter.is_empty() || !chosen.is_empty(), "no program is called {filter}");
    let expected = if way.uses == USES { chosen.len() / 2 } else { 0 };
    assert!(reused >= expected || !filter.is_empty(), "only {reused} of {} in a used sandbox", chosen.len());
    assert!(way.preload.is_none() || cold.abs() < f64::EPSILON, "{cold} sandboxes without a warm interpreter");
    bench.end_empty(worker).await;
}

/// Where it ran, and how its result differs from the one that it must get.
async fn differences(bench: &Bench, program: &Program, scale: f64) -> (Option<Isolation>, Vec<String>) {
    let client = &bench.client;
    let job = client.sign(program.header.draft(program.profile(), program.entry(), &program.source, scale));
    client.publish(&job.body, properties(&job)).await;
    let id = job.key.id.to_string();
    let mut inbox = client.inbox.clone();
    let came = inbox.wait_for(|all| all.iter().any(|message| message_id(message) == Some(&id)));
    let Ok(Ok(came)) = timeout(PATIENCE.mul_f64(scale), came).await else {
        return (None, vec![format!("{}: no result", program.name())]);
    };
    let data = came.iter().find(|message| message_id(message) == Some(&id)).map(|message| message.data.clone());
    drop(came);
    let expected = Expected { job: job.key, digest: job.digest };
    let mut outcome =
        verify_result(&data.expect("it came"), &client.results, &expected).expect("a good result").outcome;
    let isolation = outcome.isolation;
    outcome.isolation = isolation.map(|_used| Isolation::Fresh);
    let expect = program.header.expect.in_a_used_sandbox();
    let found = expect.differences(&outcome, program.profile() == "c", scale);
    (isolation, found.into_iter().map(|difference| format!("{}: {difference}", program.name())).collect())
}
