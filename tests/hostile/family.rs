//! Runs the programs of one family, one after another, through one worker, and looks at each result and at the host.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use tester_worker::domain::outcome::Outcome;
use tester_worker::protocol::job_writer::{JobDraft, SignedJob};
use tester_worker::protocol::result::{Expected, verify_result};
use tokio::time::{Instant, timeout};

use super::catalogue::{Program, programs};
use super::host::Host;
use super::profiles::{Profiles, SANDBOX_IMAGE};
use super::support::bench::{Bench, Config, Keys};
use super::support::client::{message_id, properties, python};
use super::support::docker::docker;
use super::support::worker::Worker;
use super::support::{PATIENCE, http, optional_variable, time_scale};

/// Sandboxes that the worker keeps ready: one, for the canary and for most programs.
const WARM: usize = 1;

const MIB: f64 = 1_048_576.0;

/// What the worker itself may hold at the end of a family, in MiB: a few of the largest results, and no more.
const WORKER_MIB_MAX: f64 = 128.0;

/// A worker under attack.
struct Attack {
    bench: Bench,
    worker: Worker,
    host: Host,
    scale: f64,
    patience: Duration,
    /// Every job that was sent.
    sent: Vec<SignedJob>,
    _volumes: Option<VolumeImage>,
}

/// An image with volumes, made of the sandbox image; it goes when the family has ended.
struct VolumeImage(String);

impl VolumeImage {
    /// `docker commit` and not `docker build`: it needs no registry, no builder, and is the same in every version.
    async fn new(tag: String) -> Self {
        let container = docker(&["create", SANDBOX_IMAGE]).await;
        let container = container.trim();
        let change = "VOLUME [\"/var/lib/data\", \"/var/cache/data\"]";
        docker(&["commit", "--change", change, container, &tag]).await;
        docker(&["rm", container]).await;
        Self(tag)
    }
}

impl Drop for VolumeImage {
    fn drop(&mut self) {
        let removed = std::process::Command::new("docker").args(["rmi", &self.0]).output();
        if !removed.is_ok_and(|output| output.status.success()) {
            eprintln!("the image {} stays", self.0);
        }
    }
}

/// Runs a family; fails at the end with every difference of every program.
pub(super) async fn run(family: &str) {
    let filter = optional_variable("TESTER_WORKER_TEST_HOSTILE").unwrap_or_default();
    let chosen: Vec<Program> =
        programs(family).into_iter().filter(|program| program.name().contains(&filter)).collect();
    if chosen.is_empty() {
        assert!(!filter.is_empty(), "the family `{family}` has no program");
        println!("no program of `{family}` has `{filter}` in its name");
        return;
    }
    let mut attack = Attack::begin(family, &chosen).await;
    let mut table = String::new();
    let mut failed = 0;
    for program in &chosen {
        let begun = Instant::now();
        let differences = attack.run(program).await;
        let verdict = if differences.is_empty() { "as expected" } else { "NOT as expected" };
        writeln!(table, "{:<45} {verdict:<16} {:>6.1} s", program.name(), begun.elapsed().as_secs_f64())
            .expect("a text");
        for difference in &differences {
            writeln!(table, "    {difference}").expect("a text");
        }
        failed += usize::from(!differences.is_empty());
    }
    println!("{table}");
    attack.end().await;
    assert_eq!(failed, 0, "programs of the family `{family}` with another result than theirs:\n{table}");
}

impl Attack {
    async fn begin(family: &str, programs: &[Program]) -> Self {
        let scale = time_scale();
        let bench = Bench::new(family, Keys::Ed25519).await;
        let mut profiles = Profiles::new(scale);
        let mut volumes = None;
        if programs.iter().any(|program| program.profile() == "volumes") {
            let image = VolumeImage::new(format!("{}:latest", bench.vhost.name)).await;
            profiles.shell("volumes", &image.0);
            volumes = Some(image);
        }
        let more = profiles.configuration();
        let mut setup = bench.setup("worker", Config { python_warm: WARM, more: &more, ..Config::default() });
        let temporary = bench.path("temporary");
        std::fs::create_dir(&temporary).expect("a folder for temporary files");
        setup.variables.push(("TMPDIR".to_owned(), temporary.display().to_string()));
        // The log is there from the start, so that it is no new file.
        std::fs::write(&setup.log, "").expect("a file for the log");
        let folders = [bench.folder.path().to_owned(), temporary];
        let host = Host::before(&setup.id, WARM, &folders).await;
        let mut worker = Worker::spawn(&setup);
        worker.ready().await;
        Self { bench, worker, host, scale, patience: PATIENCE.mul_f64(scale), sent: Vec::new(), _volumes: volumes }
    }

