//! What the launcher tells PID 1 over the status pipe.
//!
//! The launcher writes one mark when it is confined and about to execute the program. If that works the pipe closes by
//! itself (close-on-exec), so the mark alone means "executed". A launch error as JSON means that it did not work. Neither
//! means that the launcher itself died, which must not be mistaken for an end of the program.

use tester_runner::message::LaunchError;

/// Written when everything but the execution is done.
pub(crate) const ABOUT_TO_EXECUTE: u8 = b'+';

/// The longest report that is read; an error number and a short text fit many times over.
pub(crate) const STATUS_BYTES_MAX: usize = 4096;

/// The step that is the program's own execution; every other step is ours.
pub(crate) const STEP_EXEC: &str = "exec";

/// The step named when the launcher died without a word.
const STEP_LAUNCHER: &str = "launcher";

/// What a status pipe said, read to its end: `Ok` when the program was executed.
pub(crate) fn interpret(bytes: &[u8]) -> Result<(), LaunchError> {
    let (marked, rest) = match bytes.split_first() {
        Some((&ABOUT_TO_EXECUTE, rest)) => (true, rest),
        _ => (false, bytes),
    };
    if rest.is_empty() && marked {
        return Ok(());
    }
    Err(serde_json::from_slice(rest).unwrap_or_else(|error| LaunchError {
        step: STEP_LAUNCHER.to_owned(),
        errno: 0,
        message: if rest.is_empty() {
            "the launcher ended before it executed the program".to_owned()
        } else {
            format!("the launcher's report cannot be read: {error}")
        },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_alone_means_executed() {
        assert_eq!(interpret(b"+"), Ok(()));
    }

    #[test]
    fn silence_is_the_launchers_death_and_not_an_execution() {
        assert_eq!(interpret(b"").unwrap_err().step, "launcher");
    }

    #[test]
    fn an_error_is_reported_whether_it_came_before_or_at_the_execution() {
        let error = LaunchError { step: STEP_EXEC.to_owned(), errno: 2, message: "no such file".to_owned() };
        let json = serde_json::to_vec(&error).unwrap();
        assert_eq!(interpret(&json), Err(error.clone()));
        assert_eq!(interpret(&[b"+".as_slice(), &json].concat()), Err(error));
    }

    #[test]
    fn a_report_cut_short_is_not_an_execution() {
        assert_eq!(interpret(b"+{\"step\"").unwrap_err().step, "launcher");
    }
}
