//! Making a sandbox for a pool: the image and the runner volume are looked at, the walls are proved, the container is made.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::blueprint::Blueprint;
use super::engine::DockerError;
use super::guards::Named;
use super::image::{self, ImageFacts};
use super::launch::Sandbox;
use super::pool::ProfilePool;
use super::{plan, runner_volume, warm};
use crate::telemetry::labels::{ContainerEvent, StartKind};

/// How long what is known of an image is believed: a rebuilt image is taken up by the next sandbox after that.
const IMAGE_FACTS_AGE_MAX: Duration = Duration::from_secs(10);

impl ProfilePool {
    /// Makes a sandbox, and tries once more when it fails for a reason that may be gone: a volume or an image that was
    /// taken away under it. A daemon that is away, or an image that is not there, is left to the filler's pauses.
    pub(super) async fn make(&self, print: Blueprint) -> Result<Sandbox, DockerError> {
        match self.try_make(print).await {
            Err(DockerError::Refused { .. } | DockerError::Runner { .. }) => self.try_make(print).await,
            made => made,
        }
    }

    async fn try_make(&self, print: Blueprint) -> Result<Sandbox, DockerError> {
        // The semaphore is never closed.
        let _permit = self.shared.creations.acquire().await.ok();
        let facts = self.image_facts().await?;
        let _filler = self.ensure_runner_volume(&facts.id).await?;
        let proved = self.shared.prove(&self.profile, self.blueprint, &facts).await;
        let maker = &self.shared.maker;
        let mut named = Named { name: Some(maker.next_name()), reaper: &self.shared.reaper };
        let began = Instant::now();
        let name = named.name.as_deref().unwrap_or_default();
        let made = match proved {
            Ok(()) => self.make_named(name, print, facts).await,
            Err(error) => Err(error),
        };
        match made {
            Ok(sandbox) => {
                self.shared.metrics.container(ContainerEvent::Created);
                self.shared.metrics.container_created_in(began.elapsed());
                named.name = None;
                Ok(sandbox)
            }
            Err(error) => {
                self.shared.metrics.container(ContainerEvent::Failed);
                self.forget().await;
                Err(error)
            }
        }
    }

    async fn make_named(&self, name: &str, print: Blueprint, facts: Arc<ImageFacts>) -> Result<Sandbox, DockerError> {
        let warm = self.preloading.as_ref().and_then(|profile| plan::warm(profile, &facts.env));
        let mut sandbox = self.shared.maker.make(name, print, facts, Arc::clone(&self.changed)).await?;
        if let Some(order) = warm {
            let cold = warm::warm_up(&mut sandbox.link, &order).await?;
            let start = if cold.is_none() { StartKind::Warm } else { StartKind::Plain };
            self.shared.metrics.warmed(&self.profile, start);
            self.note_cold(cold);
        }
        Ok(sandbox)
    }

    /// Says why programs start plainly, once for each reason and not for each sandbox.
    fn note_cold(&self, reason: Option<String>) {
        let mut known = self.cold.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reason) = &reason
            && known.as_ref() != Some(reason)
        {
            tracing::warn!(
                "programs of the profile `{}` start plainly, for it has no warm interpreter: {reason}",
                self.profile
            );
        }
        *known = reason;
    }

    /// An image that was removed, or a volume that was, is looked at again by the next attempt.
    pub(super) async fn forget(&self) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.shared.runner_volume_ensured.lock().await = false;
    }

    pub(super) async fn image_facts(&self) -> Result<Arc<ImageFacts>, DockerError> {
        let known = self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, facts)) = known
            && at.elapsed() < IMAGE_FACTS_AGE_MAX
        {
            return Ok(facts);
        }
        let facts = Arc::new(image::inspect(&self.shared.maker.engine, &self.image_name).await?);
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&facts)));
        Ok(facts)
    }

    /// Held over the calls on purpose: one creation fills the volume, the others wait for it. The container that it was
    /// filled through stays until the guard is dropped.
    pub(super) async fn ensure_runner_volume(&self, image_id: &str) -> Result<Option<Named<'_>>, DockerError> {
        let mut ensured = self.shared.runner_volume_ensured.lock().await;
        if *ensured {
            return Ok(None);
        }
        let filler = runner_volume::ensure(&self.shared.maker, image_id).await?;
        *ensured = true;
        Ok(Some(Named { name: Some(filler), reaper: &self.shared.reaper }))
    }
}
