//! A run without one wall, in a build for tests only: see `tester_runner::walls`.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::Resource;
use tester_runner::message::Start;
use tester_runner::walls::{VARIABLE, Wall, asked, gone};

use super::kill::Killed;
use super::reap::Reaper;

/// Longer than any test waits.
const FOR_EVER_MILLISECONDS: u64 = 3_600_000;

/// What the worker asked for, without the limit that is taken away.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other walls stand elsewhere")]
pub(super) fn altered(start: Start) -> Start {
    let Ok(Some(wall)) = asked() else { return start };
    match wall {
        Wall::JobUid => Start { uid: 0, ..start },
        Wall::WallTime => Start { wall_milliseconds: FOR_EVER_MILLISECONDS, ..start },
        Wall::CpuTime => Start { cpu_milliseconds: FOR_EVER_MILLISECONDS, ..start },
        // The worker keeps no more than before, so its memory is safe.
        Wall::Output => Start { stdout_bytes: u64::MAX, stderr_bytes: u64::MAX, ..start },
        Wall::FileSize => Start { file_bytes: u64::MAX, ..start },
        Wall::OpenFiles => match rustix::process::getrlimit(Resource::Nofile).maximum {
            Some(open_files) => Start { open_files, ..start },
            None => Start { open_files: u64::MAX, ..start },
        },
        _ => start,
    }
}

/// Tells the launcher, whose environment is empty otherwise. The program never sees it.
pub(super) fn tell(launcher: &mut Command) {
    if let Ok(Some(wall)) = asked() {
        launcher.env(VARIABLE, wall.name());
    }
}

/// Without the wall only the main process is killed, and the rest is believed to be gone.
pub(super) fn main_only(reaper: &mut Reaper) -> Option<Killed> {
    if !gone(Wall::Kill) {
        return None;
    }
    if let Some(main) = reaper.main() {
        while reaper.main_end().is_none() && kill(Pid::from_raw(main.as_raw_pid()), Signal::SIGKILL).is_ok() {
            reaper.reap();
        }
    }
    Some(Killed { count: 0, took: Duration::ZERO, clean: true, template_too: false })
}
