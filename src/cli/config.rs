//! `config check`, `config print` and `config schema`.

use std::path::Path;
use std::process::ExitCode;

use super::args::Config;
use super::failure::Failure;
use super::{load, output};
use crate::config;

/// Runs the command.
pub(super) fn run(command: Config, file: Option<&Path>) -> Result<ExitCode, Failure> {
    match command {
        Config::Check => {
            let loaded = load(file)?;
            loaded.check_files()?;
            loaded.require_keys()?;
            for hint in &loaded.hints {
                output::err(&format!("warning: {hint}\n"));
            }
            output::out_line("ok")?;
        }
        Config::Print => output::out(config::print(&load(file)?).as_bytes())?,
        Config::Schema => output::out_line(&format!("{:#}", config::schema()))?,
    }
    Ok(ExitCode::SUCCESS)
}
