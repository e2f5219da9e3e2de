//! Two hundred connections that are lost: nothing of them stays.
//!
//! It is counted in a process that does nothing else, with the settings of the C library that the worker's image has.
//! With its own it keeps up to 64 MiB for threads that are gone, each connection being one: that would hide a leak.

use std::time::Duration;

use tester_worker::broker::{Role, Timeouts};
use tester_worker::domain::settlement::PublishEnd;
use tester_worker::ports::messages::{Address, Disposition, Publisher as _};

use crate::network::Network;
use crate::support::{Bench, Running, message, settings, settle, until, url};

/// Losses of both connections before anything is compared: threads and buffers that are made once are made by then.
const WARM_UP: usize = 20;
/// Losses of both connections: two hundred connections.
const LOSSES: usize = 100;
/// What the process may have more than before, in bytes: a leak of 10 KiB a connection would be found.
const GROWTH_BYTES_MAX: u64 = 2 * 1_048_576;
/// As in the Dockerfile. The first one also tells the process that it is the one that counts.
const ALLOCATOR: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "65536"), ("MALLOC_TRIM_THRESHOLD_", "131072")];

/// What this process has.
#[derive(Debug)]
struct Holding {
    threads: usize,
    descriptors: usize,
    resident_bytes: u64,
}

impl Holding {
    fn now() -> Self {
        let count = |folder: &str| std::fs::read_dir(folder).expect("list what the process has").count();
        let status = std::fs::read_to_string("/proc/self/status").expect("the status of the process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("the memory of the process");
        let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
        Self {
            threads: count("/proc/self/task"),
            descriptors: count("/proc/self/fd"),
            resident_bytes: kibibytes * 1024,
        }
    }
}

/// Cuts both connections, and has one job and one publish go over the next ones.
async fn lose(network: &Network, bench: &Bench, running: &mut Running) {
    let before = [Role::Consume, Role::Publish].map(|role| (role, running.counter.connected(role)));
    network.change(|now| now.cuts += 1);
    for (role, times) in before {
        running.connected(role, times + 1).await;
    }
    bench.send_job("default", "job", b"x").await;
    settle(running.delivery().await, Disposition::Acknowledge).await;
    let publisher = running.publisher.clone();
    until("a publish is confirmed", async || {
        (publisher.publish(&message(Address::Unrouted, b"x")).await == PublishEnd::Confirmed).then_some(())
    })
    .await;
}

#[expect(clippy::disallowed_methods, reason = "tests take their surroundings from the environment")]
fn counts() -> bool {
    std::env::var(ALLOCATOR[0].0).is_ok_and(|value| value == ALLOCATOR[0].1)
}

/// Runs this very test in a process of its own.
async fn alone(test: &str) {
    let program = std::env::current_exe().expect("the path of this program");
    let run = tokio::process::Command::new(program)
        .args(["--exact", test, "--nocapture"])
        .envs(ALLOCATOR)
        .kill_on_drop(true)
        .output();
    let output = run.await.expect("run the test in a process of its own");
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}");
    assert!(output.status.success() && said.contains("1 passed"), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_lost_connections_leave_no_thread_no_descriptor_and_no_memory() {
    if !counts() {
        return alone("growth::two_hundred_lost_connections_leave_no_thread_no_descriptor_and_no_memory").await;
    }
    let mut bench = Bench::new("growth").await;
    let (user, _) = url().rsplit_once('@').map(|(user, rest)| (user.to_owned(), rest.to_owned())).expect("a user");
    let authority =
        url().rsplit('@').next().and_then(|rest| rest.split('/').next().map(str::to_owned)).expect("a host");
    let network = Network::to(&authority).await;
    bench.settings = settings(&bench.prefix, &[format!("{user}@{}/%2f", network.authority())]);
    // As short as it can be: not the pauses are what this is about.
    bench.settings.timeouts = Timeouts { backoff_max: Duration::from_millis(10), ..bench.settings.timeouts };
    let mut running = bench.start().await;
    for _ in 0..WARM_UP {
        lose(&network, &bench, &mut running).await;
    }
    let before = Holding::now();
    for _ in 0..LOSSES {
        lose(&network, &bench, &mut running).await;
    }
    // Threads of the client library end a moment after their sockets.
    let after = until("threads and descriptors are as before", async || {
        let now = Holding::now();
        (now.threads <= before.threads && now.descriptors <= before.descriptors).then_some(now)
    })
    .await;
    println!("before {before:?}, after {after:?}");
    let grown = after.resident_bytes.saturating_sub(before.resident_bytes);
    assert!(grown <= GROWTH_BYTES_MAX, "{grown} bytes more: {before:?}, {after:?}");
    assert!(running.counter.connected(Role::Consume) >= LOSSES + WARM_UP);
    running.stop().await;
    bench.clean().await;
}
