//! One test's own virtual host, folder, client and workers.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;
use tester_worker::protocol::job_writer::SignedJob;
use tester_worker::protocol::signing::SigningKey;

use super::client::{Client, ISSUER, message_id};
use super::token::{SECRET, Seed, jwks};
use super::vhost::{Broker, Vhost};
use super::worker::{Setup, Worker};

/// A sender's key.
pub(crate) const SENDER: Seed = Seed("backend-1", 1);
/// The worker's own key.
pub(crate) const WORKER: Seed = Seed("worker-key", 9);

/// What a configuration says. The rest of it is the default.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Config<'a> {
    pub(crate) slots: usize,
    pub(crate) drain_seconds: u64,
    pub(crate) python_warm: usize,
    pub(crate) pytest_warm: usize,
    /// More of the configuration file: tables of their own.
    pub(crate) more: &'a str,
}

impl Default for Config<'_> {
    fn default() -> Self {
        Self { slots: 1, drain_seconds: 30, python_warm: 1, pytest_warm: 0, more: "" }
    }
}

/// Whose keys sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keys {
    /// One shared secret, both ways.
    Token,
    /// Ed25519 keys of both sides; the senders' are in a JWKS file.
    Ed25519,
}

/// See the module.
pub(crate) struct Bench {
    // Dropped in this order: the client's connection must be gone before the virtual host is.
    pub(crate) client: Client,
    pub(crate) vhost: Vhost,
    pub(crate) folder: TempDir,
    keys: Keys,
}

impl Bench {
    /// Everything but a worker.
    pub(crate) async fn new(test: &str, keys: Keys) -> Self {
        Self::at(Broker::shared(), test, keys).await
    }

    /// The same with a broker of the test's own.
    pub(crate) async fn at(broker: Broker, test: &str, keys: Keys) -> Self {
        let vhost = Vhost::new(test, broker);
        let folder = TempDir::with_prefix("tester-worker-e2e-").expect("a folder");
        let (sender, worker) = match keys {
            Keys::Token => {
                let token = SigningKey::from_token(&SECRET.into()).expect("a good token");
                (token.clone(), token)
            }
            Keys::Ed25519 => (SENDER.key(), WORKER.key()),
        };
        let client = Client::connect(&vhost.url(), sender, &worker).await;
        let bench = Self { client, vhost, folder, keys };
        if keys == Keys::Ed25519 {
            bench.write_jwks(&[SENDER.jwk(ISSUER)]);
            let pem = WORKER.key().to_pem().expect("a private key");
            std::fs::write(bench.path("worker.pem"), pem.as_bytes()).expect("write the worker's key");
        }
        bench
    }

    /// Connects the client anew, after the broker was away. What came before is not in its inbox.
    pub(crate) async fn reconnect(&mut self) {
        let worker = if self.keys == Keys::Token { self.client.key.clone() } else { WORKER.key() };
        self.client = Client::connect(&self.vhost.url(), self.client.key.clone(), &worker).await;
    }

    /// What a worker is started with that reaches the broker by these URLs, one a line.
    pub(crate) fn setup_by(&self, name: &str, config: Config<'_>, urls: &str) -> Setup {
        let mut setup = self.setup(name, config);
        let file = self.path(&format!("{name}.urls"));
        std::fs::write(&file, urls).expect("write the URLs");
        setup.variables.retain(|(name, _)| name != "TESTER_WORKER__BROKER__URLS");
        let file = file.to_str().expect("a path in UTF-8").to_owned();
        setup.variables.push(("TESTER_WORKER__BROKER__URLS_FILE".to_owned(), file));
        setup
    }

    /// One accepted result of a job, the program's own: every copy that came so far is the same.
    pub(crate) async fn one_result(&self, job: &SignedJob, stdout: &[u8]) {
        let first = self.client.message(job).await;
        let outcome = self.client.verified(&first.data, job).outcome;
        assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", stdout));
        let id = job.key.id.to_string();
        for copy in self.client.inbox() {
            assert!(message_id(&copy) != Some(&id) || copy.data == first.data, "another result of the same job");
        }
    }

    /// A file of this test.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces the file of senders' keys, as an operator does: written beside it, then renamed.
    pub(crate) fn write_jwks(&self, keys: &[Value]) {
        self.write_jwks_text(&jwks(keys));
    }

    /// The same with any text.
    pub(crate) fn write_jwks_text(&self, text: &str) {
        std::fs::write(self.path("senders.new"), text).expect("write the senders' keys");
        std::fs::rename(self.path("senders.new"), self.path("senders.json")).expect("put the senders' keys in place");
    }

    /// The variables that every command of this test needs.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut variables = vec![pair("TESTER_WORKER__BROKER__URLS", &self.vhost.url())];
        if self.keys == Keys::Token {
            variables.push(pair("WORKER_AUTH_TOKEN", SECRET));
        }
        variables
    }

    /// What a worker `name` of this configuration is started with.
    pub(crate) fn setup(&self, name: &str, config: Config<'_>) -> Setup {
        let mut text = format!(
            "[worker]\nslots = {}\ndrain_seconds = {}\nattempts_max = 2\n\
             [pool]\nextra_max = 0\n[log]\nfilter = \"debug\"\n\
             [profiles.python]\nwarm = {}\n[profiles.pytest]\nwarm = {}\n{}\n",
            config.slots, config.drain_seconds, config.python_warm, config.pytest_warm, config.more
        );
        if self.keys == Keys::Ed25519 {
            let (jwks, pem) = (self.path("senders.json"), self.path("worker.pem"));
            write!(
                text,
                "[keys]\njwks_file = {jwks:?}\nsigning_key_file = {pem:?}\nsigning_kid = {:?}\n",
                WORKER.key().kid()
            )
            .expect("write into a text");
        }
        let file = self.path(&format!("{name}.toml"));
        std::fs::write(&file, text).expect("write the configuration");
        Setup {
            id: format!("{}-{name}", self.vhost.name),
            config: file,
            log: self.path(&format!("{name}.log")),
            variables: self.variables(),
        }
    }

    /// A worker that is ready.
    pub(crate) async fn worker(&self, config: Config<'_>) -> Worker {
        let mut worker = Worker::spawn(&self.setup("worker", config));
        worker.ready().await;
        worker
    }

    /// Ends the test: the worker stops cleanly, and everything goes.
    pub(crate) async fn end(self, worker: Worker) {
        worker.stop().await;
        self.close().await;
    }

    /// The same where every job was acknowledged and no message is left anywhere.
    pub(crate) async fn end_empty(self, worker: Worker) {
        worker.stop().await;
        // What had not been acknowledged is in its queue again.
        for queue in ["tester.jobs.default", "tester.dead", "tester.unrouted"] {
            assert_eq!(self.client.depth(queue).await, 0, "{queue}");
        }
        self.close().await;
    }

    /// The same where no worker is left.
    pub(crate) async fn close(self) {
        self.client.close().await;
    }
}
