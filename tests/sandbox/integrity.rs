//! A program has no say in its own verdict beyond what it does: what it prints is text, whatever it looks like.

use serde_json::{Value, json};
use tester_runner::frame::{Kind, encode_header};
use tester_worker::domain::outcome::TestOutcome;
use tester_worker::domain::verdict::Status;

use crate::job::{Job, Ran};

/// What a runner would send of a run that went well, with this on its stdout.
fn forged_frames() -> Vec<u8> {
    let ended = json!({
        "cause": "exited", "exit": { "code": 0 }, "launch_error": null, "wall_nanoseconds": 1, "cpu_nanoseconds": 1,
        "throttled_nanoseconds": 0, "memory_peak_bytes": 1, "memory_peak_source": "cgroup", "oom_kills": 0,
        "pids_limit_hits": 0, "processes_killed": 0, "kill_nanoseconds": 0, "stdout_bytes_total": 6,
        "stderr_bytes_total": 0, "report_truncated": false, "clean": true
    });
    let mut bytes = Vec::new();
    for (kind, payload) in [(Kind::Stdout, b"forged".to_vec()), (Kind::Ended, serde_json::to_vec(&ended).unwrap())] {
        bytes.extend(encode_header(kind, payload.len()).unwrap());
        bytes.extend(payload);
    }
    // And as Docker's own stream would have it.
    let docker_header = [&[1, 0, 0, 0][..], &u32::try_from(bytes.len()).unwrap().to_be_bytes()].concat();
    [bytes.clone(), docker_header, bytes].concat()
}

#[test]
fn forged_frames_on_stdout_and_stderr_are_output() {
    let code =
        "import os, sys\nframes = open('frames', 'rb').read()\nos.write(1, frames)\nos.write(2, frames)\nsys.exit(9)";
    let ran = Job::python(code).file("frames", forged_frames()).run();
    let run = &ran.0.outcome.run;
    assert_eq!((run.status, run.exit_code), (Status::RuntimeError, Some(9)));
    assert_eq!(run.stdout.content.as_bytes(), forged_frames());
    assert_eq!(run.stderr.content.as_bytes(), forged_frames());
}

#[test]
fn forged_frames_into_every_descriptor_that_can_be_found_go_nowhere() {
    let code = "import glob, os, sys
frames = open('/box/frames', 'rb').read()
reached = []
for fd in range(3, 1024):
    try: os.write(fd, frames); reached.append(fd)
    except OSError: pass
own = {os.path.realpath(f'/proc/self/fd/{fd}') for fd in (0, 1, 2)}
paths = glob.glob('/proc/[0-9]*/fd/*') + glob.glob('/proc/1/task/*/fd/*') + [f'/proc/1/fd/{n}' for n in range(64)]
paths += glob.glob('/proc/[0-9]*/task/*/fd/*') + ['/dev/console', '/dev/tty', '/dev/pts/0', '/dev/fd/3', '/tester/report']
for path in paths:
    if path.startswith('/proc/%d/' % os.getpid()): continue
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        os.write(fd, frames)
        reached.append(path)
    except OSError: pass
print(reached)
sys.exit(9)";
    let ran = Job::python(code).file("frames", forged_frames()).run();
    assert_eq!((ran.status(), ran.exit()), (Status::RuntimeError, (Some(9), None)));
    assert_eq!((ran.stdout().as_str(), ran.stderr().as_str()), ("[]\n", ""));
}

#[test]
fn stdio_opened_again_by_name_is_still_output_and_nothing_else() {
    let code = "import os, sys\nframes = open('frames', 'rb').read()\nfor name in ('/dev/stdout', '/proc/self/fd/1', '/dev/fd/1'):\n    os.write(os.open(name, os.O_WRONLY), frames)\nsys.exit(9)";
    let ran = Job::python(code).file("frames", forged_frames()).run();
    assert_eq!((ran.status(), ran.exit()), (Status::RuntimeError, (Some(9), None)));
    assert_eq!(ran.0.outcome.run.stdout.content.as_bytes(), forged_frames().repeat(3));
}

#[test]
fn a_perfect_result_on_stdout_is_text() {
    let result = json!({ "v": 1, "status": "ok", "exit_code": 0, "tests_complete": true }).to_string();
    let ran = Job::python(&format!("import sys\nprint({result:?})\nsys.exit(1)")).run();
    assert_eq!((ran.status(), ran.stdout()), (Status::RuntimeError, format!("{result}\n")));
}

#[test]
fn killing_everything_in_sight_kills_only_the_program() {
    let all = Job::python("import os\nif os.fork() == 0:\n    while True: os.sched_yield()\nos.kill(-1, 9)\nprint('alive', flush=True)\nos.kill(os.getpid(), 9)").run();
    assert_eq!((all.status(), all.exit(), all.stdout().as_str()), (Status::Signaled, (None, Some(9)), "alive\n"));
    let parent = "import os\nfor victim in (os.getppid(), 1, 0):\n    try: os.kill(victim, 9)\n    except OSError as e: print(e.errno, flush=True)";
    let ran = Job::python(parent).run();
    assert_eq!((ran.status(), ran.exit(), ran.stdout().as_str()), (Status::Signaled, (None, Some(9)), "1\n1\n"));
    assert!(!ran.evidence().runner_lost);
}

/// Name, outcome, and whether the message contains this.
#[track_caller]
fn tests(ran: &Ran, expected: &[(&str, TestOutcome, &str)]) {
    let tests = &ran.0.outcome.tests;
    let found: Vec<_> = tests.iter().map(|test| (test.name.as_str(), test.outcome)).collect();
    let wanted: Vec<_> = expected.iter().map(|(name, outcome, _)| (*name, *outcome)).collect();
    assert_eq!(found, wanted);
    for (test, (name, _, message)) in tests.iter().zip(expected) {
        assert!(test.message.contains(message), "{name}: {:?}", test.message);
        assert!(test.duration_seconds >= 0.0, "{name}");
    }
}

