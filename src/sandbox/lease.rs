//! A sandbox in the hands of one job.
//!
//! However a lease ends, its container is removed. The one exception is [`Lease::into_object`], which [`super::recycle`] alone
//! calls, when the sandbox was shown to be as it was before its first job.

use std::time::Duration;

use deadpool::unmanaged::Object;
use tokio::sync::oneshot;

use super::launch::Sandbox;
use super::reaper::{Doomed, Reaper};

/// How long a job waits for the proof that its sandbox is gone.
const GONE_TIMEOUT: Duration = Duration::from_secs(15);

/// A sandbox that belongs to one job. Dropping it posts its container for removal.
#[derive(Debug)]
pub(super) struct Lease {
    held: Option<Held>,
    reaper: Reaper,
}

#[derive(Debug)]
enum Held {
    /// From the pool.
    Pooled(Object<Sandbox>),
    /// Made for this job.
    Fresh(Box<Sandbox>),
}

/// The container could not be removed in time.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox could not be removed within {} s", GONE_TIMEOUT.as_secs())]
pub(super) struct NotGone;

impl Lease {
    pub(super) const fn pooled(sandbox: Object<Sandbox>, reaper: Reaper) -> Self {
        Self { held: Some(Held::Pooled(sandbox)), reaper }
    }

    pub(super) fn fresh(sandbox: Sandbox, reaper: Reaper) -> Self {
        Self { held: Some(Held::Fresh(Box::new(sandbox))), reaper }
    }

    /// The sandbox. `None` only after [`Lease::destroy`], which consumes the lease.
    pub(super) fn sandbox(&mut self) -> Option<&mut Sandbox> {
        match self.held.as_mut()? {
            Held::Pooled(object) => Some(object),
            Held::Fresh(sandbox) => Some(sandbox),
        }
    }

    /// Removes the container and waits until it is gone: for sandboxes in which something may still run.
    ///
    /// # Errors
    /// [`NotGone`] after a bound; the reaper goes on trying.
    pub(super) async fn destroy(mut self) -> Result<(), NotGone> {
        let (gone, told) = oneshot::channel();
        self.post(Some(gone));
        match tokio::time::timeout(GONE_TIMEOUT, told).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotGone),
        }
    }

    /// Whether it is from the pool.
    pub(super) const fn is_pooled(&self) -> bool {
        matches!(self.held, Some(Held::Pooled(_)))
    }

    /// The sandbox as the pool gave it, for the pool to have it back; `None` for one that was made for this job alone.
    pub(super) fn into_object(mut self) -> Option<Object<Sandbox>> {
        match self.held.take()? {
            Held::Pooled(object) => Some(object),
            fresh @ Held::Fresh(_) => {
                self.held = Some(fresh);
                None
            }
        }
    }

    fn post(&mut self, gone: Option<oneshot::Sender<()>>) {
        let doomed = match self.held.take() {
            Some(Held::Pooled(object)) => {
                Doomed { name: object.name.clone(), sandbox: true, place: Some(object), gone }
            }
            Some(Held::Fresh(sandbox)) => Doomed { name: sandbox.name, sandbox: true, place: None, gone },
            None => return,
        };
        self.reaper.post(doomed);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.post(None);
    }
}
