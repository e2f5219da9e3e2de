//! The shape of the configuration. Names, units and defaults are the contract's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use secrecy::SecretString;
use serde::Deserialize;

use crate::domain::limits::LimitsPatch;

/// The whole configuration.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The worker itself.
    pub worker: Worker,
    /// RabbitMQ.
    pub broker: Broker,
    /// Keys and what they may do.
    pub keys: Keys,
    /// Bounds of messages.
    pub protocol: Protocol,
    /// The Docker daemon.
    pub docker: Docker,
    /// The sandbox pool.
    pub pool: Pool,
    /// What jobs may run in, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// The HTTP sidecar.
    pub sidecar: Sidecar,
    /// Logs.
    pub log: Log,
}

/// `[worker]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Name of this worker in results, labels and queues. Empty: the host's name.
    pub id: String,
    /// The `aud` that jobs for this fleet carry.
    pub audience: String,
    /// Jobs at once.
    pub slots: usize,
    /// How long SIGTERM waits for running jobs, in seconds.
    pub drain_seconds: u64,
    /// Deliveries of one job before it is run alone; after three times as many it is answered with `internal_error`.
    pub attempts_max: u32,
    /// Jobs of one issuer at once; 0: no cap.
    pub running_per_issuer_max: usize,
    /// How long the worker may do nothing although it should before `/livez` says no, in seconds.
    pub stalled_seconds: u64,
}

/// `[broker]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// AMQP URLs, tried in turn. They may hold a password, so they are secret.
    #[schemars(with = "Vec<String>")]
    pub urls: Vec<SecretString>,
    /// Whether the topology is declared or only checked.
    pub topology: Topology,
    /// Exchange for results; empty: the default exchange.
    pub results_exchange: String,
    /// AMQP heartbeat in seconds; a silent peer is given up after two.
    pub heartbeat_seconds: u16,
    /// The broker's `consumer_timeout` in seconds: longer jobs are refused.
    pub consumer_timeout_seconds: u64,
    /// One queue a class.
    pub classes: Vec<Class>,
}

/// What the worker does about exchanges and queues at start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// Declares them.
    Declare,
    /// Only checks that they are there.
    Check,
}

/// `[[broker.classes]]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// Routing key, and end of the queue's name.
    pub name: String,
    /// Its share of the slots when several classes have jobs waiting.
    pub weight: u32,
}

/// `[keys]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keys {
    /// JWKS file of the keys that sign jobs. Empty: HS256 with `WORKER_AUTH_TOKEN`.
    pub jwks_file: String,
    /// The worker's own Ed25519 key, PKCS#8 PEM, which signs results.
    pub signing_key_file: String,
    /// `kid` of the worker's own key.
    pub signing_kid: String,
    /// What each key may do, by `kid`. A key without a policy may do what its profiles allow.
    #[serde(default)]
    pub policies: BTreeMap<String, KeyPolicy>,
}

/// `[keys.policies."kid"]`
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyPolicy {
    /// Profiles it may name; absent: all.
    pub profiles: Option<Vec<String>>,
    /// Globs of the reply queues it may use; absent: all but those whose names begin with `tester.`.
    pub reply_queues: Option<Vec<String>>,
    /// Its maxima, besides the profile's.
    #[serde(default)]
    pub limits_max: LimitsPatch,
    /// Whether a control key may drain workers; absent: only the shared token may.
    pub may_drain: Option<bool>,
}

/// `[protocol]`
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protocol {
    /// The largest message body that is read, in bytes.
    pub body_bytes_max: usize,
    /// Files of one job.
    pub files_max: usize,
    /// Bytes of one path.
    pub path_bytes_max: usize,
    /// Components of one path.
    pub path_depth_max: usize,
    /// The largest result, in bytes; a larger one is cut to fit and says so.
    pub result_bytes_max: usize,
    /// Results that are kept to answer a redelivered job.
    pub results_stored_max: usize,
    /// How long they are kept, in seconds.
    pub results_stored_seconds: u64,
    /// The longest `exp - iat`, in seconds.
    pub lifetime_seconds_max: u64,
}

/// `[docker]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Docker {
    /// The daemon's address.
    pub host: String,
    /// Time limit of one call, in seconds.
    pub timeout_seconds: u64,
    /// OCI runtime; empty: the daemon's default.
    pub runtime: String,
}

/// `[pool]`
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Sandboxes that are created at the same time.
    pub create_parallel_max: usize,
    /// Sandboxes beyond the `warm` of all profiles together that are kept ready where jobs had to wait.
    pub extra_max: usize,
}

/// `[profiles.NAME]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Whether jobs may name it. Disabled ones are gone once the configuration is loaded.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The sandbox image.
    pub image: String,
    /// The file that `{entry}` stands for when the job names none; empty: the profile needs no entry.
    #[serde(default)]
    pub entry: String,
    /// Program and arguments; `{entry}` is replaced, and nothing else. There is no shell.
    pub argv: Vec<String>,
    /// What compiles the job first; empty: nothing.
    #[serde(default)]
    pub compile: Vec<String>,
    /// Limits of the compiler, where they differ from the profile's own. A job cannot change them.
    #[serde(default)]
    pub compile_limits: LimitsPatch,
    /// Sandboxes that are kept ready.
    #[serde(default = "one")]
    pub warm: usize,
    /// Modules that a warm interpreter has imported.
    #[serde(default)]
    pub preload: Vec<String>,
    /// Jobs that one sandbox runs.
    #[serde(default = "one")]
    pub uses_per_sandbox: usize,
    /// Environment of the program.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Limits where they differ from the defaults.
    #[serde(default)]
    pub limits: LimitsPatch,
    /// The most that a job may ask for; a limit that is absent here cannot be raised above the profile's own.
    #[serde(default)]
    pub limits_max: LimitsPatch,
    /// The kind of test report that the program writes.
    #[serde(default)]
    pub report: Report,
}

impl Profile {
    /// Whether its programs start by way of a warm interpreter.
    pub const fn is_warm(&self) -> bool {
        !self.preload.is_empty()
    }
}

const fn yes() -> bool {
    true
}

const fn one() -> usize {
    1
}

/// The kind of test report that a profile's program writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Report {
    /// None.
    #[default]
    None,
    /// The built-in pytest driver's: the profile's `argv` runs `/tester/pytest_driver.py`.
    Pytest,
}

/// `[sidecar]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sidecar {
    /// Address and port; empty: no sidecar.
    pub listen: String,
}

/// `[log]`
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// Which lines are written, as `tracing` filters.
    pub filter: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
