//! The reference page of the command line, from clap's own help.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

use super::args::Cli;

const INTRODUCTION: &str = "\
# Commands

<!-- Made from src/cli/args.rs. To change it: UPDATE_DOCS=1 cargo test --test generated_docs -->

Data goes to stdout, everything else to stderr. `--json` prints one JSON document for machines. An error says what happened,
to what, and with `hint:` what to do about it.
";

/// The page.
pub fn markdown() -> String {
    let mut page = INTRODUCTION.to_owned();
    let mut root = Cli::command().term_width(100).disable_help_subcommand(true);
    root.build();
    describe(&mut page, &root);
    page
}

fn describe(page: &mut String, command: &Command) {
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
    let help = command.clone().term_width(100).render_long_help().to_string();
    // Trailing blanks are clap's layout, and no editor keeps them.
    let help = help.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", help.trim_end()).unwrap_or_default();
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        describe(page, inner);
    }
}
