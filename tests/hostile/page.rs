//! docs/hostile.md: every program with what it attacks and what it gets, as the headers say and the suite proves.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use super::catalogue::{FAMILIES, Program, all, programs};
use super::expect::Expect;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/hostile.md")
}

fn page() -> String {
    let mut page = format!(
        "# Hostile programs\n\n\
         <!-- Made from the headers in tests/hostile/programs. To change it: UPDATE_DOCS=1 cargo test --test hostile page -->\n\n\
         {} programs, each run through the real worker by `scripts/test -E 'binary(hostile)'`, each with one exact result. After\n\
         every one of them the worker is alive and ready, a small job succeeds, exactly one result has come, and nothing is left\n\
         of the program: no container, process, mount, volume or file. A wall is one of the names in [sandbox.md](sandbox.md#walls);\n\
         a program without one attacks the truth of the result alone. The rows are examples: what a wall is for is said there.\n",
        all().len()
    );
    for (family, about) in FAMILIES {
        let programs = programs(family);
        let heading = heading(family);
        write!(page, "\n## {heading}\n{about}\n\n| program | what it does | walls | result |\n|---|---|---|---|\n")
            .expect("a text");
        for program in &programs {
            page.push_str(&row(program));
        }
    }
    page
}

fn heading(family: &str) -> String {
    let mut letters = family.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

fn row(program: &Program) -> String {
    let header = &program.header;
    let walls: Vec<String> = header.walls.iter().map(|wall| format!("`{wall}`")).collect();
    format!("| `{}` | {} | {} | {} |\n", program.file, header.about, walls.join(", "), outcome(&header.expect))
}

/// What a result says, in a few words.
fn outcome(expect: &Expect) -> String {
    let mut words = vec![format!("`{}`", expect.status().as_str())];
    if let Some(limit) = expect.limit {
        words.push(serde_json::to_value(limit).expect("a limit").as_str().expect("a text").to_owned());
    }
    if let Some(reason) = &expect.reason {
        words.push(format!("`{reason}`"));
    }
    match expect.exit() {
        _ if !expect.cases.is_empty() => words.push(format!("{} cases", expect.cases.len())),
        (Some(code), _) if code != 0 => words.push(format!("exit code {code}")),
        (_, Some(signal)) => words.push(format!("signal {signal}")),
        _ => {}
    }
    let counted = [
        ("OOM kills", expect.oom_kills, expect.oom_kills_min),
        ("refused forks", expect.pids_limit_hits, expect.pids_limit_hits_min),
        ("processes killed", expect.processes_killed, expect.processes_killed_min),
    ];
    for (what, exact, least) in counted {
        match least {
            Some(least) => words.push(format!("{what}: {least} or more")),
            None if exact > 0 => words.push(format!("{what}: {exact}")),
            None => {}
        }
    }
    for (stream, truncated) in [("stdout", expect.stdout_truncated), ("stderr", expect.stderr_truncated)] {
        if truncated {
            words.push(format!("{stream} truncated"));
        }
    }
    if expect.runner_lost {
        words.push("runner lost".to_owned());
    }
    if let Some(complete) = expect.tests_complete {
        let complete = if complete { "complete" } else { "incomplete" };
        words.push(format!("report {complete}, {} tests", expect.tests.len()));
    }
    if expect.tests_trust.is_some() {
        words.push("trust `in_process`".to_owned());
    }
    words.extend(expect.artifacts.iter().map(|file| format!("kept {}", code(&file.path))));
    words.extend(expect.artifacts_numbered.iter().map(|many| format!("kept {} files", many.count)));
    words.extend(
        expect.artifacts_refused.iter().map(|file| format!("refused {} (`{}`)", code(&file.path), file.reason)),
    );
    words.join(", ")
}

/// A path between backquotes, with what would break a table written out.
fn code(path: &str) -> String {
    format!("`{}`", path.escape_default().to_string().replace('|', "\\|").replace('`', "'"))
}

/// Without `UPDATE_DOCS` it compares. The page says what the headers expect; that it is so is what the families prove.
#[test]
fn the_page_of_hostile_programs_is_current() {
    let text = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(path(), &text).expect("write the page");
    }
    let written = fs::read_to_string(path()).unwrap_or_default();
    assert!(written == text, "docs/hostile.md is out of date; UPDATE_DOCS=1 cargo test --test hostile page renews it");
}
