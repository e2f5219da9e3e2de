//! The worker's own memory, while every slot runs a program that writes without end. Measured is the worker as it is
//! released: a build for tests is larger before it has done anything.

use super::container::Container;
use super::support::bench::{Bench, Keys};
use super::support::client::python;

const SLOTS: usize = 8;
const MIB: u64 = 1_048_576;

/// What the worker may take, in bytes.
const BYTES_MAX: u64 = 40_000_000;

/// What a slot may take besides, for each byte of output that is kept beyond the default limit: the output, and the
/// result that is made of it as JSON and as a token, on its way to the broker.
const BYTES_PER_BYTE_KEPT: u64 = 4;

/// Writes 1 GiB, if it is let.
const FLOOD: &str = "import os\nmebibyte = b'x' * 1048576\nfor _ in range(1024):\n    os.write(1, mebibyte)\n";

/// A figure of a process's memory by its name in `/proc/PID/status`, in bytes.
fn memory_bytes(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the status of a process");
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("the figure");
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kibibytes * 1024
}

/// Eight floods at once with this limit. What the worker's memory was at most since its start, in bytes.
async fn flooded(bench: &Bench, pid: u32, stdout_bytes: u64) -> u64 {
    let mut jobs = Vec::new();
    for _ in 0..SLOTS {
        let mut draft = python(FLOOD);
        draft.limits.stdout_bytes = Some(stdout_bytes);
        draft.limits.wall_seconds = Some(60.0);
        jobs.push(bench.client.send(draft).await);
    }
    for job in &jobs {
        let run = bench.client.result(job).await.outcome.run;
        assert_eq!(run.status.as_str(), "output_limit", "{:?}", run.message);
        assert_eq!(u64::try_from(run.stdout.content.len()), Ok(stdout_bytes));
    }
    let peak = memory_bytes(pid, "VmHWM");
    let (now, file) = (memory_bytes(pid, "VmRSS"), memory_bytes(pid, "RssFile"));
    println!(
        "{SLOTS} x {stdout_bytes} bytes kept: peak {} kB, now {} kB, of the file {} kB",
        peak / 1000,
        now / 1000,
        file / 1000
    );
    peak
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workers_memory_does_not_grow_with_what_programs_write() {
    let bench = Bench::new("memory", Keys::Token).await;
    let slots = SLOTS.to_string();
    let settings =
        [("TESTER_WORKER__WORKER__SLOTS", slots.as_str()), ("TESTER_WORKER__PROFILES__PYTHON__WARM", &slots)];
    let worker = Container::ready(&bench, &settings).await;
    let pid = worker.pid().await;
    println!("idle: {} kB", memory_bytes(pid, "VmRSS") / 1000);
    // More than once: what is kept of the results before must not add up.
    for _ in 0..4 {
        let peak = flooded(&bench, pid, MIB).await;
        assert!(peak < BYTES_MAX, "{peak} bytes");
    }
    // The most that the profile lets a job ask for.
    let peak = flooded(&bench, pid, 8 * MIB).await;
    assert!(peak < BYTES_MAX + BYTES_PER_BYTE_KEPT * 7 * MIB * SLOTS as u64, "{peak} bytes");
    worker.stop().await;
    bench.close().await;
}
