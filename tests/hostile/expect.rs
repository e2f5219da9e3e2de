//! What a header says of the result, and in what a result differs from it.

use serde::Deserialize;
use tester_worker::domain::evidence::{EndedBy, Evidence};
use tester_worker::domain::outcome::{Artifact, Isolation, Outcome, Output, RunRecord, TestOutcome, TestsTrust};
use tester_worker::domain::verdict::{LimitHit, Status};

use super::header::Bytes;

/// One exact result. Members that are absent mean the plainest thing: nothing written, killed, refused or used up.
///
/// A bound (`…_min`, `…_max`) is for what no program can make exact: how often a full limit was met, or a time.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Expect {
    /// In a case: its name.
    name: Option<String>,
    pub(super) status: Option<Status>,
    pub(super) limit: Option<LimitHit>,
    pub(super) reason: Option<String>,
    /// Absent: 0 for `ok` and `wrong_answer`, else null.
    pub(super) exit_code: Option<i32>,
    /// Absent: 9 for a limit that ended the run, else null.
    pub(super) signal: Option<i32>,
    stdout: Option<Bytes>,
    /// Absent: as many as `stdout` has.
    stdout_bytes: Option<u64>,
    stdout_bytes_min: Option<u64>,
    pub(super) stdout_truncated: bool,
    stderr: Option<Bytes>,
    /// How it ends, instead of all of it: the last line of a traceback.
    stderr_ends: Option<String>,
    stderr_bytes: Option<u64>,
    stderr_bytes_min: Option<u64>,
    pub(super) stderr_truncated: bool,
    /// Absent: whom the status implies.
    pub(super) ended_by: Option<EndedBy>,
    pub(super) oom_kills: u64,
    pub(super) oom_kills_min: Option<u64>,
    pub(super) pids_limit_hits: u64,
    pub(super) pids_limit_hits_min: Option<u64>,
    pub(super) processes_killed: u64,
    pub(super) processes_killed_min: Option<u64>,
    pub(super) runner_lost: bool,
    cpu_seconds_min: Option<f64>,
    cpu_seconds_max: Option<f64>,
    wall_seconds_min: Option<f64>,
    wall_seconds_max: Option<f64>,
    memory_peak_bytes_min: Option<u64>,
    memory_peak_bytes_max: Option<u64>,
    /// The compiler's run, for a job that has one and whose compiler is not simply content.
    pub(super) compile: Option<Box<Self>>,
    /// The runs of a job with cases, in their order.
    pub(super) cases: Vec<Self>,
    /// Name and outcome of every test, in their order.
    pub(super) tests: Vec<(String, TestOutcome)>,
    pub(super) tests_complete: Option<bool>,
    pub(super) tests_trust: Option<TestsTrust>,
    pub(super) artifacts: Vec<File>,
    /// Many files alike, after those.
    pub(super) artifacts_numbered: Option<Numbered>,
    pub(super) artifacts_refused: Vec<Refused>,
}

/// Files that differ in their number only, counted from 0.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Numbered {
    before: String,
    digits: usize,
    after: String,
    pub(super) count: usize,
    content: Bytes,
}

/// A file that must come back.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub(super) path: String,
    content: Bytes,
}

/// A file that must not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refused {
    pub(super) path: String,
    pub(super) reason: String,
}

/// Collects what differs.
#[derive(Debug, Default)]
struct Differences(Vec<String>);

impl Differences {
    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, expected: &T, found: &T) {
        if expected != found {
            self.0.push(format!("{what}: expected {expected:?}, found {found:?}"));
        }
    }

    fn within<T: PartialOrd + Copy + std::fmt::Debug>(&mut self, what: &str, bounds: [Option<T>; 2], found: T) {
        let [least, most] = bounds;
        if least.is_some_and(|least| found < least) || most.is_some_and(|most| found > most) {
            self.0.push(format!("{what}: expected {least:?} to {most:?}, found {found:?}"));
        }
    }

    /// An exact number, or a least one where the header says so.
    fn count(&mut self, what: &str, exact: u64, least: Option<u64>, found: u64) {
        match least {
            Some(_) => self.within(what, [least, None], found),
            None => self.same(what, &exact, &found),
        }
    }
}

impl Expect {
    /// The status; there is one in every header.
    pub(super) fn status(&self) -> Status {
        self.status.expect("every expectation has a status")
    }

    /// Whether a run is expected at all.
    fn runs(&self) -> bool {
        ![Status::Rejected, Status::InternalError].contains(&self.status())
    }

