//! Every limit has its own answer, leaves the output that came before it, and takes effect when a job asks for another.

use serde_json::json;
use tester_worker::domain::evidence::EndedBy;
use tester_worker::domain::verdict::{LimitHit, Status};

use crate::docker::Events;
use crate::job::{Job, Ran};

const MIB: u64 = 1 << 20;

/// A program that says something before it comes to its end.
fn partial(code: &str) -> Job {
    Job::python(&format!("import os, sys, signal, time\nprint('partial', flush=True)\n{code}"))
}

#[track_caller]
fn ended(ran: &Ran, status: Status, limit: Option<LimitHit>) {
    assert_eq!((ran.status(), ran.limit()), (status, limit), "{:#?}", ran.0.outcome.run);
}

/// Takes memory that is really touched, far over every limit here.
const EAT: &str = "x = b'x' * (1 << 30)";
const BURN: &str = "while True: pass";

#[test]
fn exit_137_own_sigkill_oom_cpu_wall_and_output_are_six_different_answers() {
    let rows = [
        (partial("sys.exit(137)"), Status::RuntimeError, None, (Some(137), None)),
        (partial("os.kill(os.getpid(), signal.SIGKILL)"), Status::Signaled, None, (None, Some(9))),
        (partial(EAT).limit("memory_bytes", 64 * MIB), Status::MemoryLimit, Some(LimitHit::Memory), (None, Some(9))),
        (partial(BURN).limit("cpu_seconds", 0.3), Status::TimeLimit, Some(LimitHit::Cpu), (None, Some(9))),
        (partial("time.sleep(60)").limit("wall_seconds", 1), Status::TimeLimit, Some(LimitHit::Wall), (None, Some(9))),
        (
            partial("while True: os.write(1, b'y\\n')").limit("stdout_bytes", 100),
            Status::OutputLimit,
            Some(LimitHit::Stdout),
            (None, Some(9)),
        ),
    ];
    for (job, status, limit, exit) in rows {
        let ran = job.run();
        ended(&ran, status, limit);
        assert_eq!(ran.exit(), exit, "{status}");
        assert!(ran.stdout().starts_with("partial\n"), "partial output of {status}: {}", ran.stdout());
        assert!(!ran.evidence().runner_lost, "{status}");
    }
}

#[test]
fn who_ended_a_run_is_told() {
    assert_eq!(partial("sys.exit(3)").run().evidence().ended_by, EndedBy::Program);
    assert_eq!(partial("time.sleep(60)").limit("wall_seconds", 0.5).run().evidence().ended_by, EndedBy::Runner);
    let killed = partial(EAT).limit("memory_bytes", 64 * MIB).run();
    assert_eq!(killed.evidence().ended_by, EndedBy::Kernel);
    assert!(killed.evidence().oom_kills > 0);
    let peak = killed.usage().memory_peak_bytes;
    assert!((48 * MIB..=96 * MIB).contains(&peak), "{peak}");
}

#[test]
fn a_sleeping_program_meets_the_wall_clock_and_uses_no_cpu() {
    let ran = partial("time.sleep(60)").limit("wall_seconds", 1).run();
    ended(&ran, Status::TimeLimit, Some(LimitHit::Wall));
    assert!(ran.usage().wall_seconds >= 1.0 && ran.usage().cpu_seconds < 0.9, "{:?}", ran.usage());
}

#[test]
fn a_program_that_ignores_every_signal_or_stops_itself_meets_the_wall_clock_too() {
    let stubborn = "for n in range(1, 65):
    try: signal.signal(n, signal.SIG_IGN)
    except (OSError, ValueError): pass
time.sleep(60)";
    for code in [stubborn, "os.kill(0, signal.SIGSTOP)"] {
        let ran = partial(code).limit("wall_seconds", 1).run();
        ended(&ran, Status::TimeLimit, Some(LimitHit::Wall));
        assert_eq!(ran.stdout(), "partial\n");
    }
}

#[test]
fn cpu_time_is_the_sum_over_all_processes() {
    let code = "for _ in range(3): os.fork()\nwhile True: pass";
    let ran = partial(code).limit("cpu_seconds", 1).limit("cpus", 2).run();
    ended(&ran, Status::TimeLimit, Some(LimitHit::Cpu));
    assert!(ran.usage().cpu_seconds >= 1.0, "{:?}", ran.usage());
    assert_eq!(ran.evidence().processes_killed, 7, "besides the main one");
    // No single process has used half of it: the kernel's own limit of one process would not have ended this.
    let one = partial("while time.process_time() < 0.5: pass").limit("cpu_seconds", 1).run();
    ended(&one, Status::Ok, None);
}

#[test]
fn cpu_time_of_processes_that_nobody_waited_for_counts() {
    let code = "while True:\n    if os.fork() == 0:\n        while time.process_time() < 0.1: pass\n        os._exit(0)\n    time.sleep(0.05)";
    let ran = partial(code).limit("cpu_seconds", 0.7).limit("processes", 200).run();
    ended(&ran, Status::TimeLimit, Some(LimitHit::Cpu));
}

