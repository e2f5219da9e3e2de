//! Profiles with a warm interpreter: the same results, sooner. How it behaves in every detail is looked at in the runner's
//! own tests.

use std::collections::BTreeSet;
use std::time::Duration;

use tester_worker::domain::content::Content;
use tester_worker::domain::outcome::Isolation;
use tester_worker::domain::verdict::{LimitHit, Status};
use tester_worker::ports::conditions::Conditions;
use tester_worker::protocol::job_writer::CaseClaims;
use tester_worker::sandbox::Sandboxes;
use tester_worker::telemetry::metrics::Metrics;

use crate::job::Job;

/// What no program here imports: only a warm interpreter has it.
const PRELOADED: &str = "colorsys";

const SHOW: &str = "import sys; print('colorsys' in sys.modules, sys.argv, input())";

fn warm(mut job: Job) -> Job {
    job.profile().preload = vec![PRELOADED.to_owned()];
    job
}

#[test]
fn a_program_starts_in_the_interpreter_that_is_up_and_a_job_that_needs_a_plain_start_gets_one() {
    let job = warm(Job::python(SHOW).args(&["a", "b c"]).stdin("x"));
    let ran = job.run();
    assert_eq!(ran.printed(), "True ['main.py', 'a', 'b c'] x\n");
    assert_eq!(ran.0.outcome.isolation, Some(Isolation::Fresh));
    let plain = job.clone().env("PYTHONHASHSEED", "1").run();
    assert_eq!(plain.printed(), "False ['main.py', 'a', 'b c'] x\n");
    let other = job.file("other.py", SHOW).entry("other.py").run();
    assert_eq!(other.printed(), "False ['other.py', 'a', 'b c'] x\n");
}

#[test]
fn every_case_starts_in_a_child_of_it_and_the_next_one_finds_nothing_of_the_last() {
    let code = "import sys, os, json
print('colorsys' in sys.modules, hasattr(sys, 'left'), os.listdir('/tmp'), input())
sys.left = open('/tmp/left', 'w')
import colorsys; colorsys.left = 1
print(os.getpid(), file=sys.stderr)";
    let mut job = warm(Job::python(code));
    job.draft.cases = ["a", "b", "c"]
        .map(|name| CaseClaims { name: name.to_owned(), stdin: Content::from(name), ..CaseClaims::default() })
        .to_vec();
    let outcome = job.run().0.outcome;
    let shown: Vec<_> = outcome.cases.iter().map(|case| case.run.stdout.content.as_bytes().to_vec()).collect();
    let expected = ["a", "b", "c"].map(|name| format!("True False [] {name}\n").into_bytes());
    assert_eq!(shown, expected);
    assert!(outcome.cases.iter().all(|case| case.run.usage.unwrap().memory_peak_bytes > 1_048_576), "{outcome:?}");
}

#[test]
fn a_suite_has_the_same_report_warm_and_plain() {
    let suite = "import pytest, sys
def test_passes(): assert sys.path[0] == '/box'
def test_fails(): assert [1, 2] == [1, 3]
@pytest.mark.xfail
def test_expected(): assert False
@pytest.fixture
def broken(): raise RuntimeError('setup broke')
def test_setup(broken): pass
def test_streams(capsys): print('x'); assert capsys.readouterr().out == 'x\\n'
def test_modules(capsys):
    with capsys.disabled(): print('\\nmodules', *sys.modules)
";
    let run = |preload: &[&str]| {
        let mut job = Job::pytest(suite);
        job.profile().preload = preload.iter().map(|&module| module.to_owned()).collect();
        let result = job.run();
        let tests: Vec<_> =
            result.0.outcome.tests.iter().map(|test| (test.name.clone(), test.outcome, test.message.clone())).collect();
        // Durations and addresses differ.
        let out = result
            .stdout()
            .lines()
            .filter(|line| !line.contains(" in ") && !line.contains(" at 0x") && !line.starts_with("modules "))
            .collect::<Vec<_>>()
            .join("\n");
        let modules = result.stdout().lines().find_map(|line| Some(line.strip_prefix("modules ")?.to_owned())).unwrap();
        let modules: BTreeSet<String> = modules.split(' ').map(str::to_owned).collect();
        ((result.status(), result.exit(), tests, out, result.stderr()), modules)
    };
    let ((warm, early), (plain, late)) = (run(&["pytest"]), run(&[]));
    assert_eq!(warm, plain);
    assert_eq!(early.symmetric_difference(&late).collect::<Vec<_>>(), Vec::<&String>::new(), "what is imported early");
    assert_eq!((warm.0, warm.2.len()), (Status::RuntimeError, 6));
}

#[test]
fn limits_hold_in_a_warm_interpreter() {
    let memory = warm(Job::python("x = bytearray(512 << 20)")).run();
    assert_eq!((memory.status(), memory.limit()), (Status::MemoryLimit, Some(LimitHit::Memory)));
    let wall = warm(Job::python("import time; print(1, flush=True); time.sleep(60)").limit("wall_seconds", 1)).run();
    assert_eq!((wall.status(), wall.limit(), wall.stdout().as_str()), (Status::TimeLimit, Some(LimitHit::Wall), "1\n"));
    let files = "import resource as r; print(r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_FSIZE))";
    let files = warm(Job::python(files).limit("open_files", 99).limit("file_bytes", 4096)).run();
    assert_eq!(files.printed(), "(99, 99) (4096, 4096)\n");
    let forks = "import os
made = 0
try:
    while True:
        if os.fork() == 0: os.read(os.pipe()[0], 1)
        made += 1
except BlockingIOError: print(made)";
    let forks = warm(Job::python(forks)).run();
    assert_eq!(
        (forks.printed().as_str(), forks.evidence().pids_limit_hits > 0),
        ("49\n", true),
        "and the program itself"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_cannot_be_imported_makes_plain_starts_and_is_counted() {
    let mut job = warm(Job::python("import sys; print('colorsys' in sys.modules)"));
    job.profile().preload.push("no_such_module".to_owned());
    let metrics = Metrics::new(&job.config);
    let sandboxes = Sandboxes::start_unproved(&job.config, "cold", &Conditions::default(), &metrics);
    let record = job.execute_in(&sandboxes).await;
    assert_eq!((record.status, record.stdout.content.as_bytes()), (Status::Ok, b"False\n".as_slice()));
    let shown = metrics.encode().unwrap();
    sandboxes.stop(Duration::from_secs(30)).await;
    let plain =
        shown.lines().find(|line| line.contains("warmed_total") && line.contains("python") && line.contains("plain"));
    assert!(plain.is_some_and(|line| !line.ends_with(" 0")), "{shown}");
}
