//! Who gets a sandbox, shown with sandboxes that nobody is in.

use std::collections::BTreeMap;
use std::pin::Pin;

use bollard::container::AttachContainerResults;
use futures_util::{FutureExt, StreamExt as _, stream};

use super::*;
use crate::config::{Environment, load_from};
use crate::ports::conditions::Conditions;
use crate::sandbox::engine::Engine;
use crate::sandbox::link::link;
use crate::sandbox::recycle::Past;
use crate::sandbox::refill::AtWork;

type Leasing<'a> = Pin<Box<dyn Future<Output = Result<Object<Sandbox>, Arc<DockerError>>> + Send + 'a>>;

/// The pool of `python` without a filler, before a Docker that is not there, and with so many extra sandboxes allowed.
fn pool(extras: usize) -> ProfilePool {
    let environment = Environment { host_name: "host".to_owned(), ..Environment::default() };
    let mut config = load_from(None, &environment).unwrap().config;
    config.docker.host = "unix:///nowhere/docker.sock".to_owned();
    let metrics = Metrics::new(&config);
    let tasks = TaskTracker::new();
    let engine = Engine::new(&config.docker, metrics.clone());
    let maker = Arc::new(Maker::new(engine, "worker", "epoch", "", tasks.clone()));
    let profiles = config.profiles.iter().map(|(name, profile)| (name, profile.warm > 0));
    let health = Arc::new(Health::new(&Conditions::default(), profiles, config.worker.slots));
    let stopping = CancellationToken::new();
    let shared = Shared {
        reaper: Reaper::start(Arc::clone(&maker), Arc::clone(&health), &tasks, stopping.clone()),
        maker,
        creations: Arc::new(Semaphore::new(1)),
        at_work: AtWork::default(),
        extras: Arc::new(Semaphore::new(extras)),
        health,
        metrics,
        fillers: tasks,
        runner_volume_ensured: Arc::new(tokio::sync::Mutex::new(false)),
        proof: Arc::new(Proof::waived()),
        stopping,
    };
    let profile = &config.profiles["python"];
    let print = Blueprint::new(&crate::domain::limits::Limits::default());
    ProfilePool::new("python", profile, print, 30, shared)
}

/// A sandbox whose runner says nothing more.
fn sandbox(pool: &ProfilePool, name: &str) -> Sandbox {
    with_stream(pool, name, stream::pending().boxed())
}

/// One whose runner has ended.
async fn dead_sandbox(pool: &ProfilePool, name: &str) -> Sandbox {
    let sandbox = with_stream(pool, name, stream::empty().boxed());
    while sandbox.is_alive() {
        tokio::task::yield_now().await;
    }
    sandbox
}

fn with_stream(
    pool: &ProfilePool,
    name: &str,
    output: stream::BoxStream<'static, Result<bollard::container::LogOutput, bollard::errors::Error>>,
) -> Sandbox {
    let attached = AttachContainerResults { output, input: Box::pin(tokio::io::sink()) };
    let image = ImageFacts { id: String::new(), digest: String::new(), env: BTreeMap::new(), volumes: Vec::new() };
    Sandbox {
        name: name.to_owned(),
        image: Arc::new(image),
        link: link(attached, &pool.shared.fillers, Arc::clone(&pool.changed)),
        missing_evidence: Vec::new(),
        pool_changed: Arc::clone(&pool.changed),
        past: Past::default(),
    }
}

/// One job more, which finds no sandbox.
fn come<'a>(pool: &'a ProfilePool, number: usize, waiting: &mut BTreeMap<usize, Leasing<'a>>) {
    let mut job: Leasing<'a> = Box::pin(pool.lease());
    assert!((&mut job).now_or_never().is_none(), "the job {number} has a sandbox before those that came earlier");
    waiting.insert(number, job);
}

/// Looks at every waiting job, the last one first, and takes out those that have a sandbox, each with its number.
fn served(waiting: &mut BTreeMap<usize, Leasing<'_>>) -> Vec<(usize, Object<Sandbox>)> {
    let mut served = Vec::new();
    for number in waiting.keys().rev().copied().collect::<Vec<_>>() {
        if let Some(leased) = waiting.get_mut(&number).and_then(FutureExt::now_or_never) {
            waiting.remove(&number);
            served.push((number, leased.unwrap()));
        }
    }
    served
}

#[tokio::test]
async fn jobs_that_wait_get_a_sandbox_in_the_order_in_which_they_came_also_when_one_had_died() {
    const BURST: usize = 5;
    let pool = pool(0);
    let mut waiting: BTreeMap<usize, Leasing<'_>> = BTreeMap::new();
    let mut running = Vec::new();
    for number in 0..BURST {
        come(&pool, number, &mut waiting);
    }
    for number in 0..2 * BURST {
        if number % 2 == 1 {
            pool.keep(dead_sandbox(&pool, "dead").await);
            assert!(served(&mut waiting).is_empty(), "a dead sandbox is nobody's");
        }
        pool.keep(sandbox(&pool, "alive"));
        // One that comes just when a sandbox is there is not served before those that wait.
        come(&pool, BURST + number, &mut waiting);
        let served = served(&mut waiting);
        assert_eq!(served.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [number]);
        running.extend(served);
    }
    assert_eq!(pool.count().waiting, BURST);
}

#[tokio::test]
async fn a_failure_is_told_to_everybody_who_waits() {
    let pool = pool(0);
    let mut waiting: Vec<Leasing<'_>> = (0..3).map(|_| Box::pin(pool.lease()) as Leasing<'_>).collect();
    assert!(waiting.iter_mut().all(|job| job.now_or_never().is_none()));
    let reason = "no space left".to_owned();
    pool.failure.send_replace(Some(Arc::new(DockerError::Runner { reason })));
    for job in waiting {
        assert!(job.await.unwrap_err().to_string().contains("no space left"));
    }
}

#[tokio::test]
async fn each_job_that_waits_makes_one_more_wanted_while_there_may_be_more_and_a_metric_shows_it() {
    let pool = pool(2);
    assert_eq!((pool.warm, pool.count().wanted), (2, 2));
    let mut waiting: Vec<Leasing<'_>> = (0..3).map(|_| Box::pin(pool.lease()) as Leasing<'_>).collect();
    for (job, wanted) in waiting.iter_mut().zip([3, 4, 4]) {
        assert!(job.now_or_never().is_none());
        assert_eq!(pool.count().wanted, wanted);
    }
    pool.tell(0);
    let page = pool.shared.metrics.encode().unwrap();
    assert!(page.contains("tester_worker_pool_wanted{profile=\"python\"} 4\n"), "{page}");
}
