//! Every place in which a program can leave something: whatever is mounted and can be written to.
//!
//! No list says which these are; the kernel does. How full each was before anything of a job ran is remembered, so that
//! nothing has to be found to be missed: one file more, under any name and at any depth, is one inode more.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps};

/// What PID 1 sees mounted, which is what a program does.
const MOUNTS: &str = "/proc/self/mountinfo";

/// File systems in memory that are the sandbox's own.
const OWN: [&str; 3] = ["tmpfs", "ramfs", "mqueue"];

/// File systems that are the kernel's: what a program can write there is about itself, and goes with it.
const KERNEL: [&str; 6] = ["proc", "sysfs", "cgroup", "cgroup2", "devpts", "devtmpfs"];

/// The permission to write for everybody.
const OTHERS_WRITE: u32 = 0o002;

/// All places, as they were before anything of a job ran.
pub(super) struct Places {
    /// The table of mounts, as the kernel wrote it.
    mounts: Vec<u8>,
    own: Vec<Place>,
    /// One that is somebody else's too, if there is any: nobody can say what is in it by whom.
    foreign: Option<PathBuf>,
}

/// A mount of the sandbox's own that can be written to.
pub(super) struct Place {
    path: PathBuf,
    /// Whether it is a folder in which everybody may make files: only those have to be emptied. What is root's alone is
    /// only shown to be as it was.
    open: bool,
    fill: Fill,
    /// When it was changed last; `None` where that cannot be set again.
    changed: Option<Timespec>,
}

/// How full a file system is, in its own units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fill {
    blocks: u64,
    files: u64,
}

impl Place {
    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether a program can make files there.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    fn find(mount: &Mount) -> io::Result<Self> {
        let found = fs::symlink_metadata(&mount.path)?;
        let changed = Timespec { tv_sec: found.mtime(), tv_nsec: found.mtime_nsec() };
        Ok(Self {
            open: found.is_dir() && found.mode() & OTHERS_WRITE != 0,
            fill: fill(&mount.path)?,
            changed: (mount.kind == "tmpfs" && found.is_dir()).then_some(changed),
            path: mount.path.clone(),
        })
    }

    /// Gives the folder itself its old times: they would tell when, or whether, the job before used it.
    pub(super) fn set_back(&self) -> io::Result<()> {
        let Some(changed) = self.changed.filter(|_| self.open) else { return Ok(()) };
        let times = Timestamps { last_access: changed, last_modification: changed };
        Ok(rustix::fs::utimensat(CWD, &self.path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }

    /// Says what is different, if something is.
    fn difference(&self) -> io::Result<Option<String>> {
        let (was, now) = (self.fill, fill(&self.path)?);
        Ok((was != now).then(|| {
            let Fill { blocks, files } = now;
            let path = self.path.display();
            format!("{path} holds {files} files in {blocks} blocks, and held {} in {}", was.files, was.blocks)
        }))
    }
}

impl Places {
    /// Looks at all of them now.
    pub(super) fn find() -> io::Result<Self> {
        let mounts = fs::read(MOUNTS)?;
        let found = writable(&mounts);
        let is = |kinds: &[&str], mount: &Mount| kinds.contains(&mount.kind.as_str());
        let own = found.iter().filter(|mount| is(&OWN, mount)).map(Place::find).collect::<io::Result<_>>()?;
        let foreign =
            found.iter().find(|mount| !is(&OWN, mount) && !is(&KERNEL, mount)).map(|mount| mount.path.clone());
        Ok(Self { mounts, own, foreign })
    }

    /// Each of the sandbox's own.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.own.iter()
    }

    /// A place that can be written to and is not the sandbox's own, where there is one.
    pub(super) fn foreign(&self) -> Option<&Path> {
        self.foreign.as_deref()
    }

    /// Says what is different from what was found, if something is.
    pub(super) fn difference(&self) -> io::Result<Option<String>> {
        if fs::read(MOUNTS)? != self.mounts {
            return Ok(Some("something else is mounted than before".to_owned()));
        }
        for place in &self.own {
            if let Some(difference) = place.difference()? {
                return Ok(Some(difference));
            }
        }
        Ok(None)
    }
}

fn fill(path: &Path) -> io::Result<Fill> {
    let counted = rustix::fs::statvfs(path)?;
    Ok(Fill {
        blocks: counted.f_blocks.saturating_sub(counted.f_bfree),
        files: counted.f_files.saturating_sub(counted.f_ffree),
    })
}

/// One line of the table of mounts.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    path: PathBuf,
    kind: String,
    writable: bool,
}

/// The mounts that can be written to; where several lie over one another, the one that is seen.
fn writable(table: &[u8]) -> Vec<Mount> {
    let mut seen: Vec<Mount> = Vec::new();
    for mount in table.split(|&byte| byte == b'\n').filter_map(mount) {
        seen.retain(|below| below.path != mount.path);
        seen.push(mount);
    }
    seen.retain(|mount| mount.writable);
    seen
}

/// Reads a line: `id parent device root PLACE OPTIONS [tags…] - KIND source OPTIONS` (`proc_pid_mountinfo(5)`).
fn mount(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ').skip(4);
    let (path, options) = (fields.next()?, fields.next()?);
    let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
    let (kind, _source, all_options) = (rest.next()?, rest.next()?, rest.next()?);
    let allows = |options: &[u8]| options.split(|&byte| byte == b',').any(|option| option == b"rw");
    Some(Mount {
        path: PathBuf::from(OsString::from_vec(unescape(path))),
        kind: String::from_utf8_lossy(kind).into_owned(),
        writable: allows(options) && allows(all_options),
    })
}

/// Blanks, line ends and backslashes stand as three octal digits after a backslash.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let code = after.first_chunk::<3>().copied().filter(|_| first == b'\\').and_then(octal);
        plain.push(code.unwrap_or(first));
        rest = code.and_then(|_| after.get(3..)).unwrap_or(after);
    }
    plain
}

fn octal(digits: [u8; 3]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[u8] = b"69 45 0:39 / / ro,noatime master:2 - overlay overlay rw,lowerdir=a\n\
        71 69 0:42 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n\
        72 71 0:43 / /dev/pts rw,nosuid - devpts devpts rw,gid=5\n\
        73 71 0:48 / /dev/pts ro,nosuid - tmpfs tmpfs ro,size=4k\n\
        86 69 0:47 / /with\\040blank rw,nosuid shared:3 master:1 - tmpfs tmpfs rw,size=65536k\n\
        87 69 0:47 / /sealed rw - tmpfs tmpfs ro\n\
        not a line\n";

    #[test]
    fn what_can_be_written_to_is_found_and_what_lies_under_another_mount_is_not() {
        let found = writable(TABLE);
        let places: Vec<_> = found.iter().map(|mount| (mount.path.to_str().unwrap(), mount.kind.as_str())).collect();
        assert_eq!(places, [("/dev", "tmpfs"), ("/with blank", "tmpfs")]);
    }

    #[test]
    fn names_are_read_as_the_kernel_writes_them() {
        assert_eq!(unescape(b"/a\\040b\\134\\011c\\9\\"), b"/a b\\\tc\\9\\");
    }

    #[test]
    fn one_file_more_is_a_difference_wherever_it_is() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let place =
            Place { path: folder.path().to_owned(), open: true, fill: fill(folder.path()).unwrap(), changed: None };
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/.c"), "").unwrap();
        let found = place.difference().unwrap().unwrap();
        assert!(found.contains("files in"), "{found}");
    }
}
