//! What `doctor` says about Docker: the daemon, the images, and one real sandbox of every profile.

use std::sync::Arc;

use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::blueprint::Blueprint;
use super::engine::{DockerError, Engine};
use super::image;
use super::launch::Maker;
use super::leftovers;
use super::runner_volume;
use crate::config::model::Config;
use crate::domain::limits::Limits;
use crate::ports::diagnosis::Finding;
use crate::telemetry::labels::DockerOperation;
use crate::telemetry::metrics::Metrics;

/// The evidence without which CPU time cannot be limited.
const CPU_EVIDENCE: &str = "cpu_seconds";

/// Looks at everything a sandbox needs. Makes one sandbox a profile and removes it again.
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
    findings.push(host(&engine).await);
    let tasks = TaskTracker::new();
    let maker = Maker::new(engine, &config.worker.id, epoch, &config.docker.runtime, tasks);
    for (name, profile) in &config.profiles {
        let limits = Limits::default().overlaid(&profile.limits);
        let name = format!("profile {name}");
        findings.push(match trial(&maker, &profile.image, Blueprint::new(&limits)).await {
            Ok((text, missing)) if missing.is_empty() => Finding::good(&name, text),
            Ok((text, missing)) if missing.iter().any(|name| name == CPU_EVIDENCE) => {
                let text = format!("{text}, without the evidence {}", missing.join(", "));
                Finding::bad(&name, text, "no CPU limit can be enforced: the sandbox must see its cpuacct or cpu.stat")
            }
            Ok((text, missing)) => {
                let text = format!("{text}, without the evidence {}", missing.join(", "));
                Finding::doubtful(&name, text, "this kernel or runtime does not count it; results show 0 there")
            }
            Err(error) => Finding::bad(&name, error.to_string(), hint(&error)),
        });
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

async fn host(engine: &Engine) -> Finding {
    match engine.call(DockerOperation::Ping, |docker| async move { docker.info().await }).await {
        Err(error) => Finding::bad("host", error.to_string(), "look at the daemon's log (journalctl -u docker)"),
        Ok(info) => {
            let cgroup = info.cgroup_version.map_or_else(|| "unknown".to_owned(), |version| format!("v{version}"));
            let security = info.security_options.unwrap_or_default().join(", ");
            let text = format!("cgroup {cgroup}, runtime {}, {security}", info.default_runtime.unwrap_or_default());
            let missing: Vec<&str> = [
                ("memory limits", info.memory_limit),
                ("process limits", info.pids_limit),
                ("CPU quotas", info.cpu_cfs_quota),
            ]
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
    }
}

/// Makes one sandbox, hears its runner, removes it.
async fn trial(maker: &Maker, image_name: &str, print: Blueprint) -> Result<(String, Vec<String>), DockerError> {
    let facts = Arc::new(image::inspect(&maker.engine, image_name).await?);
    let filler = runner_volume::ensure(maker, &facts.id).await?;
    let name = maker.next_name();
    let began = tokio::time::Instant::now();
    let made = maker.make(&name, print, Arc::clone(&facts), Arc::new(Notify::new())).await;
    let took = began.elapsed();
    let missing = made.map(|sandbox| sandbox.missing_evidence);
    let removed = maker.remove(&name).await.and(maker.remove(&filler).await);
    let missing = missing?;
    removed?;
    Ok((format!("{image_name} ({}), a sandbox in {:.2} s", facts.digest, took.as_secs_f64()), missing))
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
    }
}
