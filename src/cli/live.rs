//! A job shown while it runs: its output as it comes, and at the end what is left of it, and the verdict.

use std::io;
use std::process::ExitCode;

use super::failure::Failure;
use super::status::Ending;
use super::{output, render};
use crate::domain::content::Content;
use crate::domain::outcome::{Outcome, Output};
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
        let bytes = event.content.as_ref().map_or(&[][..], Content::as_bytes);
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
        let bytes = event.content.as_ref().map_or(0, Content::len);
        match event.event {
            EventName::Stdout => self.shown[0] += bytes,
            EventName::Stderr => self.shown[1] += bytes,
            EventName::Started | EventName::Case => {}
        }
    }

    /// Shows the rest of the output and the verdict, or all of the output where some was missed.
    pub(super) fn end(self, outcome: &Outcome) -> Result<ExitCode, Failure> {
        if let Some([stdout, stderr]) = self.rest(outcome) {
            write(EventName::Stdout, stdout)?;
            write(EventName::Stderr, stderr)?;
            output::err(&render::verdict(outcome));
        } else {
            output::err("\nsome output was not told in time; this is all of it:\n");
            render::show(outcome)?;
        }
        Ok(Ending::Result(outcome.run.status).into())
    }

    /// What of stdout and stderr is still to be shown; `None` where nobody can say.
    fn rest<'o>(&self, outcome: &'o Outcome) -> Option<[&'o [u8]; 2]> {
        let [stdout, stderr] = self.shown;
        let rest = |output: &'o Output, shown| output.content.as_bytes().get(shown..).unwrap_or_default();
        (!self.broken).then(|| [rest(&outcome.run.stdout, stdout), rest(&outcome.run.stderr, stderr)])
    }
}

fn write(name: EventName, bytes: &[u8]) -> io::Result<()> {
    match name {
        EventName::Stdout => output::out(bytes),
        EventName::Stderr => output::write(&mut io::stderr().lock(), bytes),
        EventName::Started | EventName::Case => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::{JobEvent, Stream};
    use crate::domain::job::{JobDigest, JobKey};
    use crate::domain::outcome::RunRecord;
    use crate::domain::verdict::Status;
    use crate::pipeline::outcome::{Stamps, not_run};
    use crate::protocol::event::Teller;

    fn output(attempt: u32, seq: u64, text: &str) -> EventClaims {
        let key = JobKey { issuer: "b".to_owned(), id: uuid::Uuid::nil() };
        let event = JobEvent::Output(Stream::Stdout, Content::from(text));
        EventClaims::new((&key, JobDigest([0; 32])), Teller { worker: "w", attempt, now: 0 }, seq, event)
    }

    fn outcome(stdout: &str) -> Outcome {
        let mut run = RunRecord::not_run(Status::Ok, None, String::new());
        run.stdout.content = Content::from(stdout);
        let total = std::time::Duration::ZERO;
        not_run(run, None, Stamps { queued: None, began: None, total, worker: "w", attempt: 1 })
    }

    #[track_caller]
    fn rest(events: &[EventClaims], result: &str) -> Option<String> {
        let mut live = Live::default();
        for event in events {
            live.count(event);
        }
        let outcome = outcome(result);
        live.rest(&outcome).map(|[stdout, _]| String::from_utf8(stdout.to_vec()).unwrap())
    }

    #[test]
    fn what_was_shown_is_not_shown_again_and_what_was_missed_is() {
        assert_eq!(rest(&[], "abc").as_deref(), Some("abc"), "nothing was told");
        assert_eq!(rest(&[output(1, 1, "a"), output(1, 2, "b")], "abc").as_deref(), Some("c"), "the end is missing");
        assert_eq!(rest(&[output(1, 1, "abc")], "a").as_deref(), Some(""), "the result was cut");
        assert_eq!(rest(&[output(1, 1, "a"), output(1, 3, "c")], "abc"), None, "a gap");
        assert_eq!(rest(&[output(1, 2, "b")], "abc"), None, "a gap at the beginning");
        assert_eq!(rest(&[output(1, 1, "a"), output(2, 1, "a")], "ab"), None, "another attempt began anew");
    }
}
