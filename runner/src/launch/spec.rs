//! What the launcher is told, by way of an anonymous file and never by arguments or environment.

use std::os::fd::RawFd;

use serde::{Deserialize, Serialize};
use tester_runner::message::Probe;

/// One program to confine and execute.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Spec {
    /// Program and arguments.
    pub(crate) argv: Vec<String>,
    /// Where the program is looked up unless it has a slash.
    pub(crate) path: String,
    /// The program's whole environment.
    pub(crate) env: Vec<(String, String)>,
    /// User and group id.
    pub(crate) uid: u32,
    /// `RLIMIT_NOFILE`.
    pub(crate) open_files: u64,
    /// `RLIMIT_FSIZE`.
    pub(crate) file_bytes: u64,
    /// The socket of a warm interpreter. It keeps the right to change its ids, and every other limit is its programs'.
    pub(crate) template: Option<RawFd>,
    /// What of the runner's own runs in the place of `argv`.
    pub(crate) probe: Option<Probe>,
}
