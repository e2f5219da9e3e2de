//! One worker of a campaign, as a process that dies and is started again.

use std::fs::File;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tester_worker::crash::Point;
use tokio::process::Child;

use super::support::worker::command;

/// What a worker is started with, life after life.
#[derive(Debug, Clone)]
pub(crate) struct Birth {
    pub(crate) id: String,
    pub(crate) config: PathBuf,
    pub(crate) log: PathBuf,
    pub(crate) variables: Vec<(String, String)>,
}

/// A point at which a life ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Doom {
    pub(crate) point: Point,
    /// 1: the first time.
    pub(crate) occurrence: u32,
}

/// A process. It is killed when it is dropped.
#[derive(Debug)]
pub(crate) struct Life {
    child: Child,
    process: Pid,
    pub(crate) doom: Option<Doom>,
}

impl Life {
    pub(crate) fn begin(birth: &Birth, doom: Option<Doom>) -> Self {
        let log = File::options().create(true).append(true).open(&birth.log).expect("a file for the log");
        let mut command = command(&birth.variables);
        command.args(["serve", "--config"]).arg(&birth.config).env("TESTER_WORKER__WORKER__ID", &birth.id);
        if let Some(Doom { point, occurrence }) = doom {
            command.env("TESTER_WORKER_TEST_CRASH", format!("{}:{occurrence}", point.name()));
        }
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("start tester-worker serve");
        let id = child.id().expect("it has not been waited for");
        Self { child, process: Pid::from_raw(i32::try_from(id).expect("a process id")), doom }
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("ask for the process")
    }

    /// Sends a signal, unless the process has been waited for: its number may be another's then.
    pub(crate) fn signal(&mut self, signal: Signal) {
        if self.ended().is_none() {
            kill(self.process, signal).expect("send a signal");
        }
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        self.child.wait().await.expect("wait for the process")
    }
}

/// Whether a process ended as by SIGKILL.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(Signal::SIGKILL as i32)
}
