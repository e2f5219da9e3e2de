//! How much memory a configuration may need, and how many sandboxes beyond the floor a host has room for: the sum of
//! docs/operations.md, "Size". Nowhere else is one of its numbers written down; a test holds the page to them.

use super::blueprint::{RUNNER_MEMORY_BYTES, TEMPLATE_MEMORY_BYTES};
use crate::config::model::{Config, Profile};
use crate::domain::limits::Limits;

/// Bytes of a MiB.
pub(super) const MIB: u64 = 1_048_576;

/// A container beside the job in it: its shim and its runner, in MiB.
const CONTAINER_MIB: u64 = 15;

/// An interpreter that waits for its program, in MiB.
const INTERPRETER_MIB: u64 = 8;

/// The same with pytest in it, in MiB.
const PYTEST_INTERPRETER_MIB: u64 = 25;

/// The worker, with large results and job bodies for a moment, in MiB.
const WORKER_MIB: u64 = 150;

/// Docker and the system, in MiB.
const SYSTEM_MIB: u64 = 350;

/// What a configuration may need of its host's memory, in MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// With `warm` sandboxes and a job in each slot, at the most that jobs may ask for.
    floor_mib: u64,
    /// Each sandbox more that is kept ready, of the profile where it costs most.
    extra_mib: u64,
}

impl Size {
    /// The size of this configuration.
    pub fn of(config: &Config) -> Self {
        let slots = whole(config.worker.slots);
        let profiles = || config.profiles.values();
        let job = profiles().map(job_mib).max().unwrap_or(0);
        let warm =
            profiles().map(|profile| whole(profile.warm).saturating_mul(CONTAINER_MIB + interpreter_mib(profile)));
        let floor_mib = warm
            .fold(slots.saturating_mul(job.saturating_add(CONTAINER_MIB)), u64::saturating_add)
            .saturating_add(WORKER_MIB + SYSTEM_MIB);
        let extra_mib = CONTAINER_MIB + profiles().map(interpreter_mib).max().unwrap_or(0);
        Self { floor_mib, extra_mib }
    }

    /// The most that is needed while so many sandboxes are kept beyond the floor.
    pub fn with_extras_mib(self, extras: usize) -> u64 {
        self.floor_mib.saturating_add(self.extra_mib.saturating_mul(whole(extras)))
    }

    /// How many of `most` sandboxes fit beside the floor; `None` where the floor itself does not.
    pub fn extras_within(self, memory_mib: u64, most: usize) -> Option<usize> {
        let room = memory_mib.checked_sub(self.floor_mib)?;
        Some(usize::try_from(room / self.extra_mib).map_or(most, |fitting| fitting.min(most)))
    }

    /// The sum as docs/operations.md has it.
    pub fn formula() -> String {
        let runner = RUNNER_MEMORY_BYTES / MIB;
        let both = (RUNNER_MEMORY_BYTES + TEMPLATE_MEMORY_BYTES) / MIB;
        format!(
            "slots × (memory limit + {runner})              running jobs, at the most that a profile lets a job ask for \
             ({both} and not {runner} with `preload`)\n\
             + (all warm + extra_max + slots) × {CONTAINER_MIB}    each container: its shim 13.5 MB, its runner 1.6 MiB\n\
             + (warm with preload + extra_max) × {INTERPRETER_MIB}    each waiting interpreter; {PYTEST_INTERPRETER_MIB} \
             with pytest in it\n\
             + {WORKER_MIB}                                the worker: below 40 with default limits, large results and job \
             bodies more for a moment\n\
             + {SYSTEM_MIB}                                Docker and the system (look at yours)\n"
        )
    }
}

/// The container of the largest job that a profile takes, its compiler included.
fn job_mib(profile: &Profile) -> u64 {
    let own = Limits::default().overlaid(&profile.limits);
    let compiler = own.overlaid(&profile.compile_limits).memory_bytes;
    let job = profile.limits_max.memory_bytes.unwrap_or(own.memory_bytes).max(compiler);
    let template = if profile.is_warm() { TEMPLATE_MEMORY_BYTES } else { 0 };
    job.saturating_add(RUNNER_MEMORY_BYTES + template).div_ceil(MIB)
}

fn interpreter_mib(profile: &Profile) -> u64 {
    match profile.preload.iter().any(|module| module.split('.').next() == Some("pytest")) {
        true => PYTEST_INTERPRETER_MIB,
        false if profile.is_warm() => INTERPRETER_MIB,
        false => 0,
    }
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, load_from};

    fn config() -> Config {
        let environment = Environment { host_name: "host".to_owned(), ..Environment::default() };
        load_from(None, &environment).unwrap().config
    }

    #[test]
    fn a_job_counts_with_the_most_it_may_ask_for_and_a_compiler_too() {
        let mut config = config();
        config.profiles.retain(|name, _| name == "python");
        config.worker.slots = 1;
        let python = config.profiles.get_mut("python").unwrap();
        (python.warm, python.limits_max.memory_bytes) = (0, None);
        assert_eq!(Size::of(&config), Size { floor_mib: 256 + 16 + 15 + 500, extra_mib: 15 });
        config.profiles.get_mut("python").unwrap().limits_max.memory_bytes = Some(512 * MIB + 1);
        assert_eq!(Size::of(&config).floor_mib, 513 + 16 + 15 + 500);
        config.profiles.get_mut("python").unwrap().compile_limits.memory_bytes = Some(1024 * MIB);
        assert_eq!(Size::of(&config).floor_mib, 1024 + 16 + 15 + 500);
    }

    #[test]
    fn what_waits_counts_with_its_interpreter_and_what_is_extra_with_the_largest() {
        let mut config = config();
        for profile in config.profiles.values_mut() {
            profile.limits_max.memory_bytes = None;
        }
        // Two of python without, one of pytest with its interpreter; both slots may have a job of pytest's.
        let floor_mib = 2 * (256 + 48 + 15) + 2 * 15 + (15 + 25) + 500;
        assert_eq!(Size::of(&config), Size { floor_mib, extra_mib: 40 });
        config.profiles.get_mut("python").unwrap().preload = vec!["json".to_owned()];
        assert_eq!(Size::of(&config), Size { floor_mib: floor_mib + 2 * 8, extra_mib: 40 });
    }

    #[test]
    fn as_many_extras_fit_as_the_memory_has_room_for_and_none_where_the_floor_does_not() {
        let size = Size { floor_mib: 1000, extra_mib: 40 };
        for (memory_mib, most, fitting) in [
            (999, 2, None),
            (1000, 2, Some(0)),
            (1039, 2, Some(0)),
            (1040, 2, Some(1)),
            (1080, 2, Some(2)),
            (u64::MAX, 2, Some(2)),
            (5000, 1000, Some(100)),
            (5000, 0, Some(0)),
        ] {
            assert_eq!(size.extras_within(memory_mib, most), fitting, "{memory_mib} MiB, {most}");
            if let Some(fitting) = fitting {
                assert!(size.with_extras_mib(fitting) <= memory_mib);
            }
        }
    }

    #[test]
    fn no_configuration_overflows() {
        let mut config = config();
        (config.worker.slots, config.pool.extra_max) = (usize::MAX, usize::MAX);
        config.profiles.get_mut("python").unwrap().limits_max.memory_bytes = Some(u64::MAX);
        assert_eq!(Size::of(&config).extras_within(u64::MAX - 1, 1), None);
        assert_eq!(Size::of(&config).with_extras_mib(usize::MAX), u64::MAX);
    }
}
