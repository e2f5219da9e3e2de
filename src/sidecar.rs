//! The HTTP sidecar: `/livez`, `/readyz`, `/metrics`, `/status`. The only importer of axum.
//!
//! It reads what others keep and changes nothing, so it stays up while everything else is broken. It binds loopback unless
//! the operator says otherwise, for it asks nobody who they are.

pub mod health;
mod listener;
mod routes;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::ports::conditions::Conditions;
use crate::telemetry::metrics::Metrics;
use listener::Bounded;

/// How long open connections may take to end after the sidecar was told to stop.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(2);

/// Says whether the process still does its work.
pub trait Liveness: Send + Sync + 'static {
    /// Whether the process is well.
    ///
    /// # Errors
    /// One sentence: what is stuck. The process should be restarted.
    fn check(&self) -> Result<(), String>;
}

/// Tells what the worker is doing now.
pub trait StatusSource: Send + Sync + 'static {
    /// A JSON object for `/status`. It must not wait for anything.
    fn status(&self) -> Value;
}

/// What the sidecar shows.
#[derive(Clone)]
pub struct Shown {
    /// For `/readyz`.
    pub conditions: Conditions,
    /// For `/metrics`.
    pub metrics: Metrics,
    /// For `/livez`.
    pub liveness: Arc<dyn Liveness>,
    /// For `/status`.
    pub status: Arc<dyn StatusSource>,
}

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shown").field("conditions", &self.conditions).finish_non_exhaustive()
    }
}

/// Why the sidecar could not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SidecarError {
    /// The address cannot be had.
    #[error("the sidecar cannot listen on {address}; set sidecar.listen to a free address, or to \"\" for no sidecar")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A sidecar that is bound and not yet serving.
#[derive(Debug)]
pub struct Sidecar {
    listener: TcpListener,
    address: SocketAddr,
}

impl Sidecar {
    /// Binds the address.
    ///
    /// # Errors
    /// [`SidecarError::Bind`], for example when something else listens there.
    pub async fn bind(address: SocketAddr) -> Result<Self, SidecarError> {
        let failed = |source| SidecarError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// The address that was bound, with its real port.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is cancelled, then lets open requests end for a moment.
    ///
    /// # Cancel safety
    /// Dropping the future closes the listener; requests that are being answered still end.
    pub async fn serve(self, shown: Shown, stop: CancellationToken) {
        let graceful = stop.clone();
        let server = axum::serve(Bounded::new(self.listener), routes::router(shown))
            .with_graceful_shutdown(async move { graceful.cancelled().await });
        let deadline = async {
            stop.cancelled().await;
            tokio::time::sleep(SHUTDOWN_LIMIT).await;
        };
        let ended = tokio::select! {
            ended = server => ended,
            () = deadline => Ok(()),
        };
        if let Err(error) = ended {
            tracing::error!("the sidecar ended: {error}");
        }
    }
}
