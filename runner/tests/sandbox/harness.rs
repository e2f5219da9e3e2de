//! One container with the runner as PID 1.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, SystemTime};

use tester_runner::frame::{DATA_BYTES_MAX, Kind, read_frame, write_frame};
use tester_runner::message::{Ended, Fault, Ready, Start, Warm, Warmed};

use crate::binary::static_runner;
pub(crate) use crate::orders::{job, python, start};

/// The image every test runs in; it has Python and pytest.
const IMAGE: &str = "tester-sandbox";

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// The ids of a sandbox's first run.
pub(crate) const UID: u32 = 20_001;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// What differs between sandboxes.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) memory: &'static str,
    /// Microseconds in every 20 milliseconds.
    pub(crate) cpu_quota: &'static str,
    pub(crate) pids: &'static str,
    pub(crate) scratch: &'static str,
    pub(crate) network: &'static str,
}

impl Default for Options {
    fn default() -> Self {
        Self { memory: "256m", cpu_quota: "40000", pids: "64", scratch: "size=16m,nr_inodes=1024", network: "none" }
    }
}

/// A started sandbox. Its container and volume are removed when it goes.
pub(crate) struct Sandbox {
    pub(crate) ready: Ready,
    pub(crate) name: String,
    stdin: Option<ChildStdin>,
    frames: Receiver<(Kind, Vec<u8>)>,
    cli: Child,
    /// Runs that were ordered.
    runs: u32,
    _remains: Remains,
}

/// Everything that one run sent.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) started: bool,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) report: Vec<u8>,
    pub(crate) credit: u64,
    pub(crate) ended: Ended,
}

