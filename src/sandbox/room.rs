//! Room for sandboxes beyond the floor: what the configuration allows, as far as the Engine's host has memory for it.

use bollard::models::SystemInfo;

use super::engine::{DockerError, Engine};
use super::pauses::{next_attempt, sleep_until};
use super::pool::Shared;
use super::size::{MIB, Size};
use crate::ports::diagnosis::Finding;
use crate::telemetry::labels::DockerOperation;

/// Lets the pools keep so many sandboxes beyond their floors, all of them together.
pub(super) fn allow(shared: &Shared, extras: usize) {
    shared.extras.add_permits(extras);
    shared.metrics.pool_extra_max(extras);
}

/// Asks the Engine for its host's memory, as soon as it answers, and then lets the pools have as many extra sandboxes as fit.
/// Until then they keep what they always keep: without an Engine there are none anyway.
pub(super) async fn open(shared: Shared, size: Size, extra_max: usize) {
    let mut retry = None;
    let extras = loop {
        match ask(&shared.maker.engine).await {
            Ok(info) => break fitting(memory_mib(&info), size, extra_max),
            Err(error) if error.is_outage() => {
                let next = next_attempt(retry);
                sleep_until(Some(next.0)).await;
                retry = Some(next);
            }
            // Something between may answer for the Engine, and not this.
            Err(error) => {
                tracing::info!("the host's memory is not known, so pool.extra_max is taken as it is: {error}");
                break extra_max;
            }
        }
    };
    allow(&shared, extras);
}

/// What the Engine says of its host.
pub(super) async fn ask(engine: &Engine) -> Result<SystemInfo, DockerError> {
    engine.call(DockerOperation::Ping, |docker| async move { docker.info().await }).await
}

fn memory_mib(info: &SystemInfo) -> Option<u64> {
    let bytes = info.mem_total.and_then(|bytes| u64::try_from(bytes).ok())?;
    (bytes > 0).then_some(bytes / MIB)
}

/// How many extra sandboxes there may be, told where it is not what was configured.
fn fitting(memory_mib: Option<u64>, size: Size, extra_max: usize) -> usize {
    let Some(memory_mib) = memory_mib else {
        tracing::info!("Docker does not say how much memory its host has, so pool.extra_max is taken as it is");
        return extra_max;
    };
    let Some(extras) = size.extras_within(memory_mib, extra_max) else {
        let floor_mib = size.with_extras_mib(0);
        tracing::warn!(
            "Docker's host has {memory_mib} MiB, but this configuration may need {floor_mib} MiB; no sandbox is kept beyond `warm`"
        );
        return 0;
    };
    if extras < extra_max {
        let needed_mib = size.with_extras_mib(extra_max);
        tracing::info!(
            "pool.extra_max is {extras} and not {extra_max}: Docker's host has {memory_mib} MiB, and {needed_mib} MiB may be needed"
        );
    }
    extras
}

/// What `doctor` says of it.
pub(super) fn finding(info: &SystemInfo, size: Size, extra_max: usize) -> Finding {
    const NAME: &str = "memory";
    let Some(memory_mib) = memory_mib(info) else {
        let text = "Docker does not say how much memory its host has".to_owned();
        return Finding::doubtful(NAME, text, "reckon yourself: docs/operations.md, Size");
    };
    let needed_mib = size.with_extras_mib(extra_max);
    match size.extras_within(memory_mib, extra_max) {
        None => {
            let text = format!("{memory_mib} MiB, but this configuration may need {}", size.with_extras_mib(0));
            let hint = "lower worker.slots, limits_max.memory_bytes or warm of the profiles (docs/operations.md, Size)";
            Finding::doubtful(NAME, text, hint)
        }
        Some(extras) if extras < extra_max => {
            let text = format!(
                "{memory_mib} MiB, but with pool.extra_max = {extra_max} this configuration may need {needed_mib}: {extras} is used"
            );
            Finding::doubtful(NAME, text, "lower pool.extra_max, or what jobs may ask for (docs/operations.md, Size)")
        }
        Some(_) => Finding::good(NAME, format!("{memory_mib} MiB, of which this configuration may need {needed_mib}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load_from};
    use crate::ports::diagnosis::Colour;

    #[test]
    fn what_fits_is_green_and_what_does_not_says_what_would() {
        let environment = Environment { host_name: "host".to_owned(), ..Environment::default() };
        let config = load_from(None, &environment).unwrap().config;
        let size = Size::of(&config);
        let floor = size.with_extras_mib(0);
        let both = size.with_extras_mib(2);
        for (memory, colour, extras, says) in [
            (None, Colour::Yellow, 2, "does not say"),
            (Some(floor - 1), Colour::Yellow, 0, "may need"),
            (Some(floor), Colour::Yellow, 0, "0 is used"),
            (Some(both - 1), Colour::Yellow, 1, "1 is used"),
            (Some(both), Colour::Green, 2, "of which"),
        ] {
            let bytes = memory.map(|mib| i64::try_from(mib * MIB + 1).unwrap());
            let info = SystemInfo { mem_total: bytes, ..SystemInfo::default() };
            assert_eq!((memory_mib(&info), fitting(memory, size, 2)), (memory, extras));
            let found = finding(&info, size, 2);
            assert!(found.colour == colour && found.text.contains(says), "{found:?}");
            assert_eq!(found.hint.is_some(), colour != Colour::Green);
        }
        let none = SystemInfo { mem_total: Some(0), ..SystemInfo::default() };
        assert_eq!(memory_mib(&none), None);
    }
}
