//! Work under the job's file system ids.
//!
//! Root without `CAP_DAC_OVERRIDE` cannot enter the job's folders, and a pipe made as root cannot be opened again through
//! `/dev/stdout` by the job. So files and pipes of the job are made and removed under its fsuid and fsgid.

use std::io;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::process::DumpableBehavior;

use tester_runner::walls::{Wall, gone};

use super::Stop;

/// Runs `work` with the file system ids of `uid`, then takes root's back. Both changes are verified, because the calls
/// themselves report nothing.
pub(crate) fn as_job<T>(uid: u32, work: impl FnOnce() -> T) -> Result<T, Stop> {
    become_for_files(uid).map_err(|error| Stop::ours("take the job's file system ids", error))?;
    let result = work();
    become_for_files(0).map_err(|error| Stop::ours("give up the job's file system ids", error))?;
    // A change of ids resets this to the host's `fs.suid_dumpable`.
    hide().map_err(|error| Stop::ours("become not dumpable", error))?;
    Ok(result)
}

/// No process of the job may trace PID 1 or read its memory, environment or descriptors.
pub(super) fn hide() -> io::Result<()> {
    if gone(Wall::RunnerHidden) {
        return Ok(());
    }
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let now = rustix::process::dumpable_behavior()?;
    if now == DumpableBehavior::NotDumpable {
        Ok(())
    } else {
        Err(io::Error::other(format!("the kernel says {now:?}")))
    }
}

fn become_for_files(id: u32) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    // The gid first: the right to change it hangs on being root.
    setfsgid(gid);
    setfsuid(uid);
    // Each call returns the id before it, so asking for the same again shows what is in force.
    if setfsgid(gid) == gid && setfsuid(uid) == uid {
        Ok(())
    } else {
        Err(io::Error::other(format!("the kernel did not take file system id {id}")))
    }
}
