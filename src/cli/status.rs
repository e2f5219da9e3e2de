//! Exit statuses of the commands.

use std::process::ExitCode;

use crate::domain::verdict::Status;

/// How `exec` and `submit` end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// There is a result, verified where it came over a queue.
    Result(Status),
    /// There is none, or it cannot be verified.
    NoResult,
    /// The command line or the configuration is wrong.
    Usage,
    /// The user interrupted it.
    Interrupted,
}

/// The exit status of `exec` and `submit`.
pub const fn exit_status(ending: Ending) -> u8 {
    match ending {
        Ending::Result(Status::Ok) => 0,
        Ending::Result(
            Status::WrongAnswer
            | Status::RuntimeError
            | Status::Signaled
            | Status::TimeLimit
            | Status::MemoryLimit
            | Status::OutputLimit
            | Status::CompileError
            | Status::Rejected
            | Status::Cancelled,
        ) => 1,
        Ending::Usage => 2,
        Ending::Result(Status::InternalError) | Ending::NoResult => 70,
        Ending::Interrupted => 130,
    }
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> Self {
        Self::from(exit_status(ending))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_has_the_status_of_the_contract() {
        for status in Status::ALL {
            let expected = match status.as_str() {
                "ok" => 0,
                "internal_error" => 70,
                _ => 1,
            };
            assert_eq!(exit_status(Ending::Result(*status)), expected, "{status}");
        }
        assert_eq!(exit_status(Ending::Usage), 2);
        assert_eq!(exit_status(Ending::NoResult), 70);
        assert_eq!(exit_status(Ending::Interrupted), 130);
    }
}
