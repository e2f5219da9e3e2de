//! The warm interpreter: a process that has started, has imported what a profile preloads, and waits to be a program.
//!
//! It is started by the launcher behind every wall that a program has, but as root with the right to change its ids. For a
//! run it becomes the program itself, where nothing else will run in this sandbox, or forks a child that does. Whoever it is
//! must show that it has no power left before it is told a word of the job: PID 1 asks the kernel, not the process.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, IoSlice, IoSliceMut, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::fs::MemfdFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::pipe::PipeFlags;
use rustix::process::Pid;
use tester_runner::BOX_DIR;
use tester_runner::message::Start;

use super::events::{Interest, Source};
use super::reap::{Main, MainEnd, exit_of_std};
use super::spawn::Theirs;
use crate::clock::Instant;
use crate::launch::check_powerless;

/// How long the interpreter may take to give up its powers; it takes a millisecond or two.
const BEGIN_TIME_MAX: Duration = Duration::from_secs(5);

/// How long its word for an ended child may take, once the child is gone.
const WORD_TIME_MAX: Duration = Duration::from_secs(1);

/// The longest message of the interpreter.
const MESSAGE_BYTES_MAX: usize = 2048;

/// How a process shows that the kernel filters its system calls (`SECCOMP_MODE_FILTER`, proc(5)).
const FILTERED: &str = "2";

/// A warm interpreter that waits.
pub(super) struct Template {
    pub(super) main: Main,
    pub(super) control: OwnedFd,
    /// What it writes while it is no program. Nobody reads it any more; it is kept so that it can be written.
    pub(super) _output: OwnedFd,
    /// The file that was executed, for where a plain start is needed.
    pub(super) program: String,
    /// Whether it has a child for the present run.
    forked: bool,
}

impl Template {
    /// The interpreter behind this socket.
    pub(super) const fn new(main: Main, control: OwnedFd, output: OwnedFd, program: String) -> Self {
        Self { main, control, _output: output, program, forked: false }
    }

    /// Where the end of the present run's main process is told.
    pub(super) fn told(&self) -> Option<BorrowedFd<'_>> {
        self.forked.then(|| self.control.as_fd())
    }

    /// The present run has ended, and so has its child.
    pub(super) const fn child_is_gone(&mut self) {
        self.forked = false;
    }

    /// Has a process become the job's and begin the program: the interpreter itself, or a child of it. Returns its id.
    ///
    /// # Errors
    /// A text for the log: something is half done, and everything must be killed.
    pub(super) fn begin(&mut self, start: &Start, fork: bool, pipes: Theirs, status: &OwnedFd) -> Result<Pid, String> {
        let failed = |what: &str, error: io::Error| format!("cannot {what}: {error}");
        let order = rustix::fs::memfd_create("order", MemfdFlags::CLOEXEC)
            .map_err(|error| failed("make a file", error.into()))?;
        let (go_theirs, go) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed("make a pipe", error.into()))?;
        let how = if fork { "fork" } else { "become" };
        let (uid, file_bytes, open_files) =
            (start.uid.to_string(), start.file_bytes.to_string(), start.open_files.to_string());
        let request = strings([how, uid.as_str(), file_bytes.as_str(), open_files.as_str(), BOX_DIR]);
        let given =
            [&pipes.stdin, &pipes.stdout, &pipes.stderr, &pipes.status, &order, &go_theirs].map(|fd| fd.as_fd());
        send(self.control.as_fd(), &request, &given).map_err(|error| failed("ask it", error))?;
        // Ours are closed, so that the end of theirs can be seen.
        drop((pipes, go_theirs));
        self.forked = fork;
        let pid = await_powerless(status, Instant::now() + BEGIN_TIME_MAX)?;
        check_begun(pid, start).map_err(|what| format!("process {pid} may not go on: {what}"))?;
        let mut order = File::from(order);
        order.write_all(&self.order(start)).map_err(|error| failed("write the order", error))?;
        File::from(go).write_all(b"+").map_err(|error| failed("let it go on", error))?;
        Ok(pid)
    }

    fn order(&self, start: &Start) -> Vec<u8> {
        let count = start.argv.len().to_string();
        // Sorted and once each, as an execution by the launcher has them.
        let env: BTreeMap<&str, &str> = start.env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let env = env.into_iter().map(|(name, value)| format!("{name}={value}"));
        let words = [self.program.clone(), count].into_iter().chain(start.argv.iter().cloned()).chain(env);
        strings(words)
    }

    /// The interpreter's word for the end of its child, if it has come by then.
    pub(super) fn end_of_child(&self, wait: bool) -> Option<MainEnd> {
        let control = self.told()?;
        if wait && !readable(control, Instant::now() + WORD_TIME_MAX) {
            return None;
        }
        let mut text = [0; MESSAGE_BYTES_MAX];
        let bytes = receive(control, &mut text).ok()?;
        parse_end(text.get(..bytes)?)
    }
}

