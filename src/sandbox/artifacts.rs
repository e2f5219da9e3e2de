//! Files that a job wants back: which of what it left match its globs, and which of those may come.
//!
//! Globs are matched here and not in the sandbox, by the library that also checked them at admission. `*` and `?` stay
//! within one name; `**` crosses folders.

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use tester_runner::listing::{Entry, EntryKind};

use super::collect::{Contents, Folder};
use super::link::Link;
use crate::domain::content::Content;
use crate::domain::outcome::{Artifact, ArtifactRefused};

/// Files that come back at most.
const FILES_MAX: usize = 256;

/// Bytes of all of them together. They travel as base64 within base64, so a result of the default size holds them.
const BYTES_MAX: u64 = 4 * 1_048_576;

/// Refused files that are named at most.
const REFUSED_MAX: usize = 256;

/// Bytes of a path that is shown of a refused file.
const SHOWN_BYTES_MAX: usize = 1_024;

/// What came back, and what did not.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Collected {
    pub(super) artifacts: Vec<Artifact>,
    pub(super) refused: Vec<ArtifactRefused>,
}

impl Collected {
    /// Nothing: the sandbox is gone.
    pub(super) fn lost(globs: &[String]) -> Self {
        let mut collected = Self::default();
        for glob in globs {
            collected.refuse(glob.clone(), "sandbox_lost");
        }
        collected
    }

    fn refuse(&mut self, path: String, reason: &str) {
        if self.refused.len() < REFUSED_MAX {
            self.refused.push(ArtifactRefused { path, reason: reason.to_owned() });
        }
    }
}

/// Brings back what the globs name. A sandbox that cannot be asked costs the files and not the verdict.
pub(super) async fn collect(link: &mut Link, globs: &[String]) -> Collected {
    let mut collected = Collected::default();
    if let Err(error) = bring(link, globs, &mut collected).await {
        tracing::warn!("artifacts are missing: {error}");
        return Collected::lost(globs);
    }
    collected
}

async fn bring(link: &mut Link, globs: &[String], collected: &mut Collected) -> Result<(), super::collect::NoAnswer> {
    let mut folder = Folder::new(link);
    let Contents { entries, truncated } = folder.list().await?;
    let wanted = choose(&Wanted::new(globs), entries, collected);
    for (path, entry) in wanted {
        let bytes_max = usize::try_from(entry.bytes).unwrap_or(usize::MAX);
        match folder.fetch(&entry.path, bytes_max).await? {
            Ok(content) => collected.artifacts.push(Artifact {
                path,
                bytes_total: u64::try_from(content.len()).unwrap_or(u64::MAX),
                content: Content::new(content),
            }),
            Err(_reason) => collected.refuse(path, "unreadable"),
        }
    }
    if truncated {
        collected.refuse(".".to_owned(), "too_many");
    }
    Ok(())
}

/// The globs of a job.
struct Wanted {
    files: GlobSet,
    /// Every folder in which one of them looks for files.
    folders: GlobSet,
}

impl Wanted {
    fn new(globs: &[String]) -> Self {
        let folders = globs.iter().flat_map(|glob| glob.match_indices('/').filter_map(|(at, _)| glob.get(..at)));
        Self { files: set(globs.iter().map(String::as_str)), folders: set(folders) }
    }
}

/// Admission has refused globs that are none; one that slipped through matches nothing.
fn set<'a>(globs: impl Iterator<Item = &'a str>) -> GlobSet {
    let mut builder = GlobSetBuilder::new();
    for glob in globs.filter_map(|glob| parse(glob).ok()) {
        builder.add(glob);
    }
    builder.build().unwrap_or_default()
}

fn parse(glob: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build()
}

/// Sorts out what may come; the rest goes to the refused ones with its reason.
fn choose(wanted: &Wanted, entries: Vec<Entry>, collected: &mut Collected) -> Vec<(String, Entry)> {
    let mut chosen = Vec::new();
    let mut bytes: u64 = 0;
    for entry in entries {
        let text = std::str::from_utf8(&entry.path);
        let shown = shown(&entry.path);
        let matches = match text {
            Ok(path) => wanted.files.is_match(path),
            // What it is called cannot be said in a result, so it cannot come; but nobody should wonder where it is.
            Err(_) => wanted.files.is_match(&shown),
        };
        let hides = entry.kind != EntryKind::Regular && wanted.folders.is_match(&shown);
        if !matches && !hides {
            continue;
        }
        let reason = match entry.kind {
            EntryKind::Symlink => Some("symlink"),
            EntryKind::Fifo => Some("fifo"),
            EntryKind::Socket => Some("socket"),
            EntryKind::Device => Some("device"),
            EntryKind::DeepFolder => Some("too_deep"),
            EntryKind::Closed => Some("unreadable"),
            EntryKind::Regular if text.is_err() => Some("not_utf8"),
            EntryKind::Regular if chosen.len() >= FILES_MAX => Some("too_many"),
            EntryKind::Regular if bytes.saturating_add(entry.bytes) > BYTES_MAX => Some("too_large"),
            EntryKind::Regular => None,
        };
        match (reason, text) {
            (Some(reason), _) => collected.refuse(shown, reason),
            (None, Ok(path)) => {
                bytes += entry.bytes;
                chosen.push((path.to_owned(), entry));
            }
            (None, Err(_)) => {}
        }
    }
    chosen
}

