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

/// What an attack of our own came to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Walls {
    /// There was none yet.
    NotAttacked,
    Held,
    /// The wall and what to do about it.
    Broken(String),
}

/// What is known of one profile.
#[derive(Debug)]
struct Profile {
    state: ProfileState,
    walls: Walls,
}

/// The readiness of all profiles together.
#[derive(Debug)]
pub(super) struct Health {
    docker: Condition,
    image: Condition,
    walls: Condition,
    pool: Condition,
    profiles: Mutex<BTreeMap<String, Profile>>,
    /// Whether Docker answers and walls hold, for whoever decides to take jobs.
    usable: watch::Sender<bool>,
}

impl Health {
    pub(super) fn new<'a>(conditions: &Conditions, profiles: impl Iterator<Item = &'a String>) -> Self {
        Self {
            docker: conditions.part(Part::Docker),
            image: conditions.part(Part::Image),
            walls: conditions.part(Part::Walls),
            pool: conditions.part(Part::Pool),
            profiles: Mutex::new(
                profiles
                    .map(|name| (name.clone(), Profile { state: ProfileState::Starting, walls: Walls::NotAttacked }))
                    .collect(),
            ),
            usable: watch::Sender::new(false),
        }
    }

    /// Whether Docker answers, and every wall held that a sandbox may stand behind.
    pub(super) fn usable(&self) -> watch::Receiver<bool> {
        self.usable.subscribe()
    }

    /// Whether the profile's pool is as it should be.
    pub(super) fn is_warm(&self, profile: &str) -> bool {
        let profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        profiles.get(profile).is_some_and(|profile| profile.state == ProfileState::Warm)
    }

    /// Every wall of the profile held.
    pub(super) fn walls_held(&self, profile: &str) {
        self.change(profile, |profile| profile.walls = Walls::Held);
    }

    /// A sandbox was made; `warm` when the pool has as many as it should.
    pub(super) fn filled(&self, profile: &str, warm: bool) {
        self.change(profile, |Profile { state, .. }| {
            if warm || *state != ProfileState::Warm {
                *state = if warm { ProfileState::Warm } else { ProfileState::Starting };
            }
        });
    }

    /// No sandbox could be made.
    pub(super) fn failed(&self, profile: &str, error: &DockerError) {
        let text = error.to_string();
        let now = match error {
            DockerError::Wall { .. } => {
                return self.change(profile, |profile| {
                    profile.state = ProfileState::Starting;
                    profile.walls = Walls::Broken(text);
                });
            }
            DockerError::Unreachable { .. } | DockerError::Timeout { .. } => ProfileState::NoDocker(text),
            DockerError::ImageNotFound { .. } => ProfileState::NoImage(text),
            DockerError::Refused { .. } | DockerError::Runner { .. } | DockerError::RunnerVolume { .. } => {
                ProfileState::Failing(text)
            }
        };
        self.change(profile, |profile| profile.state = now);
    }

    fn change(&self, profile: &str, change: impl FnOnce(&mut Profile)) {
        let mut profiles = self.profiles.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = profiles.get_mut(profile) {
            change(state);
        }
        // Under the lock: of two changes at once, the later one is told last.
        self.publish(&profiles);
    }

    fn publish(&self, states: &BTreeMap<String, Profile>) {
        let first =
            |wanted: fn(&ProfileState) -> Option<String>| states.values().find_map(|profile| wanted(&profile.state));
        let no_docker = first(|state| match state {
            ProfileState::NoDocker(reason) => Some(reason.clone()),
            ProfileState::Starting | ProfileState::Warm | ProfileState::NoImage(_) | ProfileState::Failing(_) => None,
        });
        let no_image = first(|state| match state {
            ProfileState::NoImage(reason) => Some(reason.clone()),
            ProfileState::Starting | ProfileState::Warm | ProfileState::NoDocker(_) | ProfileState::Failing(_) => None,
        });
        let not_warm = states.iter().find_map(|(name, profile)| match &profile.state {
            ProfileState::Warm => None,
            ProfileState::Starting => Some(format!("the profile `{name}` is being filled")),
            ProfileState::NoDocker(_) | ProfileState::NoImage(_) => {
                Some(format!("the profile `{name}` has no sandboxes"))
            }
            ProfileState::Failing(reason) => Some(format!("the profile `{name}` has no sandboxes: {reason}")),
        });
        let heard = states
            .values()
            .any(|profile| profile.state != ProfileState::Starting || profile.walls != Walls::NotAttacked);
        let usable_now = no_docker.is_none() && states.values().all(may_run);
        if heard {
            set(&self.docker, no_docker.clone());
        }
        set(&self.walls, first_wall(states));
        let image_unknown = no_docker.map(|_| "Docker does not answer".to_owned());
        set(&self.image, no_image.or(image_unknown));
        set(&self.pool, not_warm);
        if heard {
            // Last: whoever is woken by it finds the reason.
            self.usable.send_if_modified(|usable| std::mem::replace(usable, usable_now) != usable_now);
        }
    }
}

