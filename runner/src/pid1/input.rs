//! Frames from the worker, without ever blocking on half a one.

use std::os::fd::{AsFd, BorrowedFd};

use tester_runner::frame::Kind;

use super::Stop;
use super::parser::Parser;

/// Bytes that are read at once.
const READ_BYTES: usize = 65_536;

/// A buffer whose pages are really there, not only promised: after an OOM kill there may be none to have.
pub(crate) fn resident(bytes: usize) -> Vec<u8> {
    vec![0xff; bytes]
}

/// A frame that the worker may send; its payload is the input's until the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Start a warm interpreter.
    Warm,
    /// Run a program.
    Start,
    /// Bytes of the job's files.
    Tar,
    /// Bytes for the program's stdin.
    Stdin,
    /// End the run.
    Cancel,
    /// Say what the last run left.
    List,
    /// Send a file of it.
    Fetch,
    /// Remove what the last run left.
    Reset,
}

impl Order {
    /// The order that a frame is; none is a fault of whoever sent it.
    fn of(kind: Kind) -> Result<Self, Stop> {
        match kind {
            Kind::Warm => Ok(Self::Warm),
            Kind::Start => Ok(Self::Start),
            Kind::Tar => Ok(Self::Tar),
            Kind::Stdin => Ok(Self::Stdin),
            Kind::Cancel => Ok(Self::Cancel),
            Kind::List => Ok(Self::List),
            Kind::Fetch => Ok(Self::Fetch),
            Kind::Reset => Ok(Self::Reset),
            Kind::Ready
            | Kind::Warmed
            | Kind::Stdout
            | Kind::Stderr
            | Kind::Report
            | Kind::StdinCredit
            | Kind::Started
            | Kind::Ended
            | Kind::Fault
            | Kind::Listing
            | Kind::Listed
            | Kind::File
            | Kind::FileEnd
            | Kind::Emptied => Err(Stop::ours("protocol", format!("a {kind:?} frame is the runner's to send"))),
        }
    }
}

/// The reading half of the link.
pub(crate) struct Input {
    fd: BorrowedFd<'static>,
    buffer: Vec<u8>,
    /// The part of the buffer that was read and not parsed.
    from: usize,
    to: usize,
    parser: Parser,
}

impl Input {
    /// Takes the runner's stdin.
    pub(crate) fn new() -> Self {
        Self { fd: rustix::stdio::stdin(), buffer: resident(READ_BYTES), from: 0, to: 0, parser: Parser::new() }
    }

    /// Reads once. Only to be called when there is something to read and everything before is parsed.
    pub(crate) fn fill(&mut self) -> Result<(), Stop> {
        match rustix::io::read(self.fd, self.buffer.as_mut_slice()) {
            Ok(0) => Err(Stop::Gone),
            Ok(bytes) => {
                self.from = 0;
                self.to = bytes;
                Ok(())
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => Ok(()),
            Err(error) => Err(Stop::ours("read from the worker", error)),
        }
    }

    /// The next complete frame among what was read; its payload is [`Self::payload`].
    pub(crate) fn next(&mut self) -> Result<Option<Order>, Stop> {
        let unread = self.buffer.get(self.from..self.to).unwrap_or_default();
        if unread.is_empty() {
            return Ok(None);
        }
        let (consumed, kind) = self.parser.feed(unread).map_err(|error| Stop::ours("protocol", error))?;
        self.from += consumed;
        kind.map(Order::of).transpose()
    }

    /// The payload of the last frame.
    pub(crate) fn payload(&self) -> &[u8] {
        self.parser.payload()
    }

    /// Gives back the memory of a large `Start`.
    pub(crate) fn shrink(&mut self) {
        self.parser.shrink();
    }
}

impl AsFd for Input {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}
