//! A TCP proxy before the broker that reads what passes, and can break a connection before or after a step of the protocol.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::frames::{From, Piece, Splitter, Step};

/// On which side of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    /// Its first frame does not pass.
    Before,
    /// Its last frame has passed.
    After,
}

/// What happens to the connection on which a step is met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Break {
    /// Both of its ends are closed.
    Cut,
    /// It stays open, and carries nothing more in either direction.
    Hole,
    /// This direction waits until the holder of [`Hit`] drops it.
    Hold,
}

/// What is waited for, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trap {
    pub(crate) step: Step,
    pub(crate) side: Side,
    /// How often the step passes before.
    pub(crate) skip: u32,
    pub(crate) action: Break,
}

/// The step was met. Under [`Break::Hold`], dropping this lets the connection go on.
#[derive(Debug)]
pub(crate) struct Hit {
    _release: Option<oneshot::Sender<()>>,
}

#[derive(Debug, Default)]
struct Inner {
    trap: Option<(Trap, oneshot::Sender<Hit>)>,
    links: Vec<Arc<Link>>,
    /// Connections that were ever made.
    made: usize,
}

/// One connection, of both directions.
#[derive(Debug, Default)]
struct Link {
    cut: CancellationToken,
    hole: AtomicBool,
}

/// The proxy; it ends with its last handle, and its connections with it.
#[derive(Debug)]
pub(crate) struct AmqpProxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    _tasks: JoinSet<()>,
}

impl AmqpProxy {
    /// Listens before the broker at `authority`, `host:port`.
    pub(crate) async fn start(authority: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = listener.local_addr().expect("an address");
        let inner = Arc::new(Mutex::new(Inner::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, authority.to_owned(), Arc::clone(&inner)));
        Self { address, inner, _tasks: tasks }
    }

    /// Sets the trap, in place of any other; what comes of it is told once.
    pub(crate) fn arm(&self, trap: Trap) -> oneshot::Receiver<Hit> {
        let (told, hit) = oneshot::channel();
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).trap = Some((trap, told));
        hit
    }

    /// Takes the trap away.
    pub(crate) fn disarm(&self) {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).trap = None;
    }

    /// How many connections were ever made.
    pub(crate) fn made(&self) -> usize {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).made
    }

    /// Cuts every connection there is; returns how many.
    pub(crate) fn cut_all(&self) -> usize {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let links = std::mem::take(&mut inner.links);
        let open = links.into_iter().filter(|link| !link.cut.is_cancelled());
        open.map(|link| link.cut.cancel()).count()
    }
}

async fn accept(listener: TcpListener, authority: String, inner: Arc<Mutex<Inner>>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = tokio::select! {
            accepted = listener.accept() => accepted.expect("accept"),
            Some(_ended) = connections.join_next() => continue,
        };
        // While the broker is away its port is, too: the client is sent away like there.
        let Ok(server) = TcpStream::connect(&authority).await else { continue };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("a socket takes its options");
        }
        let link = Arc::new(Link::default());
        let mut guard = inner.lock().unwrap_or_else(PoisonError::into_inner);
        guard.links.retain(|link| !link.cut.is_cancelled());
        guard.links.push(Arc::clone(&link));
        guard.made += 1;
        drop(guard);
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let pump = |from| Pump { inner: Arc::clone(&inner), link: Arc::clone(&link), splitter: Splitter::new(from) };
        connections.spawn(pump(From::Client).run(from_client, to_server));
        connections.spawn(pump(From::Server).run(from_server, to_client));
    }
}

/// One direction of one connection.
struct Pump {
    inner: Arc<Mutex<Inner>>,
    link: Arc<Link>,
    splitter: Splitter,
}

impl Pump {
    async fn run(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let cut = self.link.cut.clone();
        tokio::select! {
            () = cut.cancelled() => {}
            () = self.carry(&mut from, &mut to) => {}
        }
        // One direction ends with the other, as with a cable.
        cut.cancel();
    }

    async fn carry(&mut self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) {
        let mut buffer = vec![0; 65_536];
        loop {
            match from.read(&mut buffer).await {
                Ok(count) if count > 0 => self.splitter.push(&buffer[..count]),
                // In a hole nobody learns that the other one has gone.
                Ok(_) | Err(_) if self.link.hole.load(Ordering::SeqCst) => return std::future::pending().await,
                Ok(_) | Err(_) => return,
            }
            while let Some(Piece { bytes, begins, ends }) = self.splitter.next() {
                self.meet(begins, Side::Before).await;
                if !self.link.hole.load(Ordering::SeqCst) && to.write_all(&bytes).await.is_err() {
                    return;
                }
                self.meet(ends, Side::After).await;
            }
        }
    }

    /// Does what the trap says, if it is for this step.
    async fn meet(&self, step: Option<Step>, side: Side) {
        let Some((action, told)) = step.and_then(|step| self.sprung(step, side)) else { return };
        match action {
            Break::Cut => {
                self.link.cut.cancel();
                // Nobody may wait for it any more.
                drop(told.send(Hit { _release: None }));
                // The pump is ended at its next await.
                std::future::pending::<()>().await;
            }
            Break::Hole => {
                self.link.hole.store(true, Ordering::SeqCst);
                drop(told.send(Hit { _release: None }));
            }
            Break::Hold => {
                let (release, released) = oneshot::channel();
                drop(told.send(Hit { _release: Some(release) }));
                // An error: it was dropped, which is the sign.
                drop(released.await);
            }
        }
    }

    fn sprung(&self, step: Step, side: Side) -> Option<(Break, oneshot::Sender<Hit>)> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let (trap, _) = inner.trap.as_mut().filter(|(trap, _)| trap.step == step && trap.side == side)?;
        if trap.skip > 0 {
            trap.skip -= 1;
            return None;
        }
        inner.trap.take().map(|(trap, told)| (trap.action, told))
    }
}
