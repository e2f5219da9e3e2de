//! Programs that do nothing wrong.

use tester_runner::message::{Cause, Exit, MemoryPeakSource};

use crate::harness::{Sandbox, python, start};

#[test]
fn hello() {
    let mut sandbox = Sandbox::new();
    let run = sandbox.run(&start(&["python3", "main.py"]), &[("main.py", b"print('hello')")], b"");
    assert!(run.started);
    assert_eq!(run.out(), "hello\n");
    assert_eq!(run.stderr, b"");
    assert_eq!((run.ended.cause, run.ended.exit), (Cause::Exited, Some(Exit::Code(0))));
    assert!(run.ended.clean);
    assert_eq!(run.ended.launch_error, None);
    assert_eq!(run.ended.stdout_bytes_total, 6);
    assert_eq!(run.ended.processes_killed, 0);
    assert_eq!(run.ended.oom_kills, 0);
    assert!(run.ended.wall_nanoseconds > 1_000_000);
    assert!(run.ended.cpu_nanoseconds > 1_000_000);
    assert_eq!(run.ended.memory_peak_source, MemoryPeakSource::Cgroup);
    assert!(run.ended.memory_peak_bytes > 1_000_000);
    assert_eq!(sandbox.ready.missing, Vec::<String>::new());
}

#[test]
fn arguments_environment_and_stdin_arrive_as_they_are() {
    let program = b"import os, sys, json\n\
        json.dump([sys.argv[1:], dict(os.environ), sys.stdin.read()], sys.stdout)";
    let mut sandbox = Sandbox::new();
    let mut start = start(&["/usr/bin/python3", "-I", "main.py", "", "a b", "--x=\u{e9}\u{1f600}", "new\nline"]);
    start.env = vec![
        ("EMPTY".to_owned(), String::new()),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        ("GLIBC_TUNABLES".to_owned(), "glibc.malloc.check=3".to_owned()),
        ("EQUALS".to_owned(), "a=b=c".to_owned()),
    ];
    let run = sandbox.run(&start, &[("main.py", program)], b"line\nno end");
    let seen: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(
        seen,
        serde_json::json!([
            ["", "a b", "--x=\u{e9}\u{1f600}", "new\nline"],
            {"EMPTY": "", "LC_ALL": "C.UTF-8", "GLIBC_TUNABLES": "glibc.malloc.check=3", "EQUALS": "a=b=c"},
            "line\nno end"
        ])
    );
}

#[test]
fn the_program_is_looked_up_where_the_order_says_and_not_where_its_own_environment_does() {
    let tools: &[(&str, &[u8])] = &[("tools/tool.sh", b"#!/bin/sh\necho \"found $0 $1 in $PATH\"\n")];
    let mut start = start(&["tool.sh", "x"]);
    start.env = vec![("PATH".to_owned(), "/box/elsewhere:/bin".to_owned())];
    start.path = "/nowhere:/box/tools".to_owned();
    let mut sandbox = Sandbox::new();
    let run = sandbox.run(&start, tools, b"");
    assert_eq!(run.out(), "found /box/tools/tool.sh x in /box/elsewhere:/bin\n");
    start.env = vec![("PATH".to_owned(), "/box/tools".to_owned())];
    start.path = "/bin".to_owned();
    let run = sandbox.run(&start, tools, b"");
    assert_eq!(run.ended.launch_error.map(|error| (error.step, error.errno)), Some(("exec".to_owned(), 2)));
}

#[test]
fn every_byte_passes_in_both_directions() {
    let every: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut sandbox = Sandbox::new();
    let run = sandbox.run(&start(&["cat", "-", "data.bin"]), &[("data.bin", &every)], &every);
    assert!(run.stdout == [every.as_slice(), &every].concat());
    assert!(run.credit >= 300_000 - u64::from(tester_runner::STDIN_CREDIT_BYTES_INITIAL));
    assert_eq!(run.ended.stdout_bytes_total, 600_000);
}

