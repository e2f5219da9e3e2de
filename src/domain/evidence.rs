//! What was seen of a run, before anybody judges it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the main process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Why a run came to its end, as far as somebody decided it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The main process ended and nobody of ours had a hand in it.
    Exited,
    /// The program could not be executed, and that is the job's doing.
    NotExecutable,
    /// The runner's or the worker's wall clock limit passed.
    Wall,
    /// The CPU time limit passed.
    Cpu,
    /// Too many bytes on stdout.
    Stdout,
    /// Too many bytes on stderr.
    Stderr,
    /// Somebody who may cancelled the job.
    Cancelled,
}

/// Who ended the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The program itself.
    Program,
    /// The runner, for a limit or a cancellation.
    Runner,
    /// The worker, which does not trust a runner to be alive.
    Worker,
    /// The kernel, for memory.
    Kernel,
}

/// Where the peak of memory was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryPeakSource {
    /// The cgroup's high-water mark: the whole sandbox.
    Cgroup,
    /// The largest resident set of one process.
    Rusage,
}

/// What a result shows of the kernel's and our own counters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// Who ended the run.
    pub ended_by: EndedBy,
    /// Processes that the kernel killed for memory.
    pub oom_kills: u64,
    /// Forks that the process limit refused.
    pub pids_limit_hits: u64,
    /// Seconds during which the CPU quota held the sandbox back.
    pub cpu_throttled_seconds: f64,
    /// Seconds for which the main process was ready to run and had no CPU. Beyond `cpu_throttled_seconds` it waited for
    /// other processes of the sandbox, or for a busy host.
    // Workers before 0.2 did not say it; whoever waits for results must understand theirs too.
    #[serde(default)]
    #[schemars(required)]
    pub cpu_wait_seconds: f64,
    /// Processes besides the main one that were alive at the end and killed.
    pub processes_killed: u64,
    /// Seconds from the first kill until no process of the job was left.
    pub kill_seconds: f64,
    /// Whether the runner was gone before it could report.
    pub runner_lost: bool,
    /// Where `usage.memory_peak_bytes` comes from.
    pub memory_peak_source: MemoryPeakSource,
}

/// What a run used.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Seconds from the program's start to its end.
    pub wall_seconds: f64,
    /// Seconds of CPU time of the whole process tree.
    pub cpu_seconds: f64,
    /// The most memory that was in use, in bytes.
    pub memory_peak_bytes: u64,
}

/// Everything a verdict is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// How the main process ended; `None` when nobody could see it.
    pub exit: Option<Exit>,
    /// Why the run ended.
    pub cause: Cause,
    /// Whether the kernel killed a process of the sandbox for memory.
    pub oom_killed: bool,
    /// What the test report says, when the profile makes one.
    pub report: Option<ReportState>,
    /// Whether the output was what the case expected, when it expected any.
    pub output_expected: Option<bool>,
}

/// What a test report amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportState {
    /// Whether it came to its end.
    pub complete: bool,
    /// Whether at least one test passed.
    pub any_passed: bool,
}
