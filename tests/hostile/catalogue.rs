//! The programs on disk, and that there are enough of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::header::{Header, WALLS};

/// Families, in the order of docs/hostile.md, and what each is about.
pub(super) const FAMILIES: [(&str, &str); 9] = [
    ("resources", "Memory, processes, descriptors and whatever else there is a finite amount of."),
    ("signals", "Signals, sessions, orphans, priorities and clocks."),
    ("output", "What is written to stdout and stderr, how much, and through what."),
    ("files", "The file system: what can be filled, left behind, or reached by a name."),
    ("kernel", "System calls that no program of a job needs."),
    ("network", "Sockets of every family, and everything that they could reach."),
    ("integrity", "Forged frames, results and reports, and power over whoever makes the true ones."),
    ("artifacts", "Files that come back, and those that must not."),
    ("encodings", "Input that is hard to read: bytes, names, arguments, variables."),
];

const PROGRAMS_MIN: usize = 80;
const PROGRAMS_OF_A_FAMILY_MIN: usize = 8;

/// One program.
#[derive(Debug, Clone)]
pub(super) struct Program {
    pub(super) family: String,
    pub(super) file: String,
    pub(super) header: Header,
    pub(super) source: Vec<u8>,
}

impl Program {
    /// `FAMILY/FILE`.
    pub(super) fn name(&self) -> String {
        format!("{}/{}", self.family, self.file)
    }

    fn language(&self) -> &Language {
        language(&self.file).expect("a program in a language of the suite")
    }

    /// The profile that it runs under.
    pub(super) fn profile(&self) -> &str {
        self.header.profile.as_deref().unwrap_or_else(|| self.language().profile)
    }

    /// The path that its source has in the job.
    pub(super) fn entry(&self) -> &str {
        if self.profile() == "pytest" { "test_main.py" } else { self.language().entry }
    }
}

/// What the ending of a file's name implies.
#[derive(Debug)]
struct Language {
    ending: &'static str,
    marker: &'static str,
    profile: &'static str,
    entry: &'static str,
}

const LANGUAGES: [Language; 3] = [
    Language { ending: ".py", marker: "#:", profile: "python", entry: "main.py" },
    Language { ending: ".sh", marker: "#:", profile: "shell", entry: "main.sh" },
    Language { ending: ".c", marker: "//:", profile: "c", entry: "main.c" },
];

fn language(file: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| file.ends_with(language.ending))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/programs")
}

fn names(folder: &PathBuf) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder of programs");
    let name = |entry: fs::DirEntry| entry.file_name().into_string().expect("a name in UTF-8");
    let mut names: Vec<String> = entries.map(|entry| name(entry.expect("an entry"))).collect();
    names.sort();
    names
}

/// The programs of a family, by name. Fails with everything that is wrong with any header.
pub(super) fn programs(family: &str) -> Vec<Program> {
    let folder = folder().join(family);
    let mut wrong = Vec::new();
    let mut programs = Vec::new();
    for file in names(&folder) {
        let source = fs::read(folder.join(&file)).expect("a program");
        let Some(language) = language(&file) else {
            wrong.push(format!("{family}/{file}: not in a language of the suite"));
            continue;
        };
        match Header::parse(&String::from_utf8_lossy(&source), language.marker) {
            Ok(header) => programs.push(Program { family: family.to_owned(), file, header, source }),
            Err(error) => wrong.push(format!("{family}/{file}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    programs
}

/// All of them.
pub(super) fn all() -> Vec<Program> {
    FAMILIES.iter().flat_map(|(family, _)| programs(family)).collect()
}

#[test]
fn every_folder_is_a_family_and_every_family_has_enough_programs() {
    let mut families: Vec<&str> = FAMILIES.iter().map(|(family, _)| *family).collect();
    families.sort_unstable();
    assert_eq!(names(&folder()), families);
    let mut counted: BTreeMap<String, usize> = BTreeMap::new();
    for program in all() {
        *counted.entry(program.family).or_default() += 1;
    }
    let few: Vec<_> = counted.iter().filter(|(_, count)| **count < PROGRAMS_OF_A_FAMILY_MIN).collect();
    assert!(few.is_empty(), "{few:?}");
    assert!(counted.values().sum::<usize>() >= PROGRAMS_MIN, "{counted:?}");
}

#[test]
fn every_program_has_a_mechanism_of_its_own_a_status_and_walls_that_exist() {
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for program in all() {
        let name = program.name();
        if let Some(other) = seen.insert(program.header.about.clone(), name.clone()) {
            wrong.push(format!("{name} is about the same as {other}"));
        }
        let about = &program.header.about;
        if !about.ends_with('.') || about.contains('|') || about.contains('\n') {
            wrong.push(format!("{name}: `about` is one sentence"));
        }
        let expect = &program.header.expect;
        if expect.status.is_none() || expect.cases.iter().any(|case| case.status.is_none()) {
            wrong.push(format!("{name}: without a status"));
        }
        wrong.extend(
            program
                .header
                .walls
                .iter()
                .filter(|wall| !WALLS.contains(&wall.as_str()))
                .map(|wall| format!("{name}: `{wall}` is no wall")),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_wall_is_attacked() {
    let programs = all();
    let attacked = |wall: &str| programs.iter().any(|program| program.header.walls.iter().any(|of| of == wall));
    let free: Vec<_> = WALLS.into_iter().filter(|wall| !attacked(wall)).collect();
    assert!(free.is_empty(), "{free:?}");
}
