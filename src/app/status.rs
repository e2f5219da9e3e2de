//! What `/status` shows.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::sandboxing::Sandboxing;
use crate::broker::BrokerPublisher;
use crate::pipeline::Dispatcher;
use crate::ports::conditions::{Conditions, State};
use crate::sidecar::StatusSource;

/// The worker as a whole, for those who look at it from outside.
#[derive(Debug)]
pub(super) struct Overview<S> {
    pub(super) worker_id: String,
    pub(super) epoch: String,
    pub(super) slots: usize,
    pub(super) started_at: Instant,
    pub(super) conditions: Conditions,
    pub(super) sandboxes: S,
    pub(super) dispatcher: Dispatcher<S, BrokerPublisher>,
}

impl<S: Sandboxing> StatusSource for Overview<S> {
    fn status(&self) -> Value {
        let running = self.dispatcher.running();
        let profiles: serde_json::Map<String, Value> = self
            .sandboxes
            .status()
            .into_iter()
            .map(|(name, count, digest)| {
                let shown = json!({
                    "image_digest": digest, "wanted": count.wanted, "warm": count.warm, "leased": count.leased,
                    "waiting": count.waiting,
                });
                (name, shown)
            })
            .collect();
        let parts: serde_json::Map<String, Value> = self
            .conditions
            .snapshot()
            .into_iter()
            .map(|(part, state)| match state {
                State::Ready => (part.as_str().to_owned(), json!("ready")),
                State::NotReady(reason) => (part.as_str().to_owned(), json!(reason)),
            })
            .collect();
        json!({
            "worker": self.worker_id, "epoch": self.epoch, "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": self.started_at.elapsed().as_secs(),
            "slots": self.slots, "running": running.running, "waiting": running.waiting,
            "parts": parts, "profiles": profiles,
        })
    }
}
