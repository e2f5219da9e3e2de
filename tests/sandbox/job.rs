//! A job, built up step by step and run as `exec` runs it.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use tester_worker::app::exec::{self, ExecError};
use tester_worker::app::keys;
use tester_worker::config::model::{Config, Profile};
use tester_worker::config::{self, Environment};
use tester_worker::domain::content::Content;
use tester_worker::domain::job::{JobKey, Role};
use tester_worker::domain::limits::{LimitName, LimitsPatch};
use tester_worker::domain::outcome::{Output, RunRecord};
use tester_worker::domain::verdict::{LimitHit, Status};
use tester_worker::ports::conditions::Conditions;
use tester_worker::ports::events::EventSink;
use tester_worker::ports::execution::{Execution, Executor as _};
use tester_worker::protocol::admission::PropertiesView;
use tester_worker::protocol::job_writer::{FileClaims, JobDraft, Stamp, sign_job};
use tester_worker::protocol::keys::KeyRing;
use tester_worker::protocol::result::ResultClaims;
use tester_worker::protocol::signing::SigningKey;
use tester_worker::protocol::verified::Verified;
use tester_worker::sandbox::Sandboxes;
use tester_worker::telemetry::metrics::Metrics;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::docker;

/// The sandbox image of these tests.
pub(crate) fn sandbox_image() -> String {
    let named = std::env::var_os("TESTER_WORKER_TEST_SANDBOX_IMAGE").map(|name| name.into_string().unwrap());
    named.unwrap_or_else(|| "tester-sandbox".to_owned())
}

/// The image with compilers.
pub(crate) fn cpp_image() -> String {
    let named = std::env::var_os("TESTER_WORKER_TEST_CPP_IMAGE").map(|name| name.into_string().unwrap());
    named.unwrap_or_else(|| "tester-sandbox-cpp".to_owned())
}

/// A worker id that no other test has.
pub(crate) fn unique_worker_id() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("sandbox-test-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The default configuration with the example profiles for C and C++, and a worker id that no other test has.
pub(crate) fn config() -> Config {
    let environment = Environment { host_name: unique_worker_id(), ..Environment::default() };
    let compilers = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/profiles/c-and-cpp.toml");
    let mut config = config::load_from(Some(&compilers), &environment).unwrap().config;
    config.pool.extra_max = 0;
    for profile in config.profiles.values_mut() {
        profile.image = if profile.compile.is_empty() { sandbox_image() } else { cpp_image() };
    }
    config
}

/// A job and the worker that runs it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) config: Config,
    pub(crate) draft: JobDraft,
}

impl Job {
    /// A job without files in this profile.
    pub(crate) fn of(profile: &str) -> Self {
        Self { config: config(), draft: JobDraft { profile: profile.to_owned(), ..JobDraft::default() } }
    }

    /// One Python program.
    pub(crate) fn python(code: &str) -> Self {
        Self::of("python").file("main.py", code)
    }

    /// One test file.
    pub(crate) fn pytest(suite: &str) -> Self {
        Self::of("pytest").file("test_suite.py", suite)
    }

