//! What the kernel counted during a run.

use nix::sys::resource::{UsageWho, getrusage};
use tester_runner::PROTOCOL_VERSION;
use tester_runner::message::{MemoryPeakSource, Ready};

use super::cgroup::{self, Counter};

/// The counters, open.
pub(super) struct Evidence {
    cpu: Option<Counter>,
    throttled: Option<Counter>,
    memory_peak: Option<Counter>,
    oom_kills: Option<Counter>,
    pids_limit_hits: Option<Counter>,
}

/// The counters that only grow, at one moment. One that cannot be read is 0, and named in `Ready`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// CPU time in nanoseconds.
    pub(super) cpu: u64,
    /// Throttled time in nanoseconds.
    pub(super) throttled: u64,
    /// Kills for memory.
    pub(super) oom_kills: u64,
    /// Refused forks.
    pub(super) pids_limit_hits: u64,
}

impl Counts {
    /// What was counted since an earlier moment.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            throttled: self.throttled.saturating_sub(earlier.throttled),
            oom_kills: self.oom_kills.saturating_sub(earlier.oom_kills),
            pids_limit_hits: self.pids_limit_hits.saturating_sub(earlier.pids_limit_hits),
        }
    }
}

impl Evidence {
    /// Opens what there is.
    pub(super) fn open() -> Self {
        Self {
            cpu: Counter::open(cgroup::CPU),
            throttled: Counter::open(cgroup::THROTTLED),
            memory_peak: Counter::open(cgroup::MEMORY_PEAK),
            oom_kills: Counter::open(cgroup::OOM_KILLS),
            pids_limit_hits: Counter::open(cgroup::PIDS_HITS),
        }
    }

    /// The message that says what there is.
    pub(super) fn ready(&self) -> Ready {
        let missing = [
            ("cpu_seconds", self.cpu.is_none()),
            ("cpu_throttled_seconds", self.throttled.is_none()),
            ("memory_peak_bytes", self.memory_peak.is_none()),
            ("oom_kills", self.oom_kills.is_none()),
            ("pids_limit_hits", self.pids_limit_hits.is_none()),
        ];
        Ready {
            version: PROTOCOL_VERSION,
            cgroup: cgroup::version(),
            missing: missing.iter().filter(|(_, missing)| *missing).map(|(name, _)| (*name).to_owned()).collect(),
        }
    }

    /// CPU time in nanoseconds now.
    pub(super) fn cpu(&self) -> u64 {
        read(self.cpu.as_ref())
    }

    /// All growing counters now.
    pub(super) fn counts(&self) -> Counts {
        Counts {
            cpu: self.cpu(),
            throttled: read(self.throttled.as_ref()),
            oom_kills: read(self.oom_kills.as_ref()),
            pids_limit_hits: read(self.pids_limit_hits.as_ref()),
        }
    }

    /// Peak memory in bytes. The group's high-water mark cannot be reset from inside, so it speaks for the first run only.
    /// Later ones have the largest resident set of the main process and of those it waited for, and of any other that set
    /// a record since `record_before`.
    pub(super) fn memory_peak(&self, first_run: bool, main: u64, record_before: u64) -> (u64, MemoryPeakSource) {
        match self.memory_peak.as_ref().filter(|_| first_run).and_then(Counter::read) {
            Some(bytes) => (bytes, MemoryPeakSource::Cgroup),
            None => (peak_of_later_run(main, record_before, record_bytes()), MemoryPeakSource::Rusage),
        }
    }
}

/// The kernel keeps the record of all processes ever waited for; one that was broken was broken by this run.
fn peak_of_later_run(main: u64, record_before: u64, record: u64) -> u64 {
    if record > record_before { record } else { main }
}

fn read(counter: Option<&Counter>) -> u64 {
    counter.and_then(Counter::read).unwrap_or(0)
}

/// The largest resident set among all processes that PID 1 ever waited for, which the kernel counts in KiB.
pub(super) fn record_bytes() -> u64 {
    getrusage(UsageWho::RUSAGE_CHILDREN)
        .ok()
        .and_then(|usage| u64::try_from(usage.max_rss()).ok())
        .map_or(0, |kibibytes| kibibytes.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_counted_during_the_run_counts() {
        let before = Counts { cpu: 10, throttled: 5, oom_kills: 1, pids_limit_hits: 7 };
        let after = Counts { cpu: 25, throttled: 5, oom_kills: 3, pids_limit_hits: 7 };
        assert_eq!(after.since(before), Counts { cpu: 15, throttled: 0, oom_kills: 2, pids_limit_hits: 0 });
    }

    #[test]
    fn what_an_earlier_run_used_is_not_blamed_on_a_later_one() {
        assert_eq!(peak_of_later_run(5, 100, 100), 5);
        assert_eq!(peak_of_later_run(5, 100, 120), 120);
    }

    #[test]
    fn a_counter_that_went_away_counts_nothing_rather_than_too_much() {
        let before = Counts { cpu: 10, ..Counts::default() };
        assert_eq!(Counts::default().since(before), Counts::default());
    }
}
