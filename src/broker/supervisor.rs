//! Keeps one connection up: connects, sees to the topology, hands the link to a session, and begins again when the
//! session ends. A lost connection is never mended in place; everything on it is thrown away.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::backoff::Backoff;
use super::connection::{Brokers, Link, Watch, connection_name};
use super::consumer::Consuming;
use super::declare;
use super::error::BrokerError;
use super::events::{BrokerEvents, Role};
use super::publisher::{Links, Publishing};
use super::settings::Settings;
use crate::ports::conditions::Condition;

/// What a role does over one link.
pub(super) trait Session: Send {
    /// Works until the link fails (an error), or the worker stops (`Ok`).
    fn run(
        &mut self,
        supervisor: &Supervisor,
        link: &Arc<Link>,
        watch: &mut Watch,
    ) -> impl Future<Output = Result<(), BrokerError>> + Send;

    /// Whether nobody wants this role's work any more.
    fn finished(&self) -> bool;
}

/// One role's supervisor.
#[derive(Debug)]
pub(super) struct Supervisor {
    pub(super) role: Role,
    pub(super) brokers: Brokers,
    pub(super) settings: Arc<Settings>,
    pub(super) condition: Condition,
    pub(super) events: Arc<dyn BrokerEvents>,
    pub(super) cancel: CancellationToken,
}

/// The consume role.
pub(super) async fn consume(supervisor: Supervisor, consuming: Consuming) {
    supervisor.supervise(consuming).await;
}

/// The publish role.
pub(super) async fn publish(supervisor: Supervisor, links: Links) {
    supervisor.supervise(Publishing::new(links)).await;
}

impl Supervisor {
    /// Runs until it is cancelled.
    async fn supervise(mut self, mut session: impl Session) {
        let cancel = self.cancel.clone();
        let mut backoff = Backoff::new(self.settings.timeouts.backoff_max);
        while !session.finished() {
            backoff.attempt();
            let opened = tokio::select! {
                () = cancel.cancelled() => break,
                opened = self.open() => opened,
            };
            let ended = match opened {
                Ok(link) => self.serve(Arc::new(link), &mut session).await,
                Err(error) => Err(error),
            };
            let Err(error) = ended else { break };
            if cancel.is_cancelled() {
                break;
            }
            self.condition.not_ready(error.to_string());
            self.events.reconnecting(self.role, error.cause());
            tracing::warn!(role = self.role.as_str(), cause = error.cause().as_str(), "broker connection: {error}");
            if !backoff.wait(&cancel).await {
                break;
            }
        }
        self.condition.not_ready("the worker stops");
    }

    /// A connection with its topology.
    async fn open(&mut self) -> Result<Link, BrokerError> {
        let name = connection_name(&self.settings.worker_id, self.role);
        let link = self.brokers.connect(&name, self.settings.timeouts).await?;
        match self.ensure(&link).await {
            Ok(()) => Ok(link),
            Err(error) => {
                link.close().await;
                Err(error)
            }
        }
    }

    /// Declares or checks the topology.
    pub(super) async fn ensure(&self, link: &Link) -> Result<(), BrokerError> {
        declare::ensure(link, &self.settings.describe_topology(), self.settings.topology).await
    }

    async fn serve(&self, link: Arc<Link>, session: &mut impl Session) -> Result<(), BrokerError> {
        tracing::info!(role = self.role.as_str(), "connected to {}", link.address().shown());
        let mut watch = link.watch();
        let ended = session.run(self, &link, &mut watch).await;
        if let Err(error) = &ended {
            // Before the good-bye, which may take a while.
            self.condition.not_ready(error.to_string());
        }
        link.close().await;
        ended
    }
}
