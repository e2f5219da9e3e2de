//! The worker's own memory, while every slot runs a program that writes without end.

use super::support::bench::{Bench, Config, Keys};
use super::support::client::python;
use super::support::worker::Worker;

const SLOTS: usize = 8;
const MIB: u64 = 1_048_576;

/// Writes 1 GiB, if it is let.
const FLOOD: &str = "import os\nmebibyte = b'x' * 1048576\nfor _ in range(1024):\n    os.write(1, mebibyte)\n";

/// Eight floods at once, each with this limit; what the worker's memory was at most since it started, in bytes.
async fn flooded(bench: &Bench, worker: &Worker, stdout_bytes: Option<u64>) -> u64 {
    let mut jobs = Vec::new();
    for _ in 0..SLOTS {
        let mut draft = python(FLOOD);
        draft.limits.stdout_bytes = stdout_bytes;
        jobs.push(bench.client.send(draft).await);
    }
    for job in &jobs {
        let run = bench.client.result(job).await.outcome.run;
        assert_eq!(run.status.as_str(), "output_limit", "{:?}", run.message);
        assert_eq!(run.stdout.content.len() as u64, stdout_bytes.unwrap_or(MIB));
    }
    worker.memory_bytes("VmHWM")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_workers_memory_does_not_grow_with_what_programs_write() {
    let bench = Bench::new("memory", Keys::Ed25519).await;
    let worker = bench.worker(Config { slots: SLOTS, python_warm: SLOTS, ..Config::default() }).await;
    let idle = worker.memory_bytes("VmHWM");
    let mut peaks = Vec::new();
    for limit in [None, None, None, Some(8 * MIB), Some(8 * MIB)] {
        peaks.push(flooded(&bench, &worker, limit).await / 1000);
        println!(
            "{:?} anon {} file {}",
            peaks.last(),
            worker.memory_bytes("RssAnon") / 1000,
            worker.memory_bytes("RssFile") / 1000
        );
    }
    println!("idle {} kB, then {peaks:?} kB", idle / 1000);
    bench.end(worker).await;
}
