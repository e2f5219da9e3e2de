//! The pytest driver and its report.

use serde_json::Value;
use tester_runner::message::Exit;

use crate::harness::{Run, Sandbox, start};

fn pytest(arguments: &[&str], files: &[(&str, &[u8])]) -> (Run, Vec<Value>) {
    let argv = [&["python3", tester_runner::PYTEST_DRIVER], arguments].concat();
    let mut start = start(&argv);
    start.report = true;
    let run = Sandbox::new().run(&start, files, b"");
    let lines = std::str::from_utf8(&run.report).unwrap().lines();
    let documents = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    (run, documents)
}

/// Name, outcome and message of every test.
fn tests(documents: &[Value]) -> Vec<(&str, &str, &str)> {
    let text = |value: &'static str| move |test: &Value| test[value].clone();
    documents
        .iter()
        .filter_map(|document| document.get("test"))
        .inspect(|test| assert!(text("duration_seconds")(test).as_f64().unwrap() >= 0.0))
        .map(|test| {
            (test["name"].as_str().unwrap(), test["outcome"].as_str().unwrap(), test["message"].as_str().unwrap())
        })
        .collect()
}

const SUITE: &[u8] = br#"
import os, sys, time, pytest
from helper import answer

def test_passes(): assert answer() == 42
def test_fails(): assert answer() == 41
def test_raises(): raise ValueError("no \udc80 such\nthing")
@pytest.mark.skip(reason="not today")
def test_skipped(): pass
@pytest.mark.xfail(reason="known")
def test_expected(): assert False
@pytest.mark.xfail(reason="known")
def test_unexpected(): pass
@pytest.mark.xfail(strict=True, reason="known")
def test_strict(): pass
@pytest.fixture
def broken(): raise RuntimeError("setup broke")
def test_setup(broken): pass
@pytest.fixture
def late():
    yield
    raise RuntimeError("teardown broke")
def test_teardown(late): pass
@pytest.mark.parametrize("x", [1, 2])
def test_each(x): assert x == 1
def test_forks():
    if os.fork() == 0: sys.exit(0) if False else os._exit(0)
    os.wait()
def test_sleeps(): time.sleep(0.05)
def test_path(): assert sys.path[0] == os.getcwd() == "/box" and not os.path.exists(".pytest_cache")
"#;

#[test]
fn every_test_is_reported_with_its_outcome() {
    let (run, documents) = pytest(&["-q"], &[("test_a.py", SUITE), ("helper.py", b"def answer(): return 42")]);
    assert_eq!(run.ended.exit, Some(Exit::Code(1)));
    let seen = tests(&documents);
    let outcomes: Vec<_> =
        seen.iter().map(|(name, outcome, _)| (name.trim_start_matches("test_a.py::"), *outcome)).collect();
    assert_eq!(
        outcomes,
        [
            ("test_passes", "passed"),
            ("test_fails", "failed"),
            ("test_raises", "failed"),
            ("test_skipped", "skipped"),
            ("test_expected", "xfailed"),
            ("test_unexpected", "xpassed"),
            ("test_strict", "failed"),
            ("test_setup", "error"),
            ("test_teardown", "error"),
            ("test_each[1]", "passed"),
            ("test_each[2]", "failed"),
            ("test_forks", "passed"),
            ("test_sleeps", "passed"),
            ("test_path", "passed"),
        ]
    );
    assert!(seen[1].2.contains("assert 42 == 41"), "{}", seen[1].2);
    assert!(seen[2].2.contains("ValueError"), "{}", seen[2].2);
    assert!(seen[3].2.contains("not today"));
    assert!(seen[7].2.contains("setup broke") && seen[8].2.contains("teardown broke"));
    assert!(documents[12]["test"]["duration_seconds"].as_f64().unwrap() >= 0.05);
    assert_eq!(documents.last().unwrap(), &serde_json::json!({"end": {"exit": 1, "tests": 14}}));
    assert!(run.out().contains("failed"), "pytest's own output stays on stdout");
}

#[test]
fn a_file_that_cannot_be_collected_is_an_error_under_its_name() {
    let (run, documents) =
        pytest(&[], &[("test_bad.py", b"import nothing_like_it"), ("test_ok.py", b"def test_a(): pass")]);
    assert_eq!(run.ended.exit, Some(Exit::Code(2)));
    let seen = tests(&documents);
    assert_eq!((seen[0].0, seen[0].1), ("test_bad.py", "error"));
    assert!(seen[0].2.contains("nothing_like_it"));
    assert_eq!(documents.last().unwrap()["end"]["exit"], 2);
}

#[test]
fn a_suite_that_ends_the_interpreter_has_no_end_in_its_report() {
    let (run, documents) = pytest(&[], &[("test_a.py", b"import os\ndef test_a(): os._exit(0)")]);
    assert_eq!(run.ended.exit, Some(Exit::Code(0)));
    assert_eq!(documents, Vec::<Value>::new());
}

#[test]
fn names_and_messages_are_bounded() {
    let suite = b"import pytest\n@pytest.mark.parametrize('x', ['\\xe9' * 5000])\ndef test_a(x): raise ValueError('\\u20ac' * 50000)";
    let (_, documents) = pytest(&[], &[("test_a.py", suite)]);
    let seen = tests(&documents);
    assert!(seen[0].0.len() <= 1024 && seen[0].0.len() > 1000, "{}", seen[0].0.len());
    assert!(seen[0].2.len() <= 4096 && seen[0].2.len() > 4000, "{}", seen[0].2.len());
}

#[test]
fn by_hand_the_driver_is_plain_pytest() {
    let driver = ["python3", tester_runner::PYTEST_DRIVER, "-q"];
    let run = Sandbox::new().run(&start(&driver), &[("test_a.py", b"def test_a(): pass")], b"");
    assert_eq!((run.ended.exit, run.report.len()), (Some(Exit::Code(0)), 0));
    assert!(run.out().contains("1 passed"));
    let run = Sandbox::new().run(&start(&driver), &[], b"");
    assert_eq!(run.ended.exit, Some(Exit::Code(5)));
}
