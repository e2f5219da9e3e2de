//! Frames to the worker. A slow worker holds back the program, never the deadlines: nothing here blocks.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::OFlags;
use tester_runner::frame::{DATA_BYTES_MAX, HEADER_BYTES, Kind, encode_header};

use super::Stop;
use super::input::resident;

/// Room for control frames behind a data frame.
const CONTROL_ROOM: usize = 4096;

/// The writing half of the link: at most one data frame waits, and a few control frames behind it.
pub(crate) struct Output {
    fd: BorrowedFd<'static>,
    buffer: Vec<u8>,
    /// The part of the buffer that was not written yet.
    from: usize,
    to: usize,
}

impl Output {
    /// Takes the runner's stdout.
    pub(crate) fn new() -> io::Result<Self> {
        let fd = rustix::stdio::stdout();
        rustix::fs::fcntl_setfl(fd, rustix::fs::fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
        Ok(Self { fd, buffer: resident(HEADER_BYTES + DATA_BYTES_MAX + CONTROL_ROOM), from: 0, to: 0 })
    }

    /// Whether everything is written, so that a data frame can be made.
    pub(crate) fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// Where the payload of the next data frame goes; for an empty output only. Up to `bytes`, at most what a frame carries.
    pub(crate) fn payload_space(&mut self, bytes: usize) -> &mut [u8] {
        self.from = 0;
        self.to = 0;
        self.buffer.get_mut(HEADER_BYTES..HEADER_BYTES + bytes.min(DATA_BYTES_MAX)).unwrap_or_default()
    }

    /// Makes a frame of the first `bytes` of [`Self::payload_space`].
    pub(crate) fn commit(&mut self, kind: Kind, bytes: usize) -> Result<(), Stop> {
        let header = encode_header(kind, bytes).map_err(|error| Stop::ours("protocol", error))?;
        for (to, from) in self.buffer.iter_mut().zip(header) {
            *to = from;
        }
        self.from = 0;
        self.to = HEADER_BYTES + bytes;
        self.flush()
    }

    /// Puts a control frame behind whatever waits.
    pub(crate) fn control(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Stop> {
        let header = encode_header(kind, payload.len()).map_err(|error| Stop::ours("protocol", error))?;
        if self.is_empty() {
            self.from = 0;
            self.to = 0;
        }
        let end = self.to + header.len() + payload.len();
        if end > self.buffer.len() {
            self.buffer.resize(end, 0);
        }
        for (to, from) in self.buffer.iter_mut().skip(self.to).zip(header.iter().chain(payload)) {
            *to = *from;
        }
        self.to = end;
        self.flush()
    }

    /// Writes as much as fits now.
    pub(crate) fn flush(&mut self) -> Result<(), Stop> {
        while let Some(waiting) = self.buffer.get(self.from..self.to).filter(|waiting| !waiting.is_empty()) {
            match rustix::io::write(self.fd, waiting) {
                Ok(bytes) => self.from += bytes,
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::PIPE) => return Err(Stop::Gone),
                Err(error) => return Err(Stop::ours("write to the worker", error)),
            }
        }
        Ok(())
    }
}

impl AsFd for Output {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd
    }
}
