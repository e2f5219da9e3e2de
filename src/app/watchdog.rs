//! What `/livez` says: no, when the worker should work and does not, so that only a restart helps.
//!
//! Each loop of the worker leaves a mark whenever it goes round, and takes it away before it does what may take longer.
//! A mark that is there and old is a loop that is stuck. A broker or a Docker that is away leaves no mark, and is told
//! by readiness: a restart would not bring it back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::sandboxing::Sandboxing;
use crate::broker::{BrokerPublisher, Role};
use crate::pipeline::Dispatcher;
use crate::sidecar::Liveness;

/// Connections in a row over which the broker sent nothing although messages wait. The first may be the broker's fault,
/// and is mended by the next.
const STARVED_MAX: u32 = 2;

/// Who goes round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loop {
    Dispatcher,
    Broker(Role),
}

impl Loop {
    const fn name(self) -> &'static str {
        match self {
            Self::Dispatcher => "the dispatcher",
            Self::Broker(Role::Consume) => "the loop that takes deliveries",
            Self::Broker(Role::Publish) => "the loop that looks after the publish connection",
        }
    }
}

/// Looks at the marks, and asks the dispatcher for its own.
#[derive(Debug)]
pub(super) struct Watchdog<S> {
    pub(super) pulse: Pulse,
    pub(super) dispatcher: Dispatcher<S, BrokerPublisher>,
}

impl<S: Sandboxing> Liveness for Watchdog<S> {
    fn check(&self) -> Result<(), String> {
        self.pulse.dispatched(self.dispatcher.turned_at());
        self.pulse.check()
    }
}

/// The marks of all loops. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    limit: Duration,
    marks: Arc<Mutex<Marks>>,
}

#[derive(Debug, Default)]
struct Marks {
    ended: bool,
    dispatcher: Option<Instant>,
    consume: Option<Instant>,
    publish: Option<Instant>,
    starved: u32,
    told: Option<String>,
}

impl Pulse {
    /// Nothing is marked yet. A mark that is older than `limit` is a loop that is stuck.
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, marks: Arc::default() }
    }

    fn marks(&self) -> MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The dispatcher ended although nobody told it to.
    pub(super) fn ended(&self) {
        self.marks().ended = true;
    }

    /// When the dispatcher went round last; `None` where it needs not.
    fn dispatched(&self, at: Option<Instant>) {
        self.marks().dispatcher = at;
    }

    /// A loop of the broker's went round.
    pub(super) fn turned(&self, role: Role) {
        self.mark(role, Some(Instant::now()));
    }

    /// A loop of the broker's needs not go round.
    pub(super) fn rests(&self, role: Role) {
        self.mark(role, None);
    }

    fn mark(&self, role: Role, at: Option<Instant>) {
        let mut marks = self.marks();
        match role {
            Role::Consume => marks.consume = at,
            Role::Publish => marks.publish = at,
        }
    }

    /// The consume connection was given up because the broker sent nothing over it; or all is well with that.
    pub(super) fn starved(&self, starved: bool) {
        let mut marks = self.marks();
        marks.starved = if starved { marks.starved.saturating_add(1) } else { 0 };
    }

    fn judge(&self, marks: &Marks) -> Result<(), String> {
        if marks.ended {
            return Err("the dispatcher has ended".to_owned());
        }
        let loops = [
            (Loop::Dispatcher, marks.dispatcher),
            (Loop::Broker(Role::Consume), marks.consume),
            (Loop::Broker(Role::Publish), marks.publish),
        ];
        for (of, mark) in loops {
            if let Some(still) = mark.map(|mark| mark.elapsed()).filter(|still| *still > self.limit) {
                return Err(format!("{} has stood still for {} s", of.name(), still.as_secs()));
            }
        }
        // Not between two connections: whether the next one can be had is the broker's affair.
        if marks.starved >= STARVED_MAX && marks.consume.is_some() {
            return Err(format!("jobs wait, and {} connections in a row brought none", marks.starved));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let mut marks = self.marks();
        let verdict = self.judge(&marks);
        let said = verdict.as_ref().err().cloned();
        if said.is_some() != marks.told.is_some() {
            if let Some(reason) = &said {
                tracing::error!("the worker is stuck: {reason}; restart it");
            } else {
                tracing::info!("the worker is stuck no longer");
            }
        }
        marks.told = said;
        verdict
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_mins(1);

    #[tokio::test(start_paused = true)]
    async fn a_loop_that_stands_still_is_named_and_one_that_goes_round_again_is_well() {
        type Turn = fn(&Pulse);
        let loops: [(Turn, &str); 3] = [
            (|pulse| pulse.dispatched(Some(Instant::now())), "the dispatcher"),
            (|pulse| pulse.turned(Role::Consume), "the loop that takes deliveries"),
            (|pulse| pulse.turned(Role::Publish), "the publish connection"),
        ];
        for (turn, name) in loops {
            let pulse = Pulse::new(LIMIT);
            turn(&pulse);
            tokio::time::advance(LIMIT).await;
            assert_eq!(pulse.check(), Ok(()), "not before the limit has passed");
            tokio::time::advance(Duration::from_secs(1)).await;
            let reason = pulse.check().unwrap_err();
            assert!(reason.contains(name) && reason.contains("61 s"), "{reason}");
            turn(&pulse);
            assert_eq!(pulse.check(), Ok(()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_rests_is_never_stuck_however_long_it_rests() {
        let pulse = Pulse::new(LIMIT);
        assert_eq!(pulse.check(), Ok(()), "before anything has begun");
        for role in [Role::Consume, Role::Publish] {
            pulse.turned(role);
            pulse.rests(role);
        }
        pulse.dispatched(Some(Instant::now()));
        pulse.dispatched(None);
        tokio::time::advance(LIMIT * 100).await;
        assert_eq!(pulse.check(), Ok(()));
    }

    #[test]
    fn the_second_connection_in_a_row_that_brings_nothing_is_told_while_it_stands() {
        let pulse = Pulse::new(LIMIT);
        pulse.starved(true);
        pulse.turned(Role::Consume);
        assert_eq!(pulse.check(), Ok(()), "the next one may mend it");
        pulse.starved(true);
        assert!(pulse.check().unwrap_err().contains("2 connections in a row"));
        pulse.rests(Role::Consume);
        assert_eq!(pulse.check(), Ok(()), "there is no connection: readiness tells that");
        pulse.turned(Role::Consume);
        assert!(pulse.check().is_err());
        pulse.starved(false);
        assert_eq!(pulse.check(), Ok(()), "it sends again, or was lost for another reason");
    }

    #[test]
    fn a_dispatcher_that_ended_is_never_well_again() {
        let pulse = Pulse::new(LIMIT);
        pulse.ended();
        pulse.dispatched(Some(Instant::now()));
        assert_eq!(pulse.check(), Err("the dispatcher has ended".to_owned()));
    }
}
