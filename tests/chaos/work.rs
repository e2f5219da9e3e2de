//! Jobs whose answers are known beforehand: the program turns its input round, and exits with its length modulo 3. The
//! worker's `app::instant` answers them as a sandbox does.

use tester_worker::domain::content::Content;
use tester_worker::domain::outcome::RunRecord;
use tester_worker::protocol::job_writer::JobDraft;

use super::support::client::python;

const PROGRAM: &str = "import sys\n\
    data = sys.stdin.buffer.read()\n\
    sys.stdout.buffer.write(data[::-1])\n\
    sys.stdout.flush()\n\
    sys.exit(len(data) % 3)\n";

/// What a result says of a run, as far as it is the same however often the job is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: String,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Answer {
    /// The answer in a result.
    pub(crate) fn of(run: &RunRecord) -> Self {
        Self {
            status: run.status.as_str().to_owned(),
            exit_code: run.exit_code,
            signal: run.signal,
            stdout: run.stdout.content.as_bytes().to_vec(),
            stderr: run.stderr.content.as_bytes().to_vec(),
        }
    }

    /// The right answer to this input.
    pub(crate) fn to(input: &str) -> Self {
        let exit_code = i32::try_from(input.len() % 3).expect("below 3");
        Self {
            status: if exit_code == 0 { "ok" } else { "runtime_error" }.to_owned(),
            exit_code: Some(exit_code),
            signal: None,
            stdout: input.bytes().rev().collect(),
            stderr: Vec::new(),
        }
    }
}

/// The job with this input.
pub(crate) fn job(input: &str) -> JobDraft {
    JobDraft { stdin: Content::from(input), ..python(PROGRAM) }
}
