//! Checks what types cannot say, and what follows from two values together. Each message gives the reason.

mod profile;

use std::collections::BTreeSet;
use std::net::SocketAddr;

use globset::Glob;
use secrecy::ExposeSecret as _;
use tracing_subscriber::EnvFilter;

use super::inspect::join;
use super::model::{Broker, Config, Docker, Keys, Log, Pool, Protocol, Sidecar, Worker};
use super::problem::Problem;
use crate::domain::limits::Limits;

const BODY_BYTES_MAX: usize = 128 << 20;
const SLOTS_MAX: usize = 1000;
const EXTRA_MAX: usize = 1000;
const STALLED_SECONDS_MIN: u64 = 5;
const WEIGHT_MAX: u32 = 1000;
const NAME_BYTES_MAX: usize = 64;
/// Beside its longest run, a delivery waits for a sandbox, for the worker's own deadline and for the confirmation.
const CONSUMER_SLACK_SECONDS: f64 = 120.0;

/// Everything that is wrong with a configuration whose types are right.
pub(in crate::config) fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    worker(&config.worker, &mut problems);
    broker(&config.broker, &mut problems);
    consumer_timeout(config, &mut problems);
    keys(&config.keys, &mut problems);
    policies(config, &mut problems);
    protocol(&config.protocol, &mut problems);
    docker(&config.docker, &mut problems);
    pool(config.pool, &mut problems);
    if !config.profiles.values().any(|profile| profile.enabled) {
        problems.push(Problem::new("profiles", "there is no profile: no job could run"));
    }
    for (name, profile) in &config.profiles {
        profile::check(name, profile, &mut problems);
    }
    sidecar(&config.sidecar, &mut problems);
    log(&config.log, &mut problems);
    problems
}

/// What is allowed but probably not meant.
pub(in crate::config) fn hints(config: &Config) -> Vec<Problem> {
    config.profiles.iter().flat_map(|(name, profile)| profile::hints(name, profile, config.worker.slots)).collect()
}

/// Whether there is something to verify jobs with and to sign results.
pub(in crate::config) fn keys_present(config: &Config, token: bool) -> Vec<Problem> {
    if token || !config.keys.jwks_file.is_empty() {
        return Vec::new();
    }
    let problem = Problem::new("keys", "there is neither keys.jwks_file nor WORKER_AUTH_TOKEN: no job can be verified");
    vec![problem.hint("set WORKER_AUTH_TOKEN (openssl rand -hex 32), or make keys with `tester-worker keys generate`")]
}

fn worker(worker: &Worker, problems: &mut Vec<Problem>) {
    if !is_name(&worker.id, true) {
        let message = format!("`{}` cannot be the worker's id: it is part of queue names and labels", worker.id);
        problems.push(Problem::new("worker.id", message).hint("use 1 to 64 letters, digits, `.`, `_` and `-`"));
    }
    if worker.audience.is_empty() {
        problems.push(Problem::new("worker.audience", "is empty: every job must say which fleet it is for"));
    }
    if worker.stalled_seconds < STALLED_SECONDS_MIN {
        let message = format!("is {}, but must be {STALLED_SECONDS_MIN} or more", worker.stalled_seconds);
        let hint = "loops of the worker go round every second; a busy machine may hold them up for a while";
        problems.push(Problem::new("worker.stalled_seconds", message).hint(hint));
    }
    if !(1..=SLOTS_MAX).contains(&worker.slots) {
        problems.push(Problem::new("worker.slots", format!("is {}, but must be 1 to {SLOTS_MAX}", worker.slots)));
    }
    if worker.attempts_max == 0 {
        problems.push(Problem::new("worker.attempts_max", "is 0: no job could run even once"));
    }
}

