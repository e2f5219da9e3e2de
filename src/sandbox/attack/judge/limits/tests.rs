//! Each limit kept, broken, and without the counter that it needs.

use tester_runner::message::{Fault, LaunchError};

use super::super::super::samples::{print, reported as report, session};
use super::*;

const NOTHING_MISSING: &[String] = &[];

fn missing(name: &str) -> Vec<String> {
    vec![name.to_owned()]
}

fn held(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Held(_))
}

#[track_caller]
fn broken(verdict: &Verdict, says: &str) {
    let Verdict::Broken(seen) = verdict else { panic!("{verdict:?}") };
    assert!(seen.contains(says), "{seen}");
}

fn killed(ended: &mut Ended, cause: Cause) {
    (ended.cause, ended.exit) = (cause, Some(SIGKILL));
}

#[test]
fn an_endless_output_is_cut_at_the_limit_and_the_first_bytes_are_kept() {
    let flood = |bytes: u64, cause: Cause| {
        let mut session = report(|ended| killed(ended, cause), "");
        session.stdout = found::flood(0).take(usize::try_from(bytes).unwrap()).collect();
        session
    };
    assert!(held(&output(&flood(FLOOD_BYTES, Cause::Stdout))));
    broken(&output(&flood(FLOOD_BYTES - 1, Cause::Stdout)), "65535 bytes were kept");
    broken(&output(&flood(FLOOD_BYTES, Cause::Wall)), "ended by Wall");
    let mut other = flood(FLOOD_BYTES, Cause::Stdout);
    other.stdout[70] = 0;
    broken(&output(&other), "and not the first");
}

#[test]
fn processes_are_refused_at_the_limit_and_counted() {
    let made = |threads: u64, refused: &str, hits: u64| {
        report(|ended| ended.pids_limit_hits = hits, &format!("{{\"threads\":{threads},\"refused\":{refused}}}\n"))
    };
    let print = print();
    assert!(held(&processes(&made(print.processes, "\"EAGAIN\"", 1), &print, NOTHING_MISSING)));
    broken(&processes(&made(print.processes + 1, "\"EAGAIN\"", 1), &print, NOTHING_MISSING), "51 processes and not 50");
    broken(&processes(&made(print.processes + 16, "null", 0), &print, NOTHING_MISSING), "66 processes");
    broken(&processes(&made(7, "null", 0), &print, NOTHING_MISSING), "none was refused");
    let uncounted = made(print.processes, "\"EAGAIN\"", 0);
    broken(&processes(&uncounted, &print, NOTHING_MISSING), "not counted");
    assert!(held(&processes(&uncounted, &print, &missing(PIDS_LIMIT_HITS))), "the counter is named elsewhere");
    broken(&processes(&report(|_| (), ""), &print, NOTHING_MISSING), "before it could say");
}

#[test]
fn cpu_time_is_limited_by_the_counter_and_cannot_be_without_it() {
    let spun = |cause: Cause, milliseconds: u64| {
        let spun = |ended: &mut Ended| {
            killed(ended, cause);
            ended.cpu_nanoseconds = milliseconds * 1_000_000;
        };
        report(spun, "")
    };
    assert!(held(&cpu_time(&spun(Cause::Cpu, CPU_MILLISECONDS), NOTHING_MISSING)));
    broken(&cpu_time(&spun(Cause::Wall, CPU_MILLISECONDS + 1), NOTHING_MISSING), "ended by Wall");
    let starved = cpu_time(&spun(Cause::Wall, CPU_MILLISECONDS - 1), NOTHING_MISSING);
    assert!(matches!(starved, Verdict::NotAttacked(_)), "slowness of the host is no hole, and no proof: {starved:?}");
    broken(&cpu_time(&spun(Cause::Cpu, CPU_MILLISECONDS), &missing(CPU_SECONDS)), "does not count");
}

#[test]
fn the_quota_is_what_the_time_that_passed_gives() {
    let spun = |cpu: u64, wall: u64| {
        let times = |ended: &mut Ended| {
            (ended.cpu_nanoseconds, ended.wall_nanoseconds) = (cpu * 1_000_000, wall * 1_000_000);
        };
        report(times, "")
    };
    let print = print();
    assert!(held(&cpu_quota(&spun(150, 300), &print, NOTHING_MISSING)));
    assert!(held(&cpu_quota(&spun(150, 9000), &print, NOTHING_MISSING)), "a busy host gives less");
    broken(&cpu_quota(&spun(150, 75), &print, NOTHING_MISSING), "more than 0.5 CPUs");
    broken(&cpu_quota(&spun(150, 150), &print, NOTHING_MISSING), "more than 0.5 CPUs");
    let uncounted = cpu_quota(&spun(0, 75), &print, &missing(CPU_SECONDS));
    assert!(matches!(uncounted, Verdict::NotAttacked(_)));
}

