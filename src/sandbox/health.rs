//! What the pools have learned of Docker, the images and themselves, as readiness.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::engine::DockerError;
use crate::ports::conditions::{Condition, Conditions, Part};

/// Why one profile has no sandboxes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ProfileState {
    Starting,
    Warm,
    NoDocker(String),
    NoImage(String),
    Failing(String),
}

/// The readiness of all profiles together.
#[derive(Debug)]
pub(super) struct Health {
    docker: Condition,
    image: Condition,
    pool: Condition,
    profiles: Mutex<BTreeMap<String, ProfileState>>,
    /// Whether Docker answers, for whoever decides to take jobs.
    reachable: watch::Sender<bool>,
}

impl Health {
    pub(super) fn new<'a>(conditions: &Conditions, profiles: impl Iterator<Item = &'a String>) -> Self {
        Self {
            docker: conditions.part(Part::Docker),
            image: conditions.part(Part::Image),
            pool: conditions.part(Part::Pool),
            profiles: Mutex::new(profiles.map(|name| (name.clone(), ProfileState::Starting)).collect()),
            reachable: watch::Sender::new(false),
        }
    }

    /// Whether Docker answers.
    pub(super) fn reachable(&self) -> watch::Receiver<bool> {
        self.reachable.subscribe()
    }

    /// Whether the profile's pool is as it should be.
    pub(super) fn is_warm(&self, profile: &str) -> bool {
        let profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        profiles.get(profile) == Some(&ProfileState::Warm)
    }

    /// A sandbox was made; `warm` when the pool has as many as it should.
    pub(super) fn filled(&self, profile: &str, warm: bool) {
        self.change(profile, |state| {
            if warm || *state != ProfileState::Warm {
                *state = if warm { ProfileState::Warm } else { ProfileState::Starting };
            }
        });
    }

    /// No sandbox could be made.
    pub(super) fn failed(&self, profile: &str, error: &DockerError) {
        let text = error.to_string();
        let now = match error {
            DockerError::Unreachable { .. } | DockerError::Timeout { .. } => ProfileState::NoDocker(text),
            DockerError::ImageNotFound { .. } => ProfileState::NoImage(text),
            DockerError::Refused { .. } | DockerError::Runner { .. } | DockerError::RunnerVolume { .. } => {
                ProfileState::Failing(text)
            }
        };
        self.change(profile, |state| *state = now);
    }

    fn change(&self, profile: &str, change: impl FnOnce(&mut ProfileState)) {
        let mut profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = profiles.get_mut(profile) {
            change(state);
        }
        let states: Vec<(String, ProfileState)> =
            profiles.iter().map(|(name, state)| (name.clone(), state.clone())).collect();
        drop(profiles);
        self.publish(&states);
    }

    fn publish(&self, states: &[(String, ProfileState)]) {
        let first = |wanted: fn(&ProfileState) -> Option<String>| states.iter().find_map(|(_, state)| wanted(state));
        let no_docker = first(|state| match state {
            ProfileState::NoDocker(reason) => Some(reason.clone()),
            ProfileState::Starting | ProfileState::Warm | ProfileState::NoImage(_) | ProfileState::Failing(_) => None,
        });
        let no_image = first(|state| match state {
            ProfileState::NoImage(reason) => Some(reason.clone()),
            ProfileState::Starting | ProfileState::Warm | ProfileState::NoDocker(_) | ProfileState::Failing(_) => None,
        });
        let not_warm = states.iter().find_map(|(name, state)| match state {
            ProfileState::Warm => None,
            ProfileState::Starting => Some(format!("the profile `{name}` is being filled")),
            ProfileState::NoDocker(_) | ProfileState::NoImage(_) => {
                Some(format!("the profile `{name}` has no sandboxes"))
            }
            ProfileState::Failing(reason) => Some(format!("the profile `{name}` has no sandboxes: {reason}")),
        });
        let heard = states.iter().any(|(_, state)| *state != ProfileState::Starting);
        if heard || no_docker.is_some() {
            self.reachable.send_if_modified(|reachable| {
                let now = no_docker.is_none();
                std::mem::replace(reachable, now) != now
            });
            set(&self.docker, no_docker.clone());
        }
        let image_unknown = no_docker.map(|_| "Docker does not answer".to_owned());
        set(&self.image, no_image.or(image_unknown));
        set(&self.pool, not_warm);
    }
}

fn set(condition: &Condition, problem: Option<String>) {
    match problem {
        Some(reason) => condition.not_ready(reason),
        None => condition.ready(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::conditions::State;

    fn state(conditions: &Conditions, part: Part) -> State {
        conditions.snapshot().into_iter().find(|(found, _)| *found == part).unwrap().1
    }

    fn timeout() -> DockerError {
        DockerError::Timeout { host: "unix:///x".to_owned(), attempt: "create a sandbox", seconds: 1 }
    }

    #[test]
    fn ready_only_when_every_profile_is_warm() {
        let conditions = Conditions::default();
        let names = ["a".to_owned(), "b".to_owned()];
        let health = Health::new(&conditions, names.iter());
        health.filled("a", true);
        assert!(matches!(state(&conditions, Part::Pool), State::NotReady(_)));
        health.filled("b", true);
        for part in [Part::Docker, Part::Image, Part::Pool] {
            assert_eq!(state(&conditions, part), State::Ready);
        }
        assert!(*health.reachable().borrow());
    }

    #[test]
    fn a_pool_that_is_being_used_up_and_refilled_stays_ready() {
        let conditions = Conditions::default();
        let names = ["a".to_owned()];
        let health = Health::new(&conditions, names.iter());
        health.filled("a", true);
        health.filled("a", false);
        assert_eq!(state(&conditions, Part::Pool), State::Ready);
    }

    #[test]
    fn an_outage_closes_the_gate_and_the_first_success_opens_it() {
        let conditions = Conditions::default();
        let names = ["a".to_owned()];
        let health = Health::new(&conditions, names.iter());
        health.filled("a", true);
        health.failed("a", &timeout());
        assert!(!*health.reachable().borrow());
        assert!(matches!(state(&conditions, Part::Docker), State::NotReady(_)));
        health.filled("a", true);
        assert!(*health.reachable().borrow());
    }

    #[test]
    fn a_missing_image_is_not_an_outage_and_says_how_to_build_it() {
        let conditions = Conditions::default();
        let names = ["a".to_owned(), "b".to_owned()];
        let health = Health::new(&conditions, names.iter());
        health.filled("a", true);
        health.failed("b", &DockerError::ImageNotFound { image: "tester-sandbox".to_owned() });
        assert!(*health.reachable().borrow());
        let State::NotReady(reason) = state(&conditions, Part::Image) else { panic!("ready") };
        assert!(reason.starts_with("Image tester-sandbox not found") && reason.contains("docker build"), "{reason}");
    }
}
