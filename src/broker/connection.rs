//! One connection to a broker, from the name look-up to the end of its socket.
//!
//! The client library gives a connection a thread of its own, and that thread lives as long as the socket: a peer that
//! accepts and never speaks would hold a thread and a descriptor for each attempt. So the adapter keeps a second
//! handle of every socket ([`Switch`]) and shuts it whenever it gives a connection up; the thread then ends.

use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::{Channel, Connection, ConnectionProperties, Event};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use super::address::Address;
use super::error::{BrokerError, describe};
use super::events::{Cause, Role};
use super::explain::{self, Stage};
use super::settings::{Settings, Timeouts};
use super::wire::{self, Wire};

/// How often a link's state is read, in case its end made no event.
const LOOK: Duration = Duration::from_millis(500);

/// A second handle of a connection's socket, to end it whatever state the client library is in.
#[derive(Debug, Clone, Default)]
struct Switch(Arc<Mutex<Socket>>);

#[derive(Debug, Default)]
struct Socket {
    handle: Option<TcpStream>,
    shut: bool,
    stage: Stage,
}

impl Switch {
    fn socket(&self) -> MutexGuard<'_, Socket> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a handle of a new socket; shuts it at once if the attempt was given up meanwhile.
    fn connect(&self, socket: &impl AsFd) -> std::io::Result<()> {
        let handle = TcpStream::from(socket.as_fd().try_clone_to_owned()?);
        let mut socket = self.socket();
        if socket.shut {
            return handle.shutdown(Shutdown::Both);
        }
        socket.handle = Some(handle);
        Ok(())
    }

    fn reach(&self, stage: Stage) {
        self.socket().stage = stage;
    }

    fn shut(&self) {
        let mut socket = self.socket();
        socket.shut = true;
        let handle = socket.handle.take();
        drop(socket);
        if let Some(Err(error)) = handle.map(|handle| handle.shutdown(Shutdown::Both)) {
            // The peer was first.
            tracing::trace!("shut a broker's socket: {error}");
        }
    }
}

/// Shuts a socket when it is dropped: the attempt failed, was abandoned, or its link is given up.
#[derive(Debug, Default)]
struct Owned(Switch);

impl Drop for Owned {
    fn drop(&mut self) {
        self.0.shut();
    }
}

/// A connection that is up. Dropping it ends its socket and its thread.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection,
    owned: Owned,
    timeouts: Timeouts,
    address: Address,
}

impl Link {
    /// Connects, in at most `timeouts.connect`.
    ///
    /// # Cancel safety
    /// Dropping the future ends the attempt, its socket and its thread.
    pub(super) async fn connect(address: &Address, name: &str, timeouts: Timeouts) -> Result<Self, BrokerError> {
        let owned = Owned::default();
        match timeout(timeouts.connect, open(address, name, &owned.0, timeouts.connect)).await {
            Ok(Ok(connection)) => Ok(Self { connection, owned, timeouts, address: address.clone() }),
            Ok(Err(error)) => Err(explain::failed(address, owned.0.socket().stage, &error)),
            Err(_elapsed) => Err(explain::late(address, owned.0.socket().stage, timeouts.connect)),
        }
    }

    /// A new channel.
    pub(super) async fn channel(&self) -> Result<Channel, BrokerError> {
        self.call("open a channel", self.connection.create_channel()).await
    }

    /// One request, within the time limit.
    pub(super) async fn call<T>(
        &self,
        doing: &str,
        request: impl Future<Output = lapin::Result<T>>,
    ) -> Result<T, BrokerError> {
        self.ask(doing, request).await?.map_err(|error| BrokerError::lost(doing, &error))
    }

    /// One request whose refusal the caller wants to read.
    pub(super) async fn ask<T>(
        &self,
        doing: &str,
        request: impl Future<Output = lapin::Result<T>>,
    ) -> Result<lapin::Result<T>, BrokerError> {
        timeout(self.timeouts.call, request).await.map_err(|_elapsed| BrokerError::late(doing))
    }

    pub(super) fn up(&self) -> bool {
        self.connection.status().connected()
    }

    /// Whether the broker holds this connection's publishes back.
    pub(super) fn blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    pub(super) fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// The one listener of this connection. A second one would take events away from the first.
    pub(super) fn watch(&self) -> Watch {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Watch { events: self.connection.events_listener().boxed(), look }
    }

    /// Says good-bye, for a short while; then the socket is shut.
    pub(super) async fn close(&self) {
        if self.up() {
            let goodbye = self.connection.close(200, "OK".into());
            match timeout(self.timeouts.close, goodbye).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!("close a broker connection: {}", describe(&error)),
                Err(_elapsed) => tracing::debug!("close a broker connection: no answer; its socket is shut"),
            }
        }
        self.owned.0.shut();
    }
}

