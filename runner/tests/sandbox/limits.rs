//! Every limit, with its own cause and its own evidence.

use std::time::Duration;

use tester_runner::frame::Kind;
use tester_runner::message::{Cause, Exit};

use crate::harness::{Options, Sandbox, python, start};

const KIB: u64 = 1024;

#[test]
fn the_wall_limit_ends_a_program_that_sleeps_and_costs_no_cpu() {
    let mut sleeper = start(&["sleep", "1000"]);
    sleeper.wall_milliseconds = 500;
    let run = Sandbox::new().run(&sleeper, &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Wall, Some(Exit::Signal(9))));
    let wall = Duration::from_nanos(run.ended.wall_nanoseconds);
    assert!(wall >= Duration::from_millis(500) && wall < Duration::from_secs(2), "{wall:?}");
    assert!(Duration::from_nanos(run.ended.cpu_nanoseconds) < Duration::from_millis(300));
}

#[test]
fn the_cpu_limit_counts_the_whole_process_tree() {
    let mut spinner = start(&["sh", "-c", "for i in 1 2 3; do (while :; do :; done) & done; wait"]);
    spinner.cpu_milliseconds = 600;
    let run = Sandbox::new().run(&spinner, &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Cpu, Some(Exit::Signal(9))));
    assert_eq!(run.ended.processes_killed, 3);
    let cpu = Duration::from_nanos(run.ended.cpu_nanoseconds);
    assert!(cpu >= Duration::from_millis(600) && cpu < Duration::from_millis(1200), "{cpu:?}");
}

#[test]
fn under_a_spent_quota_the_deadline_still_holds() {
    let mut sandbox = Sandbox::with(&Options { cpu_quota: "10000", ..Options::default() });
    let script = "n=0; while [ $n -lt 48 ]; do (while :; do :; done) & n=$((n+1)); done; wait";
    let mut spinners = start(&["sh", "-c", script]);
    spinners.wall_milliseconds = 1500;
    spinners.cpus_milli = 500;
    let run = sandbox.run(&spinners, &[], b"");
    assert_eq!(run.ended.cause, Cause::Wall);
    // How many it got to start depends on the machine.
    assert!(run.ended.processes_killed > 0);
    assert!(run.ended.throttled_nanoseconds > 0);
    let late = Duration::from_nanos(run.ended.wall_nanoseconds).saturating_sub(Duration::from_millis(1500));
    let kill = Duration::from_nanos(run.ended.kill_nanoseconds);
    println!("killed and reaped {late:?} after the deadline; killing took {kill:?}");
    assert!(late < Duration::from_secs(1), "{late:?}");
}

#[test]
fn processes_that_come_and_go_as_fast_as_they_can_are_all_caught() {
    let program = b"import os\n\
        for _ in range(8): os.fork()\n\
        while True:\n\
        \x20   try:\n\
        \x20       if os.fork(): os._exit(0)\n\
        \x20   except OSError: pass";
    let mut churn = python();
    churn.wall_milliseconds = 1500;
    let mut sandbox = Sandbox::new();
    let run = sandbox.run(&churn, &[("main.py", program)], b"");
    assert!(run.ended.clean);
    assert_eq!(sandbox.host_pids().len(), 1);
    assert!(Duration::from_nanos(run.ended.wall_nanoseconds) < Duration::from_secs(3));
}

#[test]
fn exactly_the_limit_of_output_is_fine() {
    let mut exact = start(&["head", "-c", "100000", "/dev/zero"]);
    exact.stdout_bytes = 100_000;
    let run = Sandbox::new().run(&exact, &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Exited, Some(Exit::Code(0))));
    assert_eq!(run.stdout.len(), 100_000);
}

#[test]
fn one_byte_more_is_over_the_limit_whoever_is_faster() {
    let mut sandbox = Sandbox::new();
    for _ in 0..10 {
        let mut over = start(&["head", "-c", "100001", "/dev/zero"]);
        over.stdout_bytes = 100_000;
        let run = sandbox.run(&over, &[], b"");
        assert_eq!(run.ended.cause, Cause::Stdout);
        assert_eq!((run.stdout.len(), run.ended.stdout_bytes_total), (100_000, 100_001));
    }
}

#[test]
fn a_flood_keeps_exactly_the_first_bytes_of_each_stream() {
    let mut sandbox = Sandbox::new();
    let mut flood = start(&["yes"]);
    flood.stdout_bytes = 777_777;
    let run = sandbox.run(&flood, &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Stdout, Some(Exit::Signal(9))));
    assert_eq!(run.stdout.len(), 777_777);
    assert!(run.stdout.chunks(2).all(|line| b"y\n".starts_with(line)));
    assert!(run.ended.stdout_bytes_total > 777_777);

    let mut flood = start(&["sh", "-c", "echo quiet; yes >&2"]);
    flood.stderr_bytes = 0;
    let run = sandbox.run(&flood, &[], b"");
    assert_eq!(run.ended.cause, Cause::Stderr);
    assert_eq!((run.out().as_str(), run.stderr.len()), ("quiet\n", 0));
    assert!(run.ended.stderr_bytes_total > 0);
}

