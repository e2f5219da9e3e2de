//! One of the program's output streams: forwarded up to its limit, counted to its end.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use tester_runner::frame::{DATA_BYTES_MAX, Kind};

use super::Stop;
use super::output::Output;

/// The largest packet of a pipe in packet mode (`PIPE_BUF`, pipe(7)).
const PACKET_BYTES_MAX: usize = 4096;

/// A stream that is read without ever blocking.
pub(super) struct Stream {
    kind: Kind,
    /// The reading end; `None` after the end of the stream.
    fd: Option<OwnedFd>,
    limit: u64,
    total: u64,
}

/// What one read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    /// Some bytes moved; there may be more.
    Bytes,
    /// Nothing is there at the moment.
    Empty,
    /// Nothing will come any more.
    Ended,
}

impl Stream {
    /// A stream of which the first `limit` bytes go to the worker as frames of this kind.
    pub(super) fn new(kind: Kind, fd: Option<OwnedFd>, limit: u64) -> Self {
        Self { kind, fd, limit, total: 0 }
    }

    /// What to wait for, until the stream ended.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(|fd| fd.as_fd())
    }

    /// Bytes read so far, sent on or not.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// Whether there was at least one byte more than the limit.
    pub(super) fn is_over(&self) -> bool {
        self.total > self.limit
    }

    /// Reads what is there, up to a frame's worth, and sends what is within the limit. The output must be empty: its buffer
    /// is what is read into.
    ///
    /// Each read has room for a whole packet, also near the limit: the program may put its pipe into packet mode, where the
    /// kernel drops what a short read leaves, and what was dropped would not be counted. Small writes are gathered into one
    /// frame, so that a byte at a time costs the worker no frame each.
    pub(super) fn pump(&mut self, output: &mut Output) -> Result<Pumped, Stop> {
        let Some(fd) = self.fd.as_ref() else { return Ok(Pumped::Ended) };
        let space = output.payload_space(DATA_BYTES_MAX);
        let mut bytes = 0;
        let mut pumped = Pumped::Empty;
        while let Some(rest) = space.get_mut(bytes..).filter(|rest| rest.len() >= PACKET_BYTES_MAX) {
            match rustix::io::read(fd, rest) {
                Ok(0) => {
                    pumped = Pumped::Ended;
                    break;
                }
                Ok(read) => {
                    bytes += read;
                    pumped = Pumped::Bytes;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(Stop::ours("read the program's output", error)),
            }
        }
        if pumped == Pumped::Ended {
            self.fd = None;
        }
        let room = usize::try_from(self.limit.saturating_sub(self.total)).unwrap_or(usize::MAX);
        self.total = self.total.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        // Beyond the limit bytes are only counted.
        if bytes.min(room) > 0 {
            output.commit(self.kind, bytes.min(room))?;
        }
        Ok(pumped)
    }
}
