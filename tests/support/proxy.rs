//! A TCP proxy before the broker that can fall silent, as a broken network does: nothing is closed, nothing arrives.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::url;

/// The proxy; it ends with its last handle.
pub(crate) struct Proxy {
    address: SocketAddr,
    silent: watch::Sender<bool>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("an address");
        let (silent, silence) = watch::channel(false);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.expect("accept");
                let url = url();
                let host = url.rsplit('@').next().and_then(|rest| rest.split('/').next()).expect("a host");
                let server = TcpStream::connect(host).await.expect("connect to the broker");
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                connections.spawn(pump(from_client, to_server, silence.clone()));
                connections.spawn(pump(from_server, to_client, silence.clone()));
            }
        });
        Self { address, silent, _tasks: tasks }
    }

    /// The broker's URL through the proxy.
    pub(crate) fn url(&self) -> String {
        let url = url();
        let (user, rest) = url.rsplit_once('@').expect("user and host");
        let (_, vhost) = rest.split_once('/').expect("a virtual host");
        format!("{user}@{}/{vhost}", self.address)
    }

    /// Connections that are open now stay open and carry nothing more; the next ones work.
    pub(crate) fn fall_silent(&self) {
        // Each connection takes the change for its own, for ever; later ones begin with the present value as seen.
        self.silent.send_replace(true);
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut silence: watch::Receiver<bool>) {
    silence.mark_unchanged();
    let mut buffer = vec![0; 65_536];
    loop {
        let count = tokio::select! {
            biased;
            changed = silence.changed() => {
                changed.expect("the proxy is there");
                break;
            }
            count = from.read(&mut buffer) => count,
        };
        match count {
            Ok(count) if count > 0 => {
                if to.write_all(&buffer[..count]).await.is_err() {
                    return;
                }
            }
            Ok(_) | Err(_) => return,
        }
    }
    std::future::pending::<()>().await;
}