fn broker(broker: &Broker, problems: &mut Vec<Problem>) {
    if broker.urls.is_empty() {
        problems.push(Problem::new("broker.urls", "is empty: there is no broker to take jobs from"));
    }
    for (index, url) in broker.urls.iter().enumerate() {
        let url = url.expose_secret();
        if !(url.starts_with("amqp://") || url.starts_with("amqps://")) {
            let message = "must begin with amqp:// or amqps://";
            problems.push(Problem::new(format!("broker.urls[{index}]"), message));
        }
    }
    if broker.heartbeat_seconds < 2 {
        let message =
            format!("is {}, but must be 2 or more: a silent peer is given up after two", broker.heartbeat_seconds);
        problems.push(Problem::new("broker.heartbeat_seconds", message));
    }
    if broker.classes.is_empty() {
        problems.push(Problem::new("broker.classes", "is empty: there is no queue to take jobs from"));
    }
    let mut seen = BTreeSet::new();
    for (index, class) in broker.classes.iter().enumerate() {
        let key = format!("broker.classes[{index}]");
        if !is_name(&class.name, false) {
            let message = format!("`{}` cannot be a class: it is the end of a queue's name", class.name);
            let hint = "use 1 to 64 small letters, digits, `_` and `-`";
            problems.push(Problem::new(format!("{key}.name"), message).hint(hint));
        }
        if !seen.insert(&class.name) {
            problems.push(Problem::new(format!("{key}.name"), format!("`{}` is there twice", class.name)));
        }
        if !(1..=WEIGHT_MAX).contains(&class.weight) {
            let message = format!("is {}, but must be 1 to {WEIGHT_MAX}", class.weight);
            problems.push(Problem::new(format!("{key}.weight"), message));
        }
    }
}

fn consumer_timeout(config: &Config, problems: &mut Vec<Problem>) {
    let longest = |profile: &super::model::Profile| {
        let own = Limits::default().overlaid(&profile.limits);
        let compiler =
            if profile.compile.is_empty() { 0.0 } else { own.overlaid(&profile.compile_limits).wall_seconds };
        profile.limits_max.wall_seconds.unwrap_or(own.wall_seconds) + compiler
    };
    let Some((name, wall)) = config
        .profiles
        .iter()
        .map(|(name, profile)| (name, longest(profile)))
        .max_by(|(_, left), (_, right)| left.total_cmp(right))
    else {
        return;
    };
    let timeout = std::time::Duration::from_secs(config.broker.consumer_timeout_seconds).as_secs_f64();
    if timeout <= wall + CONSUMER_SLACK_SECONDS {
        let message = format!(
            "is {timeout}, but a job of profile `{name}` may run for {wall} seconds, and the broker must wait for \
             {CONSUMER_SLACK_SECONDS} more; else it takes every running job away from the worker"
        );
        let hint = "raise it, in RabbitMQ's consumer_timeout too, or lower the profile's limits_max.wall_seconds";
        problems.push(Problem::new("broker.consumer_timeout_seconds", message).hint(hint));
    }
}

fn keys(keys: &Keys, problems: &mut Vec<Problem>) {
    if !keys.jwks_file.is_empty() && keys.signing_key_file.is_empty() {
        let message = "is empty, but keys.jwks_file is set: results need the worker's own key";
        let hint = "make one with `tester-worker keys generate`";
        problems.push(Problem::new("keys.signing_key_file", message).hint(hint));
    }
    if !keys.signing_key_file.is_empty() && keys.signing_kid.is_empty() {
        let message = "is empty, but keys.signing_key_file is set: a result names the key that signed it";
        problems.push(Problem::new("keys.signing_kid", message));
    }
}

fn policies(config: &Config, problems: &mut Vec<Problem>) {
    for (kid, policy) in &config.keys.policies {
        let key = join("keys.policies", kid);
        let unknown = |name: &&String| !config.profiles.contains_key(*name);
        for name in policy.profiles.iter().flatten().filter(unknown) {
            let message = format!("names the profile `{name}`, which does not exist");
            problems.push(Problem::new(format!("{key}.profiles"), message));
        }
        for glob in policy.reply_queues.iter().flatten() {
            if let Err(error) = Glob::new(glob) {
                problems.push(Problem::new(format!("{key}.reply_queues"), format!("not a glob: {error}")));
            }
        }
        if let Err(error) = policy.limits_max.check() {
            problems.push(Problem::new(format!("{key}.limits_max"), error.to_string()));
        }
    }
}