/// What a link's watch reports.
#[derive(Debug)]
pub(super) enum Sign {
    /// The connection is gone.
    Lost(BrokerError),
    /// A channel was closed by the broker, or nothing happened for a while: look at the channels.
    Look(Option<BrokerError>),
    /// The broker holds publishes back, and why.
    Blocked(String),
    /// It no longer does.
    Unblocked,
}

/// A link's events.
pub(super) struct Watch {
    events: BoxStream<'static, Event>,
    look: Interval,
}

impl Watch {
    /// The next sign. Cancel safe: an event is taken only when this returns.
    pub(super) async fn next(&mut self, link: &Link) -> Sign {
        let event = tokio::select! {
            Some(event) = self.events.next() => Some(event),
            _ = self.look.tick() => None,
        };
        match event {
            Some(Event::Error(error)) if link.up() => {
                Sign::Look(Some(BrokerError::lost("a channel was closed", &error)))
            }
            Some(Event::Error(error)) => Sign::Lost(BrokerError::lost("the connection was lost", &error)),
            Some(Event::ConnectionBlocked(reason)) => Sign::Blocked(reason),
            Some(Event::ConnectionUnblocked) => Sign::Unblocked,
            Some(_) | None if link.up() => Sign::Look(None),
            Some(_) | None => Sign::Lost(BrokerError::Lost {
                cause: Cause::ConnectionLost,
                what: "RabbitMQ closed the connection".to_owned(),
            }),
        }
    }
}

/// The configured brokers, tried in turn from a random one on.
#[derive(Debug)]
pub(super) struct Brokers {
    addresses: Vec<Address>,
    next: usize,
}

impl Brokers {
    pub(super) fn new(settings: &Settings) -> Result<Self, BrokerError> {
        let addresses = (1..)
            .zip(&settings.urls)
            .map(|(position, url)| Address::parse(url, position, settings.heartbeat_seconds))
            .collect::<Result<Vec<_>, _>>()?;
        if addresses.is_empty() {
            return Err(BrokerError::NoUrl);
        }
        let random = usize::try_from(getrandom::u32().unwrap_or(0)).unwrap_or(0);
        let next = random % addresses.len();
        Ok(Self { addresses, next })
    }

    pub(super) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    /// One round over all of them; the last failure if none answers.
    pub(super) async fn connect(&mut self, name: &str, timeouts: Timeouts) -> Result<Link, BrokerError> {
        let mut last = BrokerError::NoUrl;
        for _ in 0..self.addresses.len() {
            let index = self.next % self.addresses.len();
            let Some(address) = self.addresses.get(index) else { break };
            match Link::connect(address, name, timeouts).await {
                Ok(link) => return Ok(link),
                Err(error) => {
                    if self.addresses.len() > 1 {
                        tracing::debug!("{error}");
                    }
                    last = error;
                    self.next = index.wrapping_add(1);
                }
            }
        }
        Err(last)
    }
}

/// The name that RabbitMQ shows for a connection.
pub(super) fn connection_name(worker_id: &str, role: Role) -> String {
    format!("tester-worker {worker_id} {}", role.as_str())
}

async fn open(address: &Address, name: &str, switch: &Switch, limit: Duration) -> lapin::Result<Connection> {
    let options = ConnectionProperties::default().with_connection_name(name.into());
    let (switch, tls) = (switch.clone(), address.tls());
    Connection::connector(
        address.uri(),
        wire::runtime(),
        async move |uri, _runtime| {
            let host = uri.authority.host;
            let wire = async {
                let found = tokio::net::lookup_host((host.as_str(), uri.authority.port)).await?;
                let addresses: Vec<SocketAddr> = found.collect();
                let mut stream = wire::connect(&addresses).await?;
                if let AsyncTcpStream::Plain(plain) = &stream {
                    switch.connect(plain.get_ref())?;
                }
                if tls {
                    switch.reach(Stage::Tls);
                    stream = stream.into_tls(&host, OwnedTLSConfig::default().as_ref()).await?;
                }
                switch.reach(Stage::Handshake);
                Ok(AsyncTcpStream::Plain(Wire::new(stream)))
            };
            // This runs on the connection's own thread, which must end even when nobody waits for it any more.
            match timeout(limit, wire).await {
                Ok(stream) => stream.map_err(|error: std::io::Error| lapin::Error::from(error)),
                Err(_elapsed) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
            }
        },
        options,
    )
    .await
}
