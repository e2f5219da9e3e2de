//! Emptying the sandbox between two runs, and proving it.
//!
//! Nothing runs meanwhile, so nothing can move under our hands; but what was left can be hostile in shape: folders
//! without permissions, and nested deeper than any path or any number of descriptors reaches. So folders are not
//! descended into. They are moved up to the top one level at a time, and there is never more than one open below it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use tester_runner::BOX_DIR;
use tester_runner::walls::{Wall, gone};

use super::places::{Place, Places};
use super::processes::Processes;
use super::signals::Signals;
use super::traces::Traces;
use super::{Stop, as_job};
use crate::clock::Instant;

/// How long what is left may take to go by itself, as what was on its way between sockets does, before it counts as left.
const PATIENCE: Duration = Duration::from_millis(200);

/// How long to wait before looking again.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// The sandbox as it was before anything of a job ran in it.
pub(super) struct Origin {
    places: Places,
    traces: Traces,
}

impl Origin {
    /// Looks at everything that a job can change.
    ///
    /// # Errors
    /// A fault: a sandbox of which nobody knows how it was is never shown to be so again.
    pub(super) fn find() -> Result<Self, Stop> {
        let places = Places::find().map_err(|error| Stop::ours("look at the mounts", error))?;
        Ok(Self { places, traces: Traces::find() })
    }

    /// Removes everything that `uid` left in files.
    ///
    /// # Errors
    /// A fault when something cannot be removed: the sandbox must not be used again then.
    pub(super) fn empty(&self, uid: u32) -> Result<(), Stop> {
        // Without the wall the folder of the job's own files is emptied all the same: the next ones would not fit in.
        let wanted = |place: &&Place| {
            place.is_open() && (!gone(Wall::EmptiedBetweenCases) || place.path() == Path::new(BOX_DIR))
        };
        for place in self.places.iter().filter(wanted) {
            let fault = |error| Stop::ours("reset", format!("cannot empty {}: {error}", place.path().display()));
            as_job(uid, || empty(place.path()))?.map_err(fault)?;
            place.set_back().map_err(fault)?;
        }
        Ok(())
    }

    /// Shows that everything is as it was: no process but the spared one, no file, nothing in the kernel, nothing mounted.
    ///
    /// # Errors
    /// A fault that says what is left.
    pub(super) fn prove(&self, processes: &Processes, spared: Option<Pid>, signals: &Signals) -> Result<(), Stop> {
        if gone(Wall::EmptiedBetweenCases) || gone(Wall::Kill) {
            return Ok(());
        }
        let until = Instant::now() + PATIENCE;
        while let Some(left) = self.left(processes, spared)? {
            if Instant::now() > until {
                return Err(Stop::ours("reset", left));
            }
            signals.pause(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Whether this can be shown at all for somebody else's run. In a folder that is not the sandbox's own nothing can, and
    /// nothing is removed: the walls do not let it be there, and one job may be left alone with it.
    ///
    /// # Errors
    /// A fault that names the folder.
    pub(super) fn is_closed(&self) -> Result<(), Stop> {
        self.places.foreign().map_or(Ok(()), |path| {
            Err(Stop::ours("reset", format!("{} can be written to and is not the sandbox's own", path.display())))
        })
    }

    /// What is left, if anything is.
    fn left(&self, processes: &Processes, spared: Option<Pid>) -> Result<Option<String>, Stop> {
        let unknown = |error: io::Error| Stop::ours("reset", format!("cannot look at what is left: {error}"));
        if processes.any_besides_pid1(spared).map_err(unknown)? {
            return Ok(Some("a process is left".to_owned()));
        }
        for place in self.places.iter().filter(|place| place.is_open()) {
            // As root: the folder itself is root's, and its top level shows everything that is left.
            if let Some(name) = first_entry(place.path()).map_err(unknown)? {
                return Ok(Some(format!("{} still holds {}", place.path().display(), name.escape_ascii())));
            }
        }
        Ok(self.places.difference().map_err(unknown)?.or_else(|| self.traces.difference()))
    }
}

fn first_entry(place: &Path) -> io::Result<Option<Vec<u8>>> {
    Ok(entries(&open_place(place)?)?.into_iter().next().map(|(name, _)| name))
}

/// Empties a folder.
fn empty(place: &Path) -> io::Result<()> {
    let top = open_place(place)?;
    let mut moved: u64 = 0;
    loop {
        let listed = entries(&top)?;
        if listed.is_empty() {
            return Ok(());
        }
        for (name, is_folder) in listed {
            if is_folder {
                raise_folders(&top, &name, &mut moved)?;
                rustix::fs::unlinkat(&top, name.as_slice(), AtFlags::REMOVEDIR)?;
            } else {
                rustix::fs::unlinkat(&top, name.as_slice(), AtFlags::empty())?;
            }
        }
    }
}

/// Removes the files of one folder and moves its folders up beside it, under names that nothing else has.
fn raise_folders(top: &OwnedFd, name: &[u8], moved: &mut u64) -> io::Result<()> {
    rustix::fs::chmodat(top, name, Mode::RWXU, AtFlags::empty())?;
    let folder = rustix::fs::openat(top, name, folder_flags(), Mode::empty())?;
    for (inner, is_folder) in entries(&folder)? {
        if !is_folder {
            rustix::fs::unlinkat(&folder, inner.as_slice(), AtFlags::empty())?;
            continue;
        }
        // A folder without write permission cannot change its parent.
        rustix::fs::chmodat(&folder, inner.as_slice(), Mode::RWXU, AtFlags::empty())?;
        loop {
            *moved += 1;
            let up = format!(".raised-{moved}");
            let result =
                rustix::fs::renameat_with(&folder, inner.as_slice(), top, up, rustix::fs::RenameFlags::NOREPLACE);
            match result {
                // The job has thought of this name too.
                Err(Errno::EXIST) => {}
                other => break other?,
            }
        }
    }
    Ok(())
}

fn open_place(place: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(place, folder_flags(), Mode::empty())?)
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}

/// Names and whether each is a folder.
fn entries(folder: &OwnedFd) -> io::Result<Vec<(Vec<u8>, bool)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            found.push((name.to_vec(), entry.file_type() == FileType::Directory));
        }
    }
    Ok(found)
}
