//! What a job left in its folder, as bytes: names can be anything but text, so they are not JSON.
//!
//! An entry is one byte of kind, one of flags, eight of size and two of name length (big endian), then the path.

/// Bytes of an entry before its path.
const FIXED_BYTES: usize = 12;

/// The longest path that is listed; nothing longer can be opened in one call (`PATH_MAX`).
pub const PATH_BYTES_MAX: usize = 4096;

/// The flag of a file whose owner may execute it.
const EXECUTABLE: u8 = 1;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file, the only kind that can be fetched.
    Regular,
    /// A symbolic link. It is never followed.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A device.
    Device,
    /// A folder that was not looked into, because it is too deep or its path too long.
    DeepFolder,
    /// A folder that its owner cannot read, or something in a folder that its owner cannot enter.
    Closed,
}

impl EntryKind {
    const ALL: [Self; 7] =
        [Self::Regular, Self::Symlink, Self::Fifo, Self::Socket, Self::Device, Self::DeepFolder, Self::Closed];

    fn code(self) -> u8 {
        Self::ALL.iter().position(|kind| *kind == self).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
    }
}

/// One thing in the job's folder. Folders that were looked into are not listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path below the job's folder, without a slash at its beginning.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Size of a regular file, in bytes.
    pub bytes: u64,
    /// Whether its owner may execute it.
    pub executable: bool,
}

impl Entry {
    /// Puts the entry behind what is in `buffer`; how many bytes are in use then. `None` when it does not fit.
    pub fn write(&self, buffer: &mut [u8], used: usize) -> Option<usize> {
        let length = u16::try_from(self.path.len()).ok().filter(|_| self.path.len() <= PATH_BYTES_MAX)?;
        let end = used.checked_add(FIXED_BYTES)?.checked_add(self.path.len())?;
        let place = buffer.get_mut(used..end)?;
        let flags = if self.executable { EXECUTABLE } else { 0 };
        let fixed = [self.kind.code(), flags].into_iter().chain(self.bytes.to_be_bytes()).chain(length.to_be_bytes());
        for (to, from) in place.iter_mut().zip(fixed.chain(self.path.iter().copied())) {
            *to = from;
        }
        Some(end)
    }
}

/// The entries of one frame; `None` when it is none of ours.
pub fn parse(mut payload: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !payload.is_empty() {
        let (fixed, rest) = payload.split_first_chunk::<FIXED_BYTES>()?;
        let [kind, flags, size @ .., high, low] = *fixed;
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length > PATH_BYTES_MAX {
            return None;
        }
        let (path, rest) = rest.split_at_checked(length)?;
        entries.push(Entry {
            path: path.to_vec(),
            kind: *EntryKind::ALL.get(usize::from(kind))?,
            bytes: u64::from_be_bytes(size),
            executable: flags & EXECUTABLE != 0,
        });
        payload = rest;
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[u8], kind: EntryKind) -> Entry {
        Entry { path: path.to_vec(), kind, bytes: u64::MAX - 7, executable: kind == EntryKind::Regular }
    }

    #[test]
    fn entries_of_every_kind_and_with_any_name_come_back() {
        let mut buffer = [0; 8192];
        let long = vec![0xff; PATH_BYTES_MAX];
        let entries: Vec<Entry> = EntryKind::ALL
            .into_iter()
            .map(|kind| entry(b"a\n\xc3/b", kind))
            .chain([entry(&long, EntryKind::Regular)])
            .collect();
        let used = entries.iter().try_fold(0, |used, entry| entry.write(&mut buffer, used)).unwrap();
        assert_eq!(parse(&buffer[..used]), Some(entries));
    }

    #[test]
    fn what_does_not_fit_is_not_written() {
        let one = entry(b"abc", EntryKind::Fifo);
        assert_eq!(one.write(&mut [0; 14], 0), None);
        assert_eq!(one.write(&mut [0; 15], 0), Some(15));
        let long = entry(&vec![b'x'; PATH_BYTES_MAX + 1], EntryKind::Regular);
        assert_eq!(long.write(&mut [0; 8192], 0), None);
    }

    #[test]
    fn a_frame_that_was_cut_or_made_up_is_none() {
        let mut buffer = [0; 64];
        let used = entry(b"abc", EntryKind::Fifo).write(&mut buffer, 0).unwrap();
        for cut in 1..used {
            assert_eq!(parse(&buffer[..cut]), None, "{cut}");
        }
        buffer[0] = 200;
        assert_eq!(parse(&buffer[..used]), None);
        assert_eq!(parse(&[]), Some(Vec::new()));
    }
}
