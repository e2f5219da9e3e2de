//! The signals PID 1 takes, as a descriptor to poll.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

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
    /// Blocks them. A child inherits that; the launcher empties its mask before it becomes the program.
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

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