    pub(crate) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = Content::new(content.as_ref().to_vec());
        let file = FileClaims { path: path.to_owned(), content, executable: false, role: Role::Submission };
        self.draft.files.push(file);
        self
    }

    /// Makes the file that was added last executable.
    pub(crate) fn executable(mut self) -> Self {
        self.draft.files.last_mut().unwrap().executable = true;
        self
    }

    pub(crate) fn entry(mut self, path: &str) -> Self {
        self.draft.entry = Some(path.to_owned());
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.draft.stdin = Content::new(bytes.into());
        self
    }

    pub(crate) fn args(mut self, args: &[&str]) -> Self {
        self.draft.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.draft.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// A limit of the job. What a job may ask for is admission's matter, so the profile allows just that.
    pub(crate) fn limit(mut self, name: &str, value: impl Display) -> Self {
        set(&mut self.draft.limits, name, &value.to_string());
        let asked = self.draft.limits;
        let profile = self.profile();
        profile.limits_max = profile.limits_max.overlaid(&asked);
        self
    }

    /// A limit of the profile.
    pub(crate) fn profile_limit(mut self, name: &str, value: impl Display) -> Self {
        let profile = self.profile();
        set(&mut profile.limits, name, &value.to_string());
        profile.limits_max = profile.limits_max.overlaid(&profile.limits);
        self
    }

    /// The job's profile.
    pub(crate) fn profile(&mut self) -> &mut Profile {
        self.config.profiles.get_mut(&self.draft.profile).unwrap()
    }

    /// The same job in this image, and with these words as its program.
    pub(crate) fn in_image(mut self, image: &str) -> Self {
        image.clone_into(&mut self.profile().image);
        self
    }

    pub(crate) fn argv(mut self, argv: &[&str]) -> Self {
        self.profile().argv = argv.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Runs the job; nothing of it is left afterwards.
    #[track_caller]
    pub(crate) fn run(&self) -> Ran {
        Ran(self.try_run().unwrap())
    }

    /// Runs the job, which may come to no result; nothing of it is left afterwards.
    #[track_caller]
    pub(crate) fn try_run(&self) -> Result<ResultClaims, ExecError> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let result = runtime.block_on(exec::run(&self.config, self.draft.clone(), CancellationToken::new()));
        self.leaves_nothing();
        result
    }

    /// Runs the job and looks at something the moment there is an answer, before anything is cleaned up.
    #[track_caller]
    pub(crate) fn run_and_look<T>(&self, look: impl FnOnce() -> T) -> (RunRecord, T) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let seen = runtime.block_on(async {
            let verified = Arc::new(self.verified());
            let (conditions, metrics) = (Conditions::default(), Metrics::new(&self.config));
            let sandboxes = Sandboxes::start(&self.config, "looked-at", &conditions, &metrics);
            let execution = sandboxes.execute(verified, CancellationToken::new(), EventSink::silent()).await.unwrap();
            let seen = look();
            sandboxes.stop(Duration::from_secs(30)).await;
            (execution.run, seen)
        });
        self.leaves_nothing();
        seen
    }

    /// Runs the job in sandboxes that were started with its configuration.
    pub(crate) async fn execute_in(&self, sandboxes: &Sandboxes) -> RunRecord {
        self.execution_in(sandboxes).await.run
    }

    /// The same, with everything that is known of it.
    pub(crate) async fn execution_in(&self, sandboxes: &Sandboxes) -> Execution {
        self.execution_until(sandboxes, CancellationToken::new()).await
    }

    /// The same, if it is not cancelled before its end.
    pub(crate) async fn execution_until(&self, sandboxes: &Sandboxes, cancel: CancellationToken) -> Execution {
        sandboxes.execute(Arc::new(self.verified()), cancel, EventSink::silent()).await.unwrap()
    }

    #[track_caller]
    pub(crate) fn leaves_nothing(&self) {
        assert_eq!(docker::containers(&self.config.worker.id), Vec::<String>::new(), "left behind");
    }

    /// The job, signed and admitted.
    fn verified(&self) -> Verified<tester_worker::domain::job::Job> {
        let token = SecretString::from("t".repeat(32));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let stamp = Stamp {
            key: JobKey { issuer: "test".to_owned(), id: Uuid::new_v4() },
            audience: self.config.worker.audience.clone(),
            issued_at: now,
            expires_at: now + 600,
        };
        let draft = JobDraft { reply_to: "results".to_owned(), ..self.draft.clone() };
        let signed = sign_job(draft, stamp, &SigningKey::from_token(&token).unwrap()).unwrap();
        let admission = keys::admission(&self.config, KeyRing::from_token(&token).unwrap()).unwrap();
        let authentic = admission.authenticate(&signed.body, &PropertiesView::default()).unwrap();
        authentic.admit(&admission, now).unwrap()
    }
}

fn set(patch: &mut LimitsPatch, name: &str, value: &str) {
    patch.set(LimitName::parse(name).unwrap(), value).unwrap();
}

/// What came of a job.
#[derive(Debug)]
pub(crate) struct Ran(pub(crate) ResultClaims);

impl Ran {
    pub(crate) fn status(&self) -> Status {
        self.0.outcome.run.status
    }

    pub(crate) fn limit(&self) -> Option<LimitHit> {
        self.0.outcome.run.limit
    }

    /// Exit code and signal.
    pub(crate) fn exit(&self) -> (Option<i32>, Option<i32>) {
        (self.0.outcome.run.exit_code, self.0.outcome.run.signal)
    }

    pub(crate) fn evidence(&self) -> tester_worker::domain::evidence::Evidence {
        self.0.outcome.run.evidence.unwrap()
    }

    pub(crate) fn usage(&self) -> tester_worker::domain::evidence::Usage {
        self.0.outcome.run.usage.unwrap()
    }

    pub(crate) fn stdout(&self) -> String {
        text(&self.0.outcome.run.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        text(&self.0.outcome.run.stderr)
    }

    /// What an honest program printed, which ended well and complained of nothing.
    #[track_caller]
    pub(crate) fn printed(&self) -> String {
        assert_eq!((self.status(), self.stderr().as_str()), (Status::Ok, ""), "{:#?}", self.0.outcome.run);
        self.stdout()
    }

    /// The JSON that an honest program printed.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.printed()).unwrap()
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(output.content.as_bytes()).into_owned()
}
