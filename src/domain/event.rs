//! What happens to a job while it runs, for whoever wants to know before the result.

use super::content::Content;
use super::outcome::CaseRecord;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum JobEvent {
    /// The program was started.
    Started,
    /// It wrote these bytes.
    Output(Stream, Content),
    /// One of its cases ended.
    Case(Box<CaseRecord>),
}

/// Where a program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}