impl Run {
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker").args(arguments).output().expect("docker starts");
    assert!(output.status.success(), "docker {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A volume with the runner in a folder that only root can enter, filled by way of a container that never starts.
fn fill_volume(name: &str) {
    let mut archive = tar::Builder::new(Vec::new());
    let mut folder = tar::Header::new_gnu();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_size(0);
    folder.set_mode(0o700);
    archive.append_data(&mut folder, "bin", std::io::empty()).unwrap();
    let binary = std::fs::read(static_runner()).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(u64::try_from(binary.len()).unwrap());
    header.set_mode(0o500);
    archive.append_data(&mut header, "bin/tester-runner", binary.as_slice()).unwrap();
    let volume = format!("{name}:/runner");
    let filler = format!("{name}-filler");
    docker(&["create", "--name", &filler, "--label", "tester-worker.id=runner-test", "-v", &volume, IMAGE, "true"]);
    let mut copy = Command::new("docker")
        .args(["cp", "-", &format!("{filler}:/runner")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    copy.stdin.take().unwrap().write_all(&archive.into_inner().unwrap()).unwrap();
    assert!(copy.wait().unwrap().success());
}

/// What Docker holds for a sandbox; it goes when this goes, however far the start came.
struct Remains(String);

impl Drop for Remains {
    fn drop(&mut self) {
        let filler = format!("{}-filler", self.0);
        // The filler comes last: its use keeps the volume from those who remove unused ones.
        for arguments in [["rm", "-fv", &self.0, &filler].as_slice(), ["volume", "rm", "-f", &self.0].as_slice()] {
            let removed = Command::new("docker").args(arguments).stdout(Stdio::null()).status();
            assert!(std::thread::panicking() || removed.is_ok_and(|status| status.success()), "{arguments:?}");
        }
    }
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self::with(&Options::default())
    }

    pub(crate) fn with(options: &Options) -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("runner-test-{}-{number}", std::process::id());
        let remains = Remains(name.clone());
        fill_volume(&name);
        let mut cli = Command::new("docker")
            .args(["run", "-i", "--name", &name, "--label", "tester-worker.id=runner-test"])
            .args(["--user", "0:0", "--workdir", "/", "--entrypoint", "/runner/bin/tester-runner"])
            .args(["--cap-drop", "ALL", "--cap-add", "SETUID", "--cap-add", "SETGID", "--cap-add", "KILL"])
            .args([
                "--security-opt",
                "no-new-privileges",
                "--read-only",
                "--network",
                options.network,
                "--ipc",
                "private",
            ])
            .args(["--log-driver", "none", "--shm-size", "1m", "--pids-limit", options.pids])
            .args(["--cpu-period", "20000", "--cpu-quota", options.cpu_quota])
            .args(["--memory", options.memory, "--memory-swap", options.memory])
            .args(["--ulimit", "core=0", "--ulimit", "msgqueue=0", "--ulimit", "memlock=65536"])
            .arg("--tmpfs")
            .arg(format!("/box:mode=1777,exec,nosuid,nodev,{}", options.scratch))
            .args(["--tmpfs", "/tmp:mode=1777,nosuid,nodev,size=4m,nr_inodes=1024"])
            .args(["--tmpfs", "/tester:mode=0755,noexec,nosuid,nodev,size=1m"])
            .args(["-v", &format!("{name}:/runner:ro"), IMAGE, "pid1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("docker starts");
        let mut stdout = cli.stdout.take().unwrap();
        // A few frames only: a test that does not ask for more makes a worker that does not read.
        let (sender, frames) = sync_channel(2);
        std::thread::spawn(move || {
            while let Ok(Some(frame)) = read_frame(&mut stdout) {
                if sender.send(frame).is_err() {
                    break;
                }
            }
            // What is left is no frame; nothing may be left.
            let mut rest = Vec::new();
            stdout.read_to_end(&mut rest).unwrap();
            assert_eq!(rest, b"");
        });
        let ready = match frames.recv_timeout(PATIENCE) {
            Ok((Kind::Ready, payload)) => serde_json::from_slice(&payload).unwrap(),
            other => panic!("no Ready but {other:?}"),
        };
        Self { ready, name, stdin: cli.stdin.take(), frames, cli, runs: 0, _remains: remains }
    }

    pub(crate) fn send(&mut self, kind: Kind, payload: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        write_frame(stdin, kind, payload).unwrap();
        stdin.flush().unwrap();
    }

    /// Orders a run. One that names no ids of its own gets new ones, as a worker gives them.
    pub(crate) fn send_start(&mut self, start: &Start) {
        let uid = if start.uid == UID { UID + 100 * self.runs } else { start.uid };
        self.runs += 1;
        self.send(Kind::Start, &serde_json::to_vec(&Start { uid, ..start.clone() }).unwrap());
    }

    /// Has the sandbox emptied, and shown to be.
    pub(crate) fn reset(&mut self) {
        self.send(Kind::Reset, b"");
        let answer = self.next();
        let text = answer.iter().map(|(_, payload)| String::from_utf8_lossy(payload)).collect::<String>();
        assert_eq!(answer.map(|(kind, _)| kind), Some(Kind::Emptied), "{text}");
    }

    /// Asks for the sandbox to be emptied, where it cannot be shown to be; gives the reason.
    pub(crate) fn failed_reset(&mut self) -> String {
        self.send(Kind::Reset, b"");
        let fault = self.fault();
        assert_eq!((fault.step.as_str(), fault.from_job), ("reset", false));
        fault.message
    }

    pub(crate) fn send_tar(&mut self, tar: &[u8]) {
        for piece in tar.chunks(DATA_BYTES_MAX) {
            self.send(Kind::Tar, piece);
        }
        self.send(Kind::Tar, b"");
    }

    /// Has a warm interpreter started for programs like this one; says why there is none.
    pub(crate) fn warm_up(&mut self, like: &Start, modules: &[&str]) -> Option<String> {
        let order = Warm {
            argv: like.argv.clone(),
            path: like.path.clone(),
            env: like.env.clone(),
            modules: modules.iter().map(|&module| module.to_owned()).collect(),
            milliseconds_max: 6_000,
        };
        self.send(Kind::Warm, &serde_json::to_vec(&order).unwrap());
        match self.next() {
            Some((Kind::Warmed, payload)) => serde_json::from_slice::<Warmed>(&payload).unwrap().error,
            other => panic!("no Warmed but {other:?}"),
        }
    }

    /// The next frame; `None` when the runner has ended.
    pub(crate) fn next(&mut self) -> Option<(Kind, Vec<u8>)> {
        match self.frames.recv_timeout(PATIENCE) {
            Ok(frame) => Some(frame),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing came for {PATIENCE:?}"),
        }
    }

    /// Starts a program with these files and waits until it was executed.
    pub(crate) fn launch(&mut self, start: &Start, files: &[(&str, &[u8])]) {
        self.send_start(start);
        self.send_tar(&job(files));
        assert_eq!(self.next(), Some((Kind::Started, Vec::new())));
    }

    /// Starts a program and collects everything until its end. Its stdin is given while there is credit.
    pub(crate) fn run(&mut self, start: &Start, files: &[(&str, &[u8])], stdin: &[u8]) -> Run {
        self.send_start(start);
        self.send_tar(&job(files));
        self.finish(stdin)
    }

    /// Collects everything until the end, and leaves stdin open and empty.
    pub(crate) fn finish_unfed(&mut self) -> Run {
        self.collect(b"", true)
    }

    /// Feeds stdin, closes it, and collects everything until the end.
    pub(crate) fn finish(&mut self, stdin: &[u8]) -> Run {
        self.collect(stdin, false)
    }

    fn collect(&mut self, stdin: &[u8], mut closed: bool) -> Run {
        let mut rest = stdin;
        let mut allowed = usize::try_from(tester_runner::STDIN_CREDIT_BYTES_INITIAL).unwrap();
        let (mut started, mut credit) = (false, 0);
        let (mut out, mut err, mut report) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            while allowed > 0 && !rest.is_empty() {
                let (now, later) = rest.split_at(rest.len().min(allowed).min(DATA_BYTES_MAX));
                self.send(Kind::Stdin, now);
                allowed -= now.len();
                rest = later;
            }
            if rest.is_empty() && !closed {
                self.send(Kind::Stdin, b"");
                closed = true;
            }
            let (kind, payload) = self.next().expect("the runner lives until Ended");
            match kind {
                Kind::Started => started = true,
                Kind::Stdout => out.extend(payload),
                Kind::Stderr => err.extend(payload),
                Kind::Report => report.extend(payload),
                Kind::StdinCredit => {
                    let more = u32::from_be_bytes(payload.try_into().unwrap());
                    credit += u64::from(more);
                    allowed += usize::try_from(more).unwrap();
                }
                Kind::Ended => {
                    let ended = serde_json::from_slice(&payload).unwrap();
                    return Run { started, stdout: out, stderr: err, report, credit, ended };
                }
                kind @ (Kind::Warm
                | Kind::Warmed
                | Kind::Start
                | Kind::Tar
                | Kind::Stdin
                | Kind::Cancel
                | Kind::List
                | Kind::Fetch
                | Kind::Reset
                | Kind::Ready
                | Kind::Fault
                | Kind::Listing
                | Kind::Listed
                | Kind::File
                | Kind::FileEnd
                | Kind::Emptied) => panic!("{kind:?}: {}", String::from_utf8_lossy(&payload)),
            }
        }
    }

    /// Waits for a fault, whatever comes before it.
    pub(crate) fn fault(&mut self) -> Fault {
        loop {
            match self.next() {
                Some((Kind::Fault, payload)) => return serde_json::from_slice(&payload).unwrap(),
                Some((Kind::Ended, payload)) => panic!("ended: {}", String::from_utf8_lossy(&payload)),
                Some(_) => {}
                None => panic!("the runner ended without a word"),
            }
        }
    }

    /// Closes the runner's stdin, as a worker that dies does, and gives the container's exit code.
    pub(crate) fn hang_up(&mut self) -> String {
        self.stdin = None;
        while self.next().is_some() {}
        docker(&["wait", &self.name])
    }

    /// Pids on the host of the container's processes.
    pub(crate) fn host_pids(&self) -> Vec<u32> {
        let listed = docker(&["top", &self.name, "-eo", "pid"]);
        listed.lines().skip(1).map(|pid| pid.trim().parse().unwrap()).collect()
    }

    /// Waits until the container has one process only, and says how many there are; it gives up after a while.
    pub(crate) fn wait_until_alone(&self) -> usize {
        let began = SystemTime::now();
        loop {
            let count = self.host_pids().len();
            if count == 1 || began.elapsed().unwrap() > PATIENCE {
                return count;
            }
        }
    }

    /// A number from PID 1's `/proc/…/status`.
    pub(crate) fn runner_status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.host_pids()[0])).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }

    #[expect(clippy::unused_self, reason = "reads better where a sandbox is at hand")]
    pub(crate) fn docker(&self, arguments: &[&str]) -> String {
        docker(arguments)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The runner ends by itself, and with it the command line client.
        self.stdin = None;
        while self.frames.recv_timeout(PATIENCE).is_ok() {}
        drop(self.cli.wait());
    }
}
