//! The report for people.

use std::fmt::Write as _;

use super::load::Measured;

/// One line a row, in columns.
pub(super) fn of(rows: &[Measured]) -> String {
    let mut text =
        String::from("program  clients   jobs   p50 ms   p95 ms   p99 ms  around p50 ms    jobs/s    runs/s\n");
    for row in rows {
        // Writing into a text does not fail.
        writeln!(
            text,
            "{:<8} {:>7} {:>6} {:>8.1} {:>8.1} {:>8.1} {:>14.1} {:>9.1} {:>9.1}",
            row.program,
            row.clients,
            row.jobs,
            row.p50_milliseconds,
            row.p95_milliseconds,
            row.p99_milliseconds,
            row.around_p50_milliseconds,
            row.jobs_per_second,
            row.runs_per_second
        )
        .unwrap_or_default();
    }
    text
}
