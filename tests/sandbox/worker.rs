//! The real binary, in an environment of its own.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use crate::job::{sandbox_image, unique_worker_id};

/// The binary with a worker id and a folder that are no other test's.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) id: String,
    pub(crate) folder: TempDir,
    pub(crate) command: Command,
}

impl Worker {
    /// `tester-worker exec`; arguments follow.
    pub(crate) fn exec() -> Self {
        Self::of("exec")
    }

    /// `tester-worker doctor`; arguments follow.
    pub(crate) fn doctor() -> Self {
        Self::of("doctor")
    }

    fn of(name: &str) -> Self {
        let id = unique_worker_id();
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tester-worker"));
        for (name, _) in std::env::vars_os() {
            let upper = name.to_string_lossy().to_ascii_uppercase();
            if upper.starts_with("TESTER_WORKER__") || upper.starts_with("WORKER_AUTH_TOKEN") {
                command.env_remove(name);
            }
        }
        command
            .arg(name)
            .current_dir(folder.path())
            .env("TESTER_WORKER__WORKER__ID", &id)
            .env("TESTER_WORKER__PROFILES__PYTHON__IMAGE", sandbox_image())
            .env("TESTER_WORKER__PROFILES__PYTEST__IMAGE", sandbox_image())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Self { id, folder, command }
    }

    /// A file in the folder that the binary runs in, and its name as the next argument.
    pub(crate) fn file(mut self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(name, content);
        self.command.arg(name);
        self
    }

    /// A file in the folder that the binary runs in.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(&path).unwrap().write_all(content.as_ref()).unwrap();
        path
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn output(&mut self) -> Output {
        self.command.output().unwrap()
    }

    pub(crate) fn spawn(&mut self) -> Child {
        self.command.spawn().unwrap()
    }
}
