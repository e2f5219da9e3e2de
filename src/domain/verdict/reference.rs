//! The table of verdicts as the documents print it.

use std::fmt::Write as _;

use super::TABLE;

/// The table in Markdown, row by row in the order in which the rows are asked.
pub fn markdown() -> String {
    let mut text = "| | what holds | `status` | `limit` |\n|---|---|---|---|\n".to_owned();
    for (number, row) in (1..).zip(TABLE) {
        let limit = row.verdict.limit.map_or_else(|| "null".to_owned(), |limit| format!("`{}`", limit.as_str()));
        // Writing to a string does not fail.
        writeln!(text, "| {number} | {} | `{}` | {limit} |", row.when, row.verdict.status).unwrap_or_default();
    }
    text
}
