//! The runner's own hostile programs: they find what is there, and they are confined like any other.

use std::time::Duration;

use serde::de::DeserializeOwned;
use tester_runner::found::{self, Made, STUBBORN, Surroundings, Touched};
use tester_runner::message::{Cause, Exit, Probe, Start};

use crate::harness::{Options, Run, Sandbox, start};

const MIB: u64 = 1_048_576;

fn probe(probe: Probe) -> Start {
    // The words are never executed: no image has such a program.
    Start { probe: Some(probe), ..start(&["no-such-program"]) }
}

fn lines<T: DeserializeOwned>(run: &Run) -> Vec<T> {
    run.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_probe_sees_what_a_program_sees_and_is_refused_what_a_program_is_refused() {
    let run = Sandbox::new().run(&probe(Probe::Surroundings), &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Exited, Some(Exit::Code(0))), "{}", run.err());
    assert!(run.started);
    let found: Surroundings = lines(&run).pop().unwrap();
    assert_eq!(found.descriptors, [0, 1, 2]);
    assert_eq!(found.devices, ["lo"]);
    let status = |name: &str| found.status[name].as_str();
    assert_eq!(status("Uid"), "20001\t20001\t20001\t20001");
    assert_eq!((status("Groups"), status("NoNewPrivs"), status("Seccomp")), ("", "1", "2"));
    assert_eq!((status("CapEff"), status("CapBnd")), ("0000000000000000", "00000000000000e0"));
    assert_eq!(found.oom_score, "1000");
    assert_eq!(found.limits["core"], (Some(0), Some(0)));
    assert_eq!(found.limits["open_files"], (Some(256), Some(256)));
    assert_eq!((found.folders["/box"].bytes, found.folders["/box"].files), (16 * MIB, 1024));
}

#[test]
fn only_the_scratch_folders_can_be_written_and_no_attempt_comes_to_anything() {
    let found: Surroundings = lines(&Sandbox::new().run(&probe(Probe::Surroundings), &[], b"")).pop().unwrap();
    let root = found.mounts.iter().find(|mount| mount.point == "/").unwrap();
    assert!(root.options.contains(&"ro".to_owned()) && root.create != found::DONE, "{root:?}");
    let writable: Vec<_> =
        found.mounts.iter().filter(|mount| mount.create == found::DONE).map(|mount| mount.point.as_str()).collect();
    assert_eq!(writable.len(), 3, "{writable:?}");
    for place in ["/box", "/tmp", "/dev/shm"] {
        assert!(writable.contains(&place), "{writable:?}");
    }
    assert!(found.attempts.len() > 40);
    // These walls are the worker's: they are not among the command line's options.
    let not_here = ["open /dev/ptmx", "open /dev/pts/ptmx", "read /proc/interrupts"];
    for (what, came) in found.attempts.iter().filter(|(what, _)| !not_here.contains(&what.as_str())) {
        assert!(came != found::DONE && came != found::TIMED_OUT, "{what}: {came}");
        println!("{what}: {came}");
    }
}

#[test]
fn a_network_is_seen_and_a_way_out_is_found() {
    // As Docker is by default: a bridge.
    let mut sandbox = Sandbox::with(&Options { network: "bridge", ..Options::default() });
    let found: Surroundings = lines(&sandbox.run(&probe(Probe::Surroundings), &[], b"")).pop().unwrap();
    assert_eq!(found.devices.len(), 2, "{:?}", found.devices);
    for what in ["tcp 192.0.2.1", "tcp 169.254.169.254"] {
        assert_ne!(found.attempts[what], "ENETUNREACH");
    }
    assert_eq!(found.attempts["udp 192.0.2.1"], found::DONE);
}

#[test]
fn memory_is_touched_until_the_kernel_ends_it_and_every_chunk_is_told() {
    let mut sandbox = Sandbox::with(&Options { memory: "64m", ..Options::default() });
    let run = sandbox.run(&probe(Probe::Memory { most_bytes: 200 * MIB }), &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Exited, Some(Exit::Signal(9))));
    assert_eq!(run.ended.oom_kills, 1);
    let touched: Vec<Touched> = lines(&run);
    assert_eq!(touched.first().unwrap().bytes, 4 * MIB);
    let last = touched.last().unwrap();
    assert!(last.bytes > 40 * MIB && last.bytes <= 64 * MIB, "{last:?}");
    // And where there is enough, it ends by itself.
    let run = sandbox.run(&probe(Probe::Memory { most_bytes: 8 * MIB }), &[], b"");
    assert_eq!(run.ended.exit, Some(Exit::Code(0)));
    assert_eq!(lines::<Touched>(&run).last().unwrap().bytes, 8 * MIB);
}

#[test]
fn threads_are_made_until_the_limit_refuses_one() {
    let mut sandbox = Sandbox::with(&Options { pids: "21", ..Options::default() });
    let run = sandbox.run(&probe(Probe::Processes { most: 100 }), &[], b"");
    assert_eq!(lines::<Made>(&run), [Made { threads: 20, refused: Some("EAGAIN".to_owned()) }]);
    assert!(run.ended.pids_limit_hits > 0 && run.ended.clean);
    let run = sandbox.run(&probe(Probe::Processes { most: 10 }), &[], b"");
    assert_eq!(lines::<Made>(&run), [Made { threads: 10, refused: None }]);
}

#[test]
fn the_flood_is_the_one_that_the_worker_knows() {
    let flood = Start { stdout_bytes: 100_000, ..probe(Probe::Output) };
    let run = Sandbox::new().run(&flood, &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Stdout, Some(Exit::Signal(9))));
    assert_eq!(run.stdout, found::flood(0).take(100_000).collect::<Vec<_>>());
}

#[test]
fn spinning_ends_at_the_cpu_limit() {
    let spin = Start { cpu_milliseconds: 200, ..probe(Probe::CpuTime { threads: 2 }) };
    let run = Sandbox::new().run(&spin, &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Cpu, Some(Exit::Signal(9))));
    assert!(run.ended.cpu_nanoseconds >= 200_000_000);
}

#[test]
fn a_tree_that_takes_no_signal_and_forks_on_is_gone_at_its_wall_limit() {
    let mut sandbox = Sandbox::new();
    let tree = Start { wall_milliseconds: 1000, ..probe(Probe::Kill) };
    let run = sandbox.run(&tree, &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Wall, Some(Exit::Signal(9))), "{}", run.err());
    // The root, three that stay, and one that comes and goes.
    let stood = run.out().lines().filter(|line| *line == STUBBORN).count();
    assert!(stood > 5, "{stood}");
    assert!(run.ended.processes_killed >= 3 && run.ended.clean, "{:?}", run.ended);
    assert!(Duration::from_nanos(run.ended.kill_nanoseconds) < Duration::from_secs(1), "{:?}", run.ended);
    assert_eq!(sandbox.host_pids().len(), 1);
}
