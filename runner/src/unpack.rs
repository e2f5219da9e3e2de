//! Unpacking the job's files.
//!
//! The tar comes from the worker, which has checked every path. It is not trusted all the same: only folders and regular
//! files are made, below `/box`, under the job's ids, and nothing that exists is ever opened for writing or followed.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};
use tester_runner::BOX_DIR;

use crate::pid1::{Stop, TarStream, as_job};

/// The step named in faults.
const STEP: &str = "unpack";

/// Bytes that are copied at once.
const COPY_BYTES: usize = 65_536;

/// The executable bit of the owner.
const MODE_EXECUTABLE: u32 = 0o100;

/// Unpacks the stream into the job's folder as the job, and reads it to its end.
pub(crate) fn unpack(stream: &mut TarStream<'_>, uid: u32) -> Result<(), Stop> {
    as_job(uid, || {
        let top =
            open_folder_at(rustix::fs::CWD, BOX_DIR).map_err(|error| cannot("open", BOX_DIR.as_bytes(), error))?;
        unpack_into(&mut *stream, &top)
    })??;
    // What follows the end of the archive is padding; the stream's own end is what counts.
    io::copy(stream, &mut io::sink()).map(drop).map_err(|error| Stop::ours(STEP, error))
}

fn unpack_into(stream: impl Read, top: &OwnedFd) -> Result<(), Stop> {
    let mut archive = Archive::new(stream);
    let mut buffer = vec![0; COPY_BYTES];
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path_bytes().into_owned();
        let components = components(&path)?;
        let kind = entry.header().entry_type();
        if kind == EntryType::Directory {
            make_folders(top, &components).map(drop)?;
        } else if kind == EntryType::Regular {
            write_file(&mut entry, top, &components, &mut buffer)?;
        } else {
            return Err(Stop::ours(STEP, format!("`{}` is neither file nor folder: {kind:?}", show(&path))));
        }
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to `map_err`")]
fn unreadable(error: io::Error) -> Stop {
    Stop::ours(STEP, format!("the tar cannot be read: {error}"))
}

/// The names in a relative path that stays below its start.
fn components(path: &[u8]) -> Result<Vec<&[u8]>, Stop> {
    let trimmed = path.strip_suffix(b"/").unwrap_or(path);
    let components: Vec<&[u8]> = trimmed.split(|&byte| byte == b'/').collect();
    let unsafe_name = |name: &&[u8]| name.is_empty() || *name == b"." || *name == b".." || name.contains(&0);
    if components.iter().any(unsafe_name) {
        return Err(Stop::ours(STEP, format!("the path `{}` is refused", show(path))));
    }
    Ok(components)
}

/// Opens the folder that these names lead to, making what is missing. No link is followed.
fn make_folders(top: &OwnedFd, names: &[&[u8]]) -> Result<OwnedFd, Stop> {
    let mut folder = open_folder_at(top, ".").map_err(|error| cannot("open", b".", error))?;
    for name in names {
        match rustix::fs::mkdirat(&folder, *name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(cannot("make the folder", name, error)),
        }
        folder = open_folder_at(&folder, *name).map_err(|error| cannot("open the folder", name, error))?;
    }
    Ok(folder)
}

fn open_folder_at(parent: impl std::os::fd::AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn write_file(entry: &mut Entry<'_, impl Read>, top: &OwnedFd, names: &[&[u8]], buffer: &mut [u8]) -> Result<(), Stop> {
    let Some((name, folders)) = names.split_last() else { return Ok(()) };
    let folder = make_folders(top, folders)?;
    let executable = entry.header().mode().map_err(unreadable)? & MODE_EXECUTABLE != 0;
    let mode = if executable { Mode::RWXU } else { Mode::RUSR | Mode::WUSR };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&folder, *name, flags, mode).map_err(|error| cannot("make the file", name, error))?;
    let mut file = File::from(file);
    loop {
        let bytes = entry.read(buffer).map_err(unreadable)?;
        if bytes == 0 {
            return Ok(());
        }
        file.write_all(buffer.get(..bytes).unwrap_or_default())
            .map_err(|error| cannot("write", name, error.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)))?;
    }
}

