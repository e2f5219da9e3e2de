//! What dead workers left behind: exited sandboxes, containers that never started, volumes of other versions. And what this
//! one would leave.
//!
//! A worker's death ends its sandboxes, so a labelled container that has exited is garbage, whoever made it; a
//! container's host name changes between starts, so no worker could tell its own by id alone.

use std::collections::HashMap;

use bollard::models::{ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveVolumeOptions};

use super::engine::DockerError;
use super::launch::{LABEL_EPOCH, LABEL_ID, Maker};
use super::runner_volume::{VOLUME_PREFIX, is_runner_volume};
use crate::telemetry::labels::DockerOperation;

/// A container that was created this long ago and does not run belongs to nobody. In seconds.
const OLD_SECONDS: i64 = 600;

/// Removes what is certainly garbage; returns how many containers that were.
pub(super) async fn sweep(maker: &Maker, now_unix_seconds: i64) -> Result<usize, DockerError> {
    let found = labelled(maker, vec![LABEL_ID.to_owned()]).await?;
    let garbage: Vec<String> = found
        .iter()
        .filter(|container| is_garbage(container, &maker.epoch, now_unix_seconds))
        .filter_map(name)
        .collect();
    for name in &garbage {
        tracing::info!("removing `{name}`, which a dead worker left behind");
        if let Err(error) = maker.remove(name).await {
            // The next look tries again; the others must not wait for it.
            tracing::warn!("`{name}` could not be removed: {error}");
        }
    }
    Ok(garbage.len())
}

/// Removes what this worker made itself, when it makes nothing any more.
///
/// A creation whose answer was lost may come to be after the reaper was told that there is no container of its name.
pub(super) async fn sweep_own(maker: &Maker) -> Result<(), DockerError> {
    let labels = maker.labels().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    for name in labelled(maker, labels).await?.iter().filter_map(name) {
        tracing::info!("removing `{name}`, which came to be after its creation was given up");
        maker.remove(&name).await?;
    }
    Ok(())
}

/// All containers with these labels.
async fn labelled(maker: &Maker, labels: Vec<String>) -> Result<Vec<ContainerSummary>, DockerError> {
    let filters = HashMap::from([("label".to_owned(), labels)]);
    let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
    maker.engine.call(DockerOperation::List, |docker| async move { docker.list_containers(Some(options)).await }).await
}

/// Removes runner volumes of other versions, and this version's when `own` is set. One that is in use stays.
pub(super) async fn sweep_volumes(maker: &Maker, own: bool) -> Result<(), DockerError> {
    // By name, not by label: Docker makes a volume without one when a worker that stops has removed it under another
    // one's next sandbox.
    let filters = HashMap::from([("name".to_owned(), vec![VOLUME_PREFIX.to_owned()])]);
    let options = ListVolumesOptionsBuilder::default().filters(&filters).build();
    let found = maker
        .engine
        .call(DockerOperation::List, |docker| async move { docker.list_volumes(Some(options)).await })
        .await?;
    for volume in found.volumes.unwrap_or_default() {
        let ours = volume.name == maker.runner_volume;
        if !is_runner_volume(&volume.name) || (ours && !own) {
            continue;
        }
        let name = volume.name.as_str();
        let removed = maker
            .engine
            .call(DockerOperation::Volume, |docker| async move {
                docker.remove_volume(name, None::<RemoveVolumeOptions>).await
            })
            .await;
        match removed {
            // In use by another worker, or gone already.
            Err(error) if error.is_conflict() || error.is_not_found() => {}
            Err(error) => tracing::warn!("the volume `{name}` could not be removed: {error}"),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn is_garbage(container: &ContainerSummary, epoch: &str, now_unix_seconds: i64) -> bool {
    let ours = container.labels.as_ref().and_then(|labels| labels.get(LABEL_EPOCH)).is_some_and(|found| found == epoch);
    let old = container.created.is_some_and(|created| now_unix_seconds - created > OLD_SECONDS);
    match container.state {
        // Our own are the reaper's, unless a call that was given up left one that it does not know of.
        Some(ContainerSummaryStateEnum::EXITED | ContainerSummaryStateEnum::DEAD) => !ours || old,
        Some(ContainerSummaryStateEnum::CREATED) => old,
        _ => false,
    }
}

fn name(container: &ContainerSummary) -> Option<String> {
    container.names.as_ref()?.first().map(|name| name.trim_start_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(state: ContainerSummaryStateEnum, epoch: &str, created: i64) -> ContainerSummary {
        ContainerSummary {
            state: Some(state),
            created: Some(created),
            labels: Some(HashMap::from([(LABEL_EPOCH.to_owned(), epoch.to_owned())])),
            ..ContainerSummary::default()
        }
    }

    #[test]
    fn an_exited_sandbox_of_another_life_is_garbage_and_a_running_one_is_not() {
        use ContainerSummaryStateEnum::{CREATED, DEAD, EXITED, RUNNING};
        for (state, epoch, created, garbage) in [
            (EXITED, "old", 0, true),
            (DEAD, "old", 0, true),
            (RUNNING, "old", 0, false),
            (CREATED, "old", 0, true),
            (CREATED, "old", 990, false),
            (EXITED, "mine", 990, false),
            (EXITED, "mine", 0, true),
            (CREATED, "mine", 990, false),
            (CREATED, "mine", 0, true),
            (RUNNING, "mine", 0, false),
        ] {
            assert_eq!(
                is_garbage(&container(state, epoch, created), "mine", 1_000),
                garbage,
                "{state:?} {epoch} {created}"
            );
        }
    }
}
