//! Which processes there are, by `/proc`: the proof that killing worked.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};

/// Room for the entries that are read at once.
const LISTING_BYTES: usize = 4096;

/// `/proc`, opened once: looking again needs neither a descriptor nor memory.
pub(crate) struct Processes(OwnedFd);

impl Processes {
    /// Opens `/proc`.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open("/proc", flags, Mode::empty())?))
    }

    /// Whether there is any process besides PID 1, ended and not yet reaped ones included.
    pub(crate) fn any_besides_pid1(&self) -> io::Result<bool> {
        rustix::fs::seek(&self.0, SeekFrom::Start(0))?;
        let mut buffer = [MaybeUninit::uninit(); LISTING_BYTES];
        let mut listing = RawDir::new(&self.0, &mut buffer);
        while let Some(entry) = listing.next() {
            if is_other_process(entry?.file_name().to_bytes()) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn is_other_process(name: &[u8]) -> bool {
    name != b"1" && name.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_are_told_from_the_other_entries_of_proc() {
        for name in ["2", "10", "11", "4194304"] {
            assert!(is_other_process(name.as_bytes()), "{name}");
        }
        for name in ["1", "self", "thread-self", "sys", ".", "..", "cpuinfo"] {
            assert!(!is_other_process(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_machine_with_more_than_one_process_is_seen_again_and_again() {
        let processes = Processes::open().unwrap();
        for _ in 0..3 {
            assert!(processes.any_besides_pid1().unwrap());
        }
    }
}
