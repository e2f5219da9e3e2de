//! Attempts that must come to nothing. Each is chosen so that it does no harm where it comes to something.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags};
use nix::mqueue::MQ_OFlag;
use nix::sched::CloneFlags;
use nix::sys::personality::Persona;
use nix::sys::uio::RemoteIoVec;
use nix::unistd::Pid;
use rustix::mount::{FsOpenFlags, OpenTreeFlags};
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{PidfdFlags, PidfdGetfdFlags};
use tester_runner::found::{DONE, TIMED_OUT};

use super::resources::name;

/// Longer than a refusal without a network takes, and short enough to wait for where there is one.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(100);

/// The kernel's cryptography, which the library has no name for.
const AF_ALG: u16 = 38;

/// A name that no file has.
const FILE: &str = ".tester-probe";

type Attempts = BTreeMap<String, String>;

/// Tries everything.
pub(super) fn all(runner: &Path) -> Attempts {
    let mut came = Attempts::new();
    network(&mut came);
    sockets(&mut came);
    files(&mut came);
    pid1(&mut came, runner);
    system_calls(&mut came);
    came
}

/// Makes a file in a folder, and removes it again.
pub(super) fn create(folder: &Path) -> String {
    let path = folder.join(FILE);
    let made = outcome(File::options().write(true).create_new(true).open(&path));
    if made == DONE && fs::remove_file(&path).is_err() {
        return "done, and the file stays".to_owned();
    }
    made
}

fn outcome<T>(result: io::Result<T>) -> String {
    result.map_or_else(|error| name(&error), |_done| DONE.to_owned())
}

fn note<T>(came: &mut Attempts, what: &str, result: impl Into<Noted<T>>) {
    came.insert(what.to_owned(), outcome(result.into().0));
}

/// A result of the standard library, of nix or of rustix.
struct Noted<T>(io::Result<T>);

impl<T> From<io::Result<T>> for Noted<T> {
    fn from(result: io::Result<T>) -> Self {
        Self(result)
    }
}

impl<T> From<nix::Result<T>> for Noted<T> {
    fn from(result: nix::Result<T>) -> Self {
        Self(result.map_err(io::Error::from))
    }
}

impl<T> From<rustix::io::Result<T>> for Noted<T> {
    fn from(result: rustix::io::Result<T>) -> Self {
        Self(result.map_err(io::Error::from))
    }
}

/// The address of a cloud's metadata, and addresses that documents use and nobody has.
fn network(came: &mut Attempts) {
    for address in [
        SocketAddr::from(([169, 254, 169, 254], 80)),
        SocketAddr::from(([192, 0, 2, 1], 80)),
        SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1], 80)),
    ] {
        let tcp = TcpStream::connect_timeout(&address, CONNECT_TIMEOUT);
        let tcp = match tcp {
            Err(error) if error.kind() == io::ErrorKind::TimedOut => TIMED_OUT.to_owned(),
            other => outcome(other),
        };
        came.insert(format!("tcp {}", address.ip()), tcp);
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        // Connecting sends nothing; it asks for a way there.
        let udp = UdpSocket::bind(any).and_then(|socket| socket.connect(address));
        note(came, &format!("udp {}", address.ip()), udp);
    }
}

fn sockets(came: &mut Attempts) {
    for (what, family, kind) in [
        ("netlink", AddressFamily::NETLINK, SocketType::RAW),
        ("packet", AddressFamily::PACKET, SocketType::RAW),
        ("alg", AddressFamily::from_raw(AF_ALG), SocketType::SEQPACKET),
        ("vsock", AddressFamily::VSOCK, SocketType::STREAM),
    ] {
        note(came, &format!("socket {what}"), rustix::net::socket(family, kind, None));
    }
}

fn files(came: &mut Attempts) {
    // The second is a folder that anybody may write into, in nearly every image.
    for folder in ["/", "/var/tmp", "/run", "/etc", "/dev", "/tester", "/dev/mqueue"] {
        came.insert(format!("create {folder}"), create(Path::new(folder)));
    }
    for path in ["/proc/sysrq-trigger", "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname"] {
        note(came, &format!("write {path}"), File::options().append(true).open(path));
    }
    for path in ["/dev/ptmx", "/dev/pts/ptmx"] {
        note(came, &format!("open {path}"), File::options().read(true).write(true).open(path));
    }
    for path in ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts"] {
        let read = File::open(path).and_then(|mut file| match file.read(&mut [0])? {
            0 => Err(io::Error::other("empty")),
            read => Ok(read),
        });
        note(came, &format!("read {path}"), read);
    }
}

fn pid1(came: &mut Attempts, runner: &Path) {
    for what in ["mem", "environ", "exe", "maps"] {
        note(came, &format!("open /proc/1/{what}"), File::open(format!("/proc/1/{what}")));
    }
    for what in ["fd", "root", "cwd"] {
        note(came, &format!("enter /proc/1/{what}"), fs::read_dir(format!("/proc/1/{what}")));
    }
    note(came, "open the runner", File::open(runner));
    let folder = runner.parent().unwrap_or(runner);
    note(came, "enter the runner's folder", fs::read_dir(folder));
    // No signal, but the right to send one.
    note(came, "signal PID 1", nix::sys::signal::kill(Pid::from_raw(1), None));
}

/// In an order in which one that is not refused leaves the next ones what they need.
fn system_calls(came: &mut Attempts) {
    let none = None::<&str>;
    note(came, "mount", nix::mount::mount(Some("none"), "/box", Some("tmpfs"), MsFlags::empty(), none));
    note(came, "umount", nix::mount::umount2("/tmp", MntFlags::MNT_DETACH));
    note(came, "fsopen", rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC));
    let clone = OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::OPEN_TREE_CLONE;
    note(came, "open_tree", rustix::mount::open_tree(rustix::fs::CWD, "/box", clone));
    note(came, "pivot_root", nix::unistd::pivot_root("/box", "/box"));
    note(came, "chroot", nix::unistd::chroot("/box"));
    note(came, "sethostname", nix::unistd::sethostname("sandbox"));
    note(came, "personality", nix::sys::personality::set(Persona::ADDR_NO_RANDOMIZE));
    note(
        came,
        "mq_open",
        nix::mqueue::mq_open("/tester-probe", MQ_OFlag::O_RDONLY, nix::sys::stat::Mode::empty(), None),
    );
    let this = Pid::this();
    let (from, mut to) = ([0_u8], [0_u8]);
    let from = RemoteIoVec { base: std::ptr::from_ref(&from).addr(), len: 1 };
    let read = nix::sys::uio::process_vm_readv(this, &mut [io::IoSliceMut::new(&mut to)], &[from]);
    note(came, "process_vm_readv", read);
    let own = rustix::process::pidfd_open(rustix::process::getpid(), PidfdFlags::empty());
    note(came, "pidfd_getfd", own.and_then(|own| rustix::process::pidfd_getfd(own, 0, PidfdGetfdFlags::empty())));
    let namespace = File::open("/proc/self/ns/uts").map_err(|_error| nix::errno::Errno::ENOENT);
    note(came, "setns", namespace.and_then(|namespace| nix::sched::setns(namespace, CloneFlags::CLONE_NEWUTS)));
    note(came, "unshare", nix::sched::unshare(CloneFlags::CLONE_NEWUSER));
    note(came, "ptrace", nix::sys::ptrace::traceme());
}
