//! The signals PID 1 takes, as a descriptor to poll.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::events::{Interest, Source};
use crate::clock::Instant;

/// What the signals since the last look say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Arrived {
    /// A child ended (or many did).
    pub(crate) child: bool,
    /// Somebody stops the container, now or since an earlier look.
    pub(crate) stop: bool,
}

/// Signals asking the container to stop; an image may name any of these as its stop signal.
const STOP: [Signal; 4] = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGHUP];

/// The blocked signals, readable.
pub(crate) struct Signals {
    fd: SignalFd,
    /// A stop was asked for; it is never forgotten.
    stop: Cell<bool>,
}

impl Signals {
    /// Blocks them. The launcher inherits that and undoes it.
    pub(crate) fn new() -> io::Result<Self> {
        let mut mask = SigSet::empty();
        mask.add(Signal::SIGCHLD);
        for signal in STOP {
            mask.add(signal);
        }
        mask.thread_block()?;
        let fd = SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { fd, stop: Cell::new(false) })
    }

    /// Reads everything that is waiting.
    pub(crate) fn take(&self) -> io::Result<Arrived> {
        let mut arrived = Arrived::default();
        while let Some(info) = self.fd.read_signal()? {
            if i32::try_from(info.ssi_signo) == Ok(Signal::SIGCHLD as i32) {
                arrived.child = true;
            } else {
                self.stop.set(true);
            }
        }
        arrived.stop = self.stop.get();
        Ok(arrived)
    }
}

impl Signals {
    /// Waits for the next signal, but not for long: whoever calls looks again. A stop signal is remembered.
    pub(crate) fn pause(&self, most: Duration) {
        let mut interest = Interest::new();
        interest.read(Source::Signals, self.as_fd());
        // An error here only means that the next look comes at once; the caller's time limit holds all the same.
        if interest.wait(Some(Instant::now() + most)).is_ok() {
            drop(self.take());
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
