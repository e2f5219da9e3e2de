//! Events of a running job, on their way from whoever runs it to whoever tells of them.
//!
//! The buffer between the two never holds up the run and never grows without bound. Bytes of one stream are gathered
//! into chunks. What finds no room is dropped and takes a number with it: a gap in the numbers is what is left of it.
//! Nothing here changes what the result says.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::domain::content::Content;
use crate::domain::event::{JobEvent, Stream};
use crate::domain::outcome::CaseRecord;

/// Bytes of one chunk at most.
pub const CHUNK_BYTES_MAX: usize = 65_536;

/// How long a chunk is gathered, from its first byte, before it is told. A full one, and the last ones, go at once.
const GATHER: Duration = Duration::from_millis(50);

/// What may wait to be told.
#[derive(Debug, Clone, Copy)]
struct Room {
    events: usize,
    bytes: usize,
}

/// Output that waits at most.
const OUTPUT_MAX: Room = Room { events: 256, bytes: 1_048_576 };
/// Records of cases that wait at most; as many as a job may have, and room of their own, so that no flood displaces them.
const CASES_MAX: Room = Room { events: 1_000, bytes: 4 * 1_048_576 };
/// What a record counts besides its output.
const CASE_BYTES: usize = 1_024;

/// An event with its place in the order of its attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbered {
    /// From 1. A number that is missing stands for something that was dropped.
    pub seq: u64,
    /// What happened.
    pub event: JobEvent,
}

/// The way from a run to whoever tells of it. The run ends by dropping the sink.
pub fn channel() -> (EventSink, EventSource) {
    let buffer = Arc::new(Buffer::default());
    (EventSink(Some(Arc::clone(&buffer))), EventSource(buffer))
}

/// Where a run leaves its events. It takes them at once, whatever becomes of them.
#[derive(Debug)]
pub struct EventSink(Option<Arc<Buffer>>);

impl EventSink {
    /// The sink of a run of which nobody is told.
    pub const fn silent() -> Self {
        Self(None)
    }

    /// The program was started. Only the first start of a job is an event.
    pub fn started(&self) {
        self.change(Waiting::start);
    }

    /// The program wrote these bytes, and its limit lets it.
    pub fn output(&self, stream: Stream, bytes: &[u8]) {
        self.change(|waiting| waiting.write(stream, bytes));
    }

    /// A case ended.
    pub fn case(&self, record: &CaseRecord) {
        self.change(|waiting| waiting.case(record));
    }

    fn change(&self, change: impl FnOnce(&mut Waiting)) {
        let Some(buffer) = &self.0 else { return };
        let mut waiting = buffer.lock();
        if !waiting.unheard {
            change(&mut waiting);
            drop(waiting);
            buffer.changed.notify_one();
        }
    }
}

impl Drop for EventSink {
    fn drop(&mut self) {
        self.change(|waiting| waiting.over = true);
    }
}

/// Where the events of a run come out. Once it is dropped, the sink takes nothing more.
#[derive(Debug)]
pub struct EventSource(Arc<Buffer>);

impl EventSource {
    /// The next event; `None` when the run is over and everything was told.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn next(&self) -> Option<Numbered> {
        loop {
            let next = self.0.lock().next(Instant::now());
            match next {
                Next::Event(event) => return Some(event),
                Next::Over => return None,
                Next::Nothing => self.0.changed.notified().await,
                Next::RipeAt(at) => tokio::select! {
                    () = self.0.changed.notified() => {}
                    () = tokio::time::sleep_until(at) => {}
                },
            }
        }
    }

    /// How many events found no room so far, and how many wait.
    pub fn dropped_and_waiting(&self) -> (u64, usize) {
        let waiting = self.0.lock();
        (waiting.dropped, waiting.queue.len())
    }
}

impl Drop for EventSource {
    fn drop(&mut self) {
        let mut waiting = self.0.lock();
        waiting.unheard = true;
        waiting.queue.clear();
    }
}

#[derive(Default)]
struct Buffer {
    waiting: Mutex<Waiting>,
    changed: Notify,
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Buffer {
    // Not what waits: it is a program's output.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer").field("events", &self.lock().queue.len()).finish_non_exhaustive()
    }
}

enum Item {
    Started,
    Chunk { stream: Stream, bytes: Vec<u8>, since: Instant },
    Case(Box<CaseRecord>),
}

