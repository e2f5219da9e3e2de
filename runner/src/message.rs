//! The messages that control frames carry as JSON.

use serde::{Deserialize, Serialize};

/// The runner is up: support files are placed, the cgroup can be read, nothing runs yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// [`crate::PROTOCOL_VERSION`] of the runner.
    pub version: u32,
    /// The cgroup hierarchy the runner reads its evidence from.
    pub cgroup: CgroupVersion,
    /// Evidence that this kernel or host cannot give, by the name it has in a result.
    pub missing: Vec<String>,
}

/// Which control group hierarchy the sandbox sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CgroupVersion {
    /// One hierarchy a controller (`/sys/fs/cgroup/memory` and so on).
    V1,
    /// The unified hierarchy.
    V2,
}

/// A warm interpreter: started as the programs will be, and held before it begins one. See `docs/runner.md`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warm {
    /// Program and arguments that every run will begin with.
    pub argv: Vec<String>,
    /// As [`Start::path`].
    pub path: String,
    /// The environment that a run has unless its job adds to it.
    pub env: Vec<(String, String)>,
    /// Modules that are imported.
    pub modules: Vec<String>,
    /// How long all of that may take, in milliseconds.
    pub milliseconds_max: u64,
}

impl std::fmt::Debug for Warm {
    /// The environment may hold what does not belong in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Warm").field("argv", &self.argv).field("modules", &self.modules).finish_non_exhaustive()
    }
}

/// What came of a [`Warm`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warmed {
    /// Why there is no warm interpreter; every run is a plain start then. `None`: there is one.
    pub error: Option<String>,
}

/// One run: what, as whom, within which limits. The tar of the job's files follows as `Tar` frames.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// User and group id of the program; never 0.
    pub uid: u32,
    /// Program and arguments.
    pub argv: Vec<String>,
    /// Folders, separated by colons, in which the program is looked up unless it has a slash. It is the profile's and the
    /// image's, whatever `PATH` the job's own environment has.
    pub path: String,
    /// The whole environment of the program; nothing is added.
    pub env: Vec<(String, String)>,
    /// Wall clock limit in milliseconds.
    pub wall_milliseconds: u64,
    /// CPU time limit of the whole process tree in milliseconds.
    pub cpu_milliseconds: u64,
    /// Bytes of stdout that are kept; one more ends the program.
    pub stdout_bytes: u64,
    /// Bytes of stderr that are kept; one more ends the program.
    pub stderr_bytes: u64,
    /// `RLIMIT_FSIZE` in bytes.
    pub file_bytes: u64,
    /// `RLIMIT_NOFILE`.
    pub open_files: u64,
    /// Whether the report pipe ([`crate::REPORT_FIFO`]) is made and read.
    pub report: bool,
    /// Bytes of the report that are sent on; what comes after is dropped and `report_truncated` set.
    pub report_bytes_max: u64,
    /// How many CPUs the program can use at once at most, in thousandths; decides how often CPU time is looked at.
    pub cpus_milli: u64,
    /// Whether the warm interpreter, where there is one, may become this program.
    #[serde(default)]
    pub warm: bool,
    /// Whether the sandbox runs nothing after this. Then the warm interpreter is gone before the program begins.
    #[serde(default)]
    pub last: bool,
    /// A hostile program of the runner's own in the place of `argv`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<Probe>,
}

/// A hostile program that is in the runner itself, so that any image can be attacked. It is confined exactly as a job's
/// program is, and prints what it found ([`crate::found`]); what that means is the worker's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Looks at what surrounds it, and tries what must be refused: [`crate::found::Surroundings`].
    Surroundings,
    /// Writes to stdout for ever: [`crate::found::flood`].
    Output,
    /// Makes threads, which are counted as processes are, until it is refused or has `most`: [`crate::found::Made`].
    Processes {
        /// How many are enough to show that nothing holds it.
        most: u64,
    },
    /// Spins on more CPUs than it has.
    CpuTime {
        /// Threads that spin.
        threads: u64,
    },
    /// Starts a tree of processes in sessions of their own that take no signal and fork on: a line
    /// [`crate::found::STUBBORN`] of each.
    Kill,
    /// Touches memory until it is killed or has `most_bytes`: [`crate::found::Touched`], a line at a time.
    Memory {
        /// How much is enough to show that nothing holds it.
        most_bytes: u64,
    },
}

