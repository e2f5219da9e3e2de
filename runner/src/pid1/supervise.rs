//! Watching over a program while it runs.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use tester_runner::frame::Kind;
use tester_runner::message::{Cause, LaunchError, Start};

use super::deadline::Deadlines;
use super::events::{Interest, Source, Woken};
use super::evidence::Counts;
use super::input::Order;
use super::spawn::Spawned;
use super::stdin::ProgramStdin;
use super::stream::{Pumped, Stream};
use super::template::Template;
use super::{Pid1, Stop};
use crate::clock::Instant;
use crate::status::{self, STATUS_BYTES_MAX};

/// Limits in bytes that outlive the `Start` message, whose arguments and environment are given away to the launcher.
pub(super) struct Limits {
    pub(super) stdout: u64,
    pub(super) stderr: u64,
    pub(super) report: u64,
}

impl Limits {
    /// The limits of a run.
    pub(super) fn of(start: &Start) -> Self {
        Self { stdout: start.stdout_bytes, stderr: start.stderr_bytes, report: start.report_bytes_max }
    }
}

/// How far the launch is.
pub(super) enum Launch {
    /// The launcher works; what it has said so far.
    Under(OwnedFd, Vec<u8>),
    /// The program was executed.
    Done,
    /// It was not.
    Failed(LaunchError),
}

/// A program that runs.
pub(super) struct Program {
    pub(super) launch: Launch,
    pub(super) stdout: Stream,
    pub(super) stderr: Stream,
    pub(super) report: Stream,
    stdin: ProgramStdin,
    /// The stream that is read first the next time, so that neither starves the other.
    stderr_first: bool,
}

impl Program {
    /// The program behind these pipes.
    pub(super) fn new(spawned: Spawned, limits: &Limits) -> Self {
        Self {
            launch: Launch::Under(spawned.status, Vec::with_capacity(STATUS_BYTES_MAX)),
            stdout: Stream::new(Kind::Stdout, Some(spawned.stdout), limits.stdout),
            stderr: Stream::new(Kind::Stderr, Some(spawned.stderr), limits.stderr),
            report: Stream::new(Kind::Report, spawned.report, limits.report),
            stdin: ProgramStdin::new(spawned.stdin),
            stderr_first: false,
        }
    }

    /// Until the main process ends, or something else ends the run. The main process may have ended in any case.
    pub(super) fn supervise(
        &mut self,
        pid1: &mut Pid1,
        deadlines: &mut Deadlines,
        before: Counts,
    ) -> Result<Cause, Stop> {
        loop {
            if self.take_frames(pid1)? {
                return Ok(Cause::Cancelled);
            }
            if pid1.link.output.is_empty() {
                self.stdin.give_credit(&mut pid1.link.output)?;
            }
            let cpu = || Duration::from_nanos(pid1.evidence.cpu().saturating_sub(before.cpu));
            if let Some(cause) = deadlines.reached(Instant::now(), cpu) {
                // A program that ended by itself before anybody looked was not stopped by a limit.
                pid1.reaper.reap();
                pid1.hear_of_child(false);
                return Ok(if pid1.reaper.main_end().is_some() { Cause::Exited } else { cause });
            }
            // Before every wait: input that the program's pipe took at once leaves nothing else to wake for, and the worker
            // sends no more before it has the credit.
            if pid1.link.output.is_empty() {
                self.stdin.give_credit(&mut pid1.link.output)?;
            }
            let woken = self.wait(pid1, deadlines.next())?;
            if woken.has(Source::Signals) {
                pid1.link.take_signals(&mut pid1.reaper)?;
            }
            if woken.has(Source::Template) {
                pid1.hear_of_child(false);
            }
            if woken.has(Source::Output) {
                pid1.link.output.flush()?;
            }
            if woken.has(Source::Status) {
                self.read_status(pid1)?;
            }
            if woken.has(Source::Stdin) {
                self.stdin.write()?;
            }
            if let Some(cause) = self.pump_ready(pid1, &woken)? {
                return Ok(cause);
            }
            if pid1.reaper.main_end().is_some() {
                return Ok(Cause::Exited);
            }
            if woken.has(Source::Input) {
                pid1.link.input.fill()?;
            }
        }
    }

