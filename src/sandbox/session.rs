//! One run in one sandbox, frame by frame.
//!
//! The sender and the receiver run side by side in one task, so that neither a full pipe nor a silent runner can hold
//! the other up. The runner enforces the limits; the worker's own deadline stands behind it and trusts nobody.

use std::time::Duration;

use bytes::Bytes;
use tester_runner::STDIN_CREDIT_BYTES_INITIAL;
use tester_runner::frame::{DATA_BYTES_MAX, Kind};
use tester_runner::message::{Ended, Fault, Start};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::link::{Link, LinkReader, LinkWriter};
use crate::crash::Point;
use crate::domain::event::Stream;
use crate::ports::events::EventSink;

/// How much later than the runner the worker enforces the wall clock limit by itself.
const WORKER_GRACE: Duration = Duration::from_secs(2);

/// How long unpacking and starting may take. Beyond it the sandbox has failed, not the program.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a cancelled program may take to be reported dead before the worker stops waiting.
const CANCEL_GRACE: Duration = Duration::from_secs(2);

/// What a run needs besides its sandbox.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) start: Start,
    /// The job's files.
    pub(super) tar: Bytes,
    /// The program's standard input.
    pub(super) stdin: Bytes,
    /// Is told where the run is; the attack on our own walls, which is no job, tells nobody.
    pub(super) passed: fn(Point),
}

/// Why a session came to its end.
#[derive(Debug)]
pub(super) enum End {
    /// The runner reported, and every process of the job is gone.
    Reported(Box<Ended>),
    /// The runner could not do its work.
    Fault(Fault),
    /// The runner's stream ended without a report.
    Lost,
    /// The worker's own deadline passed without a report.
    Overdue {
        /// Whether the program had been started.
        started: bool,
    },
    /// The job was cancelled, and the runner did not report in time.
    Cancelled,
}

/// What was seen of a run.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) end: End,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    pub(super) report: Vec<u8>,
    /// When the program was started.
    pub(super) started_at: Option<Instant>,
    pub(super) ended_at: Instant,
}

/// Runs one plan; notifies `told.0` when the program has been started, and tells `told.1` of that and of all output.
///
/// # Cancel safety
/// Dropping the future leaves the program running: the caller then destroys the sandbox, and does so anyway.
pub(super) async fn run(
    link: &mut Link,
    plan: &Plan,
    cancel: &CancellationToken,
    told: (&Notify, &EventSink),
) -> Session {
    let credit = Semaphore::new(usize::try_from(STDIN_CREDIT_BYTES_INITIAL).unwrap_or(DATA_BYTES_MAX));
    let mut receiver = Receiver::new(plan, told);
    let end = {
        let mut send = std::pin::pin!(send(&mut link.writer, plan, &credit, cancel));
        let mut receive = std::pin::pin!(receiver.receive(&mut link.reader, &credit, cancel));
        let mut sending = true;
        loop {
            tokio::select! {
                end = &mut receive => break end,
                // A failed write means that the runner is gone; the receiver sees the same, with what came before it.
                () = &mut send, if sending => sending = false,
            }
        }
    };
    Session {
        end,
        stdout: receiver.stdout.bytes,
        stderr: receiver.stderr.bytes,
        report: receiver.report.bytes,
        started_at: receiver.started_at,
        ended_at: Instant::now(),
    }
}

async fn send(writer: &mut LinkWriter, plan: &Plan, credit: &Semaphore, cancel: &CancellationToken) {
    let input = async {
        send_input(writer, plan, credit).await?;
        // Nothing more to send but a cancellation.
        std::future::pending::<std::io::Result<()>>().await
    };
    let failed = tokio::select! {
        result = input => result,
        () = cancel.cancelled() => Ok(()),
    };
    let cancelled = match failed {
        Ok(()) => writer.send(Kind::Cancel, &[]).await,
        Err(error) => Err(error),
    };
    if let Err(error) = cancelled {
        tracing::debug!("a runner takes no more frames: {error}");
    }
}

async fn send_input(writer: &mut LinkWriter, plan: &Plan, credit: &Semaphore) -> std::io::Result<()> {
    let start = serde_json::to_vec(&plan.start)?;
    writer.send(Kind::Start, &start).await?;
    for chunk in plan.tar.chunks(DATA_BYTES_MAX) {
        writer.send(Kind::Tar, chunk).await?;
    }
    writer.send(Kind::Tar, &[]).await?;
    for chunk in plan.stdin.chunks(DATA_BYTES_MAX / 2) {
        let bytes = u32::try_from(chunk.len()).map_err(std::io::Error::other)?;
        // The semaphore is never closed.
        if let Ok(permit) = credit.acquire_many(bytes).await {
            permit.forget();
        }
        writer.send(Kind::Stdin, chunk).await?;
    }
    writer.send(Kind::Stdin, &[]).await?;
    (plan.passed)(Point::AfterStart);
    Ok(())
}

