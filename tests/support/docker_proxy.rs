//! A socket that passes everything on to Docker, and changes what a sandbox is made of on the way: a wall taken away as a
//! plugin, a proxy or a broken runtime would take it.

use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::Value;

/// The daemon's own socket.
const DOCKER: &str = "/var/run/docker.sock";

/// What becomes of a container's configuration.
pub(crate) type Change = fn(&mut Value);

/// See the module. Its thread lives as long as the test.
#[derive(Debug)]
pub(crate) struct DockerProxy {
    socket: PathBuf,
    active: Arc<AtomicBool>,
}

impl DockerProxy {
    /// A socket in this folder that changes every sandbox.
    pub(crate) fn new(folder: &Path, change: Change) -> Self {
        let socket = folder.join("changing.sock");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let active = Arc::new(AtomicBool::new(true));
        let changing = Arc::clone(&active);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, changing) = (client.expect("a connection"), Arc::clone(&changing));
                // A connection that is cut says so at both of its ends.
                thread::spawn(move || pass(client, change, &changing).ok());
            }
        });
        Self { socket, active }
    }

    /// Its address.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.socket.display())
    }

    /// Whether sandboxes are changed from now on.
    pub(crate) fn set(&self, active: bool) {
        self.active.store(active, Ordering::SeqCst);
    }
}

/// One connection. The worker makes one for each request.
fn pass(mut client: UnixStream, change: Change, active: &AtomicBool) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let mut docker = UnixStream::connect(DOCKER)?;
    let text = String::from_utf8(head).map_err(io::Error::other)?;
    if text.starts_with("POST ") && text.contains("/containers/create") {
        let length = header(&text, "content-length").expect("a body with a length");
        let mut body = vec![0; length.parse().expect("a number")];
        client.read_exact(&mut body)?;
        let mut container: Value = serde_json::from_slice(&body)?;
        // The container that the runner volume is filled through is none.
        if container["HostConfig"]["PidsLimit"].is_number() && active.load(Ordering::SeqCst) {
            change(&mut container);
        }
        let body = serde_json::to_vec(&container)?;
        let lines = text.lines().filter(|line| !line.to_ascii_lowercase().starts_with("content-length:"));
        let head: Vec<&str> = lines.take_while(|line| !line.is_empty()).collect();
        write!(docker, "{}\r\ncontent-length: {}\r\n\r\n", head.join("\r\n"), body.len())?;
        docker.write_all(&body)?;
    } else {
        docker.write_all(text.as_bytes())?;
    }
    let (mut from_client, mut to_docker) = (client.try_clone()?, docker.try_clone()?);
    let inward = thread::spawn(move || {
        let copied = io::copy(&mut from_client, &mut to_docker);
        to_docker.shutdown(Shutdown::Write).and(copied)
    });
    io::copy(&mut docker, &mut client)?;
    client.shutdown(Shutdown::Both)?;
    // What is left of the request is of no interest after the answer.
    drop(inward.join().expect("no panic"));
    Ok(())
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
    line.split_once(':').map(|(_, value)| value.trim())
}
