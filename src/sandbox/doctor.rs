//! What `doctor` says about Docker: the daemon, the images, and one real sandbox of every profile, attacked.

use std::sync::Arc;

use bollard::models::SystemInfo;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::attack::{self, Tried, Verdict};
use super::blueprint::Blueprint;
use super::engine::{DockerError, Engine};
use super::image;
use super::launch::Maker;
use super::leftovers;
use super::room;
use super::runner_volume;
use super::size::Size;
use crate::config::model::Config;
use crate::domain::limits::Limits;
use crate::ports::diagnosis::Finding;
use crate::telemetry::labels::DockerOperation;
use crate::telemetry::metrics::Metrics;

/// What the kernel does with the memory of a program that crashes; one setting for the whole host, containers included.
const CORE_PATTERN: &str = "/proc/sys/kernel/core_pattern";

/// Looks at everything a sandbox needs. Makes one sandbox a profile, attacks it, and removes it again.
pub async fn examine(config: &Config, epoch: &str) -> Vec<Finding> {
    let engine = Engine::new(&config.docker, Metrics::new(config));
    let mut findings = Vec::new();
    let version = engine.call(DockerOperation::Ping, |docker| async move { docker.version().await }).await;
    match version {
        Ok(version) => {
            let text = format!(
                "Docker {} (API {}) at {}",
                version.version.unwrap_or_default(),
                version.api_version.unwrap_or_default(),
                config.docker.host
            );
            findings.push(Finding::good("docker", text));
        }
        Err(error) => {
            let hint = "start it (systemctl start docker), or set docker.host";
            findings.push(Finding::bad("docker", error.to_string(), hint));
            return findings;
        }
    }
    match room::ask(&engine).await {
        Err(error) => {
            let hint = "look at the daemon's log (journalctl -u docker)";
            findings.push(Finding::bad("host", error.to_string(), hint));
        }
        Ok(info) => {
            let memory = room::finding(&info, Size::of(config), config.pool.extra_max);
            findings.extend([host(info), memory]);
        }
    }
    // The daemon of another machine has another kernel.
    if config.docker.host.starts_with("unix:")
        && let Ok(pattern) = tokio::fs::read_to_string(CORE_PATTERN).await
    {
        findings.push(crash_handler(pattern.trim()));
    }
    let tasks = TaskTracker::new();
    let maker = Maker::new(engine, &config.worker.id, epoch, &config.docker.runtime, tasks);
    for (name, profile) in &config.profiles {
        let limits = Limits::default().overlaid(&profile.limits);
        match trial(&maker, &profile.image, Blueprint::new(&limits)).await {
            Ok((text, tried)) => {
                findings.push(Finding::good(&format!("profile {name}"), text));
                findings.extend(tried.iter().map(|tried| wall(name, tried)));
            }
            Err(error) => findings.push(Finding::bad(&format!("profile {name}"), error.to_string(), hint(&error))),
        }
    }
    // What was made for this look goes again, unless a worker uses it.
    if let Err(error) = leftovers::sweep_volumes(&maker, true).await {
        findings.push(Finding::doubtful(
            "runner volume",
            error.to_string(),
            "it is removed by the next stop of a worker",
        ));
    }
    findings
}

/// A pattern that begins with `|` names a program, which the kernel starts as root and outside of every sandbox for each
/// crash, whatever the crashed program's limit of core files is (core(5)).
fn crash_handler(pattern: &str) -> Finding {
    const NAME: &str = "crash handler";
    if pattern.starts_with('|') {
        let text =
            format!("kernel.core_pattern is `{pattern}`: every program that crashes makes this host run it, as root");
        return Finding::doubtful(NAME, text, "set it to a file's name: sysctl -w kernel.core_pattern=core");
    }
    Finding::good(NAME, format!("none (kernel.core_pattern is `{pattern}`)"))
}

