//! One job, several runs: each by itself, each judged by what it wrote.

use tester_worker::domain::content::Content;
use tester_worker::domain::evidence::MemoryPeakSource;
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::domain::verdict::{LimitHit, Status};
use tester_worker::protocol::job_writer::{CaseClaims, CheckerName, ExpectClaims};

use crate::job::Job;

fn case(name: &str, stdin: &str) -> CaseClaims {
    CaseClaims { name: name.to_owned(), stdin: Content::from(stdin), ..CaseClaims::default() }
}

fn expecting(case: CaseClaims, stdout: &str, checker: CheckerName) -> CaseClaims {
    let expect = ExpectClaims { stdout: Content::from(stdout), checker, ..ExpectClaims::default() };
    CaseClaims { expect: Some(expect), ..case }
}

fn with_cases(code: &str, cases: Vec<CaseClaims>) -> Job {
    let mut job = Job::python(code);
    job.draft.cases = cases;
    job
}

#[test]
fn each_case_has_its_own_input_and_verdict_and_the_job_has_that_of_the_first_that_is_not_ok() {
    let double = "print(2 * int(input()))";
    let cases = vec![
        expecting(case("one", "1"), "2\n", CheckerName::Exact),
        expecting(case("wrong", "2"), "5\n", CheckerName::Tokens),
        case("crash", "x"),
        expecting(case("four", "4"), "8  \n\n", CheckerName::TrailingSpace),
    ];
    let outcome = with_cases(double, cases).run().0.outcome;
    let found: Vec<_> = outcome.cases.iter().map(|case| (case.name.as_str(), case.run.status)).collect();
    let expected =
        [("one", Status::Ok), ("wrong", Status::WrongAnswer), ("crash", Status::RuntimeError), ("four", Status::Ok)];
    assert_eq!(found, expected);
    assert_eq!(outcome.run.status, Status::WrongAnswer);
    assert_eq!(outcome.run, outcome.cases[1].run);
    assert_eq!(outcome.cases[3].run.stdout.content.as_bytes(), b"8\n");
    // The cgroup's high-water mark speaks for the first run of a sandbox only.
    let source = |index: usize| outcome.cases[index].run.evidence.unwrap().memory_peak_source;
    assert_eq!((source(0), source(1)), (MemoryPeakSource::Cgroup, MemoryPeakSource::Rusage));
}

#[test]
fn the_first_failure_ends_a_job_that_says_so() {
    let cases = vec![case("a", "0"), case("b", "1"), case("c", "0")];
    let mut job = with_cases("raise SystemExit(int(input()))", cases);
    job.draft.stop_on_failure = true;
    let outcome = job.run().0.outcome;
    assert_eq!(outcome.cases.len(), 2);
    assert_eq!((outcome.run.status, outcome.run.exit_code), (Status::RuntimeError, Some(1)));
}

#[test]
fn nothing_of_one_case_is_visible_to_the_next() {
    let code = r"
import os, sys
places = ['/box', '/tmp', '/dev/shm']
seen = sorted(os.listdir('/box') + os.listdir('/tmp') + os.listdir('/dev/shm'))
print(os.getuid(), seen, [p for p in os.listdir('/proc') if p.isdigit() and p != '1' and int(p) != os.getpid()])
for place in places:
    os.makedirs(place + '/left/deep')
    open(place + '/left/deep/file', 'w').write('left')
    os.chmod(place + '/left', 0)
if os.fork() == 0:
    os.setsid()
    import time
    time.sleep(60)
";
    let outcome = with_cases(code, vec![case("first", ""), case("second", ""), case("third", "")]).run().0.outcome;
    assert_eq!(outcome.run.status, Status::Ok, "{:?}", outcome.run.stderr);
    let shown: Vec<String> = outcome
        .cases
        .iter()
        .map(|case| String::from_utf8(case.run.stdout.content.as_bytes().to_vec()).unwrap())
        .collect();
    let mut uids = Vec::new();
    for line in &shown {
        let (uid, rest) = line.trim_end().split_once(' ').unwrap();
        assert_eq!(rest, "['main.py'] []");
        uids.push(uid.to_owned());
    }
    uids.sort();
    uids.dedup();
    assert_eq!(uids.len(), 3, "each case has a uid of its own: {shown:?}");
    assert!(outcome.cases.iter().all(|case| case.run.evidence.unwrap().processes_killed == 1));
}

