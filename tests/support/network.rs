//! The network between workers and a broker: a TCP proxy that can be cut, dark, or swallow what the broker sends.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How the network is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Weather {
    /// One more: connections that are open now are closed; the next ones work.
    pub(crate) cuts: u64,
    /// One more: connections that are open now stay open and carry nothing more; the next ones work.
    pub(crate) silences: u64,
    /// Old and new connections carry nothing until it is light again; what is written meanwhile arrives then.
    pub(crate) dark: bool,
    /// What the broker delivers does not arrive, and everything else does.
    pub(crate) swallows: bool,
    /// How long what is written is on its way, each time.
    pub(crate) delay: Duration,
}

/// See the module. It ends with its last handle.
pub(crate) struct Network {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    _tasks: JoinSet<()>,
}

impl Network {
    /// A network that leads to this host and port.
    pub(crate) async fn to(authority: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("an address");
        let (weather, seen) = watch::channel(Weather::default());
        let (authority, mut tasks) = (authority.to_owned(), JoinSet::new());
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.expect("accept");
                connections.spawn(carry(client, authority.clone(), seen.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { address, weather, _tasks: tasks }
    }

    /// Host and port of its near end.
    pub(crate) fn authority(&self) -> String {
        self.address.to_string()
    }

    /// Changes the weather.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Weather)) {
        self.weather.send_modify(change);
    }
}

/// One connection, both ways.
async fn carry(client: TcpStream, authority: String, mut weather: watch::Receiver<Weather>) {
    let born = *weather.borrow_and_update();
    // Light at last, or a test that is over.
    if weather.wait_for(|now| !now.dark).await.is_err() {
        return;
    }
    // A broker that is away refuses; so does its network.
    let Ok(server) = TcpStream::connect(&authority).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::join!(
        pump(from_client, to_server, weather.clone(), born, None),
        pump(from_server, to_client, weather, born, Some(Frames::default())),
    );
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    born: Weather,
    mut frames: Option<Frames>,
) {
    let mut buffer = vec![0; 65_536];
    loop {
        let now = *weather.borrow_and_update();
        if now.cuts != born.cuts {
            return;
        }
        let carries = now.silences == born.silences && !now.dark;
        let count = tokio::select! {
            biased;
            changed = weather.changed() => match changed {
                Ok(()) => continue,
                Err(_test_over) => return,
            },
            count = from.read(&mut buffer), if carries => count,
        };
        let Ok(count @ 1..) = count else { return };
        let read = &buffer[..count];
        tokio::time::sleep(now.delay).await;
        let written = match &mut frames {
            Some(frames) => to.write_all(&frames.without_deliveries(read, now.swallows)).await,
            None => to.write_all(read).await,
        };
        if written.is_err() {
            return;
        }
    }
}

/// What a broker sends, frame by frame: type (1), channel (2), size (4), payload, end (1).
#[derive(Debug, Default)]
struct Frames {
    pending: Vec<u8>,
    /// Channels whose present delivery gets lost: its header and body follow the method.
    losing: BTreeSet<u16>,
}

impl Frames {
    /// The whole frames so far, without deliveries if they are to be lost.
    fn without_deliveries(&mut self, read: &[u8], lose: bool) -> Vec<u8> {
        const DELIVER: &[u8] = &[0, 60, 0, 60];
        self.pending.extend_from_slice(read);
        let mut kept = Vec::new();
        while let Some(head) = self.pending.first_chunk::<7>() {
            let channel = u16::from_be_bytes([head[1], head[2]]);
            let size = u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize + 8;
            if self.pending.len() < size {
                break;
            }
            let rest = self.pending.split_off(size);
            let frame = std::mem::replace(&mut self.pending, rest);
            if frame[0] == 1 {
                if lose && frame[7..].starts_with(DELIVER) {
                    self.losing.insert(channel);
                } else {
                    self.losing.remove(&channel);
                }
            }
            // Heartbeats are frames of channel 0, which never has a delivery.
            if !self.losing.contains(&channel) {
                kept.extend_from_slice(&frame);
            }
        }
        kept
    }
}
