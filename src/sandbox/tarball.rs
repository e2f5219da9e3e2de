//! Files as a tar, for the runner to unpack as the job's own uid.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use bytes::Bytes;

use crate::domain::job::JobFile;

/// Packs the files of a job.
///
/// # Errors
/// What the tar library says of a file; paths and sizes were checked before.
pub(super) fn pack(files: &[JobFile]) -> std::io::Result<Bytes> {
    let mut packer = Packer::default();
    for file in files {
        packer.add(file.path.as_str().as_bytes(), file.content.as_bytes(), file.executable)?;
    }
    packer.finish()
}

/// Packs one file after another. Folders come before what is in them.
pub(super) struct Packer {
    builder: tar::Builder<Vec<u8>>,
    folders: BTreeSet<Vec<u8>>,
}

impl Default for Packer {
    fn default() -> Self {
        Self { builder: tar::Builder::new(Vec::new()), folders: BTreeSet::new() }
    }
}

impl Packer {
    /// Adds a file at a path below the job's folder.
    ///
    /// # Errors
    /// What the tar library says.
    pub(super) fn add(&mut self, path: &[u8], content: &[u8], executable: bool) -> std::io::Result<()> {
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let folder = path.get(..at).unwrap_or_default();
            if self.folders.insert(folder.to_vec()) {
                let mut header = header(tar::EntryType::Directory, 0o700, 0);
                self.builder.append_data(&mut header, OsStr::from_bytes(folder), std::io::empty())?;
            }
        }
        let size = u64::try_from(content.len()).map_err(std::io::Error::other)?;
        let mut header = header(tar::EntryType::Regular, if executable { 0o700 } else { 0o600 }, size);
        self.builder.append_data(&mut header, OsStr::from_bytes(path), content)
    }

    /// The whole tar.
    ///
    /// # Errors
    /// What the tar library says.
    pub(super) fn finish(self) -> std::io::Result<Bytes> {
        self.builder.into_inner().map(Bytes::from)
    }
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::content::Content;
    use crate::domain::job::Role;
    use crate::domain::path::{JobPath, PathBounds};

    fn file(path: &str, content: &[u8], executable: bool) -> JobFile {
        let path = JobPath::parse(path, PathBounds { bytes_max: 4096, depth_max: 64 }).unwrap();
        JobFile { path, content: Content::new(content.to_vec()), executable, role: Role::Submission }
    }

    #[test]
    fn every_byte_and_every_name_survives() {
        let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
        let all_bytes: Vec<u8> = (0..=255).collect();
        let files = [
            file("main.py", b"print(1)", false),
            file("a/b/run.sh", &all_bytes, true),
            file(&long, b"", false),
            file("-rf ñ\n", b"x", false),
        ];
        let bytes = pack(&files).unwrap();
        let mut archive = tar::Archive::new(bytes.as_ref());
        let mut seen = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            let mode = entry.header().mode().unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            seen.push((path, mode, content));
        }
        for expected in [
            ("a".to_owned(), 0o700, Vec::new()),
            ("a/b".to_owned(), 0o700, Vec::new()),
            ("main.py".to_owned(), 0o600, b"print(1)".to_vec()),
            ("a/b/run.sh".to_owned(), 0o700, all_bytes),
            (long, 0o600, Vec::new()),
            ("-rf ñ\n".to_owned(), 0o600, b"x".to_vec()),
        ] {
            assert!(seen.contains(&expected), "{:?} in {seen:?}", expected.0);
        }
    }
    /// Paths that a job may have, not one of which is a folder of another.
    fn paths() -> impl Strategy<Value = Vec<String>> {
        let path = prop_oneof!["[a-c]{1,2}(/[a-c]{1,2}){0,3}", "[^/\\x00]{1,120}(/[^/\\x00]{1,120}){0,2}"];
        proptest::collection::btree_set(path, 0..12).prop_map(|all| {
            let inside = |path: &String| all.iter().any(|other| other.starts_with(&format!("{path}/")));
            all.iter().filter(|path| !inside(path)).cloned().collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_a_job_may_hold_is_packed_as_the_runner_takes_it(paths in paths(), bytes in 0_usize..2000) {
            let bounds = PathBounds { bytes_max: 4096, depth_max: 64 };
            let good = paths.iter().filter(|path| JobPath::parse(path, bounds).is_ok());
            let files: Vec<JobFile> = good.map(|path| file(path, &vec![7; bytes], true)).collect();
            let packed = pack(&files).unwrap();
            let mut archive = tar::Archive::new(packed.as_ref());
            let mut folders = BTreeSet::new();
            let mut seen = Vec::new();
            for entry in archive.entries().unwrap() {
                let entry = entry.unwrap();
                let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                // The runner's rules: no component that leads elsewhere, and every folder before what is in it.
                let path = path.strip_suffix('/').unwrap_or(&path).to_owned();
                prop_assert!(!path.split('/').any(|name| ["", ".", ".."].contains(&name)), "{}", path);
                let mut outer = path.match_indices('/').filter_map(|(at, _)| path.get(..at));
                prop_assert!(outer.all(|folder| folders.contains(folder)), "{}", path);
                let kind = entry.header().entry_type();
                if kind == tar::EntryType::Directory {
                    prop_assert!(folders.insert(path), "twice");
                } else {
                    prop_assert_eq!(kind, tar::EntryType::Regular);
                    seen.push((path, entry.size()));
                }
            }
            let expected: Vec<_> = files.iter().map(|file| (file.path.as_str().to_owned(), bytes as u64)).collect();
            prop_assert_eq!(seen, expected);
        }
    }
}
