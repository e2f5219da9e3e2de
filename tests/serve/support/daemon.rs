//! A Docker daemon of the test's own, which may be stopped, killed, and run out of space.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::{docker, until};

/// See the module. Stopped on drop, with everything that it made.
#[derive(Debug)]
pub(crate) struct Daemon {
    folder: TempDir,
    child: Child,
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("start a command");
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

impl Daemon {
    /// A daemon that has the sandbox image; `space_bytes` is what it has for images and containers together.
    pub(crate) async fn new(space_bytes: Option<u64>) -> Self {
        let folder = TempDir::with_prefix("tester-dockerd-").expect("a folder");
        let driver = docker::docker(&["info", "--format", "{{.Driver}}"]).await;
        let settings = format!("{{\"storage-driver\":\"{}\"}}", driver.trim());
        std::fs::write(folder.path().join("daemon.json"), settings).expect("write its settings");
        std::fs::create_dir(folder.path().join("data")).expect("a folder for its data");
        if let Some(bytes) = space_bytes {
            let data = folder.path().join("data");
            run("mount", &["-t", "tmpfs", "-o", &format!("size={bytes}"), "tmpfs", data.to_str().expect("a path")]);
        }
        let child = start(&folder);
        let mut daemon = Self { folder, child };
        daemon.answers().await;
        let image = daemon.path("image.tar");
        let image = image.to_str().expect("a path");
        docker::docker(&["save", "-o", image, "tester-sandbox"]).await;
        docker::docker(&["-H", &daemon.host(), "load", "-i", image]).await;
        std::fs::remove_file(image).expect("remove the image's file");
        daemon
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its address.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    /// Ends it by this signal.
    pub(crate) fn end(&mut self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).expect("a process id")), signal).expect("send a signal");
        self.child.wait().expect("wait for the daemon");
    }

    /// Starts it again after its end.
    pub(crate) async fn start_again(&mut self) {
        let file = self.path("exec/containerd/containerd.pid");
        if let Ok(id) = std::fs::read_to_string(&file) {
            // It dies with a daemon that is killed. Where nobody collects the dead, the next daemon takes its corpse for it.
            until("the containerd of the killed daemon is dead", async || {
                let state = std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).unwrap_or_default();
                (state.is_empty() || state.contains(") Z ")).then_some(())
            })
            .await;
            std::fs::remove_file(&file).expect("remove what it left");
        }
        self.child = start(&self.folder);
        self.answers().await;
    }

    /// Containers of a worker here, whatever their state.
    pub(crate) async fn containers(&self, worker_id: &str) -> String {
        let filter = format!("label=tester-worker.id={worker_id}");
        docker::docker(&["-H", &self.host(), "ps", "-aq", "--filter", &filter]).await
    }

    async fn answers(&mut self) {
        let host = self.host();
        until("the daemon answers", async || {
            let ended = self.child.try_wait().expect("ask for the daemon");
            assert_eq!(ended, None, "{}", std::fs::read_to_string(self.path("log")).unwrap_or_default());
            let asked = Command::new("docker").args(["-H", &host, "version"]).output().expect("start docker");
            asked.status.success().then_some(())
        })
        .await;
    }
}

/// In a network namespace of its own: a daemon changes bridges and rules of its host as it starts, and those here are of the
/// daemon that all tests share.
fn start(folder: &TempDir) -> Child {
    let path = |name: &str| folder.path().join(name);
    let log = std::fs::File::options().create(true).append(true).open(path("log")).expect("a file for its log");
    Command::new("unshare")
        .args(["--net", "dockerd"])
        .arg("--config-file")
        .arg(path("daemon.json"))
        .arg("--data-root")
        .arg(path("data"))
        .arg("--exec-root")
        .arg(path("exec"))
        .arg("--pidfile")
        .arg(path("pid"))
        .arg("--host")
        .arg(format!("unix://{}", path("docker.sock").display()))
        .args(["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .expect("start dockerd")
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It removes what it mounted, and ends its containerd, when it is told to stop and not killed.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            self.end(Signal::SIGTERM);
        }
        // What a daemon that was killed left: its processes have this test's folder in their arguments.
        let folder = self.folder.path().to_string_lossy().into_owned();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let words = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let id = entry.file_name().to_string_lossy().parse().ok();
            if let Some(id) = id.filter(|_| String::from_utf8_lossy(&words).contains(&folder))
                && let Err(error) = kill(Pid::from_raw(id), Signal::SIGKILL)
            {
                eprintln!("{id} of the daemon had just ended: {error}");
            }
        }
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for line in mounts.lines().rev() {
            if let Some(at) = line.split(' ').nth(1).filter(|at| at.starts_with(&folder)) {
                run("umount", &["-l", at]);
            }
        }
    }
}
