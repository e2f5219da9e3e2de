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
    /// Whether its pool keeps sandboxes ready: one that does not has shown nothing while another profile's fail, unless it
    /// has made one since.
    keeps: bool,
    made: bool,
    state: ProfileState,
    walls: Walls,
}

/// Everything that is known.
#[derive(Debug)]
struct States {
    profiles: BTreeMap<String, Profile>,
    /// Containers that cannot be removed, each with the reason.
    stuck: BTreeMap<String, String>,
    /// As many of those as there are slots, and nothing can be run beside them.
    stuck_max: usize,
}

/// The readiness of all profiles together.
#[derive(Debug)]
pub(super) struct Health {
    docker: Condition,
    image: Condition,
    walls: Condition,
    pool: Condition,
    states: Mutex<States>,
    /// Whether Docker answers and walls hold, for whoever decides to take jobs.
    usable: watch::Sender<bool>,
    failing: watch::Sender<()>,
}

impl Health {
    /// Of these profiles, each with whether its pool keeps sandboxes ready.
    pub(super) fn new<'a>(
        conditions: &Conditions,
        profiles: impl Iterator<Item = (&'a String, bool)>,
        slots: usize,
    ) -> Self {
        let unknown = |keeps| Profile { keeps, made: false, state: ProfileState::Starting, walls: Walls::NotAttacked };
        let profiles = profiles.map(|(name, keeps)| (name.clone(), unknown(keeps))).collect();
        Self {
            docker: conditions.part(Part::Docker),
            image: conditions.part(Part::Image),
            walls: conditions.part(Part::Walls),
            pool: conditions.part(Part::Pool),
            states: Mutex::new(States { profiles, stuck: BTreeMap::new(), stuck_max: slots.max(1) }),
            usable: watch::Sender::new(false),
            failing: watch::Sender::new(()),
        }
    }

    /// Told each time that a profile begins to fail.
    pub(super) fn failing(&self) -> watch::Receiver<()> {
        self.failing.subscribe()
    }

    /// A sandbox was made just now.
    pub(super) fn made(&self, profile: &str) {
        self.change(profile, |profile| profile.made = true);
    }

    /// Whether Docker answers, and every wall held that a sandbox may stand behind.
    pub(super) fn usable(&self) -> watch::Receiver<bool> {
        self.usable.subscribe()
    }

    /// Whether the profile's pool is as it should be.
    pub(super) fn is_warm(&self, profile: &str) -> bool {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.profiles.get(profile).is_some_and(|profile| profile.state == ProfileState::Warm)
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
        let begins = matches!(now, ProfileState::Failing(_)) && !self.is_failing(profile);
        self.change(profile, |profile| profile.state = now);
        if begins {
            self.doubt_the_others(profile);
        }
    }

    fn is_failing(&self, profile: &str) -> bool {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.profiles.get(profile).is_some_and(|profile| matches!(profile.state, ProfileState::Failing(_)))
    }

    /// What was made before is no sign any more.
    fn doubt_the_others(&self, failing: &str) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, profile) in &mut states.profiles {
            profile.made &= name == failing;
        }
        self.publish(&states);
        drop(states);
        self.failing.send_replace(());
    }

    fn change(&self, profile: &str, change: impl FnOnce(&mut Profile)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.profiles.get_mut(profile) {
            change(state);
        }
        // Under the lock: of two changes at once, the later one is told last.
        self.publish(&states);
    }

    /// A container cannot be removed, and why; `None`: it is gone at last.
    pub(super) fn stuck(&self, container: &str, reason: Option<String>) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = match reason {
            Some(reason) => states.stuck.insert(container.to_owned(), reason).is_none(),
            None => states.stuck.remove(container).is_some(),
        };
        if changed {
            self.publish(&states);
        }
    }

    fn publish(&self, all: &States) {
        let states = &all.profiles;
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
        let stuck = all.too_many_stuck();
        let usable_now =
            no_docker.is_none() && stuck.is_none() && states.values().all(may_run) && some_profile_works(states);
        if heard {
            set(&self.docker, no_docker.clone().or(stuck));
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

impl States {
    fn too_many_stuck(&self) -> Option<String> {
        let (first, reason) = self.stuck.first_key_value().filter(|_| self.stuck.len() >= self.stuck_max)?;
        Some(format!("{} sandboxes cannot be removed, `{first}` among them: {reason}", self.stuck.len()))
    }
}

/// Whether a job of some profile would get its sandbox. Where every profile that keeps sandboxes fails to make them, Docker
/// is at fault, and each job would only be given back.
fn some_profile_works(states: &BTreeMap<String, Profile>) -> bool {
    let failing = states.values().any(|profile| matches!(profile.state, ProfileState::Failing(_)));
    states.values().any(|profile| match profile.state {
        ProfileState::Starting | ProfileState::Warm => profile.keeps || profile.made || !failing,
        ProfileState::NoDocker(_) | ProfileState::NoImage(_) | ProfileState::Failing(_) => false,
    })
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
mod tests;
