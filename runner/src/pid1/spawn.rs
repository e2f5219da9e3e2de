//! Starting a program: its pipes, and the launcher that becomes it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};

use rustix::fs::{MemfdFlags, Mode, OFlags};
use rustix::pipe::PipeFlags;
use tester_runner::message::{LaunchError, Start};
use tester_runner::{REPORT_FIFO, SUPPORT_DIR};

use super::reap::Main;
use super::{Stop, as_job};
use crate::launch::Spec;

/// Everyone may write into the report pipe; only root may read it.
const REPORT_MODE: u32 = 0o622;

/// PID 1's ends of everything that a program was started with.
pub(super) struct Spawned {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    pub(super) report: Option<OwnedFd>,
    pub(super) status: OwnedFd,
}

/// The program's ends.
pub(super) struct Theirs {
    pub(super) stdin: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// Inherited by its number, so not close-on-exec.
    pub(super) status: OwnedFd,
}

/// Everything that a program is started with.
pub(super) fn make_pipes(start: &Start) -> Result<(Spawned, Theirs), Stop> {
    let report =
        start.report.then(make_report_pipe).transpose().map_err(|error| Stop::ours("make the report pipe", error))?;
    let pipes = as_job(start.uid, make_stdio)?.map_err(|error| Stop::ours("make the program's pipes", error))?;
    let (status, status_theirs) = make_status_pipe().map_err(|error| Stop::ours("make the status pipe", error))?;
    let ours = Spawned { stdin: pipes.stdin.1, stdout: pipes.stdout.0, stderr: pipes.stderr.0, report, status };
    Ok((ours, Theirs { stdin: pipes.stdin.0, stdout: pipes.stdout.1, stderr: pipes.stderr.1, status: status_theirs }))
}

/// Ours does not block, and is nobody's to inherit.
pub(super) fn make_status_pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let (status, theirs) = rustix::pipe::pipe_with(PipeFlags::empty())?;
    rustix::io::fcntl_setfd(&status, rustix::io::FdFlags::CLOEXEC)?;
    set_nonblocking(&status)?;
    Ok((status, theirs))
}

/// The standard streams of one program.
struct StandardStreams {
    stdin: (OwnedFd, OwnedFd),
    stdout: (OwnedFd, OwnedFd),
    stderr: (OwnedFd, OwnedFd),
}

/// Starts the launcher. The outer error is ours; the inner one says why no process could be made.
pub(super) fn spawn(start: Start) -> Result<Result<(Main, Spawned), LaunchError>, Stop> {
    let (ours, theirs) = make_pipes(&start)?;
    let spec = Spec {
        argv: start.argv,
        path: start.path,
        env: start.env,
        uid: start.uid,
        open_files: start.open_files,
        file_bytes: start.file_bytes,
        template: None,
        probe: start.probe,
    };
    let child = match launch(&spec, theirs) {
        Ok(child) => child,
        Err(error) => return Ok(Err(no_process(&error))),
    };
    let main = Main::new(child).ok_or_else(|| Stop::ours("start the launcher", "the process id is out of range"))?;
    Ok(Ok((main, ours)))
}

/// Executes the launcher, which inherits two descriptors by their numbers. It opens them anew and closes the inherited ones.
pub(super) fn launch(spec: &Spec, theirs: Theirs) -> io::Result<Child> {
    let order = write_spec(spec)?;
    let mut launcher = Command::new("/proc/self/exe");
    launcher
        .arg("launch")
        .arg(order.as_raw_fd().to_string())
        .arg(theirs.status.as_raw_fd().to_string())
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs.stdin))
        .stdout(Stdio::from(theirs.stdout))
        .stderr(Stdio::from(theirs.stderr));
    #[cfg(feature = "without-walls")]
    super::without::tell(&mut launcher);
    launcher.spawn()
}

fn no_process(error: &io::Error) -> LaunchError {
    LaunchError {
        step: "spawn".to_owned(),
        errno: error.raw_os_error().unwrap_or(0),
        message: format!("the launcher could not be started: {error}"),
    }
}

/// Removes the report pipe, so that the next run starts without it.
pub(super) fn remove_report_pipe() -> io::Result<()> {
    match fs::remove_file(REPORT_FIFO) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Opened for both directions: with a writer of our own there is never an end of file, whoever opens and closes it.
fn make_report_pipe() -> io::Result<OwnedFd> {
    remove_report_pipe()?;
    let folder = File::open(SUPPORT_DIR)?;
    let name = REPORT_FIFO.rsplit('/').next().unwrap_or(REPORT_FIFO);
    rustix::fs::mkfifoat(&folder, name, Mode::RUSR | Mode::WUSR)?;
    fs::set_permissions(REPORT_FIFO, Permissions::from_mode(REPORT_MODE))?;
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    Ok(rustix::fs::openat(&folder, name, flags, Mode::empty())?)
}

/// Our ends do not block; theirs do, as any program expects.
fn make_stdio() -> io::Result<StandardStreams> {
    let (stdin, stdout, stderr) = (
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?,
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?,
        rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?,
    );
    for ours in [&stdin.1, &stdout.0, &stderr.0] {
        set_nonblocking(ours)?;
    }
    Ok(StandardStreams { stdin, stdout, stderr })
}

pub(super) fn set_nonblocking(fd: &OwnedFd) -> rustix::io::Result<()> {
    rustix::fs::fcntl_setfl(fd, rustix::fs::fcntl_getfl(fd)? | OFlags::NONBLOCK)
}

/// The launcher's order as an anonymous file; neither arguments nor environment can be trusted with it, being the job's.
fn write_spec(spec: &Spec) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("launch", MemfdFlags::empty())?);
    file.write_all(&serde_json::to_vec(spec).map_err(io::Error::other)?)?;
    Ok(file)
}
