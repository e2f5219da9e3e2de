//! The header of a program: the comment at its top, which is a TOML document.
//!
//! ```text
//! #: about = "Forks until it cannot."
//! #: walls = ["processes"]
//! #: limits = { processes = 20 }
//! #: [expect]
//! #: status = "ok"
//! #: stdout = "EAGAIN\n"
//! #: pids_limit_hits_min = 1
//!
//! import os
//! ```
//!
//! In C the lines begin with `//:`. What a header does not say of the result is expected to be nothing: no output, no
//! kill, no limit. There is no way to say "one of".

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tester_worker::domain::content::Content;
use tester_worker::domain::job::Role;
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::protocol::job_writer::{CaseClaims, ExpectClaims, FileClaims, JobDraft};

use super::expect::Expect;
use super::support::client::REPLY_TO;

/// What may stand between a program and what it is after; docs/sandbox.md says what gives each.
pub(super) const WALLS: [&str; 30] = [
    "network",
    "socket_families",
    "read_only_root",
    "image_volumes",
    "capabilities",
    "no_new_privileges",
    "job_uid",
    "runner_hidden",
    "descriptors",
    "deny_list",
    "foreign_calls",
    "memory",
    "swap",
    "processes",
    "cpu_quota",
    "wall_time",
    "cpu_time",
    "output",
    "scratch_size",
    "scratch_files",
    "shared_memory",
    "file_size",
    "open_files",
    "core_dumps",
    "kill",
    "pseudo_terminals",
    "proc_masks",
    "emptied_between_cases",
    "oom_preference",
    "artifact_links",
];

/// Everything that a header may say.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// One sentence: what it does to get past which wall.
    pub(super) about: String,
    /// The walls that stop it. Empty where only the truth of the result is at stake.
    pub(super) walls: Vec<String>,
    /// Absent: what the file's ending implies.
    #[serde(default)]
    pub(super) profile: Option<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    stdin: Option<Bytes>,
    #[serde(default)]
    limits: LimitsPatch,
    #[serde(default)]
    files: Vec<File>,
    #[serde(default)]
    cases: Vec<Case>,
    #[serde(default)]
    artifacts: Vec<String>,
    pub(super) expect: Expect,
}

/// Bytes, as a person would write them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub(super) enum Bytes {
    Text(String),
    /// Each with its line end.
    Lines(Vec<String>),
    Base64(Base64),
    Fill(Fill),
}

/// Bytes that are no text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Base64 {
    base64: String,
}

/// A text over and over, cut off at so many bytes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fill {
    fill: String,
    bytes: usize,
}

impl Bytes {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Lines(lines) => lines.iter().flat_map(|line| [line, "\n"]).collect::<String>().into_bytes(),
            Self::Base64(coded) => STANDARD.decode(&coded.base64).expect("the header has good base64"),
            Self::Fill(fill) => fill.fill.bytes().cycle().take(fill.bytes).collect(),
        }
    }

    fn content(&self) -> Content {
        Content::new(self.bytes())
    }
}

/// A file beside the program.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    content: Bytes,
    #[serde(default)]
    executable: bool,
    #[serde(default)]
    role: Role,
}

/// A run of the program with its own input.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    stdin: Option<Bytes>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    limits: LimitsPatch,
    /// What stdout must be, byte for byte.
    #[serde(default)]
    stdout: Option<Bytes>,
}

impl Header {
    /// Reads the header of a source file.
    ///
    /// # Errors
    /// What is wrong with it, for whoever wrote it.
    pub(super) fn parse(source: &str, marker: &str) -> Result<Self, String> {
        let lines = source.lines().map_while(|line| line.strip_prefix(marker));
        let text: String = lines.flat_map(|line| [line.strip_prefix(' ').unwrap_or(line), "\n"]).collect();
        toml::from_str(&text).map_err(|error| error.to_string())
    }

    /// The job that runs the program, with this file as its source and times multiplied.
    pub(super) fn draft(&self, profile: &str, entry: &str, source: &[u8], scale: f64) -> JobDraft {
        let content = |bytes: &Option<Bytes>| bytes.as_ref().map(Bytes::content).unwrap_or_default();
        let main = FileClaims {
            path: entry.to_owned(),
            content: Content::new(source.to_vec()),
            executable: false,
            role: Role::default(),
        };
        let beside = self.files.iter().map(|file| FileClaims {
            path: file.path.clone(),
            content: file.content.content(),
            executable: file.executable,
            role: file.role,
        });
        let cases = self.cases.iter().map(|case| CaseClaims {
            name: case.name.clone(),
            stdin: content(&case.stdin),
            args: case.args.clone(),
            limits: scaled(case.limits, scale),
            expect: case.stdout.as_ref().map(|stdout| ExpectClaims { stdout: stdout.content(), ..Default::default() }),
        });
        JobDraft {
            reply_to: REPLY_TO.to_owned(),
            profile: profile.to_owned(),
            files: std::iter::once(main).chain(beside).collect(),
            stdin: content(&self.stdin),
            args: self.args.clone(),
            env: self.env.clone(),
            limits: scaled(self.limits, scale),
            cases: cases.collect(),
            artifacts: self.artifacts.clone(),
            ..JobDraft::default()
        }
    }
}

/// The limits of time, multiplied.
fn scaled(limits: LimitsPatch, scale: f64) -> LimitsPatch {
    LimitsPatch {
        wall_seconds: limits.wall_seconds.map(|seconds| seconds * scale),
        cpu_seconds: limits.cpu_seconds.map(|seconds| seconds * scale),
        ..limits
    }
}

#[test]
fn a_header_with_a_word_that_means_nothing_is_refused() {
    let good = "#: about = 'x'\n#: walls = []\n#: [expect]\n#: status = 'ok'\nimport os\n#: never = 'read'";
    assert!(Header::parse(good, "#:").is_ok());
    for (from, to) in [
        ("walls", "wals"),
        ("[expect]", "[expects]"),
        ("status = 'ok'", "status = 'okay'"),
        ("import", "#: x = 1\nimport"),
    ] {
        assert!(Header::parse(&good.replace(from, to), "#:").is_err(), "{to}");
    }
}