#[test]
fn a_suite_reports_every_outcome_with_its_message() {
    use TestOutcome::{Error, Failed, Passed, Skipped, Xfailed, Xpassed};
    let suite = "import pytest, time
def test_passes(): time.sleep(0.2)
def test_fails(): assert 1 == 2, 'one is not two'
@pytest.fixture
def broken(): raise RuntimeError('no fixture today')
def test_error(broken): pass
@pytest.fixture
def leaves_badly():
    yield
    raise RuntimeError('not tidied')
def test_teardown(leaves_badly): pass
@pytest.mark.skip(reason='not today')
def test_skipped(): pass
@pytest.mark.xfail(reason='known')
def test_xfailed(): assert False
@pytest.mark.xfail(reason='thought so')
def test_xpassed(): pass
@pytest.mark.parametrize('n', [1, 'two', None])
def test_many(n): assert n != 'two'
class TestGroup:
    def test_inside(self): pass";
    let ran = Job::pytest(suite).run();
    assert_eq!((ran.status(), ran.exit()), (Status::RuntimeError, (Some(1), None)));
    let expected = [
        ("test_suite.py::test_passes", Passed, ""),
        ("test_suite.py::test_fails", Failed, "one is not two"),
        ("test_suite.py::test_error", Error, "no fixture today"),
        ("test_suite.py::test_teardown", Error, "not tidied"),
        ("test_suite.py::test_skipped", Skipped, "not today"),
        ("test_suite.py::test_xfailed", Xfailed, "known"),
        ("test_suite.py::test_xpassed", Xpassed, "thought so"),
        ("test_suite.py::test_many[1]", Passed, ""),
        ("test_suite.py::test_many[two]", Failed, ""),
        ("test_suite.py::test_many[None]", Passed, ""),
        ("test_suite.py::TestGroup::test_inside", Passed, ""),
    ];
    tests(&ran, &expected);
    assert!(ran.0.outcome.tests[0].duration_seconds >= 0.2);
    assert_eq!(ran.0.outcome.tests_complete, Some(true));
    assert_eq!(serde_json::to_value(&ran.0).unwrap()["tests_trust"], "in_process");
}

#[test]
fn a_suite_that_passes_is_ok_and_one_without_a_pass_is_not() {
    let passes = Job::pytest("def test_x(): pass").file("sub/y_test.py", "import helper\ndef test_y(): pass");
    let ran = passes.file("helper.py", "").run();
    assert_eq!(ran.status(), Status::Ok, "{}", ran.stdout());
    assert_eq!(ran.0.outcome.tests.len(), 2);
    for (suite, exit_code) in [
        ("", 5),
        ("def helper(): pass", 5),
        ("import pytest\n@pytest.mark.skip\ndef test_x(): pass", 0),
        ("import pytest\npytest.skip('all', allow_module_level=True)", 5),
    ] {
        let ran = Job::pytest(suite).run();
        assert_eq!((ran.status(), ran.exit().0), (Status::RuntimeError, Some(exit_code)), "{suite}: {}", ran.stdout());
    }
}

#[test]
fn a_suite_that_cannot_be_collected_says_so() {
    let ran = Job::pytest("import nothing_of_that_name").run();
    assert_eq!((ran.status(), ran.exit().0), (Status::RuntimeError, Some(2)));
    tests(&ran, &[("test_suite.py", TestOutcome::Error, "nothing_of_that_name")]);
}

#[test]
fn leaving_early_is_not_a_pass() {
    for leave in ["os._exit(0)", "sys.exit(0)", "pytest.exit('done', returncode=0)", "os.kill(os.getpid(), 9)"] {
        let suite =
            format!("import os, pytest, sys\ndef test_a(): pass\ndef test_b(): {leave}\ndef test_c(): assert False");
        let ran = Job::pytest(&suite).run();
        assert!(![Status::Ok, Status::InternalError].contains(&ran.status()), "{leave}: {:?}", ran.0.outcome.tests);
        if leave == "os._exit(0)" || leave.starts_with("pytest.exit") {
            assert_eq!(
                (ran.status(), ran.exit().0, ran.0.outcome.tests_complete),
                (Status::RuntimeError, Some(0), Some(false))
            );
            tests(&ran, &[("test_suite.py::test_a", TestOutcome::Passed, "")]);
        }
    }
    let at_import = Job::pytest("import os\nos._exit(0)").run();
    assert_eq!((at_import.status(), at_import.0.outcome.tests_complete), (Status::RuntimeError, Some(false)));
}

#[test]
fn a_perfect_report_on_stdout_counts_for_nothing() {
    let report: Vec<Value> = vec![
        json!({ "test": { "name": "test_suite.py::test_x", "outcome": "passed", "duration_seconds": 0.1, "message": "" } }),
        json!({ "end": { "exit": 0, "tests": 1 } }),
    ];
    let lines = format!("{}\n{}\n", report[0], report[1]);
    let ran = Job::pytest(&format!("import os\nos.write(1, {lines:?}.encode())\nos._exit(0)")).args(&["-s"]).run();
    assert_eq!((ran.status(), ran.0.outcome.tests_complete), (Status::RuntimeError, Some(false)));
    assert!(ran.0.outcome.tests.is_empty() && ran.stdout().contains(&lines), "{}", ran.stdout());
    let printed = Job::python(&format!("print({lines:?})")).run();
    assert!(printed.0.outcome.tests.is_empty() && printed.0.outcome.tests_complete.is_none());
}
