//! An error of ours at the end of a command: a chain of causes, an exit status, and what to do.

use std::fmt::Write as _;
use std::process::ExitCode;

use super::output;
use super::status::Ending;
use crate::config::ConfigError;

/// Why a command ended early.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
    status: u8,
    /// What went wrong as well, while this was being cleaned up after.
    beside: Option<Box<Self>>,
}

impl Failure {
    /// A failure with exit status 70: something of ours, or around us, does not work.
    pub fn fault(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), hint: None, status: super::status::exit_status(Ending::NoResult), beside: None }
    }

    /// A failure with exit status 2: the command line, the configuration or the keys are wrong.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { error: error.into(), hint: None, status: super::status::exit_status(Ending::Usage), beside: None }
    }

    /// With what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With another exit status.
    #[must_use]
    pub const fn status(mut self, status: u8) -> Self {
        self.status = status;
        self
    }

    /// With another failure that followed it: both are told, and the exit status is this one's.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        self.beside = Some(Box::new(other));
        self
    }

    /// The lines that [`report`](Self::report) prints.
    pub fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.error);
        for cause in self.error.chain().skip(1) {
            writeln!(text, "  caused by: {cause}").unwrap_or_default();
        }
        if let Some(hint) = &self.hint {
            writeln!(text, "hint: {hint}").unwrap_or_default();
        }
        if let Some(other) = &self.beside {
            text.push_str(&other.text());
        }
        text
    }

    /// Prints it on stderr and gives its exit status.
    pub fn report(&self) -> ExitCode {
        output::err(&self.text());
        ExitCode::from(self.status)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::fault(error)
    }
}

/// Prints what clap has to say: help and version on stdout with status 0, mistakes on stderr with status 2.
pub fn usage(error: &clap::Error) -> ExitCode {
    // A reader that has gone away is no error; there is nobody left to tell another to.
    error.print().unwrap_or_default();
    ExitCode::from(if error.use_stderr() { super::status::exit_status(Ending::Usage) } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_failures_both_are_told_and_the_first_decides() {
        let failure = Failure::usage(anyhow::anyhow!("a job failed"))
            .hint("look")
            .beside(Failure::fault(anyhow::anyhow!("its queue stays")));
        assert_eq!(failure.text(), "error: a job failed\nhint: look\nerror: its queue stays\n");
        assert_eq!(failure.status, 2);
    }

    #[test]
    fn the_whole_chain_and_the_hint_are_printed() {
        let error = anyhow::anyhow!("connection refused").context("no daemon at unix:///x");
        let failure = Failure::fault(error).hint("start Docker");
        assert_eq!(
            failure.text(),
            "error: no daemon at unix:///x\n  caused by: connection refused\nhint: start Docker\n"
        );
    }
}