    /// Takes the frames that were read; whether one of them cancels the run.
    fn take_frames(&mut self, pid1: &mut Pid1) -> Result<bool, Stop> {
        while let Some(order) = pid1.link.input.next()? {
            match order {
                Order::Stdin => self.stdin.push(pid1.link.input.payload())?,
                Order::Cancel => return Ok(true),
                Order::Warm | Order::Start | Order::Tar | Order::List | Order::Fetch | Order::Reset => {
                    return Err(Stop::unexpected(order));
                }
            }
        }
        Ok(false)
    }

    fn wait(&self, pid1: &Pid1, until: Instant) -> Result<Woken, Stop> {
        let link = &pid1.link;
        let mut interest = Interest::new();
        interest.read(Source::Input, link.input.as_fd());
        interest.read(Source::Signals, link.signals.as_fd());
        // Of one that has ended there is its end only, again and again.
        if let Some(fd) = pid1.template.as_ref().and_then(Template::told).filter(|_| pid1.reaper.template().is_some()) {
            interest.read(Source::Template, fd);
        }
        if let Some(fd) = self.stdin.fd() {
            interest.write(Source::Stdin, fd);
        }
        if let Launch::Under(fd, _) = &self.launch {
            // Nothing of the program's own is read before it is known to run, so `Started` comes before its output.
            interest.read(Source::Status, fd.as_fd());
        } else if link.output.is_empty() {
            let streams =
                [(Source::Stdout, &self.stdout), (Source::Stderr, &self.stderr), (Source::Report, &self.report)];
            for (source, stream) in streams {
                if let Some(fd) = stream.fd() {
                    interest.read(source, fd);
                }
            }
        }
        if !link.output.is_empty() {
            // A worker that does not read holds the program back: its pipes fill up. The deadlines hold all the same.
            interest.write(Source::Output, link.output.as_fd());
        }
        interest.wait(Some(until)).map_err(|error| Stop::ours("wait", error))
    }

    /// Reads the launcher's report; says `Started` when it ended well.
    pub(super) fn read_status(&mut self, pid1: &mut Pid1) -> Result<(), Stop> {
        let Launch::Under(fd, bytes) = &mut self.launch else { return Ok(()) };
        let mut buffer = [0; 512];
        loop {
            match rustix::io::read(&*fd, &mut buffer) {
                Ok(0) => break,
                Ok(read) if bytes.len() < STATUS_BYTES_MAX => bytes.extend(buffer.iter().take(read)),
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(Stop::ours("read the launcher's report", error)),
            }
        }
        self.launch = match status::interpret(bytes) {
            Ok(()) => Launch::Done,
            Err(error) => Launch::Failed(error),
        };
        match self.launch {
            Launch::Done => pid1.link.output.control(Kind::Started, &[]),
            Launch::Under(..) | Launch::Failed(_) => Ok(()),
        }
    }

    /// Reads the streams that have something, while the worker takes it.
    fn pump_ready(&mut self, pid1: &mut Pid1, woken: &Woken) -> Result<Option<Cause>, Stop> {
        let output = &mut pid1.link.output;
        let mut order = [(Source::Stdout, &mut self.stdout), (Source::Stderr, &mut self.stderr)];
        if self.stderr_first {
            order.reverse();
        }
        self.stderr_first = !self.stderr_first;
        for (source, stream) in order {
            if woken.has(source) && output.is_empty() {
                stream.pump(output)?;
                if stream.is_over() {
                    return Ok(Some(if source == Source::Stdout { Cause::Stdout } else { Cause::Stderr }));
                }
            }
        }
        if woken.has(Source::Report) && output.is_empty() {
            self.report.pump(output)?;
        }
        Ok(None)
    }

    /// Reads what is left in the pipes, after every process of the job is gone. It waits for a slow worker.
    pub(super) fn drain(&mut self, pid1: &mut Pid1) -> Result<(), Stop> {
        self.read_status(pid1)?;
        for stream in [&mut self.stdout, &mut self.stderr, &mut self.report] {
            loop {
                pid1.link.flush()?;
                // Nobody is left to write, so an empty pipe is as good as an ended one.
                match stream.pump(&mut pid1.link.output)? {
                    Pumped::Bytes => {}
                    Pumped::Empty | Pumped::Ended => break,
                }
            }
        }
        pid1.link.flush()
    }
}
