//! The first stage of a job whose profile compiles: what it leaves in its folder is what every run starts from.
//!
//! The compiler runs on the job's files in a sandbox of the job, within limits of the profile's own. It is no more trusted
//! than the program. Its output is brought here and packed, so that each run finds the same files in an emptied folder,
//! in whichever sandbox that is.

use std::collections::BTreeSet;

use bytes::Bytes;
use tester_runner::listing::EntryKind;

use super::collect::{Contents, Folder};
use super::link::Link;
use super::running::{Ran, Running, sandbox_fault};
use super::tarball::Packer;
use crate::domain::job::Job;
use crate::domain::limits::Limits;
use crate::domain::outcome::RunRecord;
use crate::domain::verdict::Status;
use crate::ports::execution::ExecutionFault;

/// Bytes of everything that a compiler may leave, the job's own files included.
const BYTES_MAX: u64 = 48 * 1_048_576;

/// What a file in a scratch folder takes at least.
const PAGE_BYTES: u64 = 4096;

/// Files that a compiler may leave.
const FILES_MAX: usize = 4_096;

/// What a compiler left.
enum Left {
    Files(Bytes),
    /// More than can be carried, in words.
    TooMuch(String),
}

impl Running<'_> {
    /// Compiles. Afterwards every run starts from what the compiler left, if the record is `ok`.
    pub(super) async fn compile(&mut self) -> Result<RunRecord, ExecutionFault> {
        let limits = Limits::default().overlaid(&self.profile.limits).overlaid(&self.profile.compile_limits);
        let Ran { mut record, .. } = self.run_compiler(&limits).await?;
        if record.status != Status::Ok {
            return Ok(record);
        }
        let room = Room::of(self.job);
        let link = self.link().ok_or_else(|| sandbox_fault("the lease is empty", false))?;
        match left(link, room).await? {
            Left::Files(tar) => self.files = tar,
            Left::TooMuch(text) => {
                record.status = Status::CompileError;
                record.message = Some(text);
            }
        }
        Ok(record)
    }
}

/// What a run's scratch folder holds, at most: the smallest of any run of the job.
#[derive(Debug, Clone, Copy)]
struct Room {
    bytes: u64,
    files: u64,
}

impl Room {
    fn of(job: &Job) -> Self {
        let runs = || job.cases.iter().map(|case| &case.limits).chain(job.cases.is_empty().then_some(&job.limits));
        Self {
            bytes: runs().map(Limits::scratch_bytes_in_force).min().unwrap_or(0),
            files: runs().map(|limits| limits.scratch_files).min().unwrap_or(0),
        }
    }
}

/// The folders that a path needs.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.iter().enumerate().filter(|(_, byte)| **byte == b'/').filter_map(|(at, _)| path.get(..at))
}

async fn left(link: &mut Link, room: Room) -> Result<Left, ExecutionFault> {
    let lost = |error: super::collect::NoAnswer| sandbox_fault(&error.to_string(), true);
    let mut folder = Folder::new(link);
    let Contents { entries, truncated } = folder.list().await.map_err(lost)?;
    let files: Vec<_> = entries.into_iter().filter(|entry| entry.kind == EntryKind::Regular).collect();
    let bytes: u64 = files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes));
    if truncated || files.len() > FILES_MAX || bytes > BYTES_MAX {
        let (count, more) = (files.len(), if truncated { " or more" } else { "" });
        return Ok(Left::TooMuch(format!(
            "the compiler left {count}{more} files of {bytes} bytes; {FILES_MAX} of {BYTES_MAX} together are the most"
        )));
    }
    // Found here it is the compiler's doing; found when the run's folder is filled it would be nobody's.
    let taken = files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes.div_ceil(PAGE_BYTES) * PAGE_BYTES));
    let folders: BTreeSet<&[u8]> = files.iter().flat_map(|file| parents(&file.path)).collect();
    let count = u64::try_from(files.len() + folders.len()).unwrap_or(u64::MAX);
    // The folder itself counts as one.
    if taken > room.bytes || count >= room.files {
        let Room { bytes, files } = room;
        return Ok(Left::TooMuch(format!(
            "what was compiled takes {count} files and folders and {taken} bytes, but the scratch folder of a run has {files} and {bytes}"
        )));
    }
    let mut packer = Packer::default();
    let unpackable =
        |error: std::io::Error| sandbox_fault(&format!("what was compiled cannot be packed: {error}"), true);
    for file in files {
        let bytes_max = usize::try_from(file.bytes).unwrap_or(usize::MAX);
        match folder.fetch(&file.path, bytes_max).await.map_err(lost)? {
            Ok(content) => packer.add(&file.path, &content, file.executable).map_err(unpackable)?,
            Err(reason) => {
                let path = String::from_utf8_lossy(&file.path).escape_debug().to_string();
                return Ok(Left::TooMuch(format!("the compiler left `{path}`, which cannot be read: {reason}")));
            }
        }
    }
    Ok(Left::Files(packer.finish().map_err(unpackable)?))
}