#[test]
fn the_wall_limit_is_the_runners_and_not_early() {
    let slept = |cause: Cause| report(|ended| killed(ended, cause), "");
    assert!(held(&wall_time(&slept(Cause::Wall), 200)));
    broken(&wall_time(&slept(Cause::Wall), 400), "after 300 ms");
    broken(&wall_time(&slept(Cause::Exited), 200), "ended by Exited");
    broken(&wall_time(&session(End::Overdue { started: true }, ""), 200), "did not report in time");
}

#[test]
fn a_stubborn_tree_is_dead_or_the_wall_is_broken_and_a_slow_host_is_asked_again() {
    let tree = |stood: usize, change: fn(&mut Ended)| {
        let wall = |ended: &mut Ended| {
            killed(ended, Cause::Wall);
            change(ended);
        };
        report(wall, &"stubborn\n".repeat(stood))
    };
    let print = print();
    assert!(held(&kill(&tree(5, |_| ()), &print).unwrap()));
    assert_eq!(kill(&tree(4, |_| ()), &print), None, "not all of it was there yet");
    let few = Blueprint { processes: 2, ..print };
    assert!(held(&kill(&tree(2, |_| ()), &few).unwrap()), "and no more could be");
    broken(&kill(&tree(9, |ended| ended.clean = false), &print).unwrap(), "lived on");
    broken(&kill(&tree(9, |ended| ended.cause = Cause::Exited), &print).unwrap(), "ended by itself");
    broken(&kill(&tree(9, |ended| ended.exit = Some(Exit::Code(1))), &print).unwrap(), "the root");
    let mut alone = tree(1, |_| ());
    alone.stdout.extend_from_slice(format!("{NO_TREE}\n").as_bytes());
    assert!(matches!(kill(&alone, &print), Some(Verdict::CannotBeGiven(_))));
    broken(&kill(&session(End::Lost, ""), &print).unwrap(), "before it could report");
}

fn memory_probe(touched: u64, swapped: u64, exit: Exit, oom_kills: u64) -> Session {
    let line = format!("{{\"bytes\":{touched},\"swapped_bytes\":{swapped}}}\n{{\"bytes\":9");
    report(|ended| (ended.exit, ended.oom_kills) = (Some(exit), oom_kills), &line)
}

#[test]
fn memory_ends_with_a_kill_that_was_counted() {
    let print = print();
    let within = print.memory_bytes;
    assert!(held(&memory(&memory_probe(within, 0, SIGKILL, 1), &print, NOTHING_MISSING)));
    broken(
        &memory(&memory_probe(within * 2, 0, Exit::Code(0), 0), &print, NOTHING_MISSING),
        "512 MiB and was not killed",
    );
    broken(&memory(&memory_probe(within, 0, SIGKILL, 0), &print, NOTHING_MISSING), "no OOM kill");
    broken(&memory(&memory_probe(within, 0, SIGKILL, 1), &print, &missing(OOM_KILLS)), "does not count OOM kills");
    broken(&memory(&session(End::Lost, ""), &print, NOTHING_MISSING), "before it could report");
}

#[test]
fn swap_is_seen_in_the_process_or_in_what_could_be_touched() {
    let print = print();
    let all = u64::try_from(hardening::container_memory_bytes(&print)).unwrap();
    assert!(held(&swap(&memory_probe(all, 0, SIGKILL, 1), &print)));
    broken(&swap(&memory_probe(all, 4096, SIGKILL, 1), &print), "4096 bytes of a probe were swapped out");
    broken(&swap(&memory_probe(all + 1, 0, SIGKILL, 1), &print), "could be touched");
    let unlimited = memory_probe(all * 2, 0, Exit::Code(0), 0);
    assert!(held(&swap(&unlimited, &print)), "that is the wall of the memory, which has fallen");
}

#[test]
fn whatever_came_in_the_place_of_a_report_breaks_each_of_them() {
    let print = print();
    let fault = Fault { step: "reset".to_owned(), message: "cannot empty /box".to_owned(), from_job: false };
    let error = LaunchError { step: "seccomp".to_owned(), errno: 1, message: "refused".to_owned() };
    let refused = report(|ended| ended.launch_error = Some(error), "");
    for (refused, says) in [(session(End::Fault(fault), ""), "cannot empty /box"), (refused, "`seccomp`")] {
        broken(&output(&refused), says);
        broken(&processes(&refused, &print, NOTHING_MISSING), says);
        broken(&cpu_time(&refused, NOTHING_MISSING), says);
        broken(&cpu_quota(&refused, &print, NOTHING_MISSING), says);
        broken(&wall_time(&refused, 200), says);
        broken(&kill(&refused, &print).unwrap(), says);
        broken(&memory(&refused, &print, NOTHING_MISSING), says);
        broken(&swap(&refused, &print), says);
    }
}
