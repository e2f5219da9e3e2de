//! Programs that do nothing wrong.

mod support;

use support::{Sandbox, start};
use tester_runner::message::{Cause, Exit, MemoryPeakSource};

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
