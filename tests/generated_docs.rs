//! The pages that are made from the code say what the code says.
#![cfg(test)]

use std::fs;
use std::path::PathBuf;

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
