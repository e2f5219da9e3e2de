//! A campaign: jobs go on, everything around the workers breaks, then it stops breaking, and all must be well.

use std::io::IsTerminal as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep};

use super::amqp_proxy::AmqpProxy;
use super::backend::Backend;
use super::course::Course;
use super::docker_gate::DockerGate;
use super::lane::{HEARTBEAT_SECONDS, Lane};
use super::life::Birth;
use super::options::Options;
use super::report::{Left, Report};
use super::schedule::{Fault, Schedule};
use super::support::token::SECRET;
use super::support::vhost::{Broker, Vhost, rabbitmqctl};
use super::support::worker::remove_sandboxes;
use super::support::{docker, until};

/// How long the answers of a job may take when nothing is broken any more and no job is left in RabbitMQ.
const QUIET: Duration = Duration::from_secs(10);
/// How long all of it may take to come to rest.
const DRAIN_LIMIT: Duration = Duration::from_mins(3);
/// How long a worker may take to stop.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// The configuration of a campaign's workers.
///
/// `attempts_max` is out of reach: each death and each cut counts as an attempt of the jobs that the worker held, and a
/// campaign has more of both than any fleet. A job that ran out of attempts would be answered with `internal_error`, which
/// is right and not what is looked for here.
fn config() -> String {
    format!(
        "[worker]\nslots = 2\nattempts_max = 1000000\n[broker]\nheartbeat_seconds = {HEARTBEAT_SECONDS}\n\
         [profiles.python]\nwarm = 1\n[profiles.pytest]\nenabled = false\n[sidecar]\nlisten = \"\"\n"
    )
}

/// One worker and what is between it and the world.
async fn lane(number: usize, options: &Options, course: &Arc<Course>, vhost: &Vhost, folder: &Path) -> Lane {
    let proxy = AmqpProxy::start(&super::support::vhost::authority()).await;
    let config_file = folder.join(format!("{number}.toml"));
    std::fs::write(&config_file, config()).expect("write the configuration");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut variables = vec![
        pair("TESTER_WORKER__BROKER__URLS", &vhost.url_at(&proxy.address.to_string())),
        pair("WORKER_AUTH_TOKEN", SECRET),
    ];
    if !options.defect.is_empty() {
        variables.push(pair("TESTER_WORKER_TEST_DEFECT", &options.defect));
    }
    let gate = options.has_sandboxes(number).then(|| DockerGate::start(folder, &number.to_string()));
    match &gate {
        Some(gate) => variables.push(pair("TESTER_WORKER__DOCKER__HOST", &gate.host())),
        None => variables.push(pair("TESTER_WORKER_TEST_EXECUTOR", "instant")),
    }
    let (id, log) = (format!("{}-{number}", vhost.name), folder.join(format!("{number}.log")));
    Lane::new(Arc::clone(course), Birth { id, config: config_file, log, variables }, proxy, gate)
}

/// The messages of the queues of a virtual host, whoever holds them.
async fn messages(vhost: &str, queue: &str) -> u64 {
    let vhost = vhost.to_owned();
    let look = move || rabbitmqctl(&["--no-table-headers", "list_queues", "-p", &vhost, "name", "messages"]);
    let listed = tokio::task::spawn_blocking(look).await.expect("look at the queues");
    let line = listed.lines().find_map(|line| line.strip_prefix(&format!("{queue}\t"))?.trim().parse().ok());
    line.unwrap_or_default()
}

/// Tells how far it is: over and over in one line of a terminal, else a line each half minute.
async fn tell(course: &Course, backend: &Backend, began: Instant) -> ! {
    let terminal = std::io::stderr().is_terminal();
    let mut ticks = interval(Duration::from_secs(if terminal { 1 } else { 30 }));
    loop {
        ticks.tick().await;
        let record = course.record();
        let (open, tally) = backend.checker(|checker| (checker.open(), checker.attempted_by_now()));
        let told = format!(
            "{:>5} s: {tally} jobs, {open} open; {} kills, {} cuts, {} other faults; {} to come",
            began.elapsed().as_secs(),
            record.total(Fault::Kill),
            record.total(Fault::Cut),
            record.hits.values().sum::<usize>() - record.total(Fault::Kill) - record.total(Fault::Cut),
            course.left(),
        );
        if terminal { eprint!("\r{told:<100}") } else { eprintln!("{told}") }
    }
}

