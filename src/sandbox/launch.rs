//! Making a sandbox: named and labelled, created, attached, started, and heard from.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
};
use tester_runner::PROTOCOL_VERSION;
use tester_runner::frame::Kind;
use tester_runner::message::Ready;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::blueprint::Blueprint;
use super::engine::{DockerError, Engine};
use super::hardening::{self, Surroundings};
use super::image::ImageFacts;
use super::link::{self, Link};
use super::recycle::Past;
use crate::telemetry::labels::DockerOperation;

/// How long a runner may take from the container's start to its first word. Generous: an emulated host takes seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// Label that holds the worker's id.
pub(super) const LABEL_ID: &str = "tester-worker.id";

/// Label that holds the start of the worker's process: two lives of one worker differ in it.
pub(super) const LABEL_EPOCH: &str = "tester-worker.epoch";

/// What every sandbox of this worker has in common.
#[derive(Debug)]
pub(super) struct Maker {
    pub(super) engine: Engine,
    pub(super) worker_id: String,
    pub(super) epoch: String,
    pub(super) runtime: String,
    pub(super) runner_volume: String,
    pub(super) tasks: TaskTracker,
    sequence: AtomicU64,
}

/// A sandbox whose runner is ready.
#[derive(Debug)]
pub(super) struct Sandbox {
    /// The container's name, which is ours and known before Docker knows it.
    pub(super) name: String,
    pub(super) image: Arc<ImageFacts>,
    pub(super) link: Link,
    /// Evidence that this host cannot give.
    pub(super) missing_evidence: Vec<String>,
    /// Wakes the filler of the pool that this sandbox belongs to.
    pub(super) pool_changed: Arc<Notify>,
    /// What it has been used for.
    pub(super) past: Past,
}

impl Sandbox {
    /// Whether the runner's stream is open.
    pub(super) fn is_alive(&self) -> bool {
        self.link.reader.is_alive()
    }
}

impl Maker {
    pub(super) fn new(engine: Engine, worker_id: &str, epoch: &str, runtime: &str, tasks: TaskTracker) -> Self {
        Self {
            engine,
            worker_id: worker_id.to_owned(),
            epoch: epoch.to_owned(),
            runtime: runtime.to_owned(),
            runner_volume: super::runner_volume::volume_name(),
            tasks,
            sequence: AtomicU64::new(0),
        }
    }

    /// The labels of everything this worker makes.
    pub(super) fn labels(&self) -> HashMap<String, String> {
        HashMap::from([(LABEL_ID.to_owned(), self.worker_id.clone()), (LABEL_EPOCH.to_owned(), self.epoch.clone())])
    }

    /// A container name that was never used before.
    pub(super) fn next_name(&self) -> String {
        let number = self.sequence.fetch_add(1, Ordering::Relaxed);
        format!("tester-sandbox-{}-{}-{number}", self.worker_id, self.epoch)
    }

    /// Makes one sandbox under a name that the caller already noted, so that it can be removed whatever happens here.
    ///
    /// # Cancel safety
    /// Dropping the future may leave a container of this name behind; the caller removes it by name.
    pub(super) async fn make(
        &self,
        name: &str,
        print: Blueprint,
        image: Arc<ImageFacts>,
        pool_changed: Arc<Notify>,
    ) -> Result<Sandbox, DockerError> {
        let labels = self.labels();
        let around =
            Surroundings { image: &image, runner_volume: &self.runner_volume, runtime: &self.runtime, labels: &labels };
        let body = hardening::container(&print, around);
        #[cfg(feature = "without-walls")]
        let body = super::without::container(body)?;
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        self.engine
            .call(DockerOperation::Create, |docker| async move { docker.create_container(Some(options), body).await })
            .await?;
        // Attached before it starts, so that nothing it says is missed.
        let options =
            AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true).build();
        let attached = self
            .engine
            .call(DockerOperation::Attach, |docker| async move { docker.attach_container(name, Some(options)).await })
            .await?;
        let mut link = link::link(attached, &self.tasks, Arc::clone(&pool_changed));
        self.engine
            .call(DockerOperation::Start, |docker| async move { docker.start_container(name, None).await })
            .await?;
        let ready = await_ready(&mut link).await?;
        Ok(Sandbox {
            name: name.to_owned(),
            image,
            link,
            missing_evidence: ready.missing,
            pool_changed,
            past: Past::default(),
        })
    }

    /// Removes a container with its anonymous volumes. One that is gone is fine.
    ///
    /// # Errors
    /// Also when Docker is removing it already: it may still run then, and the removal may still fail.
    pub(super) async fn remove(&self, name: &str) -> Result<(), DockerError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        let removed = self
            .engine
            .call(DockerOperation::Remove, |docker| async move { docker.remove_container(name, Some(options)).await })
            .await;
        match removed {
            Err(error) if error.is_not_found() => Ok(()),
            other => other,
        }
    }
}

async fn await_ready(link: &mut Link) -> Result<Ready, DockerError> {
    let refuse = |reason: String| DockerError::Runner { reason };
    let first = tokio::time::timeout(READY_TIMEOUT, link.reader.answer(Kind::Ready)).await;
    let first = first.map_err(|_elapsed| refuse(format!("it said nothing within {} s", READY_TIMEOUT.as_secs())))?;
    let payload = first.map_err(|what| refuse(format!("before its first word, {what}")))?;
    let ready: Ready =
        serde_json::from_slice(&payload).map_err(|error| refuse(format!("its first frame is unreadable: {error}")))?;
    if ready.version != PROTOCOL_VERSION {
        return Err(refuse(format!(
            "it speaks version {} of the protocol, this worker {PROTOCOL_VERSION}",
            ready.version
        )));
    }
    Ok(ready)
}
