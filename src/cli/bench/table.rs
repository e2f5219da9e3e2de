//! The report for people.

use std::fmt::Write as _;

use super::load::Measured;

/// One line a row, in columns. `-`: it was not measured.
pub(super) fn of(rows: &[Measured]) -> String {
    let mut text = String::from(
        "program  clients   jobs   p50 ms   p95 ms   p99 ms  around p50 ms  road p50 ms    jobs/s    runs/s  \
         CPU ms/job  worker MiB\n",
    );
    for row in rows {
        // Writing into a text does not fail.
        writeln!(
            text,
            "{:<8} {:>7} {:>6} {:>8.1} {:>8.1} {:>8.1} {:>14.1} {:>12.1} {:>9.1} {:>9.1} {:>11} {:>11}",
            row.program,
            row.clients,
            row.jobs,
            row.p50_milliseconds,
            row.p95_milliseconds,
            row.p99_milliseconds,
            row.around_p50_milliseconds,
            row.road_p50_milliseconds,
            row.jobs_per_second,
            row.runs_per_second,
            optional(row.worker_cpu_milliseconds_per_job),
            optional(row.worker_rss_mebibytes),
        )
        .unwrap_or_default();
    }
    text
}

fn optional(figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"))
}
