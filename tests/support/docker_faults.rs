//! A socket between the worker and Docker that breaks when it is told to: one call answered with an error, never answered,
//! cut before Docker hears of it, cut after, or cut and heard of too late; every stream frozen; every stream cut.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// The daemon's own socket.
const DOCKER: &str = "/var/run/docker.sock";

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Docker seems to answer that it cannot.
    Error,
    /// Nobody ever answers.
    Hang,
    /// The connection ends before Docker hears of it.
    Cut,
    /// Docker does it, and its answer is lost.
    AnswerLost,
    /// The connection ends, and Docker does it after the next removal, which finds nothing to remove.
    Late,
}

/// Which call: its method, and what its path ends with, without the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Call(pub(crate) &'static str, pub(crate) &'static str);

impl Call {
    fn is(self, head: &str) -> bool {
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let path = target.split('?').next().unwrap_or_default();
        // A removal's path ends with a name, which no other deletion of a container has in its place.
        let ends = if self.0 == "DELETE" { path.contains(self.1) } else { path.ends_with(self.1) };
        method == self.0 && ends
    }
}

#[derive(Debug, Default)]
struct State {
    broken: Option<(Call, Fault)>,
    frozen: bool,
    hits: usize,
    removals: usize,
    open: Vec<UnixStream>,
}

/// See the module. Its threads live as long as the test.
#[derive(Debug, Clone)]
pub(crate) struct FaultyDocker {
    socket: PathBuf,
    state: Arc<(Mutex<State>, Condvar)>,
}

impl FaultyDocker {
    /// A socket in this folder; it begins by passing everything on.
    pub(crate) fn new(folder: &Path) -> Self {
        Self::before(folder, PathBuf::from(DOCKER))
    }

    /// The same before another daemon.
    pub(crate) fn before(folder: &Path, docker: PathBuf) -> Self {
        let socket = folder.join("faulty.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let proxy = Self { socket, state: Arc::default() };
        let serving = proxy.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, proxy, docker) = (client.expect("a connection"), serving.clone(), docker.clone());
                // A connection that is cut says so at both of its ends.
                thread::spawn(move || proxy.pass(client, &docker).ok());
            }
        });
        proxy
    }

    /// Its address.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Breaks this call from now on.
    pub(crate) fn break_call(&self, call: Call, fault: Fault) {
        let mut state = self.state.0.lock().expect("no panic");
        (state.broken, state.hits) = (Some((call, fault)), 0);
    }

    /// How often the broken call was made.
    pub(crate) fn hits(&self) -> usize {
        self.state.0.lock().expect("no panic").hits
    }

    /// Nothing passes in either direction, and nothing is closed.
    pub(crate) fn freeze(&self) {
        self.state.0.lock().expect("no panic").frozen = true;
    }

    /// Ends every connection there is.
    pub(crate) fn cut(&self) {
        for stream in std::mem::take(&mut self.state.0.lock().expect("no panic").open) {
            // The peer may have been first.
            drop(stream.shutdown(Shutdown::Both));
        }
    }

    /// All is well again, for what was frozen too; what hung is cut.
    pub(crate) fn heal(&self) {
        let mut state = self.state.0.lock().expect("no panic");
        (state.broken, state.frozen) = (None, false);
        drop(state);
        self.state.1.notify_all();
    }

    fn wait_while(&self, holds: impl Fn(&State) -> bool) {
        let (state, changed) = &*self.state;
        drop(changed.wait_while(state.lock().expect("no panic"), |state| holds(state)).expect("no panic"));
    }

    fn fault(&self, head: &str) -> Option<Fault> {
        let mut state = self.state.0.lock().expect("no panic");
        let (_, fault) = state.broken.filter(|(call, _)| call.is(head))?;
        state.hits += 1;
        Some(fault)
    }

    /// One connection. The worker makes one for each request.
    fn pass(&self, mut client: UnixStream, docker: &Path) -> io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte)?;
            head.extend(byte);
        }
        self.wait_while(|state| state.frozen);
        let fault = self.fault(&String::from_utf8_lossy(&head));
        match fault {
            Some(Fault::Error) => {
                let body = r#"{"message":"no space left on device"}"#;
                let length = body.len();
                write!(
                    client,
                    "HTTP/1.1 500 Internal Server Error\r\ncontent-type: application/json\r\nconnection: close\r\n\
                     content-length: {length}\r\n\r\n{body}"
                )?;
                return client.shutdown(Shutdown::Write);
            }
            Some(Fault::Hang) => {
                self.wait_while(|state| state.broken.is_some());
                return client.shutdown(Shutdown::Both);
            }
            Some(Fault::Cut) => return client.shutdown(Shutdown::Both),
            Some(Fault::Late) => return self.late(client, head, docker),
            Some(Fault::AnswerLost) | None => {}
        }
        let mut docker = UnixStream::connect(docker)?;
        self.state.0.lock().expect("no panic").open.extend([client.try_clone()?, docker.try_clone()?]);
        docker.write_all(&head)?;
        let (from_client, to_docker) = (client.try_clone()?, docker.try_clone()?);
        let inward = self.clone();
        thread::spawn(move || inward.copy(from_client, to_docker).ok());
        if fault == Some(Fault::AnswerLost) {
            // Its first byte shows that it was done.
            docker.read_exact(&mut [0])?;
            docker.shutdown(Shutdown::Both)?;
            return client.shutdown(Shutdown::Both);
        }
        self.copy(docker, client)?;
        if head.starts_with(b"DELETE ") {
            self.state.0.lock().expect("no panic").removals += 1;
            self.state.1.notify_all();
        }
        Ok(())
    }

    /// Takes the whole request, ends the connection, and has Docker do it once something was removed.
    fn late(&self, mut client: UnixStream, mut request: Vec<u8>, docker: &Path) -> io::Result<()> {
        let head = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.expect("a length")];
        client.read_exact(&mut body)?;
        request.extend(body);
        let before = self.state.0.lock().expect("no panic").removals;
        client.shutdown(Shutdown::Both)?;
        self.wait_while(|state| state.removals == before);
        let mut docker = UnixStream::connect(docker)?;
        docker.write_all(&request)?;
        docker.read_exact(&mut [0])
    }

    fn copy(&self, mut from: UnixStream, mut to: UnixStream) -> io::Result<()> {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = from.read(&mut buffer)?;
            self.wait_while(|state| state.frozen);
            if read == 0 {
                return to.shutdown(Shutdown::Write);
            }
            to.write_all(buffer.get(..read).unwrap_or_default())?;
        }
    }
}
