//! `exec` as a user meets it: its exit status, its two streams, its one document.

use std::process::Output;

use serde_json::Value;

use crate::docker::{containers, host_processes, wait_until};
use crate::leftovers::{signal, sleeper, spawn_sleeping};
use crate::worker::Worker;

fn ran(code: &str, arguments: &[&str]) -> Output {
    Worker::exec().file("main.py", code).args(arguments).output()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_exit_status_says_how_it_went() {
    assert_eq!(ran("print(1)", &[]).status.code(), Some(0));
    for code in ["raise SystemExit(3)", "raise SystemExit(70)", "import os; os.kill(os.getpid(), 2)", "1 / 0"] {
        let output = ran(code, &[]);
        assert_eq!(output.status.code(), Some(1), "{code}: {}", stderr(&output));
    }
    let over_policy = ran("print(1)", &["--limit", "wall_seconds=1000"]);
    assert_eq!((over_policy.status.code(), &over_policy.stdout[..]), (Some(1), &b""[..]));
    assert!(stderr(&over_policy).contains("rejected") && stderr(&over_policy).contains("60 is the maximum"));
}

#[test]
fn bad_usage_is_status_2_and_says_what_is_wrong() {
    for (arguments, says) in [
        (&["--limit", "wall_seconds=0"][..], "above zero"),
        (&["--limit", "wall_seconds=-1"], "above zero"),
        (&["--limit", "memory_bytes=1.5"], "a whole number above zero"),
        (&["--limit", "wall=1"], "no limit is called `wall`"),
        (&["--limit", "wall_seconds"], "NAME=VALUE"),
        (&["--env", "novalue"], "NAME=VALUE"),
        (&["missing.py"], "missing.py"),
        (&["--stdin", "no-such-file"], "no-such-file"),
        (&["--unknown"], "--unknown"),
    ] {
        let output = ran("print(1)", arguments);
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(2), &b""[..]), "{arguments:?}");
        assert!(stderr(&output).contains(says), "{arguments:?}: {}", stderr(&output));
    }
    assert_eq!(Worker::exec().output().status.code(), Some(2), "no file at all");
}

#[test]
fn an_interrupt_ends_the_run_and_leaves_nothing() {
    for name in ["INT", "TERM"] {
        let marker = format!("7{:08}", std::process::id());
        let mut worker = Worker::exec().file("main.py", sleeper(&marker)).args(&["--limit", "wall_seconds=50"]);
        let child = spawn_sleeping(&mut worker, &marker);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{name}: {}", stderr(&output));
        assert_eq!(containers(&worker.id), Vec::<String>::new(), "{name}");
        wait_until("the program to be gone", || host_processes(&format!("sleep {marker}")).is_empty());
    }
}

#[test]
fn json_is_one_document_that_the_schema_describes() {
    let schema =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/schema/result.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    for (code, arguments, status) in [
        ("print(1)", &["--json"][..], "ok"),
        ("import os; os.write(1, bytes(range(256))); os.abort()", &["--json"], "signaled"),
        ("while True: print('y')", &["--json", "--limit", "stdout_bytes=10"], "output_limit"),
        ("print(1)", &["--json", "--limit", "wall_seconds=1000"], "rejected"),
    ] {
        let output = ran(code, arguments);
        assert_eq!(output.status.code(), Some(i32::from(status != "ok")), "{status}");
        assert_eq!(stderr(&output), "", "{status}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
        let result: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(result["status"], status);
        let wrong: Vec<String> = validator.iter_errors(&result).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{status}: {wrong:?}");
    }
}

#[test]
fn the_programs_streams_come_out_as_they_are_with_one_line_of_verdict_behind() {
    let every_byte: Vec<u8> = (0..=255).collect();
    let code = "import os, sys\ndata = sys.stdin.buffer.read()\nos.write(1, data)\nos.write(2, data[:-1] + b'\\n')\nsys.exit(4)";
    let worker = Worker::exec().file("main.py", code).args(&["--stdin", "input"]);
    worker.write("input", &every_byte);
    let output = { worker }.output();
    assert_eq!((output.status.code(), &output.stdout), (Some(1), &every_byte));
    let verdict = output.stderr.strip_prefix([&every_byte[..255], b"\n"].concat().as_slice()).unwrap();
    let verdict = std::str::from_utf8(verdict).unwrap();
    assert!(verdict.starts_with("runtime_error · exit 4 · wall ") && verdict.lines().count() == 1, "{verdict}");
    let quiet = ran("", &[]);
    assert!(quiet.stdout.is_empty() && stderr(&quiet).starts_with("ok · exit 0 · wall "), "{}", stderr(&quiet));
}

#[test]
fn a_test_file_chooses_pytest_and_other_files_python() {
    let suite = "def test_x(): assert 1 == 1\ndef test_y(): assert 1 == 2, 'not equal'";
    let output = Worker::exec().file("test_it.py", suite).output();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(text.contains("failed test_it.py::test_y") && text.contains("tests 1 passed, 1 failed"), "{text}");
    let output = Worker::exec().file("test_it.py", suite).args(&["--profile", "python"]).output();
    assert!(output.status.success() && stderr(&output).contains("python@"), "{}", stderr(&output));
}

#[test]
fn a_folder_is_a_job_with_main_py_as_its_entry() {
    let worker = Worker::exec().args(&["job", "--arg=-x", "--arg", "two words", "--env", "K=v=w"]);
    worker.write("job/a.py", "WORD = 'imported'");
    worker.write(
        "job/main.py",
        "import os, sys\nfrom a import WORD\nprint(WORD, open('deep/er/file').read(), sys.argv, os.environ['K'])",
    );
    worker.write("job/deep/er/file", "data");
    let output = { worker }.output();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "imported data ['main.py', '-x', 'two words'] v=w\n");
}

#[test]
fn an_unknown_profile_is_refused_without_a_sandbox() {
    let output = ran("print(1)", &["--profile", "cobol"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("unknown_profile") && stderr(&output).contains("cobol"), "{}", stderr(&output));
}
