//! The reference page of the metrics, from what a registry really says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::metrics::Metrics;

const INTRODUCTION: &str = "\
# Metrics

<!-- Made from src/telemetry/metrics.rs. To change it: UPDATE_DOCS=1 cargo test --test generated_docs -->

The sidecar serves them at `/metrics` in the OpenMetrics text format. Every series of a known label value exists from the
start, at zero. Labels are bounded: `profile` and `class` are names from the configuration, or `other`; every other label has
the values that are listed below. Durations are in seconds, sizes in bytes; histograms reach from 1 millisecond to 120 seconds.

| metric | type | labels | meaning |
|---|---|---|---|
";

const NORMAL: &str = "
## What normal looks like

- `tester_worker_amqp_connected` is 1 for both roles, and `tester_worker_reconnects_total` stands still.
- `tester_worker_pool{state=\"warm\"}` comes back to `tester_worker_pool_wanted` within a second of a job. The latter is the profile's
  `warm`, and more for as long as jobs come in bursts that need it: that is the demand. All profiles together want at most
  `tester_worker_pool_extra_max` more than their `warm`.
- `tester_worker_containers_total{event=\"created\"}` grows by one for each job, and by nothing for those that reuse a sandbox: that is the
  rate at which pools are refilled. `tester_worker_container_create_seconds` stays below half a second. If it grows, the host is busy.
- `tester_worker_lease_wait_seconds` stays in the milliseconds. A quarter of a second is a job that waited for a sandbox to be made.
- `tester_worker_stage_seconds` of `leased` and `started` stays in the milliseconds. If `leased` grows, raise `warm` or `slots`.
- `tester_worker_jobs_dead_lettered_total` stands still. If it does not, somebody sends what nobody signed, or signs wrongly:
  `tester-worker dead list`.
- `tester_worker_jobs_finished_total{status=\"internal_error\"}` and `tester_worker_docker_errors_total` stand still. Each is a
  fault of the worker or its host, never of a program.
- `tester_worker_events_total` grows for `told`. The rest is what somebody's reply queue did not take in time; results are not
  touched by it.
- `tester_worker_deliveries_settled_total{outcome=\"stale\"}` grows only when a connection was lost while jobs ran.
";

/// What a family of series is.
#[derive(Debug, Default)]
struct Described {
    kind: String,
    help: String,
    labels: BTreeMap<String, BTreeSet<String>>,
}

/// The page.
pub fn markdown(metrics: &Metrics) -> String {
    let page = metrics.encode().unwrap_or_default();
    let mut text = INTRODUCTION.to_owned();
    let mut values: BTreeMap<String, BTreeSet<(String, String)>> = BTreeMap::new();
    for (name, metric) in describe(&page) {
        let suffix = match metric.kind.as_str() {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let labels = metric.labels.keys().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        push(&mut text, format_args!("| `{name}{suffix}` | {} | {labels} | {} |\n", metric.kind, metric.help));
        for (label, seen) in metric.labels {
            let list = seen.into_iter().collect::<Vec<_>>().join("`, `");
            values.entry(label).or_default().insert((list, format!("{name}{suffix}")));
        }
    }
    text.push_str("\n## Label values\n\n| label | of | values |\n|---|---|---|\n");
    for (label, lists) in values.iter().filter(|(label, _)| !["profile", "class", "version"].contains(&label.as_str()))
    {
        for (list, name) in lists {
            push(&mut text, format_args!("| `{label}` | `{name}` | `{list}` |\n"));
        }
    }
    text.push_str(NORMAL);
    text
}

/// Reads a page of the registry: its families, by name.
fn describe(page: &str) -> BTreeMap<String, Described> {
    let mut families: BTreeMap<String, Described> = BTreeMap::new();
    let mut current = String::new();
    for line in page.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            name.clone_into(&mut current);
            help.trim_end_matches('.').clone_into(&mut families.entry(current.clone()).or_default().help);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            kind.clone_into(&mut families.entry(name.to_owned()).or_default().kind);
        } else if let Some((_, rest)) = line.split_once('{')
            && let Some((labels, _)) = rest.rsplit_once('}')
        {
            let family = families.entry(current.clone()).or_default();
            for (label, value) in labels.split("\",").filter_map(|pair| pair.split_once("=\"")) {
                if label != "le" {
                    let value = value.trim_end_matches('"').to_owned();
                    family.labels.entry(label.to_owned()).or_default().insert(value);
                }
            }
        }
    }
    families
}

/// Writing to a `String` cannot fail.
fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    page.write_fmt(text).unwrap_or_default();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_into_names_kinds_and_labels() {
        let page =
            "# HELP a_b What it is.\n# TYPE a_b counter\na_b_total{x=\"1\",y=\"z\"} 0\na_b_total{x=\"2\",y=\"z\"} 0\n";
        let families = describe(page);
        let family = &families["a_b"];
        assert_eq!((family.kind.as_str(), family.help.as_str()), ("counter", "What it is"));
        assert_eq!(family.labels["x"].iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
