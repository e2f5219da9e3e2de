//! What a job left in its folder: listing it, and sending files of it.
//!
//! It happens between runs, so nothing of a job is alive and nothing moves. What was left can be hostile in shape all
//! the same. Everything is opened under the job's file system ids, one name at a time from the folder that is open
//! already, and no link is ever followed: so nothing is reached that the job could not reach, and nothing outside of
//! its folder at all.

use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use tester_runner::BOX_DIR;
use tester_runner::listing::{Entry, EntryKind, PATH_BYTES_MAX};
use tester_runner::walls::{Wall, gone};

/// The executable bit of the owner.
const MODE_EXECUTABLE: u32 = 0o100;

/// A folder that is being looked through.
struct Level {
    fd: OwnedFd,
    entries: Dir,
    /// Length of its path with the slash that follows; 0 at the top.
    prefix_bytes: usize,
}

/// Walks the job's folder, entry by entry. It holds one descriptor and one buffer a level, whatever a folder holds.
pub(crate) struct Walk {
    levels: Vec<Level>,
    /// The path of the innermost folder, with the slash that follows.
    prefix: Vec<u8>,
    depth_max: usize,
}

impl Walk {
    /// Begins at the top.
    pub(crate) fn new(depth_max: u32) -> Result<Self, Errno> {
        let top = rustix::fs::open(BOX_DIR, folder_flags(), Mode::empty())?;
        let depth_max = usize::try_from(depth_max).unwrap_or(usize::MAX);
        Ok(Self { levels: vec![level(top, 0)?], prefix: Vec::new(), depth_max })
    }

    /// The next entry; `None` after the last one.
    pub(crate) fn next(&mut self) -> Result<Option<Entry>, Errno> {
        while let Some(level) = self.levels.last_mut() {
            let Some(found) = level.entries.next() else {
                self.leave();
                continue;
            };
            let found = found?;
            let name = found.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let mut path = self.prefix.clone();
            path.extend_from_slice(name.to_bytes());
            let stat = match rustix::fs::statat(&level.fd, name, look_flags()) {
                Ok(stat) => stat,
                Err(Errno::ACCESS) => return Ok(Some(entry(path, EntryKind::Closed, None))),
                Err(error) => return Err(error),
            };
            let kind = match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => match self.enter(path.clone(), name)? {
                    Some(kind) => kind,
                    None => continue,
                },
                FileType::RegularFile => EntryKind::Regular,
                FileType::Symlink => EntryKind::Symlink,
                FileType::Fifo => EntryKind::Fifo,
                FileType::Socket => EntryKind::Socket,
                FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => EntryKind::Device,
            };
            return Ok(Some(entry(path, kind, Some(&stat))));
        }
        Ok(None)
    }

    /// Goes into a folder, or says why not.
    fn enter(&mut self, mut path: Vec<u8>, name: &std::ffi::CStr) -> Result<Option<EntryKind>, Errno> {
        // Room for the slash and the shortest name; and a name that cannot be listed whole is not looked at.
        if self.levels.len() >= self.depth_max || path.len() + 2 > PATH_BYTES_MAX {
            return Ok(Some(EntryKind::DeepFolder));
        }
        let Some(outer) = self.levels.last() else { return Ok(None) };
        let opened = rustix::fs::openat(&outer.fd, name, folder_flags(), Mode::empty()).and_then(|fd| {
            path.push(b'/');
            level(fd, path.len())
        });
        match opened {
            Ok(level) => {
                self.prefix = path;
                self.levels.push(level);
                Ok(None)
            }
            Err(Errno::ACCESS) => Ok(Some(EntryKind::Closed)),
            Err(error) => Err(error),
        }
    }

    fn leave(&mut self) {
        self.levels.pop();
        self.prefix.truncate(self.levels.last().map_or(0, |level| level.prefix_bytes));
    }
}

fn level(fd: OwnedFd, prefix_bytes: usize) -> Result<Level, Errno> {
    let entries = Dir::read_from(&fd)?;
    Ok(Level { fd, entries, prefix_bytes })
}

/// A path beyond what can be opened is cut: it is named, and cannot be fetched.
fn entry(mut path: Vec<u8>, kind: EntryKind, stat: Option<&Stat>) -> Entry {
    let kind = if path.len() > PATH_BYTES_MAX { EntryKind::DeepFolder } else { kind };
    path.truncate(PATH_BYTES_MAX);
    let regular = stat.filter(|_| kind == EntryKind::Regular);
    let bytes = regular.and_then(|stat| u64::try_from(stat.st_size).ok()).unwrap_or(0);
    Entry { path, kind, bytes, executable: regular.is_some_and(|stat| stat.st_mode & MODE_EXECUTABLE != 0) }
}

/// Opens one regular file below the job's folder.
///
/// # Errors
/// Why not, in words.
pub(crate) fn open(path: &[u8]) -> Result<OwnedFd, String> {
    let names: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    let unsafe_name = |name: &&[u8]| name.is_empty() || *name == b"." || *name == b".." || name.contains(&0);
    if names.iter().any(unsafe_name) {
        return Err("the path is refused".to_owned());
    }
    let Some((name, folders)) = names.split_last() else { return Err("the path is empty".to_owned()) };
    let reason = |error: Errno| error.to_string();
    let mut folder = rustix::fs::open(BOX_DIR, folder_flags(), Mode::empty()).map_err(reason)?;
    for name in folders {
        folder = rustix::fs::openat(&folder, *name, folder_flags(), Mode::empty()).map_err(reason)?;
    }
    // Without blocking: opening a named pipe would wait for a writer.
    let follow = if gone(Wall::ArtifactLinks) { OFlags::empty() } else { OFlags::NOFOLLOW };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | follow;
    let file = rustix::fs::openat(&folder, *name, flags, Mode::empty()).map_err(reason)?;
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&file).map_err(reason)?.st_mode);
    if kind == FileType::RegularFile { Ok(file) } else { Err(format!("it is a {kind:?} and not a regular file")) }
}

/// A link is a link, and never what it leads to.
fn look_flags() -> AtFlags {
    if gone(Wall::ArtifactLinks) { AtFlags::empty() } else { AtFlags::SYMLINK_NOFOLLOW }
}

fn folder_flags() -> OFlags {
    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
}