fn host(info: SystemInfo) -> Finding {
    let cgroup = info.cgroup_version.map_or_else(|| "unknown".to_owned(), |version| format!("v{version}"));
    let security = info.security_options.unwrap_or_default().join(", ");
    let text = format!("cgroup {cgroup}, runtime {}, {security}", info.default_runtime.unwrap_or_default());
    let missing: Vec<&str> =
        [("memory limits", info.memory_limit), ("process limits", info.pids_limit), ("CPU quotas", info.cpu_cfs_quota)]
            .into_iter()
            .filter_map(|(name, has)| (has == Some(false)).then_some(name))
            .collect();
    if !missing.is_empty() {
        let text = format!("{text}; the kernel cannot give {}", missing.join(", "));
        return Finding::bad("host", text, "boot with cgroup_enable=memory, or use another kernel");
    }
    if !security.contains("seccomp") {
        return Finding::bad("host", text, "Docker must have seccomp: use a kernel with CONFIG_SECCOMP_FILTER");
    }
    if cgroup == "v1" {
        let hint = "buffers of loopback sockets do not count as a sandbox's memory under cgroup v1; use a host with v2";
        return Finding::doubtful("host", text, hint);
    }
    if info.swap_limit == Some(false) {
        let hint = "swap cannot be limited; turn it off (swapoff -a), or boot with swapaccount=1";
        return Finding::doubtful("host", text, hint);
    }
    Finding::good("host", text)
}

/// Makes one sandbox, attacks its walls, removes it.
async fn trial(maker: &Maker, image_name: &str, print: Blueprint) -> Result<(String, Vec<Tried>), DockerError> {
    let facts = Arc::new(image::inspect(&maker.engine, image_name).await?);
    let filler = runner_volume::ensure(maker, &facts.id).await?;
    let name = maker.next_name();
    let began = Instant::now();
    let made = maker.make(&name, print, Arc::clone(&facts), Arc::new(Notify::new())).await;
    let took = began.elapsed();
    let attacked = match made {
        Ok(mut sandbox) => {
            let began = Instant::now();
            let tried = attack::attack(&mut sandbox, &print, &CancellationToken::new()).await;
            Ok((tried, began.elapsed()))
        }
        Err(error) => Err(error),
    };
    let removed = maker.remove(&name).await.and(maker.remove(&filler).await);
    let (tried, attack) = attacked?;
    removed?;
    let text = format!(
        "{image_name} ({}), a sandbox in {:.2} s, attacked for {:.2} s",
        facts.digest,
        took.as_secs_f64(),
        attack.as_secs_f64()
    );
    Ok((text, tried))
}

/// One wall of one profile.
fn wall(profile: &str, tried: &Tried) -> Finding {
    let name = format!("{profile}: {}", tried.wall);
    match &tried.verdict {
        Verdict::Held(seen) => Finding::good(&name, seen.clone()),
        Verdict::Broken(seen) => Finding::bad(&name, format!("does not hold: {seen}"), tried.wall.mend()),
        Verdict::CannotBeGiven(seen) => Finding::doubtful(&name, format!("cannot be given: {seen}"), tried.wall.mend()),
        Verdict::NotAttacked(seen) => {
            Finding::bad(&name, format!("not attacked: {seen}"), "mend what is red before it, then ask again")
        }
    }
}

const fn hint(error: &DockerError) -> &'static str {
    match error {
        DockerError::ImageNotFound { .. } => "build or pull the image, or change the profile's `image`",
        DockerError::Unreachable { .. } | DockerError::Timeout { .. } => {
            "look at the daemon's log (journalctl -u docker)"
        }
        DockerError::Refused { .. } => "the daemon's words say what is missing; an unknown runtime is docker.runtime",
        DockerError::Runner { .. } => "the sandbox started but the runner did not; try the default runtime",
        DockerError::RunnerVolume { .. } => "remove the volume",
        DockerError::Wall { mend, .. } => mend,
    }
}

#[cfg(test)]
mod tests {
    use super::super::attack::Wall;
    use super::*;
    use crate::ports::diagnosis::Colour;

    #[test]
    fn a_crash_handler_of_the_host_is_named_and_a_file_is_none() {
        assert_eq!(crash_handler("core").colour, Colour::Green);
        let found = crash_handler("|/usr/share/apport/apport %p");
        assert!(found.colour == Colour::Yellow && found.text.contains("apport"), "{found:?}");
    }

    #[test]
    fn every_verdict_has_its_colour_and_what_is_not_green_has_a_hint() {
        let seen = || "what was seen".to_owned();
        for (verdict, colour) in [
            (Verdict::Held(seen()), Colour::Green),
            (Verdict::Broken(seen()), Colour::Red),
            (Verdict::CannotBeGiven(seen()), Colour::Yellow),
            (Verdict::NotAttacked(seen()), Colour::Red),
        ] {
            let found = wall("python", &Tried { wall: Wall::Swap, verdict });
            assert_eq!((found.name.as_str(), found.colour), ("python: swap", colour));
            assert!(found.text.contains("what was seen"));
            assert_eq!(found.hint.is_some(), colour != Colour::Green);
        }
    }
}