#[test]
fn honest_programs_do_not_notice_the_deny_list() {
    let program = br#"
import asyncio, concurrent.futures, multiprocessing, os, socket, sqlite3, subprocess, tempfile, threading, time

def square(x):
    return x * x

async def talk():
    server = await asyncio.start_server(lambda r, w: (w.write(b"pong"), w.close()), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    data = await reader.read()
    writer.close()
    process = await asyncio.create_subprocess_exec("echo", "sub", stdout=subprocess.PIPE)
    out, _ = await process.communicate()
    return data + out

if __name__ == "__main__":
    with multiprocessing.Pool(3) as pool:
        assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        assert list(pool.map(square, [3])) == [9]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(square, [4])) == [16]
    queue = multiprocessing.get_context("spawn").Queue()
    queue.put(1); assert queue.get() == 1
    assert subprocess.check_output(["sh", "-c", "echo $((6*7)) | cat"]) == b"42\n"
    database = sqlite3.connect("test.db"); database.execute("create table t(x)")
    database.execute("insert into t values (1)"); database.commit()
    sqlite3.connect(":memory:").execute("select 1")
    assert asyncio.run(talk()) == b"pongsub\n"
    left, right = socket.socketpair(); left.send(b"x"); assert right.recv(1) == b"x"
    with tempfile.TemporaryDirectory() as folder:
        open(os.path.join(folder, "f"), "w").write("x")
    event = threading.Event(); threading.Timer(0.01, event.set).start(); assert event.wait(5)
    memory = os.memfd_create("m"); os.write(memory, b"x"); os.close(memory)
    os.sched_getaffinity(0); os.getloadavg(); time.clock_gettime(time.CLOCK_MONOTONIC); os.nice(0)
    print("all fine")
"#;
    let run = Sandbox::new().run(&python(), &[("main.py", program)], b"");
    assert_eq!((run.out().as_str(), run.err().as_str()), ("all fine\n", ""));
    assert_eq!(run.ended.exit, Some(Exit::Code(0)));
}

#[test]
fn a_program_that_sleeps_costs_the_runner_no_wakeups() {
    let mut sandbox = Sandbox::new();
    sandbox.launch(&start(&["sleep", "1"]), &[]);
    let before = sandbox.runner_status("voluntary_ctxt_switches");
    let run = sandbox.finish(b"");
    let wakeups = sandbox.runner_status("voluntary_ctxt_switches") - before;
    assert!(run.ended.wall_nanoseconds > 900_000_000);
    // The end of stdin, the end of the program, the end of the run.
    assert!(wakeups < 10, "{wakeups}");
}

/// The launch, from `Start` to `Started`, with what it costs in memory while idle. Printed for the record.
#[test]
fn a_launch_takes_milliseconds_and_an_idle_runner_little_memory() {
    let mut sandbox = Sandbox::new();
    let idle = sandbox.runner_status("VmRSS");
    let mut large = start(&["true"]);
    large.env.extend((0..20).map(|number| (format!("LARGE{number}"), "x".repeat(100_000))));
    assert_eq!(sandbox.run(&large, &[], b"").ended.exit, Some(Exit::Code(0)));
    let after_large = sandbox.runner_status("VmRSS");
    let mut times: Vec<_> = (0..20)
        .map(|_| {
            let began = std::time::SystemTime::now();
            sandbox.launch(&start(&["true"]), &[("main.py", b"print(1)")]);
            let took = began.elapsed().unwrap();
            assert_eq!(sandbox.finish(b"").ended.exit, Some(Exit::Code(0)));
            took
        })
        .collect();
    times.sort();
    println!(
        "Start to Started: median {:?}, worst {:?}; idle VmRSS {idle} KiB, {after_large} KiB after a large start",
        times[10], times[19]
    );
    assert!(idle < 4096 && after_large < 8192, "{idle} KiB, {after_large} KiB");
    assert!(times[10].as_millis() < 200, "{times:?}");
}
