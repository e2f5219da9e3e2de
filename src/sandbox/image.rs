//! What must be known of an image before a sandbox is made of it.

use std::collections::BTreeMap;

use super::engine::{DockerError, Engine};

/// An image as it was found: pinned by its id, so that a tag that moves changes no sandbox halfway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageFacts {
    /// The id, `sha256:…`: what sandboxes are created from.
    pub(super) id: String,
    /// What results show: the registry digest where there is one, else the id.
    pub(super) digest: String,
    /// The image's environment.
    pub(super) env: BTreeMap<String, String>,
    /// Folders that the image declares as volumes; each would stay writable under a read-only root.
    pub(super) volumes: Vec<String>,
}

/// Looks at an image.
pub(super) async fn inspect(engine: &Engine, image: &str) -> Result<ImageFacts, DockerError> {
    let found =
        engine.call("inspect the sandbox image", |docker| async move { docker.inspect_image(image).await }).await;
    let found = match found {
        Err(error) if error.is_not_found() => return Err(DockerError::ImageNotFound { image: image.to_owned() }),
        other => other?,
    };
    let id = found.id.ok_or_else(|| DockerError::ImageNotFound { image: image.to_owned() })?;
    let digest = found
        .repo_digests
        .unwrap_or_default()
        .first()
        .and_then(|name| name.split_once('@'))
        .map_or_else(|| id.clone(), |(_name, digest)| digest.to_owned());
    let config = found.config.unwrap_or_default();
    let env = config
        .env
        .unwrap_or_default()
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(ImageFacts { id, digest, env, volumes: config.volumes.unwrap_or_default() })
}
