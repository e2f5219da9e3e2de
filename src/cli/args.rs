//! The command line: names, help texts, and what a value may look like.

#![expect(clippy::doc_markdown, reason = "these comments are help texts, printed as they are")]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub use super::bench::Bench;
use crate::domain::limits::{LimitName, LimitsPatch};

/// Runs signed jobs from RabbitMQ in hardened, single-use Docker sandboxes and answers with signed results.
#[derive(Debug, Parser)]
#[command(name = "tester-worker", version, arg_required_else_help = true)]
pub struct Cli {
    /// Configuration file, TOML [default: /etc/tester-worker/config.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take jobs from RabbitMQ until told to stop
    ///
    /// SIGTERM or SIGINT drains: nothing new is taken, running jobs end, what is left after `worker.drain_seconds` goes back
    /// to its queue. A second signal ends at once.
    ///
    /// Exit status: 0 drained, 2 bad configuration or keys, 70 a fault of ours,
    /// 75 deadline passed and jobs given back, 130 or 143 second signal.
    Serve,
    /// Run one job here, in a sandbox, without a broker
    ///
    /// The program's stdout and stderr come out as they are, then one line of verdict and usage on stderr.
    ///
    /// Exit status: 0 ok, 1 any other ending of the program, 2 bad usage, 70 a fault of ours, 130 interrupted.
    Exec(Exec),
    /// Sign a job, publish it, wait for its result, verify and show it
    ///
    /// Exit status: 0 ok, 1 any other signed result, 2 bad usage, 70 internal error, unverifiable or no result,
    /// 130 interrupted.
    Submit(Submit),
    /// Cancel a job, wherever it is
    ///
    /// Every worker is told. A running job is ended, one that waits is not run; either way its result says `cancelled`. A job
    /// that was answered before stays answered.
    ///
    /// Exit status: 0 the workers were told, 2 bad usage, 70 they were not.
    Cancel(Cancel),
    /// Make a worker finish what it has and stop
    ///
    /// As SIGTERM does, from anywhere. With a JWKS file the key's policy needs `may_drain = true`.
    ///
    /// Exit status: 0 the workers were told, 2 bad usage, 70 they were not.
    Drain(Drain),
    /// Check the daemon, the images, cgroups, the broker and the keys, and say how to mend what is wrong
    ///
    /// Exit status: 0 nothing is red, 1 something is.
    Doctor(Doctor),
    /// Make keys
    #[command(subcommand)]
    Keys(Keys),
    /// Look after messages that could not be answered
    ///
    /// They are in the queue `tester.dead`, each with the reason.
    #[command(subcommand)]
    Dead(Dead),
    /// Measure how long jobs take through the broker, and how many come through
    ///
    /// Needs a worker that takes them, but for the program `no-op`. Each client sends a job, waits for its verified result, and
    /// sends the next. `around` is what is left of that time without the program's own run; `road` is the part of it that the
    /// worker accounts for. All rows of a run by default take about three minutes.
    ///
    /// RabbitMQ must let the user do what `submit` does, and for `no-op`, which declares a queue of its own and deletes it again, also
    /// what a worker does (docs/operations.md, Permissions). `no-op` needs no key; the others need one that the worker knows.
    ///
    /// Exit status: 0, 1 a job did not end with ok, 2 bad usage, 70 no broker or no result, 130 interrupted.
    Bench(Bench),
    /// Check or show the configuration
    #[command(subcommand)]
    Config(Config),
    /// Ask the sidecar of a running worker whether it is ready
    ///
    /// Meant for a container's HEALTHCHECK. The address is `sidecar.listen`.
    ///
    /// Exit status: 0 yes, 1 no or no answer.
    Health(Health),
}