#[test]
fn an_oom_kill_of_a_child_that_the_program_survives_is_evidence_only() {
    let code = format!(
        "pid = os.fork()\nif pid == 0:\n    {EAT}\n    os._exit(0)\n_, status = os.waitpid(pid, 0)\nprint(os.WTERMSIG(status))"
    );
    let ran = partial(&code).limit("memory_bytes", 64 * MIB).run();
    ended(&ran, Status::Ok, None);
    assert_eq!(ran.stdout(), "partial\n9\n");
    assert!(ran.evidence().oom_kills > 0, "{:?}", ran.evidence());
}

#[test]
fn a_memory_error_that_the_program_catches_is_its_own_affair() {
    let ran = partial("try: bytearray(1 << 47)\nexcept MemoryError: print('caught')").run();
    ended(&ran, Status::Ok, None);
    assert_eq!((ran.stdout().as_str(), ran.evidence().oom_kills), ("partial\ncaught\n", 0));
}

#[test]
fn memory_that_stays_in_scratch_folders_and_shm_counts() {
    let code = "for folder in ('/box', '/tmp', '/dev/shm'):
    f = open(folder + '/fill', 'wb', buffering=0)
    try:
        while True: f.write(b'x' * 65536)
    except OSError as e: print(folder, e.errno, flush=True)
x = b'x' * (40 << 20)
time.sleep(60)";
    let ran = partial(code).limit("memory_bytes", 64 * MIB).limit("scratch_bytes", 64 * MIB).run();
    ended(&ran, Status::MemoryLimit, Some(LimitHit::Memory));
    assert_eq!(ran.stdout(), "partial\n/box 28\n/tmp 28\n/dev/shm 28\n", "each is smaller than the memory: ENOSPC");
}

#[test]
fn a_fork_bomb_is_survived_and_told_of() {
    let bomb = "while True:\n    try: os.fork()\n    except OSError: pass";
    let ran = partial(bomb).limit("wall_seconds", 2).limit("processes", 20).run();
    ended(&ran, Status::TimeLimit, Some(LimitHit::Wall));
    assert!(ran.evidence().pids_limit_hits > 0, "{:?}", ran.evidence());
    assert_eq!(ran.evidence().processes_killed, 19, "besides the main one");
    let coped = "import threading\nstop = threading.Event()\nthreads = []\ntry:\n    while True:\n        t = threading.Thread(target=stop.wait)\n        t.start()\n        threads.append(t)\nexcept RuntimeError: print(len(threads))\nstop.set()";
    let ran = partial(coped).limit("processes", 10).run();
    ended(&ran, Status::Ok, None);
    assert_eq!(ran.stdout(), "partial\n9\n", "threads count, and the main one is the tenth");
    assert!(ran.evidence().pids_limit_hits > 0, "{:?}", ran.evidence());
}

#[test]
fn exactly_the_first_bytes_of_stdout_and_stderr_are_kept() {
    for (fd, limit, hit) in [(1, "stdout_bytes", LimitHit::Stdout), (2, "stderr_bytes", LimitHit::Stderr)] {
        let program = |bytes: u64| {
            Job::python(&format!("import os\nos.write({fd}, bytes(i % 251 for i in range({bytes})))"))
                .limit(limit, 5000)
        };
        let kept = |ran: &Ran| {
            let run = &ran.0.outcome.run;
            if fd == 1 { run.stdout.clone() } else { run.stderr.clone() }
        };
        let expected: Vec<u8> = (0..=250).cycle().take(5000).collect();
        let fits = program(5000).run();
        ended(&fits, Status::Ok, None);
        let output = kept(&fits);
        assert_eq!((output.content.as_bytes(), output.bytes_total, output.truncated), (&expected[..], 5000, false));
        let over = program(5001).run();
        ended(&over, Status::OutputLimit, Some(hit));
        let output = kept(&over);
        assert_eq!((output.content.as_bytes(), output.bytes_total, output.truncated), (&expected[..], 5001, true));
    }
}

#[test]
fn a_flood_on_one_stream_takes_nothing_from_the_other() {
    let code = "import threading\ndef flood():\n    while True: os.write(2, b'y' * 65536)\n\
        threading.Thread(target=flood, daemon=True).start()\ntime.sleep(60)";
    let ran = partial(code).run();
    ended(&ran, Status::OutputLimit, Some(LimitHit::Stderr));
    assert_eq!((ran.stdout().as_str(), ran.stderr().len()), ("partial\n", 1_048_576));
    let closed = partial("os.close(1)\nos.write(2, b'after')").run();
    ended(&closed, Status::Ok, None);
    assert_eq!((closed.stdout().as_str(), closed.stderr().as_str()), ("partial\n", "after"));
}

#[test]
fn a_file_is_as_large_as_it_may_be_and_no_larger() {
    let code = "f = open('big', 'wb', buffering=0)\ntry:\n    while True: f.write(b'x' * 1000)\n\
        except OSError as e: print(e.errno, os.path.getsize('big'))";
    let ran = partial(code).limit("file_bytes", 10_000).run();
    ended(&ran, Status::Ok, None);
    assert_eq!(ran.stdout(), "partial\n27 10000\n", "EFBIG, for Python ignores SIGXFSZ");
    let dies = "signal.signal(signal.SIGXFSZ, signal.SIG_DFL)\nopen('big', 'wb').write(b'x' * 10001)";
    let ran = partial(dies).limit("file_bytes", 10_000).run();
    ended(&ran, Status::Signaled, None);
    assert_eq!(ran.exit(), (None, Some(25)));
}

