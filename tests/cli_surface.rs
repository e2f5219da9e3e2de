//! The command line as a user meets it, with the real binary.
#![cfg(test)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use assert_cmd::Command;
use tester_worker::domain::limits::LimitName;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

struct Ran {
    status: i32,
    stdout: String,
    stderr: String,
}

fn command() -> Command {
    let mut command = Command::cargo_bin("tester-worker").unwrap();
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.to_ascii_uppercase().starts_with("TESTER_WORKER__") || name.starts_with("WORKER_AUTH_TOKEN") {
            command.env_remove(name);
        }
    }
    command
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn run(arguments: &[&str]) -> Ran {
    ran(command().args(arguments))
}

#[test]
fn help_and_version_go_to_stdout_with_status_0() {
    for arguments in [&["--help"][..], &["exec", "--help"], &["help", "keys", "generate"], &["--version"]] {
        let ran = run(arguments);
        assert_eq!((ran.status, ran.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(!ran.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(run(&["--version"]).stdout, format!("tester-worker {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn mistakes_on_the_command_line_end_with_status_2_and_say_what_is_wrong() {
    let rows: [(&[&str], &str); 13] = [
        (&[], "Usage:"),
        (&["exce"], "exec"),
        (&["exec"], "<PATH>"),
        (&["submit", "x.py", "--stream", "--json"], "'--stream' cannot be used with '--json'"),
        (&["exec", "x.py", "--limit", "wall=1"], "no limit is called `wall`"),
        (&["exec", "x.py", "--limit", "wall_seconds=0"], "above zero"),
        (&["exec", "x.py", "--limit", "wall_seconds=-1"], "above zero"),
        (&["exec", "x.py", "--limit", "wall_seconds"], "NAME=VALUE"),
        (&["exec", "x.py", "--env", "1A=x"], "cannot be the name of a variable"),
        (&["submit", "x.py", "--key-file", "k.pem"], "--kid"),
        (&["dead", "requeue"], "--all"),
        (&["dead", "drop", "x", "--all"], "cannot be used with"),
        (&["keys", "generate", "--kid", "../x"], "letters, digits"),
    ];
    for (arguments, says) in rows {
        let ran = run(arguments);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn the_help_of_exec_names_every_limit() {
    let help = run(&["exec", "--help"]).stdout;
    for name in LimitName::ALL {
        assert!(help.contains(name.as_str()), "{name}");
    }
}

#[test]
fn config_check_says_ok_or_everything_that_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    fs::write(&path, "[worker]\nslots = 3\n").unwrap();
    let file = path.to_str().unwrap();
    let good = ran(command().args(["config", "check", "--config", file]).env("WORKER_AUTH_TOKEN", TOKEN));
    assert_eq!((good.status, good.stdout.as_str(), good.stderr.as_str()), (0, "ok\n", ""));

    fs::write(&path, "[worker]\nslot = 3\nattempts_max = 0\n").unwrap();
    let bad = run(&["--config", file, "config", "check"]);
    assert_eq!((bad.status, bad.stdout.as_str()), (2, ""));
    assert!(bad.stderr.starts_with("error: the configuration has 2 problems:\n"), "{}", bad.stderr);
    assert!(bad.stderr.contains(file) && bad.stderr.contains("did you mean `slots`?"), "{}", bad.stderr);
}

#[test]
fn config_check_without_any_key_says_how_to_get_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    fs::write(&path, "").unwrap();
    let ran = run(&["--config", path.to_str().unwrap(), "config", "check"]);
    assert_eq!(ran.status, 2);
    assert!(ran.stderr.contains("openssl rand -hex 32"), "{}", ran.stderr);
}

#[test]
fn config_print_and_schema_are_data_on_stdout() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    fs::write(&path, "").unwrap();
    let file = path.to_str().unwrap();
    let url = "amqp://u:hunter2@h";
    let printed = ran(command().args(["--config", file, "config", "print"]).env("TESTER_WORKER__BROKER__URLS", url));
    assert_eq!(printed.status, 0, "{}", printed.stderr);
    assert!(toml::from_str::<toml::Table>(&printed.stdout).is_ok(), "{}", printed.stdout);
    assert!(printed.stdout.contains("[REDACTED]") && !printed.stdout.contains("hunter2"), "{}", printed.stdout);

    let schema: serde_json::Value = serde_json::from_str(&run(&["config", "schema"]).stdout).unwrap();
    let file: toml::Table = toml::from_str(tester_worker::config::DEFAULT).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&serde_json::to_value(file).unwrap()));
    assert!(validator.is_valid(&serde_json::json!({ "profiles": { "python": { "warm": 4 } } })));
    assert!(!validator.is_valid(&serde_json::json!({ "worker": { "slot": 1 } })));
    assert!(!validator.is_valid(&serde_json::json!({ "broker": { "classes": [{ "name": "x" }] } })));
}

#[test]
fn health_without_a_sidecar_is_status_1_and_says_whom_it_asked() {
    // A port that was free a moment ago: nobody else binds it in between, for nobody else asks for this one.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ran = ran(command().args(["health", "--live"]).env("TESTER_WORKER__SIDECAR__LISTEN", &free));
    assert_eq!((ran.status, ran.stdout.as_str()), (1, ""));
    assert!(ran.stderr.contains(&format!("no sidecar answers at {free}")), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
}

/// Runs `health` against somebody who gives this answer to whatever is asked.
fn health_of(arguments: &[&str], answer: &'static str) -> (Ran, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let length = stream.read(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let ran = ran(command().arg("health").args(arguments).env("TESTER_WORKER__SIDECAR__LISTEN", &address));
    (ran, server.join().unwrap())
}

#[test]
fn health_is_status_0_when_ready_and_lists_what_is_not() {
    let (ready, request) = health_of(&[], "HTTP/1.1 200 OK\r\n\r\n{\"ready\":true,\"parts\":[]}");
    assert_eq!((ready.status, ready.stdout.as_str()), (0, "ready\n"));
    assert!(request.starts_with("GET /readyz HTTP/1.1\r\n"), "{request}");

    let answer =
        "HTTP/1.1 503 x\r\n\r\n{\"ready\":false,\"parts\":[{\"part\":\"docker\",\"ready\":false,\"reason\":\"away\"}]}";
    let (red, _) = health_of(&[], answer);
    assert_eq!((red.status, red.stdout.as_str()), (1, "not ready\n  docker: away\n"));

    let (live, request) = health_of(&["--live"], "HTTP/1.1 200 OK\r\n\r\n{\"live\":true}");
    assert_eq!((live.status, live.stdout.as_str()), (0, "live\n"));
    assert!(request.starts_with("GET /livez "), "{request}");

    let (other, _) = health_of(&[], "HTTP/1.1 200 OK\r\n\r\n<html>");
    assert_eq!(other.status, 1);
    assert!(other.stderr.contains("is not a sidecar"), "{}", other.stderr);
}
