//! Emptying the sandbox between two runs, and proving it.
//!
//! Nothing runs meanwhile, so nothing can move under our hands; but what was left can be hostile in shape: folders
//! without permissions, and nested deeper than any path or any number of descriptors reaches. So folders are not
//! descended into. They are moved up to the top one level at a time, and there is never more than one open below it.

use std::io;
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use tester_runner::walls::{Wall, gone};

use super::{Stop, as_job};

/// Every place where a job can leave something.
const PLACES: [&str; 4] = ["/box", "/tmp", "/dev/shm", "/dev/mqueue"];

/// Removes everything that `uid` left.
///
/// # Errors
/// A fault when anything is left: the sandbox must not be used again then.
pub(super) fn empty_sandbox(uid: u32) -> Result<(), Stop> {
    // Without the wall the folder of the job's own files is emptied all the same: the next ones would not fit in.
    for place in PLACES.into_iter().filter(|place| !gone(Wall::EmptiedBetweenCases) || *place == "/box") {
        as_job(uid, || empty(place))?.map_err(|error| Stop::ours("reset", format!("cannot empty {place}: {error}")))?;
        prove_empty(place)?;
    }
    Ok(())
}

/// The proof is made as root: the folder itself is root's, and its top level shows everything that is left.
fn prove_empty(place: &str) -> Result<(), Stop> {
    match first_entry(place) {
        Ok(None) => Ok(()),
        Ok(Some(name)) => Err(Stop::ours("reset", format!("{place} still holds {}", name.escape_ascii()))),
        Err(error) => Err(Stop::ours("reset", format!("cannot look into {place}: {error}"))),
    }
}

fn first_entry(place: &str) -> io::Result<Option<Vec<u8>>> {
    let Some(folder) = open_place(place)? else { return Ok(None) };
    Ok(entries(&folder)?.into_iter().next().map(|(name, _)| name))
}

/// Empties a folder; one that this image does not have is empty.
fn empty(place: &str) -> io::Result<()> {
    let Some(top) = open_place(place)? else { return Ok(()) };
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

fn open_place(place: &str) -> io::Result<Option<OwnedFd>> {
    match rustix::fs::open(place, folder_flags(), Mode::empty()) {
        Ok(folder) => Ok(Some(folder)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
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
