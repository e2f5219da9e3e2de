//! Reaping: PID 1 inherits every orphan.

use std::fs;
use std::process::Child;
use std::time::Duration;

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus as Peeked, waitid};
use rustix::process::{Pid, WaitOptions, WaitStatus};
use tester_runner::message::Exit;
use wait4::Wait4 as _;

use crate::clock::Instant;

/// What reaping has found out.
#[derive(Debug, Default)]
pub(crate) struct Reaper {
    /// The main process of the present run.
    main: Option<Main>,
    /// How it ended.
    main_end: Option<MainEnd>,
    /// The warm interpreter, until it has ended or is a program.
    template: Option<Pid>,
    /// Whether it has ended without being told to.
    template_lost: bool,
}

/// The main process of a run.
#[derive(Debug)]
pub(crate) struct Main {
    pid: Pid,
    /// `None`: it is the warm interpreter's child, which tells how it ended.
    child: Option<Child>,
    /// How long it had waited for a CPU before it was the program.
    waited_before: Duration,
}

impl Main {
    /// A process that was just started; `None` for an id that no process has.
    pub(crate) fn new(child: Child) -> Option<Self> {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw)?;
        Some(Self { pid, child: Some(child), waited_before: Duration::ZERO })
    }

    /// A process that the warm interpreter has forked.
    pub(crate) const fn forked(pid: Pid) -> Self {
        Self { pid, child: None, waited_before: Duration::ZERO }
    }

    /// What it did until now is not the program's.
    pub(crate) fn begin_accounts(&mut self) {
        self.waited_before = cpu_wait(self.pid);
    }

    /// Its process id.
    pub(crate) const fn pid(&self) -> Pid {
        self.pid
    }
}

/// The end of the main process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MainEnd {
    /// How it ended.
    pub(crate) exit: Exit,
    /// When that was seen.
    pub(crate) at: Instant,
    /// The largest resident set of it and of those that it waited for, in bytes; 0 where that could not be asked.
    pub(crate) memory_peak_bytes: u64,
    /// How long its first thread was ready to run and had no CPU.
    pub(crate) cpu_wait: Duration,
}

impl Reaper {
    /// Starts over for a run with this main process.
    pub(crate) fn watch(&mut self, main: Main) {
        *self = Self { main: Some(main), main_end: None, template: self.template, template_lost: false };
    }

    /// Watches over this warm interpreter, or over none.
    pub(crate) const fn watch_template(&mut self, template: Option<Pid>) {
        self.template = template;
    }

    /// There is none any more, and that is as it should be.
    pub(crate) const fn forget_template(&mut self) {
        self.template = None;
        self.template_lost = false;
    }

    /// Whether the warm interpreter has ended by itself.
    pub(crate) const fn has_lost_template(&self) -> bool {
        self.template_lost
    }

    /// The warm interpreter, if it lives.
    pub(crate) const fn template(&self) -> Option<Pid> {
        self.template
    }

    /// Takes the warm interpreter's word for how its child has ended.
    pub(crate) const fn end_forked(&mut self, end: MainEnd) {
        if self.main_end.is_none() {
            self.main_end = Some(end);
        }
    }

    /// The main process of the present run.
    pub(crate) fn main(&self) -> Option<Pid> {
        self.main.as_ref().map(|main| main.pid)
    }

    /// How the main process ended, if it did.
    pub(crate) fn main_end(&self) -> Option<&MainEnd> {
        self.main_end.as_ref()
    }

    /// Takes every process that has ended.
    pub(crate) fn reap(&mut self) {
        loop {
            // Looked at before it is taken: only a process that is still there can be asked what it used.
            let ended = match waitid(Id::All, WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT) {
                Ok(Peeked::StillAlive) | Err(nix::errno::Errno::ECHILD) => return,
                Ok(status) => status.pid().and_then(|pid| Pid::from_raw(pid.as_raw())),
                // A real-time signal ended it, which has no name there. It is taken without being asked.
                Err(_) => None,
            };
            if ended.is_some() && ended == self.main() && self.main_end.is_none() && self.take_main() {
                continue;
            }
            let taken = match ended {
                Some(pid) => rustix::process::waitpid(Some(pid), WaitOptions::NOHANG),
                None => rustix::process::wait(WaitOptions::NOHANG),
            };
            match taken {
                Ok(Some((pid, status))) => self.note(pid, status),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// Takes the main process, which has ended; whether that worked.
    fn take_main(&mut self) -> bool {
        let Some(main) = &mut self.main else { return false };
        let Some(child) = &mut main.child else { return false };
        let cpu_wait = cpu_wait(main.pid).saturating_sub(main.waited_before);
        let Ok(used) = child.wait4() else { return false };
        let Some(exit) = exit_of_std(used.status) else { return false };
        let memory_peak_bytes = used.rusage.maxrss;
        self.main_end = Some(MainEnd { exit, at: Instant::now(), memory_peak_bytes, cpu_wait });
        true
    }

    fn note(&mut self, pid: Pid, status: WaitStatus) {
        if self.template == Some(pid) {
            self.template = None;
            self.template_lost = true;
            return;
        }
        let Some(exit) = exit_of(status) else { return };
        // The child of a warm interpreter comes here only when that has ended, and was its to take before: then a process
        // with this number is another.
        if self.template.is_some() && self.main.as_ref().is_some_and(|main| main.child.is_none()) {
            return;
        }
        if self.main() == Some(pid) && self.main_end.is_none() {
            let unknown = Duration::ZERO;
            self.main_end = Some(MainEnd { exit, at: Instant::now(), memory_peak_bytes: 0, cpu_wait: unknown });
        }
    }
}

/// How long a process was ready to run and had no CPU: the second number of its `schedstat`, in nanoseconds
/// (Documentation/scheduler/sched-stats.rst). Zero on a kernel that does not count it.
fn cpu_wait(pid: Pid) -> Duration {
    let text = fs::read_to_string(format!("/proc/{}/schedstat", pid.as_raw_nonzero())).unwrap_or_default();
    let nanoseconds = text.split_whitespace().nth(1).and_then(|number| number.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or(0))
}

pub(super) fn exit_of_std(status: std::process::ExitStatus) -> Option<Exit> {
    use std::os::unix::process::ExitStatusExt as _;
    status.code().map(Exit::Code).or_else(|| status.signal().map(Exit::Signal))
}

/// How a process ended; real-time signals included, which have no name.
fn exit_of(status: WaitStatus) -> Option<Exit> {
    status.exit_status().map(Exit::Code).or_else(|| status.terminating_signal().map(Exit::Signal))
}
