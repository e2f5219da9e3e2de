//! The runner's way into any image: a named volume, filled once, mounted read-only into every sandbox.
//!
//! The runner's bytes are in this binary. Docker's archive call cannot write into a running sandbox with a read-only
//! root, but it can write into a volume of a container that was created and never started.

use std::io::Read as _;

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, MountVolumeOptions, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::TryStreamExt as _;

use super::engine::DockerError;
use super::hardening::RUNNER_MOUNT;
use super::launch::Maker;
use crate::telemetry::labels::DockerOperation;

/// The runner, as build.rs made it.
const RUNNER: &[u8] = include_bytes!(env!("TESTER_RUNNER_PATH"));

/// SHA-256 of [`RUNNER`].
const RUNNER_SHA256: &str = env!("TESTER_RUNNER_SHA256");

/// How often filling is tried, when the volume goes away meanwhile.
const ATTEMPTS_MAX: u32 = 3;

/// Where the runner lies inside its volume.
const RUNNER_IN_VOLUME: &str = "bin/tester-runner";

/// The name says what is inside, so two versions of the worker never share a volume.
pub(super) fn volume_name() -> String {
    let digest = RUNNER_SHA256;
    #[cfg(feature = "without-walls")]
    let digest = super::without::volume_digest(digest);
    format!("{VOLUME_PREFIX}{digest}")
}

/// Every runner volume's name begins with this.
pub(super) const VOLUME_PREFIX: &str = "tester-runner-";

/// Makes sure that the volume is there and holds exactly this worker's runner.
///
/// Returns the name of the container it was filled through. The caller removes it once a sandbox uses the volume:
/// until then it is what keeps another worker that stops from taking the volume away.
///
/// # Errors
/// [`DockerError`]; no container is left then, unless Docker cannot remove it either.
pub(super) async fn ensure(maker: &Maker, image_id: &str) -> Result<String, DockerError> {
    let request = VolumeCreateRequest {
        name: Some(maker.runner_volume.clone()),
        labels: Some(maker.labels()),
        ..VolumeCreateRequest::default()
    };
    maker.engine.call(DockerOperation::Volume, |docker| async move { docker.create_volume(request).await }).await?;
    let mut attempt = 1;
    loop {
        let name = maker.next_name();
        let error = match fill_and_verify(maker, &name, image_id).await {
            Ok(()) => return Ok(name),
            Err(error) => error,
        };
        if let Err(second) = maker.remove(&name).await {
            tracing::warn!("the container `{name}` is left to the next start: {second}");
        }
        // Another worker that stops may take the volume away while it is being filled: Docker lets a removal pass that
        // began before this worker's container was there.
        if attempt == ATTEMPTS_MAX || !matches!(error, DockerError::RunnerVolume { .. }) {
            return Err(error);
        }
        attempt += 1;
    }
}

/// Whether a volume is a runner's: the prefix and a SHA-256, and nothing else. Other volumes are not ours to touch.
pub(super) fn is_runner_volume(name: &str) -> bool {
    let digest = name.strip_prefix(VOLUME_PREFIX).unwrap_or_default();
    digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit())
}

async fn fill_and_verify(maker: &Maker, name: &str, image_id: &str) -> Result<(), DockerError> {
    create_filler(maker, name, image_id).await?;
    if stored_runner(maker, name).await?.as_deref() == Some(RUNNER) {
        return Ok(());
    }
    let archive = archive().map_err(|error| broken(maker, format!("its archive cannot be made: {error}")))?;
    let options = UploadToContainerOptionsBuilder::default().path(RUNNER_MOUNT).build();
    maker
        .engine
        .call(DockerOperation::Upload, |docker| async move {
            docker.upload_to_container(name, Some(options), bollard::body_full(archive)).await
        })
        .await?;
    match stored_runner(maker, name).await? {
        Some(stored) if stored == RUNNER => Ok(()),
        Some(stored) => Err(broken(maker, format!("{} bytes that are not its own, after it was filled", stored.len()))),
        None => Err(broken(maker, "it is empty after it was filled".to_owned())),
    }
}

fn broken(maker: &Maker, reason: String) -> DockerError {
    DockerError::RunnerVolume { volume: maker.runner_volume.clone(), reason }
}

