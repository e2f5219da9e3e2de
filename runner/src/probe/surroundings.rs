//! What a program can see of where it is.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use rustix::process::{Resource, Rlimit};
use tester_runner::found::{FOLDERS, Folder, Mount, Surroundings};

use super::attempts::{self, create};

/// Descriptors that are looked for.
const DESCRIPTORS: u32 = 1024;

/// The lines of `/proc/self/status` that speak of ids and powers.
const STATUS: [&str; 11] = [
    "Uid",
    "Gid",
    "Groups",
    "CapInh",
    "CapPrm",
    "CapEff",
    "CapBnd",
    "CapAmb",
    "NoNewPrivs",
    "Seccomp",
    "Seccomp_filters",
];

/// Looks around, and tries everything that must be refused.
pub(super) fn look(runner: &Path) -> io::Result<Surroundings> {
    // First, before anything here opens one.
    let descriptors = descriptors();
    Ok(Surroundings {
        descriptors,
        status: status(&fs::read_to_string("/proc/self/status")?),
        oom_score: fs::read_to_string("/proc/self/oom_score_adj")?.trim().to_owned(),
        devices: devices(&fs::read_to_string("/proc/net/dev")?),
        mounts: mounts(&fs::read_to_string("/proc/self/mountinfo")?),
        folders: folders(),
        limits: limits(),
        attempts: attempts::all(runner),
    })
}

/// Looked up by name, which opens none.
fn descriptors() -> Vec<u32> {
    (0..DESCRIPTORS).filter(|number| fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok()).collect()
}

fn status(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let wanted = lines.filter(|(name, _)| STATUS.contains(name));
    wanted.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

/// Two lines of headings, then a device a line.
fn devices(text: &str) -> Vec<String> {
    let lines = text.lines().skip(2).filter_map(|line| line.split_once(':'));
    lines.map(|(name, _)| name.trim().to_owned()).collect()
}

/// Of each line: the fifth word is the place, the sixth the options; the type comes after a lone dash.
fn mounts(text: &str) -> Vec<Mount> {
    let mount = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let mut words = mount.split(' ').skip(4);
        let point = words.next()?.to_owned();
        let options = words.next()?.split(',').map(str::to_owned).collect();
        let kind = file_system.split(' ').next()?.to_owned();
        Some(Mount { create: create(Path::new(&point)), point, kind, options })
    };
    text.lines().filter_map(mount).collect()
}

fn folders() -> BTreeMap<String, Folder> {
    let folder = |path: &str| {
        let found = rustix::fs::statvfs(path).ok()?;
        let folder = Folder { bytes: found.f_blocks.saturating_mul(found.f_frsize), files: found.f_files };
        Some((path.to_owned(), folder))
    };
    FOLDERS.into_iter().filter_map(folder).collect()
}

fn limits() -> BTreeMap<String, (Option<u64>, Option<u64>)> {
    let named = [("core", Resource::Core), ("file_bytes", Resource::Fsize), ("open_files", Resource::Nofile)];
    let limit = |(name, resource): (&str, Resource)| {
        let Rlimit { current, maximum } = rustix::process::getrlimit(resource);
        (name.to_owned(), (current, maximum))
    };
    named.into_iter().map(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_taken_apart() {
        let text = "Name:\tx\nUid:\t7\t7\t7\t7\nGroups:\t \nCapEff:\t0000000000000000\n";
        let found = status(text);
        assert_eq!(found.get("Uid").map(String::as_str), Some("7\t7\t7\t7"));
        assert_eq!(found.get("Groups").map(String::as_str), Some(""));
        assert!(!found.contains_key("Name"));
        assert_eq!(devices("Inter-| Receive\n face |bytes\n    lo:  0 0\n  eth0: 1 2\n"), ["lo", "eth0"]);
    }

    #[test]
    fn a_mount_is_read_whatever_optional_fields_it_has() {
        let text = "69 45 0:39 / / ro,noatime master:2 shared:1 - overlay overlay rw\n\
                    86 69 0:47 / /nowhere rw,nosuid,nodev - tmpfs tmpfs rw\nnonsense\n";
        let found = mounts(text);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].point.as_str(), found[0].kind.as_str()), ("/", "overlay"));
        assert_eq!(found[1].options, ["rw", "nosuid", "nodev"]);
        assert_eq!(found[1].create, "ENOENT");
    }
}