/// A job, as `exec` and `submit` take it.
#[derive(Debug, Args)]
pub struct Job {
    /// Files of the job, or one folder
    ///
    /// The entry is `main.py` if it is there, else the first file.
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Profile to run in [default: pytest if a file is named test_*.py or *_test.py, else python]
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// File that the program reads as its stdin; `-`: our own
    #[arg(long, value_name = "FILE")]
    pub stdin: Option<PathBuf>,
    /// Argument for the program (repeatable)
    #[arg(long = "arg", value_name = "ARG", allow_hyphen_values = true)]
    pub args: Vec<String>,
    /// Environment variable for the program (repeatable)
    #[arg(long, value_name = "K=V", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// Limit of the run (repeatable), e.g. wall_seconds=5 or memory_bytes=134217728
    ///
    /// Names: wall_seconds, cpu_seconds, memory_bytes, processes, cpus, stdout_bytes, stderr_bytes, scratch_bytes,
    /// scratch_files, file_bytes, open_files.
    #[arg(long = "limit", value_name = "NAME=VALUE", value_parser = limit, allow_hyphen_values = true)]
    pub limits: Vec<Limit>,
    /// Print the result record on stdout, one JSON document, and nothing else
    #[arg(long)]
    pub json: bool,
}

/// One `--limit`, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// Which limit.
    pub name: LimitName,
    /// Its value's text, known to be a number of the limit's kind above zero.
    pub text: String,
}

impl Job {
    /// All `--limit` options together; the last of one name wins.
    ///
    /// # Errors
    /// None after parsing, which has checked each.
    pub fn limits_patch(&self) -> Result<LimitsPatch, crate::domain::limits::LimitError> {
        let mut patch = LimitsPatch::default();
        self.limits.iter().try_for_each(|limit| patch.set(limit.name, &limit.text))?;
        Ok(patch)
    }
}

/// `exec`
#[derive(Debug, Args)]
pub struct Exec {
    /// The job.
    #[command(flatten)]
    pub job: Job,
}

/// `submit`
#[derive(Debug, Args)]
pub struct Submit {
    /// The job.
    #[command(flatten)]
    pub job: Job,
    /// Class of the job: the queue it goes to
    #[arg(long, value_name = "NAME", default_value = "default")]
    pub class: String,
    /// Show what the program writes while it runs
    #[arg(long, conflicts_with = "json")]
    pub stream: bool,
    /// How long to wait for the result; the job expires then too
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub timeout_seconds: u64,
    /// Whose keys.
    #[command(flatten)]
    pub sender: Sender,
    /// Queue that gets the result; it must exist [default: an exclusive queue of this command's own]
    #[arg(long, value_name = "QUEUE")]
    pub reply_to: Option<String>,
}

/// Whose key signs the jobs, and whose keys the results are verified with.
#[derive(Debug, Args)]
pub struct Sender {
    /// The sender's Ed25519 key, PKCS#8 PEM [default: HS256 with WORKER_AUTH_TOKEN]
    #[arg(long, value_name = "FILE", requires = "kid")]
    pub key_file: Option<PathBuf>,
    /// `kid` of the sender's key
    #[arg(long, value_name = "KID", requires = "key_file")]
    pub kid: Option<String>,
    /// Who sends it (`iss`) [default: the key's kid, or `submit` with the shared token]
    #[arg(long, value_name = "NAME")]
    pub iss: Option<String>,
    /// JWKS file with the workers' public keys [default: HS256 with WORKER_AUTH_TOKEN]
    #[arg(long, value_name = "FILE")]
    pub results_jwks: Option<PathBuf>,
}