/// Bytes that are kept up to a bound; the runner keeps to it too, but the worker's memory does not depend on that.
#[derive(Debug)]
struct Kept {
    bytes: Vec<u8>,
    most: usize,
}

impl Kept {
    fn new(most: u64) -> Self {
        Self { bytes: Vec::new(), most: usize::try_from(most).unwrap_or(usize::MAX) }
    }

    /// Keeps what there is room for, and says what that was.
    fn push<'c>(&mut self, chunk: &'c [u8]) -> &'c [u8] {
        let room = self.most - self.bytes.len();
        let kept = chunk.get(..room).unwrap_or(chunk);
        self.bytes.extend_from_slice(kept);
        kept
    }
}

struct Receiver<'a> {
    started: &'a Notify,
    events: &'a EventSink,
    stdout: Kept,
    stderr: Kept,
    report: Kept,
    started_at: Option<Instant>,
    wall: Duration,
    passed: fn(Point),
}

impl<'a> Receiver<'a> {
    fn new(plan: &Plan, told: (&'a Notify, &'a EventSink)) -> Self {
        let Plan { start, passed, .. } = plan;
        let (started, events) = told;
        let wall = Duration::from_millis(start.wall_milliseconds);
        #[cfg(feature = "without-walls")]
        let wall = super::without::wall_limit(wall);
        Self {
            started,
            events,
            stdout: Kept::new(start.stdout_bytes),
            stderr: Kept::new(start.stderr_bytes),
            report: Kept::new(start.report_bytes_max),
            started_at: None,
            wall,
            passed: *passed,
        }
    }

    async fn receive(&mut self, reader: &mut LinkReader, credit: &Semaphore, cancel: &CancellationToken) -> End {
        let mut deadline = Instant::now() + START_TIMEOUT;
        let mut cancelled = false;
        loop {
            let frame = tokio::select! {
                frame = reader.next() => frame,
                () = tokio::time::sleep_until(deadline) => {
                    return if cancelled { End::Cancelled } else { End::Overdue { started: self.started_at.is_some() } };
                }
                () = cancel.cancelled(), if !cancelled => {
                    cancelled = true;
                    deadline = Instant::now() + CANCEL_GRACE;
                    continue;
                }
            };
            let Some((kind, payload)) = frame else { return End::Lost };
            if kind == Kind::Started && !cancelled && self.started_at.is_none() {
                let now = Instant::now();
                self.started.notify_one();
                self.events.started();
                (self.passed)(Point::BeforeRun);
                self.started_at = Some(now);
                deadline = now + self.wall + WORKER_GRACE;
            } else if let Some(end) = self.take(kind, &payload, credit) {
                return end;
            }
        }
    }

    /// Takes one frame; `Some` when it is the last one.
    fn take(&mut self, kind: Kind, payload: &[u8], credit: &Semaphore) -> Option<End> {
        match kind {
            Kind::Stdout => self.events.output(Stream::Stdout, self.stdout.push(payload)),
            Kind::Stderr => self.events.output(Stream::Stderr, self.stderr.push(payload)),
            Kind::Report => {
                self.report.push(payload);
            }
            Kind::StdinCredit => {
                let granted = payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
                // More credit than there can be input is nonsense, and would make the semaphore panic.
                let granted =
                    usize::try_from(granted).unwrap_or(0).min(Semaphore::MAX_PERMITS / 2 - credit.available_permits());
                credit.add_permits(granted);
            }
            Kind::Ended => return Some(parse(payload).map_or(End::Lost, |ended| End::Reported(Box::new(ended)))),
            Kind::Fault => return Some(parse(payload).map_or(End::Lost, End::Fault)),
            Kind::Started => {}
            // None of these comes from a runner that is ours.
            Kind::Ready
            | Kind::Warm
            | Kind::Warmed
            | Kind::Start
            | Kind::Tar
            | Kind::Stdin
            | Kind::Cancel
            | Kind::List
            | Kind::Fetch
            | Kind::Listing
            | Kind::Listed
            | Kind::File
            | Kind::FileEnd
            | Kind::Reset
            | Kind::Emptied => return Some(End::Lost),
        }
        None
    }
}

fn parse<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).inspect_err(|error| tracing::warn!("a runner's report is unreadable: {error}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_kept_than_the_bound_whatever_the_runner_sends() {
        let mut kept = Kept::new(5);
        assert_eq!(kept.push(b"abc"), b"abc");
        assert_eq!(kept.push(b"defgh"), b"de", "and no more is told of");
        assert_eq!(kept.push(b"i"), b"");
        assert_eq!(kept.bytes, b"abcde");
    }
}
