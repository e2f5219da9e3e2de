//! All programs once more, in sandboxes that other programs have used: each ends as it does in one of its own.
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_program_ends_the_same_in_a_sandbox_that_others_have_used() {
    let filter = optional_variable("TESTER_WORKER_TEST_HOSTILE").unwrap_or_default();
    let scale = time_scale();
    let bench = Bench::new("reused", Keys::Ed25519).await;
    let more = Profiles::new(scale).configuration();
    let mut setup =
        bench.setup("worker", Config { slots: LANES, python_warm: LANES, more: &more, ..Config::default() });
    for profile in ["PYTHON", "PYTEST", "SHELL", "C"] {
        setup.variables.push((format!("TESTER_WORKER__PROFILES__{profile}__USES_PER_SANDBOX"), USES.to_owned()));
    }
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    // The image with volumes is made by the family that needs it, and is the same in this.
    let chosen: Vec<Program> = all()
        .into_iter()
        .filter(|program| program.profile() != "volumes" && program.name().contains(&filter))
        .collect();
    let results = futures_util::stream::iter(&chosen).map(|program| differences(&bench, program, scale));
    let results: Vec<(Option<Isolation>, Vec<String>)> = results.buffer_unordered(LANES).collect().await;
    let wrong: Vec<String> = results.iter().flat_map(|(_, differences)| differences.clone()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let reused = results.iter().filter(|(isolation, _)| *isolation == Some(Isolation::Reused)).count();
    let made = worker.metric("tester_worker_containers_total", &[("event", "created")]).await;
    let unclean = worker.metric("tester_worker_containers_total", &[("event", "unclean")]).await;
    println!("{reused} of {} in a used sandbox; {made} sandboxes made, {unclean} found unclean", chosen.len());
    assert!(reused > chosen.len() / 2 || !filter.is_empty(), "only {reused} of {} in a used sandbox", chosen.len());
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
