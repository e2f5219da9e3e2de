//! That the walls of a profile held, before a sandbox of it is given to a job.
//!
//! Proved once for each image and blueprint, and again when the image behind the name changes. One attack at a time:
//! each wants the CPU that the others are measured by.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::attack::{self, Tried, Verdict};
use super::blueprint::Blueprint;
use super::engine::DockerError;
use super::guards::Named;
use super::image::ImageFacts;
use super::pool::Shared;

/// How long an attack may take. On a sound host it takes two seconds.
const ATTACK_TIMEOUT: Duration = Duration::from_mins(2);

/// What held, by profile: the image's id, and the blueprint.
#[derive(Debug)]
pub(super) struct Proof {
    needed: bool,
    held: Mutex<BTreeMap<String, (String, Blueprint)>>,
    attacking: tokio::sync::Mutex<()>,
}

impl Proof {
    /// No sandbox without it.
    pub(super) fn needed() -> Self {
        Self { needed: true, held: Mutex::default(), attacking: tokio::sync::Mutex::default() }
    }

    /// Nobody asks for it.
    pub(super) fn waived() -> Self {
        Self { needed: false, ..Self::needed() }
    }

    /// Whether these walls held; the same walls of another profile are as good.
    fn holds(&self, print: Blueprint, image_id: &str) -> bool {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        !self.needed || held.values().any(|(id, of)| id == image_id && *of == print)
    }

    fn note(&self, profile: &str, print: Blueprint, image_id: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.insert(profile.to_owned(), (image_id.to_owned(), print));
    }
}

impl Shared {
    /// Attacks the walls of a profile, unless they held before.
    ///
    /// # Errors
    /// The first wall that does not hold; or why there could be no attack.
    ///
    /// # Cancel safety
    /// The sandbox that was attacked goes to the reaper, wherever the future is dropped.
    pub(super) async fn prove(
        &self,
        profile: &str,
        print: Blueprint,
        image: &Arc<ImageFacts>,
    ) -> Result<(), DockerError> {
        // Probes start plainly, so what they find does not hang on an interpreter, and its room would only blur it.
        let print = print.with_template(false);
        if !self.proof.holds(print, &image.id) {
            let _one = self.proof.attacking.lock().await;
            // Those who waited find that the one before them did it.
            if !self.proof.holds(print, &image.id) {
                self.attack(profile, print, image).await?;
            }
        }
        self.proof.note(profile, print, &image.id);
        self.health.walls_held(profile);
        Ok(())
    }

    async fn attack(&self, profile: &str, print: Blueprint, image: &Arc<ImageFacts>) -> Result<(), DockerError> {
        let named = Named { name: Some(self.maker.next_name()), reaper: &self.reaper };
        let name = named.name.as_deref().unwrap_or_default();
        let mut sandbox = self.maker.make(name, print, Arc::clone(image), Arc::new(Notify::new())).await?;
        let began = Instant::now();
        let attacked = attack::attack(&mut sandbox, &print, &self.stopping);
        let tried = tokio::time::timeout(ATTACK_TIMEOUT, attacked).await.map_err(|_elapsed| {
            let reason = format!("the attack on its walls did not end within {} s", ATTACK_TIMEOUT.as_secs());
            DockerError::Runner { reason }
        })?;
        if self.stopping.is_cancelled() {
            return Err(DockerError::Runner { reason: "the worker is stopping".to_owned() });
        }
        tell(profile, &tried, began.elapsed());
        attack::fallen(&tried).map_or(Ok(()), |fallen| {
            Err(DockerError::Wall { wall: fallen.wall.as_str(), seen: fallen.seen, mend: fallen.wall.mend() })
        })
    }
}

fn tell(profile: &str, tried: &[Tried], took: Duration) {
    let held = tried.iter().filter(|tried| matches!(tried.verdict, Verdict::Held(_))).count();
    tracing::info!(
        "{held} of {} walls of the profile `{profile}` held against an attack of {:.1} s",
        tried.len(),
        took.as_secs_f64()
    );
    for Tried { wall, verdict } in tried {
        match verdict {
            Verdict::Held(_) => {}
            Verdict::CannotBeGiven(seen) => tracing::warn!("`{wall}` of the profile `{profile}`: {seen}"),
            Verdict::Broken(seen) => tracing::error!("The wall `{wall}` of the profile `{profile}` is broken: {seen}"),
            Verdict::NotAttacked(seen) => {
                tracing::warn!("The wall `{wall}` of the profile `{profile}` was not attacked: {seen}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::limits::Limits;

    #[test]
    fn a_proof_is_of_one_image_and_one_blueprint_and_serves_every_profile_that_has_them() {
        let proof = Proof::needed();
        let print = Blueprint::new(&Limits::default());
        let other = Blueprint { memory_bytes: print.memory_bytes * 2, ..print };
        assert!(!proof.holds(print, "sha256:1"));
        proof.note("python", print, "sha256:1");
        assert!(proof.holds(print, "sha256:1"));
        assert!(!proof.holds(print, "sha256:2") && !proof.holds(other, "sha256:1"));
        proof.note("python", print, "sha256:2");
        assert!(proof.holds(print, "sha256:2"));
        assert!(!proof.holds(print, "sha256:1"), "one proof a profile is kept, so they cannot pile up");
    }

    #[test]
    fn a_waived_proof_is_asked_of_nobody() {
        assert!(Proof::waived().holds(Blueprint::new(&Limits::default()), "sha256:1"));
    }
}
