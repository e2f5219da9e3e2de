//! A second run in the same sandbox.

use tester_runner::message::{Exit, MemoryPeakSource};

use crate::harness::{Sandbox, python, start};

#[test]
fn the_second_run_finds_nothing_of_the_first() {
    let hide = b"import os, socket\n\
        for top in ('/box', '/tmp', '/dev/shm'):\n\
        \x20   os.makedirs(top + '/locked/inner'); open(top + '/locked/inner/secret', 'w').write('secret')\n\
        \x20   open(top + '/.hidden', 'w').write('secret'); os.symlink('/etc', top + '/link')\n\
        \x20   os.mkfifo(top + '/fifo'); os.mkdir(top + '/.raised-1'); open(top + '/new\\nline', 'w')\n\
        \x20   s = socket.socket(socket.AF_UNIX); s.bind(top + '/socket')\n\
        \x20   os.link(top + '/.hidden', top + '/again'); os.chmod(top + '/locked/inner', 0); os.chmod(top + '/locked', 0)\n\
        print('hidden')";
    let mut sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&python(), &[("main.py", hide)], b"").out(), "hidden\n");
    let mut second = start(&["find", "/box", "/tmp", "/dev/shm", "/dev/mqueue", "-mindepth", "1"]);
    second.uid = 20_002;
    let run = sandbox.run(&second, &[("own.txt", b"mine")], b"");
    assert_eq!((run.out().as_str(), run.err().as_str()), ("/box/own.txt\n", ""));
    assert_eq!(run.ended.memory_peak_source, MemoryPeakSource::Rusage);
    assert!(run.ended.memory_peak_bytes > 0);
    assert_eq!(run.ended.exit, Some(Exit::Code(0)));
}

#[test]
fn folders_nested_deeper_than_any_path_are_removed() {
    // Longer than any path that a call takes (4096 bytes), and not longer than AppArmor can name (8192).
    let nest = b"import os\n\
        for n in range(900): os.mkdir('d' * 7); os.chdir('d' * 7)\n\
        open('bottom', 'w'); os.chmod('.', 0)\n\
        print('nested')";
    let mut sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&python(), &[("main.py", nest)], b"").out(), "nested\n");
    let run = sandbox.run(&start(&["find", "/box", "-mindepth", "1"]), &[], b"");
    assert_eq!(run.out(), "");
}

#[test]
fn every_run_starts_counting_anew() {
    let mut sandbox = Sandbox::new();
    let first = sandbox.run(&python(), &[("main.py", b"for _ in range(10**7): pass")], b"");
    let second = sandbox.run(&start(&["true"]), &[], b"");
    assert!(second.ended.cpu_nanoseconds < first.ended.cpu_nanoseconds / 2);
    assert_eq!(second.ended.stdout_bytes_total, 0);
    assert!(second.ended.wall_nanoseconds < first.ended.wall_nanoseconds);
}

#[test]
fn a_report_pipe_is_there_only_for_a_run_that_asks_for_it() {
    let mut sandbox = Sandbox::new();
    let mut reporter = start(&["sh", "-c", "echo line > /tester/report"]);
    reporter.report = true;
    assert_eq!(sandbox.run(&reporter, &[], b"").report, b"line\n");
    let run = sandbox.run(&start(&["ls", "/tester"]), &[], b"");
    assert_eq!(run.out(), "pytest_driver.py\n");
    assert_eq!(sandbox.run(&reporter, &[], b"").report, b"line\n");
}
