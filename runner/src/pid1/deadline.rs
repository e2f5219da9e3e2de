//! The two clocks of a run: wall time, and CPU time of the whole process tree.
//!
//! CPU time has no timer that covers a process tree, so it is looked at whenever the limit could have been reached at
//! the earliest. A program that sleeps costs one look, one that spins costs a few.

use std::time::Duration;

use tester_runner::message::{Cause, Start};

use crate::clock::Instant;

/// The shortest time between two looks at the CPU time.
const CPU_LOOK_MIN: Duration = Duration::from_millis(5);

/// When the run must end.
#[derive(Debug)]
pub(super) struct Deadlines {
    wall: Instant,
    cpu_limit: Duration,
    cpus_milli: u64,
    next_cpu_look: Instant,
}

impl Deadlines {
    /// The deadlines of a run that is launched now.
    pub(super) fn new(start: &Start, now: Instant) -> Self {
        let cpu_limit = Duration::from_millis(start.cpu_milliseconds);
        let cpus_milli = start.cpus_milli.max(1);
        Self {
            wall: later(now, Duration::from_millis(start.wall_milliseconds)),
            cpu_limit,
            cpus_milli,
            next_cpu_look: later(now, at_the_earliest(cpu_limit, cpus_milli)),
        }
    }

    /// The next moment at which a limit could be reached.
    pub(super) fn next(&self) -> Instant {
        self.wall.min(self.next_cpu_look)
    }

    /// The limit that has been reached, if any; CPU before wall when both are. `cpu` gives the CPU time of the run.
    pub(super) fn reached(&mut self, now: Instant, cpu: impl FnOnce() -> Duration) -> Option<Cause> {
        if now < self.next() {
            return None;
        }
        let used = cpu();
        if used >= self.cpu_limit {
            return Some(Cause::Cpu);
        }
        if now >= self.wall {
            return Some(Cause::Wall);
        }
        self.next_cpu_look = later(now, at_the_earliest(self.cpu_limit.saturating_sub(used), self.cpus_milli));
        None
    }
}

/// How long this much CPU time takes at least when all CPUs that the program may use are busy.
fn at_the_earliest(cpu: Duration, cpus_milli: u64) -> Duration {
    let nanoseconds = cpu.as_nanos().saturating_mul(1000) / u128::from(cpus_milli);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)).max(CPU_LOOK_MIN)
}

/// A moment so far away that the clock cannot say it is as good as in a hundred years.
fn later(now: Instant, after: Duration) -> Instant {
    const FAR: Duration = Duration::from_hours(100 * 365 * 24);
    now.checked_add(after.min(FAR)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadlines(wall_milliseconds: u64, cpu_milliseconds: u64, cpus_milli: u64, now: Instant) -> Deadlines {
        let start = Start {
            uid: 20_000,
            argv: Vec::new(),
            path: String::new(),
            env: Vec::new(),
            wall_milliseconds,
            cpu_milliseconds,
            stdout_bytes: 0,
            stderr_bytes: 0,
            file_bytes: 0,
            open_files: 0,
            report: false,
            report_bytes_max: 0,
            cpus_milli,
            warm: false,
            last: false,
            probe: None,
        };
        Deadlines::new(&start, now)
    }

    const fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn an_idle_program_is_looked_at_once_when_its_cpu_time_could_be_up() {
        let now = Instant::now();
        let mut deadlines = deadlines(10_000, 1000, 500, now);
        assert_eq!(deadlines.next(), now + milliseconds(2000));
        assert_eq!(deadlines.reached(now + milliseconds(2000), || milliseconds(1)), None);
        assert_eq!(deadlines.next(), now + milliseconds(2000 + 1998));
    }

    #[test]
    fn nothing_is_read_before_it_can_matter() {
        let now = Instant::now();
        let mut deadlines = deadlines(10_000, 1000, 1000, now);
        assert_eq!(deadlines.reached(now + milliseconds(999), || panic!("too early")), None);
    }

    #[test]
    fn looks_are_never_closer_than_the_minimum() {
        let now = Instant::now();
        let mut deadlines = deadlines(10_000, 100, 8000, now);
        let look = deadlines.next();
        assert_eq!(deadlines.reached(look, || Duration::from_micros(99_999)), None);
        assert_eq!(deadlines.next(), look + CPU_LOOK_MIN);
    }

    #[test]
    fn each_limit_has_its_own_cause_and_cpu_comes_first() {
        let now = Instant::now();
        let end = now + milliseconds(1000);
        assert_eq!(deadlines(1000, 1000, 1000, now).reached(end, || milliseconds(10)), Some(Cause::Wall));
        assert_eq!(deadlines(5000, 1000, 1000, now).reached(end, || milliseconds(1000)), Some(Cause::Cpu));
        assert_eq!(deadlines(1000, 1000, 1000, now).reached(end, || milliseconds(1000)), Some(Cause::Cpu));
    }

    #[test]
    fn limits_beyond_any_clock_do_not_wrap_around() {
        let now = Instant::now();
        let mut deadlines = deadlines(u64::MAX, u64::MAX, 1, now);
        assert_eq!(deadlines.reached(now + milliseconds(1_000_000), || panic!("never")), None);
    }
}