/// Who gives an order, and how it is shown.
#[derive(Debug, Args)]
pub struct Order {
    /// Ed25519 key whose direction is control, PKCS#8 PEM [default: HS256 with WORKER_AUTH_TOKEN]
    #[arg(long, value_name = "FILE", requires = "kid")]
    pub key_file: Option<PathBuf>,
    /// `kid` of the key
    #[arg(long, value_name = "KID", requires = "key_file")]
    pub kid: Option<String>,
    /// Who gives the order (`iss`); a job is cancelled by its own issuer [default: the key's kid, or `submit` with the
    /// shared token]
    #[arg(long, value_name = "NAME")]
    pub iss: Option<String>,
    /// Print what was said on stdout as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `cancel`
#[derive(Debug, Args)]
pub struct Cancel {
    /// Id of the job (`jti`)
    #[arg(value_name = "JOB_ID")]
    pub job: uuid::Uuid,
    /// How long workers remember it, so that the job is not run when it comes later [default: protocol.lifetime_seconds_max]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub holds_seconds: Option<u64>,
    /// The order.
    #[command(flatten)]
    pub order: Order,
}

/// `drain`
#[derive(Debug, Args)]
pub struct Drain {
    /// Id of the worker (`worker.id`)
    #[arg(value_name = "WORKER_ID")]
    pub worker: String,
    /// The order.
    #[command(flatten)]
    pub order: Order,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Print the findings on stdout as one JSON document
    #[arg(long)]
    pub json: bool,
}

/// `keys`
#[derive(Debug, Subcommand)]
pub enum Keys {
    /// Make an Ed25519 key pair: KID.pem, the private key, and KID.jwks.json, the public one
    ///
    /// Existing files are never overwritten.
    Generate(KeysGenerate),
}

/// `keys generate`
#[derive(Debug, Args)]
pub struct KeysGenerate {
    /// Folder for the two files
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub out_dir: PathBuf,
    /// Name of the key, in the header of everything it signs
    #[arg(long, value_name = "KID", default_value = "worker-1", value_parser = kid)]
    pub kid: String,
    /// What the key signs: results for a worker's own key, jobs for a sender's
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = Signs::Results)]
    pub signs: Signs,
    /// The only `iss` that the key may sign for [default: any]
    #[arg(long, value_name = "NAME")]
    pub iss: Option<String>,
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Signs {
    /// Jobs: the key of a sender.
    Jobs,
    /// Results: the key of a worker.
    Results,
    /// Control messages: the key of an operator.
    Control,
}

/// `dead`
#[derive(Debug, Subcommand)]
pub enum Dead {
    /// List the messages, the oldest first
    List(DeadList),
    /// Show one message: its reason, its headers, its claims
    Show(DeadShow),
    /// Put messages back to where they were published
    Requeue(DeadMany),
    /// Delete messages
    Drop(DeadMany),
}

/// `dead list`
#[derive(Debug, Args)]
pub struct DeadList {
    /// Print one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

/// `dead show`
#[derive(Debug, Args)]
pub struct DeadShow {
    /// The message, as `dead list` names it
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

/// `dead requeue` and `dead drop`
// The group is made by hand: the derived one would take in `--json` as well.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group(clap::ArgGroup::new("which").required(true).args(["id", "all"])))]
pub struct DeadMany {
    /// The message, as `dead list` names it
    #[arg(value_name = "ID")]
    pub id: Option<String>,
    /// All messages
    #[arg(long)]
    pub all: bool,
    /// Print one JSON document on stdout
    #[arg(long)]
    pub json: bool,
}

/// `config`
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Config {
    /// Look for problems in the configuration and the files it names; print all of them, or `ok`
    Check,
    /// Print the configuration in force as TOML, with the source of each value that is not a default
    ///
    /// Secrets are not shown.
    Print,
    /// Print the JSON Schema of a configuration, for editors
    Schema,
}

/// `health`
#[derive(Debug, Clone, Copy, Args)]
pub struct Health {
    /// Ask only whether the process is well, not whether it takes jobs
    #[arg(long)]
    pub live: bool,
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("it must look like NAME=VALUE")?;
    let first = name.chars().next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Err(format!("`{name}` cannot be the name of a variable"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn limit(text: &str) -> Result<Limit, String> {
    let (name, value) = text.split_once('=').ok_or("it must look like NAME=VALUE")?;
    let name = LimitName::parse(name).map_err(|error| error.to_string())?;
    LimitsPatch::default().set(name, value).map_err(|error| error.to_string())?;
    Ok(Limit { name, text: value.to_owned() })
}

/// A `kid` is also the files' name.
fn kid(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if text.is_empty() || text.len() > 64 || text.starts_with('.') || !text.chars().all(allowed) {
        return Err("use 1 to 64 letters, digits, `.`, `_` and `-`, not a `.` first".to_owned());
    }
    Ok(text.to_owned())
}
