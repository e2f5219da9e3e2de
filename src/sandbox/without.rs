//! A sandbox without one wall, in a build for tests only: see `tester_runner::walls`.
//!
//! What the machine itself could not bear to be without is not taken away but moved far off.

use std::time::Duration;

use bollard::models::{ContainerCreateBody, ContainerUpdateBody, HostConfig};
use tester_runner::BOX_DIR;
use tester_runner::walls::{VARIABLE, Wall, asked};

use super::engine::DockerError;

/// Memory without the wall `memory`: sixteen times the default, and not all that the machine has.
const FAR_MEMORY_BYTES: i64 = 4 << 30;

/// Where pseudo-terminals would be.
const TERMINALS: &str = "/dev/pts";

/// Processes without the wall `processes`.
const FAR_PROCESSES: i64 = 1_000;

/// Whether a wall is taken away.
pub(super) fn is_anything_gone() -> bool {
    !matches!(asked(), Ok(None))
}

/// The container without the wall that is taken away.
///
/// # Errors
/// There is no wall of that name.
pub(super) fn container(body: ContainerCreateBody) -> Result<ContainerCreateBody, DockerError> {
    let Some(wall) = asked().map_err(|reason| DockerError::Runner { reason })? else { return Ok(body) };
    let mut body = body;
    // The rest is the runner's.
    body.env = Some(vec![format!("{VARIABLE}={}", wall.name())]);
    if wall == Wall::Network {
        body.network_disabled = Some(false);
    }
    body.host_config = body.host_config.map(|host| host_config(host, wall));
    Ok(body)
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the other walls stand elsewhere")]
fn host_config(mut host: HostConfig, wall: Wall) -> HostConfig {
    match wall {
        Wall::Network => host.network_mode = Some("bridge".to_owned()),
        Wall::ReadOnlyRoot => host.readonly_rootfs = Some(false),
        Wall::ImageVolumes => {
            if let Some(tmpfs) = &mut host.tmpfs {
                tmpfs.retain(|place, options| place == TERMINALS || !options.starts_with("ro,"));
            }
        }
        Wall::Capabilities => (host.cap_drop, host.cap_add) = (None, None),
        Wall::NoNewPrivileges => host.security_opt = None,
        Wall::Memory => (host.memory, host.memory_swap) = (Some(FAR_MEMORY_BYTES), Some(FAR_MEMORY_BYTES)),
        Wall::Swap => host.memory_swap = host.memory.map(|bytes| 2 * bytes),
        Wall::Processes => host.pids_limit = Some(FAR_PROCESSES),
        Wall::CpuQuota => host.cpu_quota = None,
        Wall::ScratchSize => strip(&mut host, &[BOX_DIR, "/tmp"], "size="),
        Wall::ScratchFiles => strip(&mut host, &[BOX_DIR, "/tmp", "/dev/shm"], "nr_inodes="),
        Wall::SharedMemory => strip(&mut host, &["/dev/shm"], "size="),
        Wall::PseudoTerminals => {
            if let Some(tmpfs) = &mut host.tmpfs {
                tmpfs.remove(TERMINALS);
            }
        }
        Wall::CoreDumps => {
            if let Some(ulimits) = &mut host.ulimits {
                ulimits.retain(|limit| limit.name.as_deref() != Some("core"));
            }
        }
        Wall::ProcMasks => (host.masked_paths, host.readonly_paths) = (Some(Vec::new()), Some(Vec::new())),
        _ => {}
    }
    host
}

/// Takes an option from the mounts of these folders.
fn strip(host: &mut HostConfig, places: &[&str], option: &str) {
    let mounts = host.tmpfs.iter_mut().flatten();
    for (_, options) in mounts.filter(|(place, _)| places.contains(&place.as_str())) {
        let left: Vec<&str> = options.split(',').filter(|found| !found.starts_with(option)).collect();
        *options = left.join(",");
    }
}

/// A change of limits that puts no wall up again.
pub(super) fn update(mut body: ContainerUpdateBody) -> ContainerUpdateBody {
    match asked() {
        Ok(Some(Wall::Memory)) => (body.memory, body.memory_swap) = (None, None),
        Ok(Some(Wall::Swap)) => body.memory_swap = body.memory.map(|bytes| 2 * bytes),
        Ok(Some(Wall::Processes)) => body.pids_limit = None,
        Ok(Some(Wall::CpuQuota)) => body.cpu_quota = None,
        _ => {}
    }
    body
}

/// The worker's own deadline, which stands behind the runner's.
pub(super) fn wall_limit(limit: Duration) -> Duration {
    if asked() == Ok(Some(Wall::WallTime)) { Duration::from_hours(1) } else { limit }
}

/// The digest that names the runner volume: another one where its modes are others.
pub(super) fn volume_digest(digest: &str) -> String {
    if asked() == Ok(Some(Wall::RunnerHidden)) { digest.chars().rev().collect() } else { digest.to_owned() }
}

/// The mode of what the runner volume holds.
pub(super) fn volume_mode(mode: u32) -> u32 {
    if asked() == Ok(Some(Wall::RunnerHidden)) { 0o755 } else { mode }
}