impl std::fmt::Debug for Start {
    /// Arguments and environment are the job's; they do not belong in logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Start").field("uid", &self.uid).field("argv", &self.argv.len()).finish_non_exhaustive()
    }
}

/// The end of one run. Sent when no process of the job is left, or when killing them failed (`clean` is false).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ended {
    /// Why the run ended, as far as the runner decided it.
    pub cause: Cause,
    /// How the main process ended; `None` when it never ran.
    pub exit: Option<Exit>,
    /// Why the program could not be executed.
    pub launch_error: Option<LaunchError>,
    /// From the launch to the end of the main process.
    pub wall_nanoseconds: u64,
    /// CPU time of the cgroup during the run: the whole process tree, waited for or not.
    pub cpu_nanoseconds: u64,
    /// Time during which the cgroup was throttled by its CPU quota, during the run.
    pub throttled_nanoseconds: u64,
    /// Time for which the main process was ready to run and waited for a CPU: for the quota, for processes of its own
    /// sandbox, or for those of a busy host.
    pub cpu_wait_nanoseconds: u64,
    /// Peak memory in bytes.
    pub memory_peak_bytes: u64,
    /// Where `memory_peak_bytes` comes from.
    pub memory_peak_source: MemoryPeakSource,
    /// Processes the kernel killed for memory during the run.
    pub oom_kills: u64,
    /// Forks that the pids limit refused during the run.
    pub pids_limit_hits: u64,
    /// Processes, besides the main one, that were alive at the end and killed.
    pub processes_killed: u64,
    /// From the first kill until `/proc` showed no process of the job.
    pub kill_nanoseconds: u64,
    /// Bytes the program wrote to stdout, kept or not.
    pub stdout_bytes_total: u64,
    /// Bytes the program wrote to stderr, kept or not.
    pub stderr_bytes_total: u64,
    /// Whether the report was longer than `report_bytes_max`.
    pub report_truncated: bool,
    /// Whether every process of the job is gone.
    pub clean: bool,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The main process ended without the runner's doing: by itself, by its own children, or by the kernel.
    Exited,
    /// The wall clock limit passed.
    Wall,
    /// The CPU time limit passed.
    Cpu,
    /// More bytes on stdout than allowed.
    Stdout,
    /// More bytes on stderr than allowed.
    Stderr,
    /// The worker asked for it.
    Cancelled,
    /// The program could not be executed; `launch_error` says why.
    Launch,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// Where the peak of memory was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryPeakSource {
    /// The cgroup's high-water mark.
    Cgroup,
    /// The largest resident set of the main process, of those that it waited for, and of any that set a new record.
    Rusage,
}

/// Why the program could not be executed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchError {
    /// The step of the launcher that failed; `exec` is the program's own execution, every other step is ours.
    pub step: String,
    /// The error number of the system call.
    pub errno: i32,
    /// What the system call said.
    pub message: String,
}

/// What to say of the job's folder. Nothing of the job runs meanwhile, so the answer stays true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    /// Entries that are listed at most.
    pub entries_max: u64,
    /// Folders within folders that are looked into at most.
    pub depth_max: u32,
}

/// The end of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Whether there are more entries than were asked for.
    pub truncated: bool,
}

/// The end of a file that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEnd {
    /// Why the file did not come, or not to its end.
    pub error: Option<String>,
}

/// The runner itself failed; the sandbox must be destroyed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What the runner was doing.
    pub step: String,
    /// What went wrong.
    pub message: String,
    /// Whether the job's own files are the cause (the scratch folder is too small for them, say).
    pub from_job: bool,
}
