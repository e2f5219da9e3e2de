//! What a job left in its folder: asked of its runner, frame by frame, between two runs.
//!
//! The runner is ours but lives beside the job, so its answers are bounded here again: by number, by bytes and in time.

use std::time::Duration;

use bytes::Bytes;
use tester_runner::frame::Kind;
use tester_runner::listing::{self, Entry};
use tester_runner::message::{FileEnd, List, Listed};
use tokio::time::Instant;

use super::link::Link;

/// Entries that are listed at most; what comes after is not looked at.
const ENTRIES_MAX: u64 = 20_000;

/// Folders within folders that are looked into.
const DEPTH_MAX: u32 = 32;

/// How long listing, and how long all files together may take. A sandbox at a small part of a CPU is slow.
const TIME_MAX: Duration = Duration::from_secs(20);

/// The runner could not be asked: it is gone, silent, or talks nonsense. Nothing is known of the folder then.
#[derive(Debug, thiserror::Error)]
#[error("the runner could not say what the job left: {0}")]
pub(super) struct NoAnswer(&'static str);

/// The job's folder, between two runs.
pub(super) struct Folder<'a> {
    link: &'a mut Link,
    deadline: Instant,
}

/// What is in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// Sorted by path.
    pub(super) entries: Vec<Entry>,
    /// Whether there was more than was listed.
    pub(super) truncated: bool,
}

impl<'a> Folder<'a> {
    /// The folder behind this link. The run before must have ended cleanly.
    pub(super) fn new(link: &'a mut Link) -> Self {
        Self { link, deadline: Instant::now() + TIME_MAX }
    }

    /// Lists it.
    ///
    /// # Cancel safety
    /// After a dropped future the link is of no more use.
    pub(super) async fn list(&mut self) -> Result<Contents, NoAnswer> {
        let order = List { entries_max: ENTRIES_MAX, depth_max: DEPTH_MAX };
        let order = serde_json::to_vec(&order).map_err(|_error| NoAnswer("the order cannot be written"))?;
        self.send(Kind::List, &order).await?;
        let mut entries = Vec::new();
        loop {
            let (kind, payload) = self.next().await?;
            if kind == Kind::Listed {
                let Listed { truncated } = read(&payload)?;
                entries.sort_by(|a: &Entry, b: &Entry| a.path.cmp(&b.path));
                return Ok(Contents { entries, truncated });
            }
            let more = Some(payload).filter(|_| kind == Kind::Listing).and_then(|payload| listing::parse(&payload));
            entries.extend(more.ok_or(NoAnswer("its listing is none"))?);
            if u64::try_from(entries.len()).is_ok_and(|listed| listed > ENTRIES_MAX) {
                return Err(NoAnswer("its listing does not end"));
            }
        }
    }

    /// Brings one file, of at most so many bytes. The inner error says why it cannot be read.
    ///
    /// # Cancel safety
    /// After a dropped future the link is of no more use.
    pub(super) async fn fetch(&mut self, path: &[u8], bytes_max: usize) -> Result<Result<Vec<u8>, String>, NoAnswer> {
        self.send(Kind::Fetch, path).await?;
        let mut content = Vec::new();
        loop {
            let (kind, payload) = self.next().await?;
            if kind == Kind::FileEnd {
                let FileEnd { error } = read(&payload)?;
                return Ok(error.map_or(Ok(content), Err));
            }
            if kind != Kind::File || content.len() + payload.len() > bytes_max {
                return Err(NoAnswer("the file is not the one that was listed"));
            }
            content.extend_from_slice(&payload);
        }
    }

    async fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<(), NoAnswer> {
        let sent = tokio::time::timeout_at(self.deadline, self.link.writer.send(kind, payload)).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(NoAnswer("it is gone")),
            Err(_elapsed) => Err(NoAnswer("it takes too long")),
        }
    }

    async fn next(&mut self) -> Result<(Kind, Bytes), NoAnswer> {
        let next = tokio::time::timeout_at(self.deadline, self.link.reader.next()).await;
        next.map_err(|_elapsed| NoAnswer("it takes too long"))?.ok_or(NoAnswer("it is gone"))
    }
}

fn read<T: serde::de::DeserializeOwned>(payload: &[u8]) -> Result<T, NoAnswer> {
    serde_json::from_slice(payload).map_err(|_error| NoAnswer("its words are unreadable"))
}
