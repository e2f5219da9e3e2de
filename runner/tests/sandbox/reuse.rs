//! A second run in the same sandbox.

use tester_runner::frame::Kind;
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
    let second = start(&["find", "/box", "/tmp", "/dev/shm", "/dev/mqueue", "-mindepth", "1"]);
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

#[test]
fn what_was_left_goes_at_once_and_nothing_can_be_asked_of_it_any_more() {
    let mut sandbox = Sandbox::new();
    let leave = b"open('/box/big', 'wb').write(bytes(8 << 20)); open('/tmp/other', 'w'); print(1)";
    assert_eq!(sandbox.run(&python(), &[("main.py", leave)], b"").out(), "1\n");
    let places = ["exec", &sandbox.name, "find", "/box", "/tmp", "/dev/shm", "-mindepth", "1"].map(str::to_owned);
    let places: Vec<&str> = places.iter().map(String::as_str).collect();
    assert_eq!(sandbox.docker(&places).lines().count(), 3);
    sandbox.reset();
    assert_eq!(sandbox.docker(&places), "");
    // Twice is once.
    sandbox.reset();
    sandbox.send(Kind::List, b"{\"entries_max\":10,\"depth_max\":3}");
    assert_eq!(sandbox.fault().step, "collect");
}

#[test]
fn a_folder_does_not_tell_when_it_was_used() {
    let times = b"import os\nfor place in ('/tmp', '/dev/shm'):\n\
        \x20   s = os.stat(place); print(s.st_mtime_ns, s.st_size, s.st_nlink, len(os.listdir(place)))\n\
        \x20   open(place + '/x', 'w')";
    let mut sandbox = Sandbox::new();
    let first = sandbox.run(&python(), &[("main.py", times)], b"").out();
    assert_eq!(first.lines().count(), 2);
    sandbox.reset();
    assert_eq!(sandbox.run(&python(), &[("main.py", times)], b"").out(), first);
}

#[test]
fn ids_are_never_used_twice() {
    let mut sandbox = Sandbox::new();
    let mut order = start(&["true"]);
    order.uid = 30_000;
    assert_eq!(sandbox.run(&order, &[], b"").ended.exit, Some(Exit::Code(0)));
    sandbox.reset();
    sandbox.send_start(&order);
    assert_eq!(sandbox.fault().step, "start");
}

#[test]
fn what_no_kill_ends_is_noticed() {
    // Closed by its owner, and kept by the kernel for a minute.
    let connection = b"import socket\n\
        server = socket.socket(); server.bind(('127.0.0.1', 0)); server.listen()\n\
        client = socket.create_connection(server.getsockname()); peer = server.accept()[0]\n\
        client.close(); peer.close(); print(1)";
    // Two sockets that hold each other, in flight, and belong to nobody.
    let cycle = b"import socket, array\n\
        a, b = socket.socketpair()\n\
        a.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [a.fileno(), b.fileno()]))])\n\
        b.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [a.fileno(), b.fileno()]))])\n\
        print(1)";
    let mut sandbox = Sandbox::new();
    assert_eq!(sandbox.run(&python(), &[("main.py", cycle)], b"").out(), "1\n");
    sandbox.reset();
    assert_eq!(sandbox.run(&python(), &[("main.py", connection)], b"").out(), "1\n");
    let reason = sandbox.failed_reset();
    assert!(reason.contains("sockets"), "{reason}");
}

#[test]
fn memory_is_had_back() {
    let fill = b"import mmap, os\n\
        f = os.memfd_create('x'); os.write(f, bytes(16 << 20))\n\
        m = mmap.mmap(-1, 32 << 20); m.write(bytes(32 << 20))\n\
        open('/tmp/x', 'wb').write(bytes(3 << 20)); print(1)";
    let mut sandbox = Sandbox::new();
    for _ in 0..5 {
        assert_eq!(sandbox.run(&python(), &[("main.py", fill)], b"").out(), "1\n");
        sandbox.reset();
    }
}