fn protocol(protocol: &Protocol, problems: &mut Vec<Problem>) {
    let Protocol {
        body_bytes_max,
        files_max,
        path_bytes_max,
        path_depth_max,
        result_bytes_max,
        results_stored_max,
        results_stored_seconds: _,
        lifetime_seconds_max,
    } = *protocol;
    let bounds = [
        ("body_bytes_max", body_bytes_max, 1024, BODY_BYTES_MAX),
        ("files_max", files_max, 1, 1_000_000),
        ("path_bytes_max", path_bytes_max, 1, 4095),
        ("path_depth_max", path_depth_max, 1, 1000),
        ("result_bytes_max", result_bytes_max, 65_536, BODY_BYTES_MAX),
        ("results_stored_max", results_stored_max, 1, 1_000_000),
    ];
    for (name, value, least, most) in bounds {
        if !(least..=most).contains(&value) {
            let message = format!("is {value}, but must be {least} to {most}");
            problems.push(Problem::new(format!("protocol.{name}"), message));
        }
    }
    if lifetime_seconds_max == 0 {
        problems.push(Problem::new("protocol.lifetime_seconds_max", "is 0: every job would be too long-lived"));
    }
}

fn docker(docker: &Docker, problems: &mut Vec<Problem>) {
    if !["unix:///", "tcp://", "http://"].iter().any(|scheme| docker.host.starts_with(scheme)) {
        let message = format!("`{}` is not an address of a daemon", docker.host);
        let hint = "use unix:///var/run/docker.sock, tcp://host:port or http://host:port";
        problems.push(Problem::new("docker.host", message).hint(hint));
    }
    if docker.timeout_seconds == 0 {
        problems.push(Problem::new("docker.timeout_seconds", "is 0: no call could ever succeed"));
    }
}

fn pool(pool: Pool, problems: &mut Vec<Problem>) {
    let Pool { create_parallel_max, extra_max } = pool;
    at_least_one("pool.create_parallel_max", create_parallel_max, problems);
    if extra_max > EXTRA_MAX {
        let message = format!("is {extra_max}, but must be 0 to {EXTRA_MAX}");
        let hint = "each is a container that is kept ready; more than worker.slots are rarely of use";
        problems.push(Problem::new("pool.extra_max", message).hint(hint));
    }
}

fn sidecar(sidecar: &Sidecar, problems: &mut Vec<Problem>) {
    if !sidecar.listen.is_empty() && sidecar.listen.parse::<SocketAddr>().is_err() {
        let message = format!("`{}` is not an address and a port", sidecar.listen);
        let hint = "use 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080, or nothing for no sidecar";
        problems.push(Problem::new("sidecar.listen", message).hint(hint));
    }
}

fn log(log: &Log, problems: &mut Vec<Problem>) {
    if let Err(error) = EnvFilter::builder().parse(&log.filter) {
        let message = format!("`{}` is not a filter: {error}", log.filter);
        let hint = "use a level (error, warn, info, debug, trace) or target=level, separated by commas";
        problems.push(Problem::new("log.filter", message).hint(hint));
    }
}

fn at_least_one(key: &str, value: usize, problems: &mut Vec<Problem>) {
    if value == 0 {
        problems.push(Problem::new(key, "is 0, but must be 1 or more"));
    }
}

/// Whether a text can be part of a queue's name, a label and a metric.
fn is_name(text: &str, wide: bool) -> bool {
    let allowed = |c: char| {
        c.is_ascii_lowercase()
            || c.is_ascii_digit()
            || matches!(c, '_' | '-')
            || (wide && (c == '.' || c.is_ascii_uppercase()))
    };
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.chars().all(allowed)
}
