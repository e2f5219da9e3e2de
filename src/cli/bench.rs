//! `bench`: how long jobs take through the broker that is configured, and how many of them come through.

mod load;
mod options;
mod programs;
mod table;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

use super::failure::Failure;
use super::signer::{self, Named};
use super::status::Ending;
use super::{job, output};
use crate::app::signals::Signals;
use crate::broker::Settings;
use crate::config::Loaded;
use crate::protocol::keys::{Direction, KeyRing};
use load::{Load, Measured};
pub use options::Bench;

/// What to do without a key.
const KEY_HINT: &str = "set WORKER_AUTH_TOKEN, or give --key-file, --kid and --results-jwks";

/// Jobs of each row that are sent before the clock starts: connections are made, sandboxes are warm.
const WARM_UP: usize = 2;

/// Runs the command.
pub(super) fn run(loaded: &Loaded, options: &Bench) -> Result<ExitCode, Failure> {
    job::quiet_log(loaded)?;
    let named = Named { key_file: options.key_file.as_ref(), kid: options.kid.as_ref(), issuer: options.iss.as_ref() };
    let (key, issuer) = signer::signer(loaded, named, KEY_HINT)?;
    let results = match &options.results_jwks {
        Some(path) => KeyRing::from_jwks(&signer::read(path)?, Direction::Results).map_err(Failure::usage)?,
        None => KeyRing::from_token(signer::token(loaded, KEY_HINT)?).map_err(Failure::usage)?,
    };
    let load = Load {
        settings: Settings::new(&loaded.config.broker, &loaded.config.worker.id, loaded.config.worker.slots),
        key,
        issuer,
        results,
        audience: loaded.config.worker.audience.clone(),
        class: options.class.clone(),
        limit: Duration::from_secs(options.timeout_seconds),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let rows = runtime.block_on(async {
        let mut signals = Signals::take()?;
        tokio::select! {
            rows = every_row(&load, options) => rows.map(Some),
            _ = signals.next() => Ok(None),
        }
    })?;
    let Some(rows) = rows else {
        output::err("interrupted: what was measured so far is not shown\n");
        return Ok(Ending::Interrupted.into());
    };
    if options.json {
        output::out_line(&json!({ "rows": rows }).to_string())?;
    } else {
        output::out(table::of(&rows).as_bytes())?;
    }
    let failed: usize = rows.iter().map(|row| row.failed).sum();
    if failed > 0 {
        output::err(&format!("{failed} jobs did not end with `ok`: the figures are not those of the programs\n"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn every_row(load: &Load, options: &Bench) -> Result<Vec<Measured>, Failure> {
    let mut rows = Vec::new();
    for program in &options.programs {
        for clients in &options.clients {
            // Each client sends the same number of jobs.
            let jobs = options.jobs.div_ceil(*clients);
            let bar = bar(options.json, *clients * (jobs + WARM_UP), &format!("{} × {clients}", program.as_str()));
            rows.push(load.measure(*program, (*clients, jobs, WARM_UP), &bar).await?);
            bar.finish_and_clear();
        }
    }
    Ok(rows)
}

/// A bar on stderr, where that is a terminal.
fn bar(quiet: bool, jobs: usize, text: &str) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{msg:>12} {bar:40} {pos}/{len} {per_sec} {eta}");
    let bar = ProgressBar::new(u64::try_from(jobs).unwrap_or(u64::MAX)).with_message(text.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_never_for_this_template) => bar,
    }
}