/// A container that is never started: it only lends the archive call a path into the volume.
async fn create_filler(maker: &Maker, name: &str, image_id: &str) -> Result<(), DockerError> {
    let mount = Mount {
        typ: Some(MountType::VOLUME),
        source: Some(maker.runner_volume.clone()),
        target: Some(RUNNER_MOUNT.to_owned()),
        volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        ..Mount::default()
    };
    let body = ContainerCreateBody {
        image: Some(image_id.to_owned()),
        entrypoint: Some(vec!["/never-started".to_owned()]),
        network_disabled: Some(true),
        labels: Some(maker.labels()),
        host_config: Some(HostConfig {
            network_mode: Some("none".to_owned()),
            mounts: Some(vec![mount]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    maker
        .engine
        .call(DockerOperation::Create, |docker| async move { docker.create_container(Some(options), body).await })
        .await?;
    Ok(())
}

/// The runner in the volume; `None` when there is none.
async fn stored_runner(maker: &Maker, name: &str) -> Result<Option<Vec<u8>>, DockerError> {
    let path = format!("{RUNNER_MOUNT}/{RUNNER_IN_VOLUME}");
    let options = DownloadFromContainerOptionsBuilder::default().path(&path).build();
    let read = maker
        .engine
        .call(DockerOperation::Volume, |docker| async move {
            // Never more than a little beyond our own runner, whatever lies in the volume.
            let limit = RUNNER.len() + 65_536;
            docker
                .download_from_container(name, Some(options))
                .try_fold(Vec::new(), |mut all, chunk| async move {
                    if all.len() <= limit {
                        all.extend_from_slice(&chunk);
                    }
                    Ok(all)
                })
                .await
        })
        .await;
    let bytes = match read {
        Err(error) if error.is_not_found() => return Ok(None),
        other => other?,
    };
    let mut archive = tar::Archive::new(bytes.as_slice());
    let Some(Ok(mut entry)) = archive.entries().ok().and_then(|mut entries| entries.next()) else { return Ok(None) };
    let mut stored = Vec::new();
    match entry.read_to_end(&mut stored) {
        Ok(_length) => Ok(Some(stored)),
        Err(_cut_short) => Ok(None),
    }
}

/// The volume's content: a folder that only root may enter, and the runner in it.
fn archive() -> std::io::Result<Bytes> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut folder = tar::Header::new_ustar();
    folder.set_entry_type(tar::EntryType::Directory);
    folder.set_mode(mode(0o700));
    folder.set_size(0);
    builder.append_data(&mut folder, "bin/", std::io::empty())?;
    let mut file = tar::Header::new_ustar();
    file.set_entry_type(tar::EntryType::Regular);
    file.set_mode(mode(0o500));
    file.set_size(u64::try_from(RUNNER.len()).map_err(std::io::Error::other)?);
    builder.append_data(&mut file, RUNNER_IN_VOLUME, RUNNER)?;
    builder.into_inner().map(Bytes::from)
}

#[cfg(not(feature = "without-walls"))]
const fn mode(bits: u32) -> u32 {
    bits
}

#[cfg(feature = "without-walls")]
use super::without::volume_mode as mode;

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::domain::job::JobDigest;

    #[test]
    fn the_embedded_runner_is_a_static_program_with_the_digest_it_is_named_by() {
        assert_eq!(RUNNER.get(..4), Some(b"\x7fELF".as_slice()));
        let digest = JobDigest(Sha256::digest(RUNNER).into());
        assert_eq!(digest.to_string(), RUNNER_SHA256);
        let interpreter = RUNNER.windows(15).any(|window| window == b"/lib64/ld-linux");
        assert!(!interpreter, "the runner must not need a dynamic loader: images need not have one");
    }

    #[test]
    fn only_a_volume_that_is_named_by_a_digest_is_a_runners() {
        assert!(is_runner_volume(&volume_name()));
        for name in ["tester-runner-", "tester-runner-data", "runner", &format!("x{}", volume_name())] {
            assert!(!is_runner_volume(name), "{name}");
        }
    }

    #[test]
    fn only_root_may_enter_the_runners_folder() {
        let bytes = archive().unwrap();
        let mut archive = tar::Archive::new(bytes.as_ref());
        let modes: Vec<(String, u32)> = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.path().unwrap().display().to_string(), entry.header().mode().unwrap()))
            .collect();
        assert_eq!(modes, [("bin/".to_owned(), 0o700), ("bin/tester-runner".to_owned(), 0o500)]);
    }
}