/// A profile that can make no sandbox runs nothing, whatever its walls are; it does not hold up the others.
fn may_run(profile: &Profile) -> bool {
    match (&profile.walls, &profile.state) {
        (Walls::Held, _) | (Walls::NotAttacked, ProfileState::NoImage(_) | ProfileState::Failing(_)) => true,
        (Walls::Broken(_), _)
        | (Walls::NotAttacked, ProfileState::Starting | ProfileState::Warm | ProfileState::NoDocker(_)) => false,
    }
}

/// Why walls are not ready; one that fell before one that was not attacked yet.
fn first_wall(states: &BTreeMap<String, Profile>) -> Option<String> {
    let broken = states.iter().find_map(|(name, profile)| match &profile.walls {
        Walls::Broken(reason) => Some(format!("the profile `{name}`: {reason}")),
        Walls::NotAttacked | Walls::Held => None,
    });
    broken.or_else(|| {
        let (name, _) = states.iter().find(|(_, profile)| profile.walls == Walls::NotAttacked)?;
        Some(format!("the walls of the profile `{name}` have not been attacked yet"))
    })
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
        health.walls_held("a");
        health.filled("a", true);
        assert!(matches!(state(&conditions, Part::Pool), State::NotReady(_)));
        health.walls_held("b");
        health.filled("b", true);
        for part in [Part::Docker, Part::Image, Part::Walls, Part::Pool] {
            assert_eq!(state(&conditions, part), State::Ready);
        }
        assert!(*health.usable().borrow());
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
        health.walls_held("a");
        health.filled("a", true);
        health.failed("a", &timeout());
        assert!(!*health.usable().borrow());
        assert!(matches!(state(&conditions, Part::Docker), State::NotReady(_)));
        health.filled("a", true);
        assert!(*health.usable().borrow());
    }

    #[test]
    fn a_missing_image_is_not_an_outage_and_says_how_to_build_it() {
        let conditions = Conditions::default();
        let names = ["a".to_owned(), "b".to_owned()];
        let health = Health::new(&conditions, names.iter());
        health.walls_held("a");
        health.filled("a", true);
        health.failed("b", &DockerError::ImageNotFound { image: "tester-sandbox".to_owned() });
        assert!(*health.usable().borrow());
        let State::NotReady(reason) = state(&conditions, Part::Image) else { panic!("ready") };
        assert!(reason.starts_with("Image tester-sandbox not found") && reason.contains("docker build"), "{reason}");
    }

    fn fallen() -> DockerError {
        DockerError::Wall { wall: "network", seen: "there is the device eth0".to_owned(), mend: "mend it" }
    }

    #[test]
    fn no_job_is_taken_before_every_profiles_walls_held() {
        let conditions = Conditions::default();
        let names = ["a".to_owned(), "b".to_owned()];
        let health = Health::new(&conditions, names.iter());
        health.walls_held("a");
        health.filled("a", true);
        assert!(!*health.usable().borrow(), "nobody has attacked those of `b`");
        let State::NotReady(reason) = state(&conditions, Part::Walls) else { panic!("ready") };
        assert!(reason.contains("`b` have not been attacked"), "{reason}");
        health.walls_held("b");
        assert!(*health.usable().borrow());
        assert_eq!(state(&conditions, Part::Walls), State::Ready);
    }

    #[test]
    fn a_wall_that_falls_closes_the_gate_and_is_named_with_what_to_do_and_holding_again_opens_it() {
        let conditions = Conditions::default();
        let names = ["a".to_owned(), "b".to_owned()];
        let health = Health::new(&conditions, names.iter());
        for name in ["a", "b"] {
            health.walls_held(name);
            health.filled(name, true);
        }
        health.failed("b", &fallen());
        assert!(!*health.usable().borrow());
        let State::NotReady(reason) = state(&conditions, Part::Walls) else { panic!("ready") };
        for part in ["`b`", "`network`", "eth0", "mend it"] {
            assert!(reason.contains(part), "{reason}");
        }
        assert_eq!(state(&conditions, Part::Docker), State::Ready);
        assert!(matches!(state(&conditions, Part::Pool), State::NotReady(_)));
        health.walls_held("b");
        assert!(*health.usable().borrow());
    }

    #[test]
    fn a_wall_that_fell_is_told_although_nothing_else_was_heard() {
        let conditions = Conditions::default();
        let names = ["a".to_owned()];
        let health = Health::new(&conditions, names.iter());
        health.failed("a", &fallen());
        assert!(!*health.usable().borrow());
        assert_eq!(state(&conditions, Part::Docker), State::Ready, "it answered");
        assert!(matches!(state(&conditions, Part::Walls), State::NotReady(_)));
    }
}
