//! The stream that the client library is given: a broker's socket, plain or with TLS, read through a [`Guard`].
//!
//! The library makes its own streams from the runtime that it is handed, so the runtime is tokio's with another type
//! of stream.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_rs::traits::{Executor, Reactor, RuntimeKit};
use async_rs::util::Task;
use async_rs::{Runtime, Tokio};
use futures_io::{AsyncRead, AsyncWrite};
use futures_util::Stream;
use lapin::tcp::AsyncTcpStream;

use super::guard::Guard;

/// Read from the socket at once.
const CHUNK: usize = 64 * 1024;

/// Tokio's own stream, as the library takes it.
type Plain = <Tokio as Reactor>::TcpStream;
/// A socket, with TLS where it was asked for.
pub(super) type Raw = AsyncTcpStream<Plain>;

/// The current tokio runtime, with guarded streams.
pub(super) fn runtime() -> Runtime<Kit> {
    Runtime::new(Kit(Tokio::current()))
}

/// Connects to the first address that answers.
pub(super) async fn connect(addresses: &[SocketAddr]) -> io::Result<Raw> {
    AsyncTcpStream::connect(&Tokio::current(), addresses).await
}

/// A socket whose frames are safe to read.
pub(super) struct Wire {
    raw: Raw,
    guard: Guard,
    chunk: Vec<u8>,
    /// Safe bytes, and how many of them were handed on.
    safe: Vec<u8>,
    given: usize,
}

impl Wire {
    pub(super) fn new(raw: Raw) -> Self {
        Self { raw, guard: Guard::default(), chunk: vec![0; CHUNK], safe: Vec::new(), given: 0 }
    }

    /// Reads until there is something safe; `false` at the stream's end.
    fn poll_fill(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.given == self.safe.len() {
            self.safe.clear();
            self.given = 0;
            let count = ready!(Pin::new(&mut self.raw).poll_read(context, &mut self.chunk))?;
            if count == 0 {
                return Poll::Ready(Ok(false));
            }
            let before = self.guard.replaced();
            self.guard.pass(self.chunk.get(..count).unwrap_or_default(), &mut self.safe)?;
            if self.guard.replaced() > before {
                tracing::warn!("a message's properties cannot be read; it goes on without them");
            }
        }
        Poll::Ready(Ok(true))
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if !ready!(this.poll_fill(context))? {
            return Poll::Ready(Ok(0));
        }
        let mut safe = this.safe.get(this.given..).unwrap_or_default();
        let count = safe.read(buffer)?;
        this.given += count;
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().raw).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().raw).poll_write_vectored(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().raw).poll_flush(context)
    }

    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().raw).poll_close(context)
    }
}

/// Tokio, except for the type of its streams.
#[derive(Debug, Clone)]
pub(super) struct Kit(Tokio);

impl RuntimeKit for Kit {}

impl Executor for Kit {
    type Task<T: Send + 'static> = <Tokio as Executor>::Task<T>;

    fn block_on<T, F: Future<Output = T>>(&self, future: F) -> T {
        self.0.block_on(future)
    }

    fn spawn<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, future: F) -> Task<Self::Task<T>> {
        self.0.spawn(future)
    }

    fn spawn_blocking<T: Send + 'static, F: FnOnce() -> T + Send + 'static>(&self, work: F) -> Task<Self::Task<T>> {
        self.0.spawn_blocking(work)
    }
}

impl Reactor for Kit {
    type TcpStream = Wire;
    type Sleep = <Tokio as Reactor>::Sleep;

    fn register<H: Read + Write + AsFd + AsRawFd + Send + 'static>(
        &self,
        socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        self.0.register(socket)
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    #[expect(clippy::disallowed_types, reason = "the trait's signature")]
    fn interval(&self, duration: Duration) -> impl Stream<Item = std::time::Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Wire::new(AsyncTcpStream::Plain(connecting.await?))) }
    }
}