/// A path for people: what is no UTF-8 in it is replaced, and a long one is cut.
fn shown(path: &[u8]) -> String {
    let mut text = String::from_utf8_lossy(path).into_owned();
    text.truncate(text.floor_char_boundary(SHOWN_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[u8], kind: EntryKind, bytes: u64) -> Entry {
        Entry { path: path.to_vec(), kind, bytes, executable: false }
    }

    fn chosen(globs: &[&str], entries: &[(&str, EntryKind, u64)]) -> (Vec<String>, Vec<(String, String)>) {
        let globs: Vec<String> = globs.iter().map(|glob| (*glob).to_owned()).collect();
        let entries = entries.iter().map(|(path, kind, bytes)| entry(path.as_bytes(), *kind, *bytes)).collect();
        let mut collected = Collected::default();
        let chosen = choose(&Wanted::new(&globs), entries, &mut collected);
        let refused = collected.refused.into_iter().map(|refused| (refused.path, refused.reason)).collect();
        (chosen.into_iter().map(|(path, _)| path).collect(), refused)
    }

    fn refused(path: &str, reason: &str) -> (String, String) {
        (path.to_owned(), reason.to_owned())
    }

    #[test]
    fn a_star_stays_within_one_name_and_two_cross_folders() {
        let left = [
            ("a.csv", EntryKind::Regular, 1),
            ("out/b.csv", EntryKind::Regular, 1),
            ("out/x/c.csv", EntryKind::Regular, 1),
        ];
        assert_eq!(chosen(&["*.csv"], &left).0, ["a.csv"]);
        assert_eq!(chosen(&["out/*.csv"], &left).0, ["out/b.csv"]);
        assert_eq!(chosen(&["**/*.csv"], &left).0, ["a.csv", "out/b.csv", "out/x/c.csv"]);
        assert_eq!(chosen(&["out/**"], &left).0, ["out/b.csv", "out/x/c.csv"]);
        assert_eq!(chosen(&["a.csv", "*.csv"], &left).0, ["a.csv"], "once, however many globs name it");
    }

    #[test]
    fn only_regular_files_come_and_the_others_are_named() {
        let left = [
            ("out/a", EntryKind::Symlink, 0),
            ("out/b", EntryKind::Fifo, 0),
            ("out/c", EntryKind::Socket, 0),
            ("out/d", EntryKind::Device, 0),
            ("out/e", EntryKind::DeepFolder, 0),
            ("out/f", EntryKind::Closed, 0),
            ("elsewhere", EntryKind::Symlink, 0),
        ];
        let (came, named) = chosen(&["out/*"], &left);
        assert_eq!(came, Vec::<String>::new());
        let reasons: Vec<&str> = named.iter().map(|(_, reason)| reason.as_str()).collect();
        assert_eq!(reasons, ["symlink", "fifo", "socket", "device", "too_deep", "unreadable"]);
    }

    #[test]
    fn a_link_in_place_of_a_folder_is_named_although_no_glob_names_it_itself() {
        assert_eq!(chosen(&["out/*.csv"], &[("out", EntryKind::Symlink, 0)]).1, [refused("out", "symlink")]);
        assert_eq!(chosen(&["out/x/*.csv"], &[("out/x", EntryKind::Closed, 0)]).1, [refused("out/x", "unreadable")]);
        assert_eq!(chosen(&["out/*.csv"], &[("out", EntryKind::Regular, 0)]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn the_first_files_that_fit_come() {
        let large = BYTES_MAX;
        let left =
            [("a", EntryKind::Regular, 1), ("b", EntryKind::Regular, large), ("c", EntryKind::Regular, large - 1)];
        assert_eq!(chosen(&["*"], &left), (vec!["a".to_owned(), "c".to_owned()], vec![refused("b", "too_large")]));
        let names: Vec<String> = (0..=FILES_MAX).map(|number| format!("{number:03}")).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), EntryKind::Regular, 1)).collect();
        let (came, left_out) = chosen(&["*"], &many);
        assert_eq!((came.len(), left_out), (FILES_MAX, vec![refused("256", "too_many")]));
    }

    #[test]
    fn a_name_that_is_no_text_is_refused_and_shown_as_far_as_it_can_be() {
        let mut collected = Collected::default();
        let left = vec![entry(b"out/\xff.csv", EntryKind::Regular, 1)];
        assert_eq!(choose(&Wanted::new(&["out/*.csv".to_owned()]), left, &mut collected), []);
        assert_eq!(collected.refused, [ArtifactRefused { path: "out/\u{fffd}.csv".into(), reason: "not_utf8".into() }]);
    }

    #[test]
    fn the_list_of_refused_files_is_bounded() {
        let names: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        let many: Vec<_> = names.iter().map(|name| (name.as_str(), EntryKind::Fifo, 0)).collect();
        assert_eq!(chosen(&["*"], &many).1.len(), REFUSED_MAX);
    }
}