/// Runs the campaign and reports.
pub(crate) async fn run(options: Options) -> Report {
    let began = Instant::now();
    let vhost = Vhost::new("chaos", Broker::shared());
    let folder = TempDir::with_prefix("tester-chaos-").expect("a folder");
    // The exchanges and queues are there once a worker has been.
    let course = Arc::new(Course::new(Schedule::new(options.seed, &options.counts)));
    let mut lanes = Vec::new();
    for number in 0..options.workers {
        lanes.push(lane(number, &options, &course, &vhost, folder.path()).await);
    }
    until("a worker has declared its queue", async || {
        let (name, listed) = (vhost.name.clone(), ["list_queues", "-p"]);
        let look = move || rabbitmqctl(&[&listed[..], &[&name, "name"]].concat());
        let listed = tokio::task::spawn_blocking(look).await.expect("look at the queues");
        listed.contains("tester.jobs.default").then_some(())
    })
    .await;
    let mut backend = Backend::start(vhost.url(), options.pace());
    let lanes = {
        let mut running: JoinSet<Lane> = lanes.into_iter().map(Lane::run).collect();
        let all = async {
            let mut ended = Vec::new();
            while let Some(lane) = running.join_next().await {
                ended.push(lane.expect("no panic in a lane"));
            }
            ended
        };
        let over = async {
            sleep(options.limit).await;
            let left = course.give_up();
            eprintln!("the time is over, with {left} faults to come");
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = all => ended,
            () = over => unreachable!("it pends"),
            never = tell(&course, &backend, began) => never,
        }
    };
    eprintln!();
    backend.finish_sending().await;
    let left = rest(&backend, &vhost, lanes, options.sweep_limit).await;
    let tally = backend.checker(|checker| checker.tally());
    backend.stop().await;
    let report = Report { took: began.elapsed(), tally, record: course.record(), left, options };
    if !report.faults().is_empty() {
        eprintln!("the logs of the workers are in {}", folder.keep().display());
    }
    report
}

/// Waits until all jobs are answered and settled, or nothing more can come.
async fn drained(backend: &Backend, vhost: &Vhost) {
    let began = Instant::now();
    let mut quiet_since = None;
    let mut looks = interval(Duration::from_millis(500));
    while began.elapsed() < DRAIN_LIMIT {
        looks.tick().await;
        let queued = messages(&vhost.name, "tester.jobs.default").await > 0;
        if queued {
            quiet_since = None;
        } else if backend.checker(|checker| checker.open()) == 0 {
            return;
        } else if quiet_since.get_or_insert_with(Instant::now).elapsed() > QUIET {
            // What is neither answered nor in the queue comes from nowhere.
            return;
        }
    }
}

/// Nothing breaks any more: waits for what is on its way, stops the workers, and looks for what is left.
async fn rest(backend: &Backend, vhost: &Vhost, mut lanes: Vec<Lane>, sweep_limit: Duration) -> Left {
    drained(backend, vhost).await;
    for lane in &mut lanes {
        lane.stop(STOP_LIMIT).await;
    }
    let ids: Vec<String> = lanes.iter().filter(|lane| lane.gate.is_some()).map(|lane| lane.birth.id.clone()).collect();
    let mut unstarted = 0;
    if let Some(lane) = lanes.iter_mut().find(|lane| lane.gate.is_some()) {
        unstarted = sweep(lane, &ids, sweep_limit).await;
    }
    let left = Left {
        jobs: messages(&vhost.name, "tester.jobs.default").await,
        dead: messages(&vhost.name, "tester.dead").await,
        unrouted: messages(&vhost.name, "tester.unrouted").await,
        unstarted,
        leaked: count(&ids, |_any| true).await,
    };
    for id in &ids {
        remove_sandboxes(id);
        docker::assert_nothing_left(id).await;
    }
    left
}

/// What dead workers left is any worker's to remove: one of them lives once more for it. Returns how many containers are
/// left that were created and never started; they are removed here.
async fn sweep(lane: &mut Lane, ids: &[String], limit: Duration) -> usize {
    let mut looks = interval(Duration::from_millis(500));
    let began = Instant::now();
    // They end when they notice that their worker has.
    while count(ids, |state| state == "running").await > 0 && began.elapsed() < limit {
        looks.tick().await;
    }
    lane.live_again();
    let began = Instant::now();
    while count(ids, |state| state != "running").await > 0 && began.elapsed() < limit {
        looks.tick().await;
    }
    let unstarted = count(ids, |state| state == "created").await;
    for id in ids {
        for (container, _) in docker::containers(id).await.iter().filter(|(_, state)| state == "created") {
            docker::docker(&["rm", "-fv", container]).await;
        }
    }
    // Now that nothing holds the runner's volume, its end removes that, too.
    lane.stop(STOP_LIMIT).await;
    unstarted
}

/// Containers of these workers in a state of this kind.
async fn count(ids: &[String], is: fn(&str) -> bool) -> usize {
    let mut found = 0;
    for id in ids {
        found += docker::containers(id).await.iter().filter(|(_, state)| is(state)).count();
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_breaks_each_job_has_one_right_answer() {
    let options = Options::read();
    let json = options.json.clone();
    let report = run(options).await;
    println!("\n{}", report.page());
    if !json.is_empty() {
        std::fs::write(&json, format!("{:#}\n", report.json())).expect("write the report");
    }
    let faults = report.faults();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
