//! The program's three standard streams.

use tester_runner::frame::Kind;
use tester_runner::message::{Cause, Exit};

use crate::harness::{Sandbox, python, start};

#[test]
fn the_standard_streams_can_be_opened_again_by_name() {
    let script = "echo one > /dev/stdout; echo two > /dev/stderr; echo three > /proc/self/fd/1; cat /dev/stdin";
    let run = Sandbox::new().run(&start(&["sh", "-c", script]), &[], b"four\n");
    assert_eq!((run.out().as_str(), run.err().as_str()), ("one\nthree\nfour\n", "two\n"));
}

#[test]
fn a_program_that_reads_no_stdin_still_lets_all_of_it_pass() {
    let input = vec![b'x'; 1_000_000];
    let mut sandbox = Sandbox::new();
    let run = sandbox.run(&start(&["sh", "-c", "exec 0<&-; sleep 0.5; echo done"]), &[], &input);
    assert_eq!((run.out().as_str(), run.ended.exit), ("done\n", Some(Exit::Code(0))));
}

#[test]
fn credit_comes_back_although_nothing_else_happens() {
    let mut sandbox = Sandbox::new();
    sandbox.launch(&start(&["sh", "-c", "exec cat > /dev/null"]), &[]);
    for _ in 0..20 {
        sandbox.send(Kind::Stdin, &[b'x'; 1000]);
        let mut given = 0;
        while given < 1000 {
            let Some((Kind::StdinCredit, credit)) = sandbox.next() else { panic!("no credit") };
            given += u32::from_be_bytes(credit.try_into().unwrap());
        }
    }
    assert_eq!(sandbox.finish(b"").ended.exit, Some(Exit::Code(0)));
}

#[test]
fn stdin_that_nobody_reads_does_not_hold_up_the_end() {
    let run = Sandbox::new().run(&start(&["sleep", "0.2"]), &[], &vec![b'x'; 60_000]);
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Exited, Some(Exit::Code(0))));
}

#[test]
fn stdin_without_an_end_stays_open() {
    let mut sandbox = Sandbox::new();
    let mut reader = start(&["cat"]);
    reader.wall_milliseconds = 400;
    sandbox.launch(&reader, &[]);
    assert_eq!(sandbox.finish_unfed().ended.cause, Cause::Wall);
}

#[test]
fn a_program_that_closes_its_output_runs_on() {
    let program =
        b"import os, time\nprint('before', flush=True)\nos.close(1)\nos.close(2)\ntime.sleep(0.3)\nos._exit(7)";
    let run = Sandbox::new().run(&python(), &[("main.py", program)], b"");
    assert_eq!((run.out().as_str(), run.ended.exit), ("before\n", Some(Exit::Code(7))));
}

#[test]
fn a_broken_pipe_ends_a_program_as_anywhere_else() {
    let script = "yes | head -n 1; trap - PIPE; kill -PIPE $$";
    let run = Sandbox::new().run(&start(&["sh", "-c", script]), &[], b"");
    assert_eq!((run.out().as_str(), run.ended.exit), ("y\n", Some(Exit::Signal(13))));
}

#[test]
fn output_written_just_before_the_end_is_not_lost() {
    let mut sandbox = Sandbox::new();
    for _ in 0..10 {
        let run = sandbox.run(&start(&["sh", "-c", "head -c 60000 /dev/zero; echo end >&2; kill -9 $$"]), &[], b"");
        assert_eq!((run.stdout.len(), run.err().as_str()), (60_000, "end\n"));
    }
}

#[test]
fn a_program_cannot_forge_a_frame() {
    let program = b"import os, struct\n\
        frame = struct.pack('>BI', 22, 2) + b'{}'\n\
        os.write(1, frame)\n\
        for number in range(3, 1024):\n\
        \x20   try: os.write(number, frame); print('wrote to', number)\n\
        \x20   except OSError: pass\n\
        for path in ('/proc/1/fd/0', '/proc/1/fd/1', '/proc/1/fd/2', '/proc/1/root/tester/x', '/tester/report'):\n\
        \x20   try: os.open(path, os.O_WRONLY); print('opened', path)\n\
        \x20   except OSError: pass";
    let run = Sandbox::new().run(&python(), &[("main.py", program)], b"");
    assert_eq!(run.stdout, [&[22, 0, 0, 0, 2], b"{}".as_slice()].concat());
    assert_eq!(run.ended.exit, Some(Exit::Code(0)));
}