/// Strings that each end with a NUL byte.
pub(super) fn strings(words: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<u8> {
    words.into_iter().flat_map(|word| [word.as_ref().as_bytes(), b"\0"].concat()).collect()
}

/// Sends one message with descriptors.
pub(super) fn send(socket: BorrowedFd<'_>, message: &[u8], given: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(6))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !given.is_empty() && !ancillary.push(SendAncillaryMessage::ScmRights(given)) {
        return Err(io::Error::other("too many descriptors"));
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(message)], &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// One message, without waiting.
pub(super) fn receive(socket: BorrowedFd<'_>, into: &mut [u8]) -> Result<usize, Errno> {
    let mut none = rustix::net::RecvAncillaryBuffer::default();
    rustix::net::recvmsg(socket, &mut [IoSliceMut::new(into)], &mut none, RecvFlags::DONTWAIT).map(|got| got.bytes)
}

/// Waits until there is something to read, or nobody left to write.
fn readable(fd: BorrowedFd<'_>, until: Instant) -> bool {
    loop {
        let mut interest = Interest::new();
        interest.read(Source::Template, fd);
        match interest.wait(Some(until)) {
            Ok(woken) if woken.has(Source::Template) => return true,
            // A signal: it stays for whoever reads signals.
            Ok(_) if Instant::now() < until => {}
            Ok(_) | Err(_) => return false,
        }
    }
}

/// Reads `P<pid>`: a byte at a time, for what follows is the launch's.
fn await_powerless(status: &OwnedFd, until: Instant) -> Result<Pid, String> {
    let mut line = Vec::new();
    loop {
        let mut byte = [0];
        match rustix::io::read(status, &mut byte) {
            Ok(0) => return Err("it ended".to_owned()),
            Ok(_) if byte == *b"\n" => break,
            Ok(_) if line.len() < 32 => line.extend(byte),
            Ok(_) => return Err("it speaks nonsense".to_owned()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if readable(status.as_fd(), until) => {}
            Err(Errno::AGAIN) => return Err("it took too long to give up its powers".to_owned()),
            Err(error) => return Err(format!("its status cannot be read: {error}")),
        }
    }
    let pid =
        line.strip_prefix(b"P").and_then(|pid| std::str::from_utf8(pid).ok()?.parse().ok()).and_then(Pid::from_raw);
    pid.filter(|pid| !pid.is_init()).ok_or_else(|| "it speaks nonsense".to_owned())
}

/// Whether the kernel says that a process is confined as the launcher would have confined it.
fn check_begun(pid: Pid, start: &Start) -> Result<(), String> {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/{}/{name}", pid.as_raw_nonzero())).map_err(|error| format!("{name}: {error}"))
    };
    let status = read("status")?;
    check_powerless(&status, start.uid)?;
    let seccomp = field(&status, "Seccomp:").unwrap_or_default();
    if seccomp != FILTERED {
        return Err(format!("Seccomp is `{seccomp}`"));
    }
    let score = read("oom_score_adj")?;
    if score.trim() != "1000" {
        return Err(format!("oom_score_adj is {}", score.trim()));
    }
    let limits = read("limits")?;
    for (name, value) in
        [("Max file size", start.file_bytes), ("Max open files", start.open_files), ("Max core file size", 0)]
    {
        let found: Vec<&str> = field(&limits, name).unwrap_or_default().split_whitespace().take(2).collect();
        if found != [value.to_string().as_str(); 2] {
            return Err(format!("{name} is {found:?} and not {value}"));
        }
    }
    Ok(())
}

/// What follows a name at the beginning of a line.
fn field<'text>(text: &'text str, name: &str) -> Option<&'text str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// `<status> <peak of memory in bytes> <nanoseconds of waiting for a CPU>`
fn parse_end(word: &[u8]) -> Option<MainEnd> {
    let mut numbers = OsStr::from_bytes(word).to_str()?.split(' ');
    let status = ExitStatus::from_raw(numbers.next()?.parse().ok()?);
    let memory_peak_bytes = numbers.next()?.parse().ok()?;
    let cpu_wait = Duration::from_nanos(numbers.next()?.parse().ok()?);
    Some(MainEnd { exit: exit_of_std(status)?, at: Instant::now(), memory_peak_bytes, cpu_wait })
}

/// A socket between PID 1 and an interpreter: ours, and the one that it inherits by its number.
pub(super) fn socket_pair() -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::empty(), None)?;
    rustix::io::fcntl_setfd(&ours, rustix::io::FdFlags::CLOEXEC)?;
    Ok((ours, theirs))
}

#[cfg(test)]
mod tests {
    use tester_runner::message::Exit;

    use super::*;

    #[test]
    fn the_word_for_an_ended_child_is_its_wait_status_and_its_account() {
        let end = parse_end(b"768 4096 17").unwrap();
        assert_eq!((end.exit, end.memory_peak_bytes, end.cpu_wait), (Exit::Code(3), 4096, Duration::from_nanos(17)));
        assert_eq!(parse_end(b"9 1 0").unwrap().exit, Exit::Signal(9));
        for nonsense in ["", "1", "1 2", "x 1 2"] {
            assert!(parse_end(nonsense.as_bytes()).is_none(), "{nonsense}");
        }
    }

    #[test]
    fn strings_end_with_a_nul_each() {
        assert_eq!(strings(["a", "", "b"]), b"a\0\0b\0");
    }

    #[test]
    fn a_field_is_found_at_the_beginning_of_a_line() {
        assert_eq!(field("A:\t1\nSeccomp:\t2\nSeccomp_filters:\t1\n", "Seccomp:"), Some("2"));
        assert_eq!(field("A:\t1\n", "Seccomp:"), None);
    }
}
