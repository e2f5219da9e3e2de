//! A backend in another language, which knows nothing but docs/protocol.md: examples/backend.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use tester_worker::protocol::keys::Direction;
use tokio::process::Command;
use tokio::time::timeout;

use super::container::Container;
use super::support::bench::{Bench, Config, Keys, SENDER, WORKER};
use super::support::docker::docker;
use super::support::token::SECRET;
use super::support::{PATIENCE, until, variable};

/// The backend's `iss`, and the end of its reply queue's name: not that of the tests' own client.
const ISSUER: &str = "backend-py";

fn examples(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(path)
}

/// Runs a program of examples/backend with these variables besides the broker's.
async fn backend(bench: &Bench, program: &str, arguments: &[PathBuf], variables: &[(&str, String)]) -> Output {
    let python = variable("TESTER_WORKER_TEST_PYTHON");
    let mut command = Command::new(python);
    command
        .arg(examples(&format!("backend/{program}")))
        .args(arguments)
        .env_remove("WORKER_AUTH_TOKEN")
        .env("AMQP_URL", bench.vhost.url())
        .env("BACKEND_ID", ISSUER)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .kill_on_drop(true);
    timeout(PATIENCE, command.output()).await.expect("the backend ends in time").expect("start the Python for tests")
}

/// What the backend printed of a result that it verified.
fn printed(output: &Output) -> Value {
    assert!(output.status.success(), "the backend failed: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the result's claims in JSON")
}

fn path(path: &Path) -> String {
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_backend_submits_and_verifies_with_the_shared_token() {
    let bench = Bench::new("python", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let token = [("WORKER_AUTH_TOKEN", SECRET.to_owned())];
    let result = printed(&backend(&bench, "backend.py", &[examples("jobs/hello.py")], &token).await);
    assert_eq!((&result["status"], &result["exit_code"]), (&"ok".into(), &0.into()), "{result}");
    assert_eq!((&result["iss"], &result["aud"]), (&worker.id.as_str().into(), &ISSUER.into()), "{result}");
    let hello = result["stdout"]["text"].as_str().expect("a text");
    assert!(hello.to_lowercase().contains("hello"), "{hello}");

    let tampered = backend(&bench, "tampered.py", &[], &token).await;
    assert!(tampered.status.success(), "{tampered:?}");
    let dead = until("the tampered job is dead", async || bench.client.take("tester.dead").await).await;
    let reason = dead.properties.headers().as_ref().and_then(|headers| headers.inner().get("x-tester-reason").cloned());
    assert_eq!(
        reason.and_then(|text| text.as_long_string().map(ToString::to_string)).as_deref(),
        Some("bad_signature")
    );
    let id = String::from_utf8_lossy(&tampered.stdout).trim().to_owned();
    bench.client.good_job_runs().await;
    let answered = bench.client.inbox().iter().any(|message| super::support::client::message_id(message) == Some(&id));
    assert!(!answered, "the tampered job was answered");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_backend_submits_and_verifies_with_ed25519_keys() {
    let bench = Bench::new("pythoned", Keys::Ed25519).await;
    bench.write_jwks(&[SENDER.jwk(ISSUER)]);
    let worker = bench.worker(Config::default()).await;
    std::fs::write(bench.path("sender.pem"), SENDER.key().to_pem().expect("a key").as_bytes()).expect("write a key");
    let public = WORKER.key().public_jwk(Direction::Results, None).expect("a public half");
    std::fs::write(bench.path("workers.json"), serde_json::json!({ "keys": [public] }).to_string())
        .expect("write keys");
    let variables = [
        ("JOB_KEY_FILE", path(&bench.path("sender.pem"))),
        ("JOB_KID", SENDER.0.to_owned()),
        ("WORKER_JWKS_FILE", path(&bench.path("workers.json"))),
    ];
    let result = printed(&backend(&bench, "backend.py", &[examples("jobs/memory_bomb.py")], &variables).await);
    assert_eq!((&result["status"], &result["limit"]), (&"memory_limit".into(), &"memory".into()), "{result}");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_python_backend_is_answered_by_the_workers_image() {
    let bench = Bench::new("image", Keys::Token).await;
    let warm = [("TESTER_WORKER__PROFILES__PYTHON__WARM", "1"), ("TESTER_WORKER__PROFILES__PYTEST__WARM", "1")];
    let container = Container::ready(&bench, &warm).await;
    let token = [("WORKER_AUTH_TOKEN", SECRET.to_owned())];
    let result = printed(&backend(&bench, "backend.py", &[examples("jobs/hello.py")], &token).await);
    assert_eq!((&result["status"], &result["worker"]), (&"ok".into(), &container.name.as_str().into()), "{result}");
    bench.client.good_job_runs().await;
    container.stop().await;
    bench.close().await;
}

/// A build for tests can take a wall of the sandbox away by a variable (runner/src/walls.rs). What is released does not
/// know that variable's name, in the worker nor in the runner inside of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_wall_can_be_taken_away_from_what_is_released() {
    let image = variable("TESTER_WORKER_TEST_WORKER_IMAGE");
    let count = async |text: &str| {
        let search = format!("grep -c {text} /usr/local/bin/tester-worker || true");
        docker(&["run", "--rm", "--entrypoint", "sh", &image, "-c", &search]).await.trim().to_owned()
    };
    assert_ne!(count("'usage: tester-runner pid1'").await, "0", "the runner is inside");
    assert_eq!(
        count("TESTER_WORKER_TEST_").await,
        "0",
        "no wall to take away, no point to die at, no answer without a sandbox"
    );
}
