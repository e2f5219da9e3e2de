//! What a probe prints: facts, and no judgement. A probe shares its sandbox with nothing of a job.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What an attempt came to when it was not refused.
pub const DONE: &str = "done";

/// What a connection came to that was neither made nor refused at once.
pub const TIMED_OUT: &str = "no answer";

/// The line of each process of the stubborn tree.
pub const STUBBORN: &str = "stubborn";

/// The line of the tree's root where it stays alone.
pub const NO_TREE: &str = "this host executes no file without a name (vm.memfd_noexec), so there is no tree";

/// The folders whose size and number of files are looked at.
pub const FOLDERS: [&str; 3] = ["/box", "/tmp", "/dev/shm"];

/// What surrounds a program, and what its attempts came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Surroundings {
    /// Lines of `/proc/self/status`, by name.
    pub status: BTreeMap<String, String>,
    /// `/proc/self/oom_score_adj`.
    pub oom_score: String,
    /// Open descriptors.
    pub descriptors: Vec<u32>,
    /// Network devices.
    pub devices: Vec<String>,
    /// What is mounted.
    pub mounts: Vec<Mount>,
    /// Size and number of files of [`FOLDERS`], where they are.
    pub folders: BTreeMap<String, Folder>,
    /// Soft and hard resource limits, by name; `None`: without limit.
    pub limits: BTreeMap<String, (Option<u64>, Option<u64>)>,
    /// What each attempt came to: [`DONE`], or the name of the error (`EPERM`).
    pub attempts: BTreeMap<String, String>,
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mount {
    /// Where.
    pub point: String,
    /// Type of the file system.
    pub kind: String,
    /// Options of the mount.
    pub options: Vec<String>,
    /// What came of making a file in it.
    pub create: String,
}

/// Size of a folder's file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Folder {
    /// In bytes.
    pub bytes: u64,
    /// In files.
    pub files: u64,
}

/// How many threads were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// The first one included.
    pub threads: u64,
    /// The error that ended it, if any did.
    pub refused: Option<String>,
}

/// How far a probe of the memory came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Touched {
    /// Bytes that were written to, and are kept.
    pub bytes: u64,
    /// Bytes of this process that are swapped out.
    pub swapped_bytes: u64,
}

/// The endless output of a probe: `from` is how much of it was there before.
pub fn flood(from: u64) -> impl Iterator<Item = u8> {
    (0..251).cycle().skip(usize::try_from(from % 251).unwrap_or(0))
}
