//! What every test here stands on.

pub(crate) mod bench;
pub(crate) mod client;
pub(crate) mod cluster;
pub(crate) mod daemon;
pub(crate) mod docker;
pub(crate) mod http;
pub(crate) mod node;
pub(crate) mod token;
pub(crate) mod vhost;
pub(crate) mod worker;

use std::time::Duration;

use tokio::time::timeout;

/// The bound of every wait: far beyond what anything here takes, for a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A variable of the tests' surroundings.
#[expect(clippy::disallowed_methods, reason = "tests take their surroundings from the environment")]
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by scripts/test, which sets it"))
}

/// The same where it may be absent.
#[expect(clippy::disallowed_methods, reason = "tests take their surroundings from the environment")]
pub(crate) fn optional_variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// How many times as long as usual everything may take: for a machine that is emulated.
pub(crate) fn time_scale() -> f64 {
    let scale = optional_variable("TESTER_WORKER_TEST_TIME_SCALE").map(|text| text.parse().expect("a number"));
    scale.unwrap_or(1.0)
}

/// Waits until `look` finds something; fails, naming what was waited for, when it does not in time.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(25));
    let patience = PATIENCE.mul_f64(time_scale());
    let found = timeout(patience, async {
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("not within {patience:?}: {what}"))
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    nanos_now() / 1_000_000_000
}

/// Nanoseconds since 1970.
pub(crate) fn nanos_now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock after 1970");
    u64::try_from(since.as_nanos()).expect("a clock before 2554")
}

/// A port of this machine that nobody listens on.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("the port that was bound").port()
}
