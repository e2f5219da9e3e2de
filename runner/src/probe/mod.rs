//! Hostile programs of our own, with which a worker attacks its walls before it trusts them.
//!
//! They run in the place of a job's program, after every step of the launcher, and need nothing of the image. They say
//! what they found ([`tester_runner::found`]) and judge nothing. What they try does no harm where a wall is missing: it
//! changes nothing of the host, and undoes what it made.

mod attempts;
mod resources;
mod stubborn;
mod surroundings;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, RawFd};
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use serde::Serialize;
use tester_runner::message::Probe;

use crate::complain;

pub(crate) use stubborn::{MODE as STUBBORN_MODE, main as stubborn};

/// The runner, as its own process sees it.
const OWN_EXECUTABLE: &str = "/proc/self/exe";

/// A probe, with what it had to take while it was still root.
pub(crate) struct Prober {
    probe: Probe,
    /// Where the runner lies, which nobody else may open.
    runner: PathBuf,
    /// A copy of the runner that any uid can execute.
    copy: Option<File>,
}

impl Prober {
    /// Takes what the probe needs; call it as root.
    pub(crate) fn new(probe: Probe) -> io::Result<Self> {
        let copy = match (probe == Probe::Kill).then(copy_itself).transpose() {
            // `vm.memfd_noexec` of this host; the tree will say that it is none.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => None,
            copy => copy?,
        };
        Ok(Self { probe, runner: std::fs::read_link(OWN_EXECUTABLE)?, copy })
    }

    /// The one descriptor that this probe needs besides stdio.
    pub(crate) fn descriptor(&self) -> Option<RawFd> {
        self.copy.as_ref().map(File::as_raw_fd)
    }

    /// Attacks. Most probes do not come back.
    pub(crate) fn run(self) -> ExitCode {
        let ran = match self.probe {
            Probe::Surroundings => surroundings::look(&self.runner).and_then(|found| say(&found)),
            Probe::Output => resources::flood(),
            Probe::Processes { most } => say(&resources::make_threads(most)),
            Probe::CpuTime { threads } => resources::spin(threads),
            Probe::Kill => stubborn::plant(self.copy.as_ref()),
            Probe::Memory { most_bytes } => resources::touch(most_bytes),
        };
        match ran {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                complain(&format!("the probe {:?} ended early: {error}", self.probe));
                ExitCode::FAILURE
            }
        }
    }
}

/// One line of JSON on stdout.
fn say(found: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(found)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

/// The runner as an anonymous file. It stays open across executions, for every process of the tree executes it again.
fn copy_itself() -> io::Result<File> {
    // Kernels before 6.3 do not know the flag, and make such files executable anyway.
    let made = match rustix::fs::memfd_create("probe", MemfdFlags::EXEC) {
        Err(Errno::INVAL) => rustix::fs::memfd_create("probe", MemfdFlags::empty()),
        made => made,
    };
    let mut copy = File::from(made?);
    io::copy(&mut File::open(OWN_EXECUTABLE)?, &mut copy)?;
    Ok(copy)
}
