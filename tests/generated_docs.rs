//! The pages that are made from the code say what the code says.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tester_worker::config::{self, Environment};
use tester_worker::domain::{settlement, verdict};
use tester_worker::telemetry::{metrics::Metrics, reference};

#[track_caller]
fn is_current(page: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, text).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap();
    assert!(written == text, "docs/{page} is out of date; UPDATE_DOCS=1 cargo test --test generated_docs renews it");
}

/// A part of a page that people write, between two comments.
#[track_caller]
fn part_is_current(page: &str, name: &str, part: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    let text = fs::read_to_string(path).unwrap();
    let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->\n"));
    let (before, rest) = text.split_once(&begin).expect("the page has the comment that begins the part");
    let (_, after) = rest.split_once(&end).expect("the page has the comment that ends the part");
    is_current(page, &format!("{before}{begin}{part}{end}{after}"));
}

#[test]
fn the_configuration_page_is_current() {
    is_current("configuration.md", &config::reference::markdown());
}

#[test]
fn the_metrics_page_is_current() {
    let environment = Environment { host_name: "host".to_owned(), ..Environment::default() };
    let loaded = config::load_from(None, &environment).unwrap();
    is_current("metrics.md", &reference::markdown(&Metrics::new(&loaded.config)));
}

#[test]
fn the_commands_page_is_current() {
    is_current("cli.md", &tester_worker::cli::reference::markdown());
}

#[test]
fn the_table_of_verdicts_is_current() {
    part_is_current("sandbox.md", "verdicts", &verdict::reference::markdown());
}

#[test]
fn the_tables_of_settlement_are_current() {
    part_is_current("reliability.md", "settlement", &settlement::reference::events());
    part_is_current("reliability.md", "publishes", &settlement::reference::publishes());
}

/// The names of all functions in the sources of the repository.
fn functions() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders: Vec<PathBuf> = ["src", "tests", "runner"].map(|folder| root.join(folder)).to_vec();
    let mut names = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let words = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('('));
                names.extend(words.map(|(name, _)| name.to_owned()));
            }
        }
    }
    names
}

#[test]
fn every_fault_names_a_test_that_exists_or_says_why_there_is_none() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md")).unwrap();
    let (_, rest) = page.split_once("<!-- begin scenarios -->\n").expect("the comment that begins the table");
    let (table, _) = rest.split_once("<!-- end scenarios -->").expect("the comment that ends it");
    let functions = functions();
    assert!(functions.len() > 1000, "{} functions: is the test looking at the right folders?", functions.len());
    let rows: Vec<Vec<&str>> = table.lines().skip(2).map(|row| row.split('|').map(str::trim).collect()).collect();
    let mut unknown = Vec::new();
    for (number, row) in (1..).zip(&rows) {
        let [_, of, _, outcome, shown, _] = row[..] else { panic!("five columns: {row:?}") };
        assert_eq!(of, number.to_string(), "rows are numbered in order");
        let tests: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || outcome.starts_with("No test") || shown.starts_with("no test"), "{row:?}");
        unknown.extend(tests.into_iter().filter(|name| !functions.contains(*name)));
    }
    assert_eq!(rows.len(), 50);
    assert!(unknown.is_empty(), "docs/reliability.md names tests that do not exist: {unknown:?}");
}
