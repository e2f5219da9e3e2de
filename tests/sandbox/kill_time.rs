//! How long it takes from a deadline to the result when a program does all it can to stay.

use tester_worker::domain::verdict::{LimitHit, Status};

use crate::job::{Job, Ran};

const RUNS: usize = 11;
const WALL_SECONDS: f64 = 1.0;
const MEDIAN_SECONDS_MAX: f64 = 0.2;

/// Ignores whatever can be ignored, and keeps every place in the table of processes taken: each child forks on.
const DEAF_AND_FORKING: &str = "import os, signal
for number in range(1, 65):
    try: signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True:
    try: os.fork()
    except OSError: pass
";

/// From the deadline to the signed result, in seconds, and no less: the deadline is counted from before the start of the
/// launcher, which this takes for the time at which the sandbox was leased.
fn after_the_deadline(ran: &Ran) -> f64 {
    let timings = ran.0.outcome.timings;
    timings.total_seconds.unwrap() - timings.leased_seconds.unwrap() - WALL_SECONDS
}

#[test]
fn a_program_that_ignores_every_signal_and_forks_without_end_is_gone_in_no_time() {
    let job = Job::python(DEAF_AND_FORKING).limit("wall_seconds", WALL_SECONDS).limit("cpu_seconds", 10);
    let job = job.limit("processes", 50).limit("cpus", 0.5);
    let mut seconds = Vec::new();
    for _ in 0..RUNS {
        let ran = job.run();
        assert_eq!((ran.status(), ran.limit()), (Status::TimeLimit, Some(LimitHit::Wall)), "{:#?}", ran.0.outcome.run);
        let evidence = ran.evidence();
        assert!(evidence.processes_killed > 40, "{evidence:?}");
        let timings = ran.0.outcome.timings;
        println!(
            "{:.3} s after the deadline: start {:.3}, main process dead {:.3} after it, kill {:.3}, {} killed",
            after_the_deadline(&ran),
            timings.started_seconds.unwrap(),
            ran.usage().wall_seconds - WALL_SECONDS,
            evidence.kill_seconds,
            evidence.processes_killed,
        );
        seconds.push(after_the_deadline(&ran));
    }
    seconds.sort_by(f64::total_cmp);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let median = seconds[RUNS / 2];
    println!("median {median:.3} s of {RUNS}, {:.3} to {:.3}; load {load}", seconds[0], seconds[RUNS - 1]);
    assert!(median < MEDIAN_SECONDS_MAX, "median {median} s; load {load}");
}
