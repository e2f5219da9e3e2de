//! The walls of a sandbox by name, and in a build for tests only the one that is taken away.
//!
//! A wall that no program is seen to meet could be missing, and nobody would know. So `scripts/test-walls` takes each away
//! in turn and demands that a hostile program notices. That needs the feature `without-walls` in worker and runner and a
//! variable in the worker's environment. Without the feature [`gone`] is a constant, and nothing of this is in the
//! binary, not even the variable's name; a release is built without it, and a test looks for the name in its binary.

macro_rules! walls {
    ($($wall:ident = $name:literal,)*) => {
        /// Something that stands between a program and what it is after; docs/sandbox.md has a row for each.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "the names are those of docs/sandbox.md, which says what each is")]
        pub enum Wall {
            $($wall,)*
        }

        impl Wall {
            /// Every wall.
            pub const ALL: &[Self] = &[$(Self::$wall,)*];

            /// The name of the wall, in tests and documents.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$wall => $name,)*
                }
            }
        }
    };
}

walls! {
    Network = "network",
    SocketFamilies = "socket_families",
    ReadOnlyRoot = "read_only_root",
    ImageVolumes = "image_volumes",
    Capabilities = "capabilities",
    NoNewPrivileges = "no_new_privileges",
    JobUid = "job_uid",
    RunnerHidden = "runner_hidden",
    Descriptors = "descriptors",
    DenyList = "deny_list",
    ForeignCalls = "foreign_calls",
    Memory = "memory",
    Swap = "swap",
    Processes = "processes",
    CpuQuota = "cpu_quota",
    WallTime = "wall_time",
    CpuTime = "cpu_time",
    Output = "output",
    ScratchSize = "scratch_size",
    ScratchFiles = "scratch_files",
    SharedMemory = "shared_memory",
    FileSize = "file_size",
    OpenFiles = "open_files",
    CoreDumps = "core_dumps",
    Kill = "kill",
    PseudoTerminals = "pseudo_terminals",
    ProcMasks = "proc_masks",
    EmptiedBetweenCases = "emptied_between_cases",
    OomPreference = "oom_preference",
    ArtifactLinks = "artifact_links",
}

#[cfg(feature = "without-walls")]
mod taken {
    use super::Wall;

    /// Names the wall that is taken away, in the worker's environment and then in the container's.
    pub const VARIABLE: &str = "TESTER_WORKER_TEST_WITHOUT";

    /// The wall that is taken away, if any.
    ///
    /// # Errors
    /// The name, when there is no wall of that name.
    pub fn asked() -> Result<Option<Wall>, String> {
        let Some(name) = std::env::var_os(VARIABLE).filter(|name| !name.is_empty()) else { return Ok(None) };
        let wall = Wall::ALL.iter().copied().find(|wall| name == wall.name());
        wall.map(Some).ok_or_else(|| format!("{VARIABLE}: there is no wall `{}`", name.display()))
    }

    /// Whether this wall is taken away. A name that is none takes nothing away; [`asked`] says so at the start.
    pub fn gone(wall: Wall) -> bool {
        asked() == Ok(Some(wall))
    }
}

#[cfg(feature = "without-walls")]
pub use taken::{VARIABLE, asked, gone};

/// Whether this wall is taken away: never, in a build that can be released.
#[cfg(not(feature = "without-walls"))]
pub const fn gone(_wall: Wall) -> bool {
    false
}
