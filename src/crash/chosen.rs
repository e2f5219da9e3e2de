//! What a test chose, by the environment of the worker.

use std::fs::File;
use std::io::Write as _;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::getpid;

use super::Point;

/// `POINT`, `POINT:N`, `POINT:N:stop` or `POINT:N:hang`: where the worker dies, the how manieth time it is there, and that
/// it is only stopped (SIGSTOP), or that only the thread which is there goes no further.
const CRASH: &str = "TESTER_WORKER_TEST_CRASH";

/// A file to which the number of each point that is passed is appended, one byte each: whoever kills the worker can read
/// where it was.
const TRACE: &str = "TESTER_WORKER_TEST_TRACE";

/// `acknowledge_before_publish`: a fault that a checker must find.
const DEFECT: &str = "TESTER_WORKER_TEST_DEFECT";

/// `instant`: jobs are answered without a sandbox.
const EXECUTOR: &str = "TESTER_WORKER_TEST_EXECUTOR";

/// A fault of the worker's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A job is acknowledged first and answered then.
    AcknowledgeBeforePublish,
}

/// What becomes of the worker at its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Crash {
    point: Point,
    /// 1: the first time.
    occurrence: u64,
    way: Way,
}

/// How it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// For the whole worker.
    Signal(Signal),
    /// For the thread that is there.
    Hang,
}

impl FromStr for Crash {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split(':');
        let name = words.next().unwrap_or_default();
        let point = Point::ALL.iter().copied().find(|point| point.name() == name);
        let point = point.ok_or_else(|| format!("{CRASH}: there is no point `{name}`"))?;
        let occurrence = words.next().map_or(Ok(1), str::parse).map_err(|error| format!("{CRASH}: {text}: {error}"))?;
        let way = match words.next() {
            None | Some("kill") => Way::Signal(Signal::SIGKILL),
            Some("stop") => Way::Signal(Signal::SIGSTOP),
            Some("hang") => Way::Hang,
            Some(other) => return Err(format!("{CRASH}: `{other}` is none of kill, stop and hang")),
        };
        Ok(Self { point, occurrence, way })
    }
}

/// What the environment says, read once.
#[derive(Debug, Default)]
struct Chosen {
    crash: Option<Crash>,
    trace: Option<File>,
    defect: Option<Defect>,
    instant: bool,
    /// How often the crash's own point was passed.
    passed: AtomicU64,
}

#[expect(clippy::disallowed_methods, reason = "a build for tests; the configuration of a release has none of this")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn read() -> Result<Chosen, String> {
    let defect = match variable(DEFECT).as_deref() {
        None => None,
        Some("acknowledge_before_publish") => Some(Defect::AcknowledgeBeforePublish),
        Some(other) => return Err(format!("{DEFECT}: there is no defect `{other}`")),
    };
    let instant = match variable(EXECUTOR).as_deref() {
        None => false,
        Some("instant") => true,
        Some(other) => return Err(format!("{EXECUTOR}: there is no executor `{other}`")),
    };
    let trace = variable(TRACE).map(|path| {
        File::options().create(true).append(true).open(&path).map_err(|error| format!("{TRACE}: {path}: {error}"))
    });
    let crash = variable(CRASH).map(|text| text.parse());
    Ok(Chosen { crash: crash.transpose()?, trace: trace.transpose()?, defect, instant, passed: AtomicU64::new(0) })
}

fn chosen() -> &'static Chosen {
    static CHOSEN: OnceLock<Chosen> = OnceLock::new();
    CHOSEN.get_or_init(|| {
        read().unwrap_or_else(|error| {
            // A test that asks for what there is not must not pass as if nothing had happened.
            tracing::error!("{error}");
            end(Signal::SIGKILL);
            Chosen::default()
        })
    })
}

/// Whether the worker has this fault.
pub fn has(defect: Defect) -> bool {
    chosen().defect == Some(defect)
}

/// Whether jobs are answered without a sandbox.
pub fn is_instant() -> bool {
    chosen().instant
}

/// The worker passes a point; it does not return if it was to die there.
pub fn passed(point: Point) {
    let chosen = chosen();
    if let Some(mut trace) = chosen.trace.as_ref()
        && let Err(error) = trace.write_all(&[b'a' + point as u8])
    {
        tracing::error!("{TRACE}: {error}");
    }
    if let Some(crash) = chosen.crash.filter(|crash| crash.point == point)
        && chosen.passed.fetch_add(1, Ordering::SeqCst) + 1 == crash.occurrence
    {
        match crash.way {
            Way::Signal(signal) => end(signal),
            Way::Hang => hang(),
        }
    }
}

/// For ever: somebody kills the worker.
fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

/// As by another's hand: no destructor runs, nothing is flushed, no connection says goodbye.
fn end(signal: Signal) {
    if let Err(error) = kill(getpid(), signal) {
        tracing::error!("the worker could not send {signal} to itself: {error}");
    }
    if signal == Signal::SIGKILL {
        // The process ends before the call returns to it, or at the latest here.
        std::thread::sleep(Duration::from_mins(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_is_a_point_a_number_and_a_way() {
        let crash = |point, occurrence, way| Ok(Crash { point, occurrence, way });
        assert_eq!("after_publish".parse(), crash(Point::AfterPublish, 1, Way::Signal(Signal::SIGKILL)));
        assert_eq!("before_ack:7".parse(), crash(Point::BeforeAck, 7, Way::Signal(Signal::SIGKILL)));
        assert_eq!("before_run:2:stop".parse(), crash(Point::BeforeRun, 2, Way::Signal(Signal::SIGSTOP)));
        assert_eq!("before_verify:2:hang".parse(), crash(Point::BeforeVerify, 2, Way::Hang));
        for wrong in ["", "publish", "after_publish:", "after_publish:x", "after_publish:1:burn"] {
            assert!(wrong.parse::<Crash>().is_err(), "{wrong}");
        }
    }
}
