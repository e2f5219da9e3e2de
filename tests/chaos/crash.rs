//! A worker that dies at a crash point: the next one answers, once and rightly, and nothing is left.

use std::os::unix::process::ExitStatusExt as _;

use nix::sys::signal::Signal;
use tester_worker::crash::Point;
use tester_worker::protocol::job_writer::SignedJob;

use super::support::bench::{Bench, Config, Keys};
use super::support::client::message_id;
use super::support::vhost::rabbitmqctl;
use super::support::worker::{Setup, Worker, remove_sandboxes};
use super::support::{docker, until};
use super::work::{Answer, job};

/// Points at which a first answer may be in the reply queue already when the worker dies, so that the second worker's is
/// the same job's second one, which the consumer drops.
const PERHAPS_ANSWERED: [Point; 5] =
    [Point::AfterPublish, Point::BeforeConfirm, Point::AfterConfirm, Point::BeforeAck, Point::AfterAck];

fn setup(bench: &Bench, name: &str, crash: Option<Point>) -> Setup {
    let mut setup = bench.setup(name, Config::default());
    if let Some(point) = crash {
        setup.variables.push(("TESTER_WORKER_TEST_CRASH".to_owned(), point.name().to_owned()));
    }
    setup
}

/// Fails unless Docker holds nothing of workers that died. What was created and never started is no sweep's for ten
/// minutes: it is counted by the caller and removed here.
async fn nothing_left(dead: &[String]) -> usize {
    let mut unstarted = 0;
    for id in dead {
        until(&format!("the sandboxes of `{id}` are gone"), async || {
            let left = docker::containers(id).await;
            left.iter().all(|(_, state)| state == "created").then_some(())
        })
        .await;
        unstarted += docker::containers(id).await.len();
        remove_sandboxes(id);
    }
    unstarted
}

/// Messages in the job queue, whoever holds them.
async fn messages(bench: &Bench) -> u64 {
    let vhost = bench.vhost.name.clone();
    let look = move || rabbitmqctl(&["--no-table-headers", "list_queues", "-p", &vhost, "name", "messages"]);
    let listed = tokio::task::spawn_blocking(look).await.expect("look at the queues");
    let line = listed.lines().find_map(|line| line.strip_prefix("tester.jobs.default\t")).expect("the job queue");
    line.trim().parse().expect("a number")
}

/// A worker dies at this point with a job, and the next one answers it; gives the id of the dead one.
async fn dies(bench: &Bench, point: Point) -> String {
    let name = point.name();
    let mut first = Worker::spawn(&setup(bench, &format!("dies-{name}"), Some(point)));
    first.ready().await;
    let sent = bench.client.send(job(name)).await;
    let ended = first.ended().await;
    assert_eq!(ended.signal(), Some(Signal::SIGKILL as i32), "{name}: the worker dies at its point");
    let dead = first.id.clone();
    first.forget();

    let mut second = Worker::spawn(&setup(bench, &format!("after-{name}"), None));
    second.ready().await;
    until(&format!("{name}: the job is settled"), async || (messages(bench).await == 0).then_some(())).await;
    second.stop().await;
    let at_most = if PERHAPS_ANSWERED.contains(&point) { 2 } else { 1 };
    check_answers(bench, &sent, name, at_most).await;
    dead
}

/// Fails unless a job has an answer, at most so many, and every one of them is right.
async fn check_answers(bench: &Bench, sent: &SignedJob, name: &str, at_most: usize) {
    bench.client.message(sent).await;
    let id = sent.key.id.to_string();
    let all = bench.client.inbox();
    let answers: Vec<_> = all.iter().filter(|message| message_id(message) == Some(id.as_str())).collect();
    assert!(answers.len() <= at_most, "{name}: {} answers", answers.len());
    for message in &answers {
        let result = bench.client.verified(&message.data, sent);
        assert_eq!(Answer::of(&result.outcome.run), Answer::to(name), "{name}: whichever comes first is right");
    }
    println!("{name}: {} answer(s)", answers.len());
}

/// Kills a worker at each of these points, one after another, each with one job.
async fn dies_at(test: &str, points: &[Point]) {
    let bench = Bench::new(test, Keys::Token).await;
    let mut dead = Vec::new();
    for point in points {
        dead.push(dies(&bench, *point).await);
    }
    for queue in ["tester.dead", "tester.unrouted"] {
        assert_eq!(bench.client.depth(queue).await, 0, "{queue}");
    }
    // The sweep at the start of a worker takes what the last one that died left.
    let last = bench.worker(Config::default()).await;
    let unstarted = nothing_left(&dead).await;
    println!("{unstarted} containers were created by the dead and never started");
    bench.end(last).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_before_its_sandbox_knows_of_the_job_has_it_answered_by_the_next() {
    dies_at("crash-a", &Point::ALL[..4]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_before_its_program_ran_has_its_job_answered_by_the_next() {
    dies_at("crash-b", &Point::ALL[4..7]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_after_its_program_ran_has_its_job_answered_by_the_next() {
    dies_at("crash-c", &Point::ALL[7..10]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_after_its_result_is_out_has_its_job_answered_by_the_next() {
    dies_at("crash-d", &Point::ALL[10..]).await;
}

#[test]
fn every_point_has_its_row_in_the_documents() {
    let page = include_str!("../../docs/reliability.md");
    for point in Point::ALL {
        let row = format!("| `{}` | {} | ", point.name(), point.meaning());
        assert_eq!(page.matches(&row).count(), 1, "docs/reliability.md: {row}");
    }
}
