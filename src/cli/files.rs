//! The files of a job, from the paths on the command line.

use std::fs::{self, File, FileType};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::model::Protocol;

/// Folders that hold nothing of a program.
const SKIPPED_FOLDERS: [&str; 2] = [".git", "__pycache__"];
const MAIN: &str = "main.py";

/// What the paths amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathered {
    /// The files, in the order given; those of a folder in the order of their names.
    pub files: Vec<Gathering>,
    /// `main.py` if it is there, else the first file.
    pub entry: String,
    /// The profile for such files.
    pub profile: &'static str,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathering {
    /// Where it goes, below the job's folder.
    pub path: String,
    /// What is in it.
    pub content: Vec<u8>,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// Why the paths are not a job.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// Cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A symbolic link: it could lead anywhere.
    #[error("{0} is a symbolic link; give the file itself")]
    Symlink(PathBuf),
    /// A device, a socket or a pipe.
    #[error("{0} is neither a file nor a folder")]
    Special(PathBuf),
    /// A folder beside other paths.
    #[error("{0} is a folder: give files, or one folder and nothing else")]
    FolderAmongFiles(PathBuf),
    /// A name that is not UTF-8, or none at all.
    #[error("the name of {0} cannot be a path in a job: it must be UTF-8")]
    Name(PathBuf),
    /// Two files would have one name in the job's folder.
    #[error("two files are called {0}; files that are given one by one go into one folder")]
    Duplicate(String),
    /// Nothing to run.
    #[error("there is no file in {0}")]
    Empty(PathBuf),
    /// More files than a job may have.
    #[error("there are more than {max} files, the most that a job may have (protocol.files_max)")]
    TooMany {
        /// The bound.
        max: usize,
    },
    /// More bytes than a job may have.
    #[error(
        "the job's files or its stdin have more than {max} bytes, the most that a job may have (protocol.body_bytes_max)"
    )]
    TooLarge {
        /// The bound.
        max: usize,
    },
}

/// Reads the files of a job: any number of files, or one folder with everything below it.
///
/// # Errors
/// [`FilesError`] names the path and what is wrong with it.
pub fn gather(paths: &[PathBuf], bounds: &Protocol) -> Result<Gathered, FilesError> {
    let mut gatherer = Gatherer { files: Vec::new(), bytes_left: bounds.body_bytes_max, bounds };
    match paths {
        [folder] if file_type(folder)?.is_dir() => gatherer.folder(folder, "")?,
        files => {
            for path in files {
                let name = path.file_name().and_then(|name| name.to_str());
                let name = name.ok_or_else(|| FilesError::Name(path.clone()))?.to_owned();
                if file_type(path)?.is_dir() {
                    return Err(FilesError::FolderAmongFiles(path.clone()));
                }
                if gatherer.files.iter().any(|file| file.path == name) {
                    return Err(FilesError::Duplicate(name));
                }
                gatherer.file(path, name)?;
            }
        }
    }
    let files = gatherer.files;
    let first = files.first().ok_or_else(|| FilesError::Empty(paths.first().cloned().unwrap_or_default()))?;
    let entry = files.iter().find(|file| file.path == MAIN).unwrap_or(first).path.clone();
    let profile = if files.iter().any(|file| is_test(&file.path)) { "pytest" } else { "python" };
    Ok(Gathered { files, entry, profile })
}

struct Gatherer<'a> {
    files: Vec<Gathering>,
    bytes_left: usize,
    bounds: &'a Protocol,
}

impl Gatherer<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str) -> Result<(), FilesError> {
        let failed = |source| FilesError::Read { path: folder.to_owned(), source };
        let mut paths = Vec::new();
        for entry in fs::read_dir(folder).map_err(failed)? {
            paths.push(entry.map_err(failed)?.path());
        }
        // The same folder gives the same job, whatever the file system's order.
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| FilesError::Name(path.clone()))?;
            let inside = format!("{prefix}{name}");
            if file_type(&path)?.is_dir() {
                if !SKIPPED_FOLDERS.contains(&name) {
                    self.folder(&path, &format!("{inside}/"))?;
                }
            } else {
                self.file(&path, inside)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: String) -> Result<(), FilesError> {
        let kind = file_type(path)?;
        if !kind.is_file() {
            return Err(FilesError::Special(path.to_owned()));
        }
        if self.files.len() >= self.bounds.files_max {
            return Err(FilesError::TooMany { max: self.bounds.files_max });
        }
        let failed = |source| FilesError::Read { path: path.to_owned(), source };
        let file = File::open(path).map_err(failed)?;
        let executable = file.metadata().map_err(failed)?.permissions().mode() & 0o100 != 0;
        let whole = FilesError::TooLarge { max: self.bounds.body_bytes_max };
        let content = match bounded(file, path, self.bytes_left) {
            Err(FilesError::TooLarge { .. }) => return Err(whole),
            other => other?,
        };
        self.bytes_left = self.bytes_left.saturating_sub(content.len());
        self.files.push(Gathering { path: name, content, executable });
        Ok(())
    }
}

/// What the program reads: a file's bytes, ours for `-`, nothing without a path. Bounded like the job's files.
///
/// # Errors
/// [`FilesError`] for what cannot be read or is too large.
pub fn stdin(path: Option<&Path>, bounds: &Protocol) -> Result<Vec<u8>, FilesError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    if path == Path::new("-") {
        return bounded(io::stdin().lock(), path, bounds.body_bytes_max);
    }
    let file = File::open(path).map_err(|source| FilesError::Read { path: path.to_owned(), source })?;
    bounded(file, path, bounds.body_bytes_max)
}

fn bounded(from: impl io::Read, path: &Path, max: usize) -> Result<Vec<u8>, FilesError> {
    // One byte more than is allowed tells what fits from what does not, however much there is.
    let most = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    let mut content = Vec::new();
    from.take(most).read_to_end(&mut content).map_err(|source| FilesError::Read { path: path.to_owned(), source })?;
    if content.len() > max { Err(FilesError::TooLarge { max }) } else { Ok(content) }
}

/// What a path is, links not followed.
fn file_type(path: &Path) -> Result<FileType, FilesError> {
    let failed = |source| FilesError::Read { path: path.to_owned(), source };
    let kind = fs::symlink_metadata(path).map_err(failed)?.file_type();
    if kind.is_symlink() { Err(FilesError::Symlink(path.to_owned())) } else { Ok(kind) }
}

/// Whether pytest would collect a file of this name.
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.strip_suffix(".py").is_some_and(|stem| stem.starts_with("test_") || stem.ends_with("_test"))
}

#[cfg(test)]
mod tests;
