//! What is run.

use clap::ValueEnum;

use crate::domain::content::Content;
use crate::domain::job::Role;
use crate::protocol::job_writer::{CaseClaims, CheckerName, ExpectClaims, FileClaims, JobDraft};

/// Cases of the program `cases`.
const CASES: usize = 50;

/// A program of known outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// Nothing, without a sandbox or a worker: signing, publishing, verifying and acknowledging alone, by a pipeline in this
    /// process, on a queue of its own, with a key of its own
    #[value(name = "no-op")]
    Noop,
    /// A program that does nothing, in the profile `python`
    True,
    /// `print(1)`, in the profile `python`
    Print,
    /// Two tests, in the profile `pytest`
    Pytest,
    /// A program with 50 cases, each with its input and the output that is expected, in the profile `python`
    Cases,
}

impl Program {
    /// All of them, the cheapest first.
    pub(super) const ALL: [Self; 5] = [Self::Noop, Self::True, Self::Print, Self::Pytest, Self::Cases];

    /// Its name on the command line and in reports.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Noop => "no-op",
            Self::True => "true",
            Self::Print => "print",
            Self::Pytest => "pytest",
            Self::Cases => "cases",
        }
    }

    /// Whether workers run it, so that they must be able to verify its jobs.
    pub(super) const fn needs_worker(self) -> bool {
        match self {
            Self::Noop => false,
            Self::True | Self::Print | Self::Pytest | Self::Cases => true,
        }
    }

    /// How often the program is run by one job.
    pub(super) const fn runs(self) -> usize {
        match self {
            Self::Noop | Self::True | Self::Print | Self::Pytest => 1,
            Self::Cases => CASES,
        }
    }

    /// The job, without an address for its result.
    pub(super) fn draft(self) -> JobDraft {
        match self {
            Self::Noop | Self::True => files("python", "main.py", ""),
            Self::Print => files("python", "main.py", "print(1)\n"),
            Self::Pytest => {
                let tests = "def test_one():\n    assert 1 + 1 == 2\n\ndef test_two():\n    assert 'a' in 'abc'\n";
                files("pytest", "test_main.py", tests)
            }
            Self::Cases => JobDraft {
                cases: (0..CASES).map(case).collect(),
                ..files("python", "main.py", "print(2 * int(input()))\n")
            },
        }
    }
}

fn case(number: usize) -> CaseClaims {
    let expect = ExpectClaims {
        stdout: Content::new(format!("{}\n", 2 * number).into_bytes()),
        checker: CheckerName::Exact,
        ..ExpectClaims::default()
    };
    CaseClaims {
        name: number.to_string(),
        stdin: Content::new(format!("{number}\n").into_bytes()),
        expect: Some(expect),
        ..CaseClaims::default()
    }
}

fn files(profile: &str, path: &str, text: &str) -> JobDraft {
    let file =
        FileClaims { path: path.to_owned(), content: Content::from(text), executable: false, role: Role::default() };
    JobDraft { profile: profile.to_owned(), files: vec![file], ..JobDraft::default() }
}
