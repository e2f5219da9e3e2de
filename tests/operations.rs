//! docs/operations.md says what the code says: every line of the log that somebody may have to act on, every part and
//! reason of readiness, every cause, every metric.
#![cfg(test)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tester_worker::config::model::Config;
use tester_worker::config::{Environment, load_from};
use tester_worker::ports::conditions::Part;
use tester_worker::sandbox::Size;
use tester_worker::telemetry::labels::ReconnectCause;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    fs::read_to_string(root().join("docs/operations.md")).unwrap()
}

/// The sources of the worker, without those that are not at work in `serve` of a release.
fn sources() -> Vec<String> {
    let mut folders = vec![root().join("src")];
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let left_out = ["cli", "crash", "crash.rs"].iter().any(|name| path == root().join("src").join(name));
            if left_out {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                texts.push(fs::read_to_string(&path).unwrap());
            }
        }
    }
    texts
}

/// The string literal that begins behind this text's first quotation mark.
fn first_literal(text: &str) -> String {
    let (_, rest) = text.split_once('"').expect("a literal");
    let mut literal = String::new();
    let mut characters = rest.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => match characters.next() {
                // A line that goes on: the next one's indent is not in the text.
                Some('\n') => while characters.next_if(|next| next.is_whitespace()).is_some() {},
                Some(escaped) => literal.push(escaped),
                None => break,
            },
            character => literal.push(character),
        }
    }
    literal
}

/// A text of the code or of the page, so that both can be compared: `…` for what changes, and no backticks.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    let mut depth = 0_u32;
    for character in text.chars() {
        match character {
            '{' => {
                depth += 1;
                shape.push('…');
            }
            '}' => depth = depth.saturating_sub(1),
            '`' => {}
            _ if depth > 0 => {}
            character => shape.push(character),
        }
    }
    shape.trim().to_owned()
}

/// Code in a page's text: between one backtick and the next, or between two and the next two.
fn code(text: &str) -> Vec<String> {
    let mut spans = Vec::new();
    let mut rest = text;
    while let Some((_, from)) = rest.find('`').map(|start| rest.split_at(start)) {
        let fence = if from.starts_with("``") { "``" } else { "`" };
        let inside = from.strip_prefix(fence).unwrap_or_default();
        let Some(mut end) = inside.find(fence) else { break };
        // Two that are followed by a third belong to the text, as the first of it may.
        while fence == "``" && inside.split_at(end).1.starts_with("```") {
            end += 1;
        }
        let (span, behind) = inside.split_at(end);
        spans.push(span.to_owned());
        rest = behind.strip_prefix(fence).unwrap_or_default();
    }
    spans
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    let (_, rest) = text.split_once(begin).unwrap_or_else(|| panic!("the page has `{begin}`"));
    rest.split_once(end).unwrap_or_else(|| panic!("the page has `{end}` behind `{begin}`")).0
}

/// Cells of a table's rows, without its head.
fn rows(table: &str) -> Vec<Vec<String>> {
    let lines = table.lines().filter(|line| line.starts_with('|')).skip(2);
    lines.map(|line| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn every_warning_and_error_is_explained_and_nothing_else_is() {
    let mut said = BTreeSet::new();
    for text in sources() {
        for call in ["tracing::warn!(", "tracing::error!("] {
            said.extend(text.split(call).skip(1).map(|rest| shape(&first_literal(rest))));
        }
    }
    assert!(said.len() > 40, "only {}: is the test looking at the right folder?", said.len());
    let page = page();
    let table = between(&page, "<!-- begin log lines -->\n", "<!-- end log lines -->");
    let explained: BTreeSet<String> =
        rows(table).iter().flat_map(|row| code(&row[0])).map(|line| shape(&line)).collect();
    let missing: Vec<_> = said.difference(&explained).collect();
    let stale: Vec<_> = explained.difference(&said).collect();
    assert!(missing.is_empty(), "docs/operations.md does not explain: {missing:#?}");
    assert!(stale.is_empty(), "docs/operations.md explains what nobody says: {stale:#?}");
}

#[test]
fn every_part_and_reason_of_readiness_is_one_of_the_code() {
    let page = page();
    let table = between(&page, "comes back by itself.\n", "And why `/livez`");
    let rows = rows(table);
    let parts: BTreeSet<String> = rows.iter().flat_map(|row| code(&row[0])).collect();
    for part in Part::ALL {
        assert!(parts.contains(part.as_str()), "the part `{}` is not in the table", part.as_str());
    }
    let reasons: Vec<String> = rows.iter().flat_map(|row| code(&row[1])).collect();
    let of_livez = between(&page, "And why `/livez`", "Metrics that tell of these faults");
    let of_livez = self::rows(of_livez).iter().flat_map(|row| code(&row[0])).collect::<Vec<_>>();
    let sources: String =
        sources().iter().map(|text| shape(&text.replace('{', "\u{1}").replace('}', "\u{2}"))).collect();
    // Placeholders of a format string, and lines that go on, as in `shape`; blocks of code have braces as well.
    let words = |text: &str| text.split_whitespace().map(|word| word.replace('\\', "")).collect::<Vec<_>>().join(" ");
    let sources = words(&sources);
    for reason in reasons.iter().chain(&of_livez) {
        // A colon too: behind it there may be another's words.
        for piece in shape(reason).split(['…', ':']).map(str::trim).filter(|piece| piece.len() > 3) {
            assert!(sources.contains(&words(piece)), "`{piece}`, of `{reason}`, is nowhere in the code");
        }
    }
}

#[test]
fn every_cause_is_explained_and_every_metric_exists() {
    let page = page();
    let causes = between(&page, "| `cause` | what happened", "\n\n");
    let explained: BTreeSet<String> = causes.lines().skip(2).filter_map(|row| code(row).into_iter().next()).collect();
    let known: BTreeSet<String> = ReconnectCause::ALL.iter().map(|cause| cause.as_str().to_owned()).collect();
    assert_eq!(explained, known);
    let metrics = fs::read_to_string(Path::new(&root()).join("docs/metrics.md")).unwrap();
    for name in code(&page).iter().filter(|name| name.starts_with("tester_worker_")) {
        let name = name.split('{').next().unwrap_or_default();
        assert!(metrics.contains(&format!("| `{name}` |")), "`{name}` is no metric");
    }
}

#[test]
fn the_size_of_a_host_is_the_sum_that_the_worker_reckons() {
    let page = page();
    let size = between(&page, "\n## Size\n", "\n## ");
    assert!(size.contains(&Size::formula()), "the page has another sum than\n{}", Size::formula());
    let environment = Environment { host_name: "host".to_owned(), ..Environment::default() };
    let config = load_from(None, &environment).unwrap().config;
    let needed = |memory_bytes: Option<u64>| {
        let mut config: Config = config.clone();
        for profile in config.profiles.values_mut().filter(|_| memory_bytes.is_some()) {
            profile.limits_max.memory_bytes = memory_bytes;
        }
        Size::of(&config).with_extras_mib(config.pool.extra_max)
    };
    for (memory_bytes, says) in
        [(Some(268_435_456), " = {} MiB. It fits"), (None, " = {})"), (Some(536_870_912), "536870912 ({})")]
    {
        let says = says.replace("{}", &needed(memory_bytes).to_string());
        assert!(size.contains(&says), "`{says}` is not on the page");
    }
}
