//! The commands. Data goes to stdout, everything else to stderr; an error says what happened, to what, and what to do.

pub mod args;
mod bench;
mod config;
mod control;
mod dead;
mod doctor;
mod exec;
pub mod failure;
pub mod files;
mod health;
mod job;
pub mod keys;
mod live;
pub mod output;
pub mod reference;
pub mod render;
mod serve;
mod signer;
pub mod status;
mod submit;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use crate::config::{ConfigError, Loaded};
use args::{Cli, Command};
use failure::Failure;

/// Parses a command line, runs its command, and says how the process should exit.
pub fn run<I, T>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error),
    };
    dispatch(&cli).unwrap_or_else(|failure| failure.report())
}

fn dispatch(cli: &Cli) -> Result<ExitCode, Failure> {
    let file = cli.config.as_deref();
    match &cli.command {
        Command::Config(command) => config::run(*command, file),
        Command::Health(options) => health::run(&load(file)?, *options),
        Command::Keys(command) => keys::run(command),
        Command::Serve => serve::run(load(file)?),
        Command::Exec(options) => exec::run(&load(file)?, options),
        Command::Submit(options) => submit::run(&load(file)?, options),
        Command::Doctor(options) => doctor::run(&load(file)?, options),
        Command::Bench(options) => bench::run(&load(file)?, options),
        Command::Cancel(options) => control::cancel(&load(file)?, options),
        Command::Drain(options) => control::drain(&load(file)?, options),
        Command::Dead(command) => dead::run(&load(file)?, command),
    }
}

/// Loads the configuration for a command.
fn load(file: Option<&Path>) -> Result<Loaded, ConfigError> {
    crate::config::load(file)
}