#[test]
fn a_process_has_as_many_descriptors_as_it_may() {
    let code = "fds = []\ntry:\n    while True: fds.append(os.open('/dev/null', 0))\n\
        except OSError as e: error = e.errno\nprint(error, fds[0], len(fds))";
    let ran = partial(code).limit("open_files", 40).run();
    ended(&ran, Status::Ok, None);
    assert_eq!(ran.stdout(), "partial\n24 3 37\n", "EMFILE, and nothing but the three streams was open before");
}

#[test]
fn scratch_folders_are_as_large_as_they_may_be() {
    let code = "import json\nfound = {}\nfor folder in ('/box', '/tmp'):\n    f = open(folder + '/fill', 'wb', buffering=0)\n    try:\n        while True: f.write(b'x' * 4096)\n    except OSError as e: found[folder] = [e.errno, f.tell() <= 1 << 20, f.tell() > 900_000]\n\
        print(json.dumps(found))";
    let ran = Job::python(&format!("import os\n{code}")).limit("scratch_bytes", MIB).run();
    assert_eq!(ran.json(), json!({ "/box": [28, true, true], "/tmp": [28, true, true] }));
    let code = "import json\nfound = {}\nfor folder in ('/box', '/tmp'):\n    n = 0\n    try:\n        while True:\n            open(f'{folder}/{n}', 'wb').close()\n            n += 1\n    except OSError as e: found[folder] = [e.errno, 90 < n < 100]\n\
        print(json.dumps(found))";
    let ran = Job::python(code).limit("scratch_files", 100).run();
    assert_eq!(ran.json(), json!({ "/box": [28, true], "/tmp": [28, true] }));
}

#[test]
fn other_memory_than_the_profiles_takes_effect_with_and_without_a_new_container() {
    // More, and less with scratch folders that fit: the warm sandbox is changed. Less: it cannot be, and another is made.
    let warm = || Job::of("python").profile_limit("scratch_bytes", 8 * MIB);
    let eat = |job: Job, mib: u64| job.file("main.py", format!("x = b'x' * ({mib} << 20)\nprint(len(x) >> 20)"));
    for (job, memory, fits, updated) in [
        (warm(), 512 * MIB, 400, true),
        (warm(), 128 * MIB, 90, true),
        (Job::of("python"), 64 * MIB, 40, false),
        (Job::of("python"), 512 * MIB, 400, true),
    ] {
        let events = Events::of(&job.config.worker.id);
        let job = job.limit("memory_bytes", memory);
        assert_eq!(eat(job.clone(), fits).run().printed(), format!("{fits}\n"));
        events.all_destroyed();
        assert_eq!(!events.ids("update").is_empty(), updated, "{memory}");
        let too_much = eat(job, memory / MIB + 20).run();
        ended(&too_much, Status::MemoryLimit, Some(LimitHit::Memory));
    }
}

#[test]
fn other_processes_and_cpus_than_the_profiles_take_effect() {
    let count = "import os, time\nn = 1\ntry:\n    while True:\n        if os.fork() == 0: time.sleep(60)\n        n += 1\nexcept OSError: print(n)";
    // With other scratch files no warm sandbox fits, so that a fresh one must have the limit from its start.
    for job in [Job::python(count), Job::python(count).limit("scratch_files", 77)] {
        for processes in [5, 70] {
            let ran = job.clone().limit("processes", processes).run();
            assert_eq!(ran.printed(), format!("{processes}\n"));
        }
    }
    let burn = Job::python("import time\nwhile time.process_time() < 0.3: pass");
    for job in [burn.clone(), burn.limit("scratch_files", 77)] {
        let slow = job.clone().limit("cpus", 0.1).run();
        assert!(slow.usage().wall_seconds > 4.0 * slow.usage().cpu_seconds, "{:?}", slow.usage());
        assert!(slow.evidence().cpu_throttled_seconds > 0.5, "{:?}", slow.evidence());
        let free = job.limit("cpus", 2).run();
        assert!(free.evidence().cpu_throttled_seconds < 0.1, "{:?}", free.evidence());
    }
}

#[test]
fn a_pipe_in_packet_mode_hides_nothing_from_the_count() {
    let code = "
import fcntl, os
fcntl.fcntl(1, fcntl.F_SETFL, fcntl.fcntl(1, fcntl.F_GETFL) | os.O_DIRECT)
os.write(1, b'x' * 4000)
";
    let ran = Job::python(code).limit("stdout_bytes", 1000).run();
    assert_eq!((ran.status(), ran.limit()), (Status::OutputLimit, Some(LimitHit::Stdout)));
    let stdout = &ran.0.outcome.run.stdout;
    assert_eq!((stdout.content.len(), stdout.bytes_total, stdout.truncated), (1000, 4000, true));
}
