//! Waiting: which descriptors, until when.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::clock::Instant;

/// Everything PID 1 ever waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// Frames from the worker.
    Input,
    /// Signals.
    Signals,
    /// Room for frames to the worker.
    Output,
    /// The launcher's report.
    Status,
    /// The program's stdout.
    Stdout,
    /// The program's stderr.
    Stderr,
    /// The report pipe.
    Report,
    /// Room in the program's stdin.
    Stdin,
    /// The warm interpreter's socket.
    Template,
    /// What the warm interpreter wrote before it was a program.
    TemplateOutput,
}

/// As many sources as there are, so that a list never grows.
const SOURCES: usize = 10;

/// A list of descriptors to wait for.
pub(crate) struct Interest<'fd> {
    sources: Vec<Source>,
    fds: Vec<PollFd<'fd>>,
}

impl<'fd> Interest<'fd> {
    /// An empty list.
    pub(crate) fn new() -> Self {
        Self { sources: Vec::with_capacity(SOURCES), fds: Vec::with_capacity(SOURCES) }
    }

    /// Waits for something to read.
    pub(crate) fn read(&mut self, source: Source, fd: BorrowedFd<'fd>) {
        self.add(source, fd, PollFlags::IN);
    }

    /// Waits for room to write.
    pub(crate) fn write(&mut self, source: Source, fd: BorrowedFd<'fd>) {
        self.add(source, fd, PollFlags::OUT);
    }

    /// Waits for the other side to close.
    pub(crate) fn hang_up(&mut self, source: Source, fd: BorrowedFd<'fd>) {
        self.add(source, fd, PollFlags::empty());
    }

    fn add(&mut self, source: Source, fd: BorrowedFd<'fd>, events: PollFlags) {
        self.sources.push(source);
        self.fds.push(PollFd::from_borrowed_fd(fd, events));
    }

    /// Waits for the first of them, or until the moment, or for ever.
    pub(crate) fn wait(mut self, until: Option<Instant>) -> io::Result<Woken> {
        let timeout = until.map(|moment| timespec(moment.saturating_duration_since(Instant::now())));
        match rustix::event::poll(&mut self.fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Woken(Vec::new())),
            Err(error) => return Err(error.into()),
        }
        let ready = self.sources.iter().zip(&self.fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(Woken(ready.map(|(source, _)| *source).collect()))
    }
}

/// The sources that something happened to: data, room, an end or an error.
#[derive(Debug)]
pub(crate) struct Woken(Vec<Source>);

impl Woken {
    /// Whether this source is one of them.
    pub(crate) fn has(&self, source: Source) -> bool {
        self.0.contains(&source)
    }
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
