//! A socket before Docker's own that can go away, and every connection with it, as when the daemon is restarted.

use std::path::{Path, PathBuf};

use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The daemon's own socket.
const DOCKER: &str = "/var/run/docker.sock";

/// The socket; it ends with its last handle, and its connections with it.
#[derive(Debug)]
pub(crate) struct DockerGate {
    socket: PathBuf,
    open: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl DockerGate {
    /// Listens in this folder.
    pub(crate) fn start(folder: &Path, name: &str) -> Self {
        let socket = folder.join(format!("{name}.sock"));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let open = watch::Sender::new(true);
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, open.subscribe()));
        Self { socket, open, _tasks: tasks }
    }

    /// Its address.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Cuts every connection, and takes none until it is opened again; or opens it.
    pub(crate) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }
}

async fn accept(listener: UnixListener, open: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted.expect("accept").0,
            Some(_ended) = connections.join_next() => continue,
        };
        connections.spawn(pass(client, open.clone()));
    }
}

async fn pass(mut client: UnixStream, mut open: watch::Receiver<bool>) {
    if !*open.borrow_and_update() {
        return;
    }
    let Ok(mut docker) = UnixStream::connect(DOCKER).await else { return };
    tokio::select! {
        // An error: one of the two has gone, and the other one is told by the end of both.
        _ended = copy_bidirectional(&mut client, &mut docker) => {}
        _closed = open.wait_for(|open| !open) => {}
    }
}
