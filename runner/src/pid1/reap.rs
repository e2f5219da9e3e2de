//! Reaping: PID 1 inherits every orphan.

use rustix::process::{Pid, WaitOptions, WaitStatus};
use tester_runner::message::Exit;

use crate::clock::Instant;

/// What reaping has found out.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    /// The main process of the present run.
    main: Option<Pid>,
    /// How and when it ended.
    main_end: Option<(Exit, Instant)>,
}

impl Reaper {
    /// Starts over for a run with this main process.
    pub(crate) fn watch(&mut self, main: Pid) {
        *self = Self { main: Some(main), main_end: None };
    }

    /// The main process of the present run.
    pub(crate) fn main(&self) -> Option<Pid> {
        self.main
    }

    /// How and when the main process ended, if it did.
    pub(crate) fn main_end(&self) -> Option<(Exit, Instant)> {
        self.main_end
    }

    /// Takes every process that has ended.
    pub(crate) fn reap(&mut self) {
        // An error means that there is no child at all.
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            self.note(pid, status);
        }
    }

    fn note(&mut self, pid: Pid, status: WaitStatus) {
        let Some(exit) = exit_of(status) else { return };
        if self.main == Some(pid) && self.main_end.is_none() {
            self.main_end = Some((exit, Instant::now()));
        }
    }
}

/// How a process ended; real-time signals included, which have no name.
fn exit_of(status: WaitStatus) -> Option<Exit> {
    status.exit_status().map(Exit::Code).or_else(|| status.terminating_signal().map(Exit::Signal))
}
