//! Which processes there are, by `/proc`: the proof that killing worked.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use nix::sys::signal::{Signal, kill};
use rustix::fs::{Mode, OFlags, RawDir, SeekFrom};
use rustix::process::Pid;

/// Room for the entries that are read at once.
const LISTING_BYTES: usize = 4096;

/// Room for the beginning of a process's `stat`, where its state is.
const STAT_BYTES: usize = 512;

/// `/proc`, opened once: looking again needs neither a descriptor nor memory.
pub(crate) struct Processes(OwnedFd);

impl Processes {
    /// Opens `/proc`.
    pub(crate) fn open() -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open("/proc", flags, Mode::empty())?))
    }

    /// Whether there is any process besides PID 1 and the spared one, ended and not yet reaped ones included.
    pub(crate) fn any_besides_pid1(&self, spared: Option<Pid>) -> io::Result<bool> {
        let spared = name_of(spared);
        self.look(|name| name != spared.as_bytes()).map(|seen| seen > 0)
    }

    /// How many processes besides PID 1, the spared one and the main one have not ended. What cannot be read counts for
    /// nothing.
    pub(crate) fn count_alive_besides(&self, main: Option<Pid>, spared: Option<Pid>) -> u64 {
        let (main, spared) = (name_of(main), name_of(spared));
        let other = |name: &[u8]| name != main.as_bytes() && name != spared.as_bytes();
        self.look(|name| other(name) && self.is_alive(name)).unwrap_or(0)
    }

    /// Kills every process besides PID 1 and the spared one that there is now; what is forked meanwhile may escape.
    pub(crate) fn kill_each_besides(&self, spared: Pid) -> io::Result<()> {
        let spared = name_of(Some(spared));
        let killed = self.look(|name| {
            // One that ended by itself since it was listed is gone, and whoever has its number now is to be killed too.
            if name != spared.as_bytes()
                && let Some(pid) = std::str::from_utf8(name).ok().and_then(|name| name.parse().ok())
            {
                let _gone = kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
            }
            true
        });
        killed.map(drop)
    }

    /// Counts the processes besides PID 1 that are of interest.
    fn look(&self, of_interest: impl Fn(&[u8]) -> bool) -> io::Result<u64> {
        rustix::fs::seek(&self.0, SeekFrom::Start(0))?;
        let mut buffer = [MaybeUninit::uninit(); LISTING_BYTES];
        let mut listing = RawDir::new(&self.0, &mut buffer);
        let mut seen = 0;
        while let Some(entry) = listing.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if is_other_process(name) && of_interest(name) {
                seen += 1;
            }
        }
        Ok(seen)
    }

    fn is_alive(&self, name: &[u8]) -> bool {
        let mut stat = [0; STAT_BYTES];
        let path = [name, b"/stat"].concat();
        rustix::fs::openat(&self.0, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .and_then(|file| rustix::io::read(file, &mut stat))
            .is_ok_and(|bytes| {
                state(stat.get(..bytes).unwrap_or_default()).is_some_and(|state| !b"ZX".contains(&state))
            })
    }
}

fn name_of(pid: Option<Pid>) -> String {
    pid.map(|pid| pid.to_string()).unwrap_or_default()
}

/// The letter after the name, which is in parentheses and may hold anything itself.
fn state(stat: &[u8]) -> Option<u8> {
    let after_name = stat.rsplit(|&byte| byte == b')').next()?;
    after_name.iter().copied().find(|byte| *byte != b' ')
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
    fn the_state_is_found_behind_any_name() {
        assert_eq!(state(b"7 (sh) S 1 7 7"), Some(b'S'));
        assert_eq!(state(b"7 (a) Z (b)) R 1 7 7"), Some(b'R'));
        assert_eq!(state(b""), None);
    }

    #[test]
    fn a_machine_with_more_than_one_process_is_seen_again_and_again() {
        let processes = Processes::open().unwrap();
        for _ in 0..3 {
            assert!(processes.any_besides_pid1(None).unwrap());
            assert!(processes.count_alive_besides(None, None) > 0);
        }
    }
}