    /// Whom the result names as the one who ended it.
    pub(super) fn ended_by(&self) -> EndedBy {
        let implied = match self.status() {
            Status::TimeLimit | Status::OutputLimit => EndedBy::Runner,
            Status::MemoryLimit => EndedBy::Kernel,
            Status::Ok
            | Status::WrongAnswer
            | Status::RuntimeError
            | Status::Signaled
            | Status::CompileError
            | Status::Rejected
            | Status::Cancelled
            | Status::InternalError => EndedBy::Program,
        };
        self.ended_by.unwrap_or(implied)
    }

    /// Exit code and signal.
    pub(super) fn exit(&self) -> (Option<i32>, Option<i32>) {
        if self.exit_code.is_some() || self.signal.is_some() {
            return (self.exit_code, self.signal);
        }
        match self.status() {
            Status::Ok | Status::WrongAnswer => (Some(0), None),
            Status::TimeLimit | Status::OutputLimit | Status::MemoryLimit => (None, Some(9)),
            Status::RuntimeError
            | Status::Signaled
            | Status::CompileError
            | Status::Rejected
            | Status::Cancelled
            | Status::InternalError => (None, None),
        }
    }

    /// Path and content of every file that must come back.
    fn all_artifacts(&self) -> Vec<(String, Vec<u8>)> {
        let single = self.artifacts.iter().map(|file| (file.path.clone(), file.content.bytes()));
        let many = self.artifacts_numbered.iter().flat_map(|many| {
            (0..many.count).map(|number| {
                let Numbered { before, digits, after, .. } = many;
                (format!("{before}{number:0digits$}{after}"), many.content.bytes())
            })
        });
        single.chain(many).collect()
    }

    /// In what a result differs; times are `scale` times as long as the header says.
    pub(super) fn differences(&self, outcome: &Outcome, compiles: bool, scale: f64) -> Vec<String> {
        let mut differences = Differences::default();
        let content = Self { status: Some(Status::Ok), ..Self::default() };
        differences.same("was compiled", &(compiles && self.runs()), &outcome.compile.is_some());
        if let Some(compile) = &outcome.compile {
            // A job that did not compile is what its compiler's run was.
            let failed = (self.status() == Status::CompileError).then_some(self);
            let expected = self.compile.as_deref().or(failed).unwrap_or(&content);
            expected.compare(compile, scale, "the compiler: ", &mut differences);
        }
        if self.cases.is_empty() {
            self.compare(&outcome.run, scale, "", &mut differences);
        } else {
            differences.same("status", &self.status(), &outcome.run.status);
        }
        let names = |expected: &[Self]| expected.iter().map(|case| case.name.clone()).collect::<Vec<_>>();
        let found: Vec<_> = outcome.cases.iter().map(|case| Some(case.name.clone())).collect();
        differences.same("cases", &names(&self.cases), &found);
        for (expected, found) in self.cases.iter().zip(&outcome.cases) {
            expected.compare(&found.run, scale, &format!("case {}: ", found.name), &mut differences);
        }
        let tests: Vec<_> = outcome.tests.iter().map(|test| (test.name.clone(), test.outcome)).collect();
        differences.same("tests", &self.tests, &tests);
        differences.same("tests_complete", &self.tests_complete, &outcome.tests_complete);
        differences.same("tests_trust", &self.tests_trust, &outcome.tests_trust);
        let found = outcome.artifacts.iter().map(|file| (file.path.clone(), file.content.as_bytes().to_vec()));
        differences.same("artifacts", &self.all_artifacts(), &found.collect());
        let whole = |file: &&Artifact| length(file.content.as_bytes()) != file.bytes_total;
        differences.same("artifacts of another size", &0, &outcome.artifacts.iter().filter(whole).count());
        let refused = outcome.artifacts_refused.iter();
        let refused = refused.map(|file| Refused { path: file.path.clone(), reason: file.reason.clone() }).collect();
        differences.same("artifacts_refused", &self.artifacts_refused, &refused);
        differences.same("isolation", &self.runs().then_some(Isolation::Fresh), &outcome.isolation);
        differences.same("attempt", &1, &outcome.attempt);
        differences.0
    }

    /// The same where the kernel's high-water mark of memory is another program's: the resident set stands in for it, which
    /// knows no files.
    pub(super) fn in_a_used_sandbox(&self) -> Self {
        Self { memory_peak_bytes_min: None, memory_peak_bytes_max: None, ..self.clone() }
    }