#[test]
fn a_case_that_hits_a_limit_does_not_harm_the_next() {
    let code = "
what = input()
if what == 'memory':
    x = bytearray(1 << 30)
    for i in range(0, len(x), 4096): x[i] = 1
elif what == 'sleep':
    import time
    time.sleep(60)
elif what == 'flood':
    while True: print('x' * 1000)
print(what)
";
    let mut slow = case("slow", "sleep");
    slow.limits = LimitsPatch { wall_seconds: Some(0.5), ..LimitsPatch::default() };
    let cases = vec![case("memory", "memory"), case("a", "a"), slow, case("flood", "flood"), case("b", "b")];
    let outcome = with_cases(code, cases).run().0.outcome;
    let found: Vec<_> = outcome.cases.iter().map(|case| (case.run.status, case.run.limit)).collect();
    let expected = [
        (Status::MemoryLimit, Some(LimitHit::Memory)),
        (Status::Ok, None),
        (Status::TimeLimit, Some(LimitHit::Wall)),
        (Status::OutputLimit, Some(LimitHit::Stdout)),
        (Status::Ok, None),
    ];
    assert_eq!(found, expected);
    assert_eq!(outcome.cases[4].run.evidence.unwrap().oom_kills, 0, "counted for the case alone");
}

#[test]
fn a_case_may_have_other_memory_and_arguments_than_the_job() {
    let code = "
import sys
limit = open('/sys/fs/cgroup/memory.max' if __import__('os').path.exists('/sys/fs/cgroup/memory.max')
             else '/sys/fs/cgroup/memory/memory.limit_in_bytes').read().strip()
print(limit, sys.argv[1:])
";
    let mut large = case("large", "");
    large.limits = LimitsPatch { memory_bytes: Some(512 << 20), ..LimitsPatch::default() };
    large.args = vec!["own".to_owned()];
    let mut small = case("small", "");
    small.limits = LimitsPatch { memory_bytes: Some(64 << 20), ..LimitsPatch::default() };
    let outcome = with_cases(code, vec![case("plain", ""), large, small]).args(&["all"]).run().0.outcome;
    let lines: Vec<_> = outcome
        .cases
        .iter()
        .map(|case| String::from_utf8(case.run.stdout.content.as_bytes().to_vec()).unwrap().trim_end().to_owned())
        .collect();
    let bytes = |mebibytes: u64| (mebibytes + 16) << 20;
    let expected =
        [format!("{} ['all']", bytes(256)), format!("{} ['all', 'own']", bytes(512)), format!("{} ['all']", bytes(64))];
    assert_eq!(lines, expected);
}

#[test]
fn a_case_that_leaves_more_than_the_runner_can_clear_is_not_the_next_ones_fault() {
    let code = "
import os
if input() == 'litter':
    n = 0
    try:
        while True:
            os.close(os.open(f'/dev/shm/{n}', os.O_CREAT | os.O_WRONLY))
            n += 1
    except OSError:
        pass
print('done')
";
    let mut job = with_cases(code, vec![case("litter", "litter"), case("next", "x")]).limit("memory_bytes", 48 << 20);
    job = job.limit("cpus", 1).limit("wall_seconds", 20).limit("cpu_seconds", 8);
    let outcome = job.run().0.outcome;
    assert_eq!(outcome.cases[1].run.status, Status::Ok, "{:?}", outcome.cases);
    assert_eq!(outcome.cases[1].run.stdout.content.as_bytes(), b"done\n");
}

/// The program ends while its input is on its way, perhaps in the middle of a frame.
#[test]
fn a_case_that_does_not_read_its_input_does_not_hold_up_the_next_one() {
    let input = "x".repeat(1 << 20);
    let cases = ["a", "b", "c", "d"].map(|name| case(name, &input)).to_vec();
    let began = tokio::time::Instant::now();
    let outcome = with_cases("print(1)", cases).run().0.outcome;
    assert!(outcome.cases.len() == 4 && outcome.cases.iter().all(|case| case.run.status == Status::Ok), "{outcome:?}");
    assert!(began.elapsed() < std::time::Duration::from_secs(25), "a lost runner is waited for for 30 s");
}