    /// Runs one program and gives everything that is not as it must be.
    async fn run(&mut self, program: &Program) -> Vec<String> {
        let draft = program.header.draft(program.profile(), program.entry(), &program.source, self.scale);
        let mut differences = match self.result_of(draft).await {
            Ok(outcome) => program.header.expect.differences(&outcome, program.profile() == "c", self.scale),
            Err(error) => vec![error],
        };
        // Whatever there is now has run the program, or is about to run the canary.
        let used = self.host.sandboxes().await;
        let healthy = http::ready(self.worker.port).await.is_some_and(|ready| ready.well);
        differences.extend((!healthy).then(|| "the worker is not ready".to_owned()));
        match self.result_of(python("print(6 * 7)")).await {
            Ok(outcome) if outcome.run.stdout.content.as_bytes() == b"42\n" && outcome.run.exit_code == Some(0) => {}
            Ok(outcome) => differences.push(format!("the canary: {:?}", outcome.run)),
            Err(error) => differences.push(format!("the canary: {error}")),
        }
        differences.extend(self.leftovers(&used).await);
        differences.extend(self.not_once());
        differences
    }

    /// Sends a job and waits for its one verified result.
    async fn result_of(&mut self, draft: JobDraft) -> Result<Outcome, String> {
        let client = &self.bench.client;
        let job = client.sign(draft);
        client.publish(&job.body, properties(&job)).await;
        self.sent.push(job.clone());
        let id = job.key.id.to_string();
        let mut inbox = client.inbox.clone();
        let came = inbox.wait_for(|all| all.iter().any(|message| message_id(message) == Some(&id)));
        let came =
            timeout(self.patience, came).await.map_err(|_late| format!("no result within {:?}", self.patience))?;
        let came = came.map_err(|error| format!("no connection to the broker: {error}"))?.clone();
        let message = came.iter().find(|message| message_id(message) == Some(&id)).ok_or("no message")?;
        let expected = Expected { job: job.key, digest: job.digest };
        let claims = verify_result(&message.data, &client.results, &expected).map_err(|error| error.to_string())?;
        Ok(claims.outcome)
    }

    /// What is still left when there has been time enough for it to go.
    async fn leftovers(&mut self, used: &BTreeSet<String>) -> Vec<String> {
        let deadline = Instant::now() + self.patience;
        let mut ticks = tokio::time::interval(Duration::from_millis(100));
        // Only what is there at every look is left: neighbours come and go.
        let mut left = self.host.leftovers(used).await;
        while !left.is_empty() && Instant::now() < deadline {
            ticks.tick().await;
            let now = self.host.leftovers(used).await;
            left.retain(|one| now.contains(one));
        }
        left.into_iter().map(|one| format!("left behind: {one}")).collect()
    }

    /// The jobs that have not exactly one result.
    fn not_once(&self) -> Vec<String> {
        let inbox = self.bench.client.inbox();
        let results = |job: &SignedJob| {
            let id = job.key.id.to_string();
            inbox.iter().filter(|message| message_id(message) == Some(&id)).count()
        };
        let wrong = self.sent.iter().map(results).filter(|count| *count != 1);
        let mut differences: Vec<String> = wrong.map(|count| format!("a job has {count} results")).collect();
        if inbox.len() != self.sent.len() {
            differences.push(format!("{} jobs were sent and {} results came", self.sent.len(), inbox.len()));
        }
        differences
    }

    /// Whatever programs write, the worker's own memory stays small.
    async fn memory(&self) {
        let bytes = self.worker.metric("tester_worker_process_resident_memory_bytes", &[]).await;
        println!("the worker holds {:.0} MiB", bytes / MIB);
        assert!(bytes < WORKER_MIB_MAX * MIB, "the worker holds {:.0} MiB", bytes / MIB);
    }

    /// Stops the worker; it must end well, and nothing may be in a queue.
    async fn end(self) {
        assert_eq!(self.not_once(), Vec::<String>::new(), "at the end of the family");
        for queue in ["tester.jobs.default", "tester.dead", "tester.unrouted"] {
            assert_eq!(self.bench.client.depth(queue).await, 0, "messages in {queue}");
        }
        self.memory().await;
        self.bench.end(self.worker).await;
    }
}