    fn compare(&self, run: &RunRecord, scale: f64, prefix: &str, into: &mut Differences) {
        let mut own = Differences::default();
        own.same("status", &(self.status(), self.limit), &(run.status, run.limit));
        own.same("reason", &self.reason, &run.reason);
        own.same("exit code and signal", &self.exit(), &(run.exit_code, run.signal));
        self.compare_output(run, &mut own);
        own.same("has evidence", &self.runs(), &run.evidence.is_some());
        if let Some(evidence) = &run.evidence {
            self.compare_evidence(evidence, &mut own);
        }
        if let Some(usage) = &run.usage {
            let times = |bounds: [Option<f64>; 2]| bounds.map(|bound| bound.map(|seconds| seconds * scale));
            own.within("cpu_seconds", times([self.cpu_seconds_min, self.cpu_seconds_max]), usage.cpu_seconds);
            own.within("wall_seconds", times([self.wall_seconds_min, self.wall_seconds_max]), usage.wall_seconds);
            let bounds = [self.memory_peak_bytes_min, self.memory_peak_bytes_max];
            own.within("memory_peak_bytes", bounds, usage.memory_peak_bytes);
        }
        // A result that surprises is read with what the program wrote.
        if !own.0.is_empty() {
            own.0.push(format!("(message {:?}; stderr ends with {:?})", run.message, tail(&run.stderr)));
        }
        into.0.extend(own.0.into_iter().map(|difference| format!("{prefix}{difference}")));
    }

    fn compare_output(&self, run: &RunRecord, into: &mut Differences) {
        let shown = |output: &[u8]| String::from_utf8_lossy(&output[..output.len().min(2000)]).into_owned();
        let mut stream = |what: &str, expected: &[u8], output: &Output| {
            if expected != output.content.as_bytes() {
                let (expected, found) = (shown(expected), shown(output.content.as_bytes()));
                into.0.push(format!("{what}: expected {expected:?}, found {} bytes {found:?}", output.content.len()));
            }
        };
        let stdout = self.stdout.as_ref().map(Bytes::bytes).unwrap_or_default();
        let stderr = self.stderr.as_ref().map(Bytes::bytes).unwrap_or_default();
        stream("stdout", &stdout, &run.stdout);
        match &self.stderr_ends {
            None => stream("stderr", &stderr, &run.stderr),
            Some(end) if run.stderr.content.as_bytes().ends_with(end.as_bytes()) => {}
            Some(end) => {
                into.0.push(format!("stderr: expected to end with {end:?}, ends with {:?}", tail(&run.stderr)));
            }
        }
        let exact = self.stdout_bytes.unwrap_or_else(|| length(&stdout));
        into.count("stdout.bytes_total", exact, self.stdout_bytes_min, run.stdout.bytes_total);
        if self.stderr_ends.is_none() {
            let exact = self.stderr_bytes.unwrap_or_else(|| length(&stderr));
            into.count("stderr.bytes_total", exact, self.stderr_bytes_min, run.stderr.bytes_total);
        }
        into.same("stdout.truncated", &self.stdout_truncated, &run.stdout.truncated);
        into.same("stderr.truncated", &self.stderr_truncated, &run.stderr.truncated);
    }

    fn compare_evidence(&self, evidence: &Evidence, into: &mut Differences) {
        into.same("ended_by", &self.ended_by(), &evidence.ended_by);
        into.count("oom_kills", self.oom_kills, self.oom_kills_min, evidence.oom_kills);
        into.count("pids_limit_hits", self.pids_limit_hits, self.pids_limit_hits_min, evidence.pids_limit_hits);
        into.count("processes_killed", self.processes_killed, self.processes_killed_min, evidence.processes_killed);
        into.same("runner_lost", &self.runner_lost, &evidence.runner_lost);
    }
}

fn length(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).expect("a length")
}

fn tail(output: &Output) -> String {
    let bytes = output.content.as_bytes();
    String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(400)..]).into_owned()
}

#[test]
fn whatever_differs_is_told() {
    let text = "status = 'time_limit'\nlimit = 'wall'\nstdout = ['a', 'b']\nprocesses_killed = 2\noom_kills_min = 1";
    let expected: Expect = toml::from_str(text).unwrap();
    let evidence = Evidence {
        ended_by: EndedBy::Program,
        oom_kills: 0,
        pids_limit_hits: 1,
        cpu_throttled_seconds: 0.0,
        cpu_wait_seconds: 0.0,
        processes_killed: 1,
        kill_seconds: 0.0,
        runner_lost: true,
        memory_peak_source: tester_worker::domain::evidence::MemoryPeakSource::Cgroup,
    };
    let run = RunRecord {
        exit_code: Some(0),
        evidence: Some(evidence),
        ..RunRecord::not_run(Status::Ok, Some("reason".to_owned()), String::new())
    };
    let mut differences = Differences::default();
    expected.compare(&run, 1.0, "", &mut differences);
    for word in [
        "status:",
        "reason:",
        "exit code",
        "stdout:",
        "bytes_total",
        "ended_by",
        "oom_kills",
        "pids_limit_hits",
        "processes_killed",
        "runner_lost",
    ] {
        assert!(differences.0.iter().any(|difference| difference.contains(word)), "{word}: {differences:?}");
    }
}