#[test]
fn both_streams_flow_side_by_side() {
    let script = "head -c 400000 /dev/zero & head -c 400000 /dev/zero >&2; wait";
    let run = Sandbox::new().run(&start(&["sh", "-c", script]), &[], b"");
    assert_eq!((run.stdout.len(), run.stderr.len()), (400_000, 400_000));
    assert_eq!(run.ended.cause, Cause::Exited);
}

#[test]
fn a_worker_that_does_not_read_holds_back_the_program_but_not_the_deadline() {
    let mut sandbox = Sandbox::new();
    let mut flood = start(&["yes"]);
    flood.stdout_bytes = 1 << 40;
    flood.wall_milliseconds = 700;
    flood.cpu_milliseconds = 60_000;
    sandbox.launch(&flood, &[]);
    // The harness takes a few frames only until somebody asks for more.
    let pids = sandbox.wait_until_alone();
    assert_eq!(pids, 1, "the program is gone although nobody has read its output");
    let run = sandbox.finish_unfed();
    assert_eq!(run.ended.cause, Cause::Wall);
    assert!(Duration::from_nanos(run.ended.wall_nanoseconds) < Duration::from_secs(3));
    assert_eq!(u64::try_from(run.stdout.len()).unwrap(), run.ended.stdout_bytes_total);
}

#[test]
fn memory_beyond_the_limit_is_a_kill_that_the_kernel_counted() {
    let mut sandbox = Sandbox::with(&Options { memory: "64m", ..Options::default() });
    let run = sandbox.run(&python(), &[("main.py", b"x = bytearray(200 * 1024 * 1024)")], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Exited, Some(Exit::Signal(9))));
    assert_eq!(run.ended.oom_kills, 1);
    assert!(run.ended.memory_peak_bytes > 50 * KIB * KIB && run.ended.memory_peak_bytes <= 64 * KIB * KIB);
    assert!(run.ended.clean);
}

#[test]
fn the_runner_outlives_a_program_that_fills_memory_and_scratch() {
    let options = Options { memory: "64m", scratch: "size=48m,nr_inodes=1024", ..Options::default() };
    let mut sandbox = Sandbox::with(&options);
    let program = b"f = open('/box/fill', 'wb')\n\
        try:\n\
        \x20   while True: f.write(bytes(1 << 20)); f.flush()\n\
        except OSError: print('full', flush=True)\n\
        x = bytearray(200 * 1024 * 1024)";
    let mut filling = python();
    filling.file_bytes = 1 << 30;
    let run = sandbox.run(&filling, &[("main.py", program)], b"");
    assert_eq!(run.ended.exit, Some(Exit::Signal(9)));
    assert!(run.ended.oom_kills >= 1);
    assert!(run.ended.clean);
    assert_eq!(sandbox.run(&start(&["echo", "alive"]), &[], b"").out(), "alive\n");
}

#[test]
fn the_limits_of_files_hold() {
    let program = b"import resource\n\
        print(resource.getrlimit(resource.RLIMIT_FSIZE), resource.getrlimit(resource.RLIMIT_NOFILE),\n\
        \x20     resource.getrlimit(resource.RLIMIT_CORE))\n\
        files = []\n\
        try:\n\
        \x20   while True: files.append(open('/dev/null'))\n\
        except OSError as error: print(len(files), error.errno)\n\
        files = None\n\
        try:\n\
        \x20   with open('big', 'wb') as f: f.write(bytes(6000))\n\
        except OSError as error: print(error.errno)";
    let mut limited = python();
    limited.file_bytes = 5000;
    limited.open_files = 20;
    let run = Sandbox::new().run(&limited, &[("main.py", program)], b"");
    assert_eq!(run.out(), "(5000, 5000) (20, 20) (0, 0)\n17 24\n27\n");
}

#[test]
fn a_report_beyond_its_bound_is_cut_and_says_so() {
    let mut sandbox = Sandbox::new();
    let mut reporter = start(&["sh", "-c", "head -c 300000 /dev/zero > /tester/report; echo done"]);
    reporter.report = true;
    reporter.report_bytes_max = 1000;
    let run = sandbox.run(&reporter, &[], b"");
    assert_eq!((run.report.len(), run.ended.report_truncated, run.out().as_str()), (1000, true, "done\n"));
    reporter.report_bytes_max = 300_000;
    let run = sandbox.run(&reporter, &[], b"");
    assert_eq!((run.report.len(), run.ended.report_truncated), (300_000, false));
}

#[test]
fn more_stdin_than_there_was_credit_for_is_a_fault() {
    let mut sandbox = Sandbox::new();
    sandbox.launch(&start(&["sleep", "1000"]), &[]);
    for _ in 0..4 {
        sandbox.send(Kind::Stdin, &vec![0; 60_000]);
    }
    let fault = sandbox.fault();
    assert!(!fault.from_job && fault.message.contains("credit"), "{fault:?}");
}
