//! How programs end, and that everything else ends with them.

use std::time::{Duration, SystemTime};

use tester_runner::frame::Kind;
use tester_runner::message::{Cause, Exit};

use crate::harness::{Options, Sandbox, job, python, start};

#[test]
fn exit_codes_and_signals_are_told_apart() {
    let mut sandbox = Sandbox::new();
    for (script, exit) in [
        ("exit 0", Exit::Code(0)),
        ("exit 3", Exit::Code(3)),
        ("exit 137", Exit::Code(137)),
        ("kill -TERM $$", Exit::Signal(15)),
        ("kill -KILL $$", Exit::Signal(9)),
        ("kill -SEGV $$", Exit::Signal(11)),
        // A real-time signal has no name.
        ("kill -40 $$", Exit::Signal(40)),
        // Whatever a program does to everything it may signal, the runner lives.
        ("sleep 1000 & kill -KILL -1", Exit::Code(0)),
    ] {
        let run = sandbox.run(&start(&["sh", "-c", script]), &[], b"");
        assert_eq!((run.ended.cause, run.ended.exit), (Cause::Exited, Some(exit)), "{script}");
        assert!(run.started && run.ended.clean);
    }
}

#[test]
fn a_program_that_cannot_be_executed_is_a_launch_error_with_its_reason() {
    let mut sandbox = Sandbox::new();
    let long = "x".repeat(200_000);
    for (argv, errno) in [
        (vec!["no-such-program"], 2),
        (vec!["/box/data.txt"], 13),
        (vec!["/box"], 13),
        (vec!["/bin/echo", long.as_str()], 7),
        (vec!["/bin/echo", "a\0b"], 22),
        (vec![""], 2),
    ] {
        let run = sandbox.run(&start(&argv), &[("data.txt", b"no program")], b"");
        let error = run.ended.launch_error.expect("a launch error");
        assert_eq!((error.step.as_str(), error.errno), ("exec", errno), "{}", error.message);
        assert_eq!((run.ended.cause, run.ended.exit), (Cause::Launch, None));
        assert!(!run.started && run.ended.clean);
    }
}

#[test]
fn a_limit_that_cannot_be_set_names_the_step() {
    let mut limited = start(&["true"]);
    limited.open_files = u64::MAX / 2;
    let run = Sandbox::new().run(&limited, &[], b"");
    assert_eq!(run.ended.cause, Cause::Launch);
    assert_eq!(run.ended.launch_error.unwrap().step, "open_files");
}

#[test]
fn a_daemon_that_detached_itself_dies_with_the_run_and_nobody_waits_for_it() {
    let program = b"import os, time\n\
        if os.fork() == 0:\n\
        \x20   os.setsid()\n\
        \x20   if os.fork() == 0:\n\
        \x20       print('daemon', flush=True)\n\
        \x20       time.sleep(1000)\n\
        \x20   os._exit(0)\n\
        os.wait()\n\
        time.sleep(0.2)";
    let mut sandbox = Sandbox::new();
    let run = sandbox.run(&python(), &[("main.py", program)], b"");
    assert_eq!(run.out(), "daemon\n");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Exited, Some(Exit::Code(0))));
    assert_eq!(run.ended.processes_killed, 1);
    assert!(run.ended.wall_nanoseconds < 10_000_000_000);
    assert_eq!(sandbox.host_pids().len(), 1);
}

#[test]
fn a_fork_bomb_is_held_by_the_limit_and_leaves_nothing() {
    let program = b"import os, signal\n\
        for n in range(1, 65):\n\
        \x20   try: signal.signal(n, signal.SIG_IGN)\n\
        \x20   except (OSError, ValueError): pass\n\
        while True:\n\
        \x20   try:\n\
        \x20       if os.fork() == 0: os.setsid()\n\
        \x20   except OSError: pass";
    let mut sandbox = Sandbox::with(&Options { pids: "40", ..Options::default() });
    let mut bomb = python();
    bomb.wall_milliseconds = 1500;
    let run = sandbox.run(&bomb, &[("main.py", program)], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Wall, Some(Exit::Signal(9))));
    assert!(run.ended.pids_limit_hits > 0);
    // 40 are allowed, the runner and the main process among them; a fork may have been under way.
    assert!((37..=39).contains(&run.ended.processes_killed), "{:?}", run.ended);
    assert!(run.ended.clean);
    assert_eq!(sandbox.host_pids().len(), 1);
}

#[test]
fn a_stopped_program_meets_its_wall_limit() {
    let mut stopped = start(&["sh", "-c", "kill -STOP $$"]);
    stopped.wall_milliseconds = 300;
    let run = Sandbox::new().run(&stopped, &[], b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Wall, Some(Exit::Signal(9))));
    assert!(run.ended.clean);
}

#[test]
fn cancelling_ends_the_run_and_keeps_its_output() {
    let mut sandbox = Sandbox::new();
    sandbox.launch(&start(&["sh", "-c", "echo partial; sleep 1000"]), &[]);
    assert_eq!(sandbox.next(), Some((Kind::Stdout, b"partial\n".to_vec())));
    sandbox.send(Kind::Cancel, b"");
    let run = sandbox.finish(b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Cancelled, Some(Exit::Signal(9))));
    // What was still under way for the run before does no harm to the next.
    sandbox.send(Kind::Cancel, b"");
    sandbox.send(Kind::Stdin, b"late");
    assert_eq!(sandbox.run(&start(&["cat"]), &[], b"new").out(), "new");
}

#[test]
fn cancelling_while_the_files_come_means_that_nothing_ran() {
    let mut sandbox = Sandbox::new();
    sandbox.send_start(&start(&["true"]));
    let tar = job(&[("main.py", &vec![b'x'; 100_000])]);
    sandbox.send(Kind::Tar, &tar[..50_000]);
    sandbox.send(Kind::Cancel, b"");
    let Some((Kind::Ended, ended)) = sandbox.next() else { panic!("no end") };
    let ended: tester_runner::message::Ended = serde_json::from_slice(&ended).unwrap();
    assert_eq!((ended.cause, ended.exit), (Cause::Cancelled, None));
    assert_eq!(sandbox.run(&start(&["ls", "-A", "/box"]), &[], b"").out(), "");
}

#[test]
fn the_end_of_stdin_kills_everything_and_ends_the_container() {
    let mut sandbox = Sandbox::new();
    let script = "trap '' TERM HUP INT; sleep 1000 & sleep 1000 & echo up; wait";
    sandbox.launch(&start(&["sh", "-c", script]), &[]);
    assert_eq!(sandbox.next(), Some((Kind::Stdout, b"up\n".to_vec())));
    let pids = sandbox.host_pids();
    assert_eq!(pids.len(), 4);
    assert_eq!(sandbox.hang_up(), "0");
}

#[test]
fn the_end_of_stdin_ends_an_idle_runner_and_one_that_unpacks() {
    assert_eq!(Sandbox::new().hang_up(), "0");
    let mut sandbox = Sandbox::new();
    sandbox.send_start(&start(&["true"]));
    sandbox.send(Kind::Tar, b"half");
    assert_eq!(sandbox.hang_up(), "0");
}

#[test]
fn stopping_the_container_takes_no_grace_period() {
    let mut sandbox = Sandbox::new();
    sandbox.launch(&start(&["sleep", "1000"]), &[]);
    let began = SystemTime::now();
    sandbox.docker(&["stop", "--time", "30", &sandbox.name]);
    assert!(began.elapsed().unwrap() < Duration::from_secs(15));
    assert_eq!(sandbox.docker(&["wait", &sandbox.name]), "0");
}
