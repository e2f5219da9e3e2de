//! The reference page, from the comments of the default configuration.

use std::fmt::Write as _;

use super::DEFAULT;

const INTRODUCTION: &str = "\
# Configuration

<!-- Made from src/config/default.toml. To change it: UPDATE_DOCS=1 cargo test --test generated_docs -->

Three layers, later wins:

1. the defaults below, which are built in,
2. one TOML file: `--config FILE`, else `/etc/tester-worker/config.toml` if it is there,
3. environment variables: `TESTER_WORKER__` and the key's path joined by two underscores.

Tables merge: a file that adds `[profiles.cpp]` keeps the built-in profiles, and one that sets `profiles.python.warm` keeps
the rest of `python`. Lists are replaced. An unknown key or variable is an error that names it, where it is, and the name
that was probably meant. All problems are reported at once. `tester-worker config check` looks for them, `tester-worker
config print` shows what is in force and where it came from, and `tester-worker config schema` prints a JSON Schema.

**Variables.** Capitals do not count. A list of texts is separated by commas, or written as a TOML array; any other list is a
TOML array: `TESTER_WORKER__BROKER__CLASSES='[{ name = \"default\", weight = 1 }]'`. Where a profile or a key's id holds a
sign that no variable's name can hold, `_` stands for it. Names below `env` keep their capitals:
`TESTER_WORKER__PROFILES__PYTHON__ENV__OMP_NUM_THREADS=1`.

**Secrets.** `WORKER_AUTH_TOKEN` is the shared HS256 token, 32 bytes or more; `WORKER_AUTH_TOKEN_FILE` names a file that
holds it. `TESTER_WORKER__BROKER__URLS_FILE` names a file with one AMQP URL a line. Newlines at the end do not count. An
empty `WORKER_AUTH_TOKEN` counts as none. Secrets are never printed.
";

/// One key of the default configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The table it is in, `broker.classes`.
    pub section: String,
    /// The key.
    pub key: String,
    /// Its default, as TOML.
    pub default: String,
    /// What it means; empty where an entry before it has said so.
    pub meaning: String,
}

/// One table of the default configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its header, `[[broker.classes]]`.
    pub header: String,
    /// What it is about.
    pub meaning: String,
    /// Its keys.
    pub entries: Vec<Entry>,
    /// Comments that belong to no key, each about one that has no default.
    pub notes: Vec<String>,
}

impl Section {
    /// The header without its brackets.
    pub fn name(&self) -> &str {
        self.header.trim_matches(['[', ']'])
    }
}

/// Every table of the default configuration, in its order.
pub fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in DEFAULT.lines() {
        if let Some(text) = line.strip_prefix('#') {
            comment.push(text.trim());
        } else if line.starts_with('[') {
            let meaning = comment.join(" ");
            sections.push(Section { header: line.to_owned(), meaning, entries: Vec::new(), notes: Vec::new() });
            comment.clear();
        } else if let (Some((key, default)), Some(section)) = (line.split_once(" = "), sections.last_mut()) {
            let (section_name, meaning) = (section.name().to_owned(), comment.join(" "));
            let entry = Entry { section: section_name, key: key.to_owned(), default: default.to_owned(), meaning };
            section.entries.push(entry);
            comment.clear();
        } else {
            // An empty line ends a block; what it held is about the table itself.
            if let Some(section) = sections.last_mut() {
                section.notes.extend(comment.iter().map(|line| (*line).to_owned()));
            }
            comment.clear();
        }
    }
    sections
}

/// The page.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in sections() {
        push(&mut page, format_args!("\n## `{}`\n", section.header));
        if !section.meaning.is_empty() {
            push(&mut page, format_args!("\n{}\n", section.meaning));
        }
        if !section.entries.is_empty() {
            page.push_str("\n| key | default | meaning |\n|---|---|---|\n");
        }
        for entry in &section.entries {
            let meaning = entry.meaning.replace('|', "\\|");
            push(&mut page, format_args!("| `{}` | `{}` | {meaning} |\n", entry.key, entry.default));
        }
        if !section.notes.is_empty() {
            page.push('\n');
        }
        for note in &section.notes {
            push(&mut page, format_args!("- {note}\n"));
        }
    }
    page
}

/// Writing to a `String` cannot fail.
fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).unwrap_or_default();
}