/// What comes next.
enum Next {
    Event(Numbered),
    /// Nothing yet: the chunk in front may still grow until then.
    RipeAt(Instant),
    Nothing,
    Over,
}

struct Waiting {
    queue: VecDeque<(u64, Item)>,
    output: Room,
    cases: Room,
    /// The last number that was given away.
    last: u64,
    /// Chunks from this number on may take more bytes; behind older ones lies a case or a gap.
    open_from: u64,
    started: bool,
    dropped: u64,
    /// The run is over.
    over: bool,
    /// Nobody listens any more.
    unheard: bool,
}

impl Default for Waiting {
    fn default() -> Self {
        let none = Room { events: 0, bytes: 0 };
        Self {
            queue: VecDeque::new(),
            output: none,
            cases: none,
            last: 0,
            open_from: 0,
            started: false,
            dropped: 0,
            over: false,
            unheard: false,
        }
    }
}

impl Waiting {
    fn start(&mut self) {
        if !self.started {
            self.started = true;
            self.push(Item::Started);
        }
    }

    fn write(&mut self, stream: Stream, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = OUTPUT_MAX.bytes - self.output.bytes;
            if room == 0 {
                return self.lose();
            }
            if let Some(chunk) = self.open_chunk(stream) {
                let (fits, rest) = bytes.split_at(bytes.len().min(room).min(CHUNK_BYTES_MAX - chunk.len()));
                chunk.extend_from_slice(fits);
                self.output.bytes += fits.len();
                bytes = rest;
            } else if self.output.events < OUTPUT_MAX.events {
                self.output.events += 1;
                self.push(Item::Chunk { stream, bytes: Vec::new(), since: Instant::now() });
            } else {
                return self.lose();
            }
        }
    }

    /// The chunk of a stream that takes its next bytes, if there is one.
    ///
    /// It need not be the last in line: which of two streams was written first is not known to a few milliseconds
    /// anyway, and a program that writes to both in turn would otherwise make an event of every word.
    fn open_chunk(&mut self, stream: Stream) -> Option<&mut Vec<u8>> {
        let open_from = self.open_from;
        let newest = self.queue.iter_mut().rev().take_while(|(seq, _)| *seq >= open_from);
        let mut chunks = newest.filter_map(|(_, item)| match item {
            Item::Chunk { stream: of, bytes, .. } if *of == stream => Some(bytes),
            Item::Chunk { .. } | Item::Started | Item::Case(_) => None,
        });
        chunks.next().filter(|chunk| chunk.len() < CHUNK_BYTES_MAX)
    }

    fn case(&mut self, record: &CaseRecord) {
        let bytes = case_bytes(record);
        if self.cases.events == CASES_MAX.events || CASES_MAX.bytes - self.cases.bytes < bytes {
            return self.lose();
        }
        self.cases.events += 1;
        self.cases.bytes += bytes;
        self.push(Item::Case(Box::new(record.clone())));
        self.open_from = self.last;
    }

    fn push(&mut self, item: Item) {
        self.last += 1;
        self.queue.push_back((self.last, item));
    }

    fn lose(&mut self) {
        self.last += 1;
        self.open_from = self.last;
        self.dropped += 1;
    }

    fn next(&mut self, now: Instant) -> Next {
        match self.queue.front() {
            None if self.over => return Next::Over,
            None => return Next::Nothing,
            Some((_, Item::Chunk { bytes, since, .. }))
                if !self.over && bytes.len() < CHUNK_BYTES_MAX && now < *since + GATHER =>
            {
                return Next::RipeAt(*since + GATHER);
            }
            Some(_) => {}
        }
        let Some((seq, item)) = self.queue.pop_front() else { return Next::Nothing };
        let event = match item {
            Item::Started => JobEvent::Started,
            Item::Chunk { stream, bytes, .. } => {
                self.output.events -= 1;
                self.output.bytes -= bytes.len();
                JobEvent::Output(stream, Content::new(bytes))
            }
            Item::Case(record) => {
                self.cases.events -= 1;
                self.cases.bytes -= case_bytes(&record);
                JobEvent::Case(record)
            }
        };
        Next::Event(Numbered { seq, event })
    }
}

fn case_bytes(record: &CaseRecord) -> usize {
    CASE_BYTES + record.run.stdout.content.len() + record.run.stderr.content.len()
}

#[cfg(test)]
mod tests;
