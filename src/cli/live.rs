//! A job shown while it runs: its output as it comes, and at the end what is left of it, and the verdict.

use std::io;
use std::process::ExitCode;

use super::failure::Failure;
use super::status::Ending;
use super::{output, render};
use crate::domain::outcome::Outcome;
use crate::protocol::event::{EventClaims, EventName};

/// What was shown so far.
#[derive(Debug, Default)]
pub(super) struct Live {
    /// Whose events these are: another worker or attempt is another run.
    run: Option<(String, u32)>,
    /// The number of the event that was shown last.
    seq: u64,
    /// Bytes of stdout and of stderr.
    shown: [usize; 2],
    /// Something was not told: nobody knows what of the result was shown.
    broken: bool,
}

impl Live {
    /// Shows an event.
    ///
    /// # Errors
    /// What the system says about stdout or stderr.
    pub(super) fn show(&mut self, event: &EventClaims) -> io::Result<()> {
        self.count(event);
        let bytes = event.content.as_ref().map_or(&[][..], |content| content.as_bytes());
        write(event.event, bytes)
    }

    fn count(&mut self, event: &EventClaims) {
        let run = (event.iss.clone(), event.attempt);
        if self.run.as_ref() != Some(&run) {
            // A second run after a first: what was shown is not what its result will say.
            self.broken |= self.run.is_some();
            (self.run, self.seq) = (Some(run), 0);
        }
        self.broken |= event.seq != self.seq + 1;
        self.seq = event.seq;
        let bytes = event.content.as_ref().map_or(0, crate::domain::content::Content::len);
        match event.event {
            EventName::Stdout => self.shown[0] += bytes,
            EventName::Stderr => self.shown[1] += bytes,
            EventName::Started | EventName::Case => {}
        }
    }

    /// Shows the rest of the output and the verdict, or all of the output where some was missed.
    pub(super) fn end(self, outcome: &Outcome) -> Result<ExitCode, Failure> {
        let ending = Ending::Result(outcome.run.status).into();
        if self.broken {
            output::err("\nsome output was not told in time; this is all of it:\n");
            render::show(outcome)?;
            return Ok(ending);
        }
        let streams = [(EventName::Stdout, &outcome.run.stdout), (EventName::Stderr, &outcome.run.stderr)];
        for ((name, stream), shown) in streams.into_iter().zip(self.shown) {
            write(name, stream.content.as_bytes().get(shown..).unwrap_or_default())?;
        }
        output::err(&render::verdict(outcome));
        Ok(ending)
    }
}

fn write(name: EventName, bytes: &[u8]) -> io::Result<()> {
    match name {
        EventName::Stdout => output::out(bytes),
        EventName::Stderr => output::write(&mut io::stderr().lock(), bytes),
        EventName::Started | EventName::Case => Ok(()),
    }
}
