//! Readiness: what must hold before the worker takes jobs, and why it does not hold.
//!
//! Each part owns a [`Condition`] and sets it; the sidecar reads all of them. Readiness is the absence of red ones.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// The parts that can hold readiness back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The worker consumes from its queues.
    BrokerConsume,
    /// The worker can publish with confirms.
    BrokerPublish,
    /// The Docker daemon answers.
    Docker,
    /// Every profile's image is there.
    Image,
    /// Every profile's walls held against an attack of our own.
    Walls,
    /// Every profile's pool is warm.
    Pool,
    /// The worker is not draining.
    Accepting,
}

impl Part {
    /// Every part, in the order in which `/readyz` lists them.
    pub const ALL: &'static [Self] = &[
        Self::BrokerConsume,
        Self::BrokerPublish,
        Self::Docker,
        Self::Image,
        Self::Walls,
        Self::Pool,
        Self::Accepting,
    ];

    /// The name in `/readyz`, `/status` and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BrokerConsume => "broker_consume",
            Self::BrokerPublish => "broker_publish",
            Self::Docker => "docker",
            Self::Image => "image",
            Self::Walls => "walls",
            Self::Pool => "pool",
            Self::Accepting => "accepting",
        }
    }
}

/// Whether a part is ready, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is.
    Ready,
    /// It is not; one sentence for the operator.
    NotReady(String),
}

/// All parts. Every part begins as not ready, "starting".
#[derive(Debug, Clone)]
pub struct Conditions {
    states: Arc<RwLock<BTreeMap<Part, State>>>,
}

impl Default for Conditions {
    fn default() -> Self {
        let states = Part::ALL.iter().map(|part| (*part, State::NotReady("starting".to_owned()))).collect();
        Self { states: Arc::new(RwLock::new(states)) }
    }
}

impl Conditions {
    /// The setter for one part.
    pub fn part(&self, part: Part) -> Condition {
        Condition { part, all: self.clone() }
    }

    /// Every part with its state.
    pub fn snapshot(&self) -> Vec<(Part, State)> {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.iter().map(|(part, state)| (*part, state.clone())).collect()
    }

    /// Whether every part is ready.
    pub fn ready(&self) -> bool {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        states.values().all(|state| *state == State::Ready)
    }
}

/// The setter for one part.
#[derive(Debug, Clone)]
pub struct Condition {
    part: Part,
    all: Conditions,
}

impl Condition {
    /// The part is ready. Logs only when that is news.
    pub fn ready(&self) {
        self.set(State::Ready);
    }

    /// The part is not ready, and why. Logs only when that is news.
    pub fn not_ready(&self, reason: impl Into<String>) {
        self.set(State::NotReady(reason.into()));
    }

    fn set(&self, state: State) {
        let mut states = self.all.states.write().unwrap_or_else(PoisonError::into_inner);
        let before = states.insert(self.part, state.clone());
        drop(states);
        if before.as_ref() != Some(&state) {
            match state {
                State::Ready => tracing::info!(part = self.part.as_str(), "`{}` is ready", self.part.as_str()),
                State::NotReady(reason) => {
                    tracing::info!(part = self.part.as_str(), "`{}` is not ready: {reason}", self.part.as_str());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_red_at_first_and_ready_only_when_every_part_is() {
        let conditions = Conditions::default();
        assert!(!conditions.ready());
        for part in Part::ALL {
            assert!(!conditions.ready());
            conditions.part(*part).ready();
        }
        assert!(conditions.ready());
        conditions.part(Part::Docker).not_ready("the daemon does not answer");
        assert!(!conditions.ready());
        let snapshot = conditions.snapshot();
        assert!(snapshot.contains(&(Part::Docker, State::NotReady("the daemon does not answer".to_owned()))));
    }
}