/// What the kernel refuses: the job's doing where its own files are too many, too large or at odds with one another.
fn cannot(what: &str, name: &[u8], error: Errno) -> Stop {
    let name = show(name);
    match error {
        Errno::NOSPC | Errno::DQUOT => {
            Stop::from_job(STEP, format!("the scratch folder is too small for the job's files (at `{name}`)"))
        }
        Errno::EXIST | Errno::NOTDIR | Errno::ISDIR | Errno::NAMETOOLONG | Errno::LOOP => {
            Stop::from_job(STEP, format!("cannot {what} `{name}`: {error}"))
        }
        _ => Stop::ours(STEP, format!("cannot {what} `{name}`: {error}")),
    }
}

fn show(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;
    use tar::{Builder, Header};

    use super::*;

    /// An entry of an archive that no worker makes: any kind, any name, written past the library's own checks.
    #[derive(Debug, Clone)]
    struct Entry {
        kind: EntryType,
        name: Vec<u8>,
        link: Vec<u8>,
        content: Vec<u8>,
    }

    fn entry() -> impl Strategy<Value = Entry> {
        let kinds = vec![
            EntryType::Regular,
            EntryType::Regular,
            EntryType::Directory,
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Fifo,
            EntryType::Char,
            EntryType::GNULongName,
            EntryType::XHeader,
        ];
        let name = || prop_oneof!["(/|a|b|\\.\\.|\\.){0,6}", "[ab]/[ab]", "[ab]"].prop_map(String::into_bytes);
        let content = proptest::collection::vec(any::<u8>(), 0..600);
        (proptest::sample::select(kinds), name(), name(), content).prop_map(|(kind, name, link, content)| Entry {
            kind,
            name,
            link,
            content,
        })
    }

    fn archive(entries: &[Entry]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for entry in entries {
            let mut header = Header::new_gnu();
            header.set_entry_type(entry.kind);
            header.set_mode(0o777);
            header.set_size(u64::try_from(entry.content.len()).unwrap());
            let gnu = header.as_gnu_mut().unwrap();
            gnu.name[..entry.name.len()].copy_from_slice(&entry.name);
            gnu.linkname[..entry.link.len()].copy_from_slice(&entry.link);
            header.set_cksum();
            builder.append(&header, entry.content.as_slice()).unwrap();
        }
        builder.into_inner().unwrap()
    }

    /// Unpacks into a folder inside of another one, and gives what is below the outer one then.
    fn unpacked(bytes: &[u8]) -> Vec<String> {
        let outer = tempfile::tempdir().unwrap();
        std::fs::create_dir(outer.path().join("box")).unwrap();
        let top = open_folder_at(rustix::fs::CWD, outer.path().join("box")).unwrap();
        // Refused or not: what matters is what is there afterwards.
        drop(unpack_into(bytes, &top));
        let mut found = Vec::new();
        list(outer.path(), &mut found);
        found
    }

    fn list(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            found.push(format!(
                "{} {}",
                if kind.is_dir() || kind.is_file() { "plain" } else { "other" },
                entry.path().display()
            ));
            if kind.is_dir() {
                list(&entry.path(), found);
            }
        }
    }

    fn check(bytes: &[u8]) -> Result<(), TestCaseError> {
        let found = unpacked(bytes);
        prop_assert!(found.iter().all(|line| line.starts_with("plain ")), "{:?}", found);
        prop_assert_eq!(found.iter().filter(|line| !line.contains("/box/")).count(), 1, "{:?}", found);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn an_archive_of_any_entries_makes_plain_files_below_the_folder(
            entries in proptest::collection::vec(entry(), 0..8),
        ) {
            check(&archive(&entries))?;
        }

        #[test]
        fn a_spoilt_archive_makes_plain_files_below_the_folder(
            entries in proptest::collection::vec(entry(), 1..5),
            spoils in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let mut bytes = archive(&entries);
            for (at, byte) in spoils {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            check(&bytes)?;
        }
    }
}
