//! `bench`: how long jobs take through the broker that is configured, and how many of them come through.

mod load;
mod options;
mod pipeline;
mod plot;
mod process;
mod programs;
mod table;

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::failure::Failure;
use super::signer::Sender;
use super::status::Ending;
use super::{job, output};
use crate::app::signals::Signals;
use crate::broker::Settings;
use crate::config::Loaded;
use load::{Load, Measured};
pub use options::Bench;
use pipeline::Pipeline;
use programs::Program;

/// Rows of the report, or why there are none.
type Rows = Result<Vec<Measured>, Failure>;

/// Runs the command.
pub(super) fn run(loaded: &Loaded, options: &Bench) -> Result<ExitCode, Failure> {
    job::quiet_log(loaded)?;
    // A key is only asked for where workers have to know it, and then before anything is measured.
    let needs_key = options.programs.iter().any(|program| program.needs_worker());
    let load = needs_key.then(|| load(loaded, options)).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let interrupted = CancellationToken::new();
    let rows = runtime.block_on(async {
        let mut signals = Signals::take()?;
        let mut rows = std::pin::pin!(every_row(loaded, load.as_ref(), options, &interrupted));
        loop {
            tokio::select! {
                rows = &mut rows => return rows,
                // What was made to be measured with is taken away before the end.
                _ = signals.next() => interrupted.cancel(),
            }
        }
    })?;
    if interrupted.is_cancelled() {
        output::err("interrupted: what was measured so far is not shown\n");
        return Ok(Ending::Interrupted.into());
    }
    if let Some(path) = &options.plot {
        std::fs::write(path, plot::of(&rows)).map_err(|error| {
            Failure::usage(anyhow::Error::new(error).context(format!("cannot write {}", path.display())))
        })?;
    }
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

/// What the clients of a worker need.
fn load(loaded: &Loaded, options: &Bench) -> Result<Load, Failure> {
    Ok(Load {
        settings: Settings::new(&loaded.config.broker, &loaded.config.worker.id, loaded.config.worker.slots),
        sender: Sender::of(loaded, &options.sender)?,
        audience: loaded.config.worker.audience.clone(),
        class: options.class.clone(),
        limit: Duration::from_secs(options.timeout_seconds),
    })
}

/// Measures every program, in the order in which they were named. `load`: for those that need a worker.
async fn every_row(loaded: &Loaded, load: Option<&Load>, options: &Bench, interrupted: &CancellationToken) -> Rows {
    let mut rows = Vec::new();
    for program in &options.programs {
        let more = match load.filter(|_| program.needs_worker()) {
            None => alone(loaded, options, interrupted).await?,
            Some(load) => {
                tokio::select! {
                    more = program_rows(*program, load, options, options.worker_pid) => more?,
                    () = interrupted.cancelled() => Vec::new(),
                }
            }
        };
        rows.extend(more);
    }
    Ok(rows)
}

/// The rows of `no-op`. Its queue goes in any case.
async fn alone(loaded: &Loaded, options: &Bench, interrupted: &CancellationToken) -> Rows {
    let clients = options.clients.iter().copied().max().unwrap_or(1);
    let limit = Duration::from_secs(options.timeout_seconds);
    let pipeline = Pipeline::start(&loaded.config, clients, limit).await?;
    let rows = tokio::select! {
        rows = program_rows(Program::Noop, &pipeline.load, options, None) => rows,
        () = interrupted.cancelled() => Ok(Vec::new()),
    };
    match (rows, pipeline.stop().await) {
        (rows, Ok(())) => rows,
        (Ok(_), Err(left)) => Err(left),
        (Err(failure), Err(left)) => Err(failure.beside(left)),
    }
}

async fn program_rows(program: Program, load: &Load, options: &Bench, worker: Option<u32>) -> Rows {
    let mut rows = Vec::new();
    for clients in &options.clients {
        let extent = options.extent(*clients);
        let bar = bar(options.json, extent.jobs(*clients), &format!("{} × {clients}", program.as_str()));
        rows.push(load.measure(program, (*clients, extent), worker, &bar).await?);
        bar.finish_and_clear();
    }
    Ok(rows)
}

/// A bar on stderr, where that is a terminal.
fn bar(quiet: bool, jobs: Option<usize>, text: &str) -> ProgressBar {
    if quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let template = match jobs {
        Some(_) => "{msg:>12} {bar:40} {pos}/{len} {per_sec} {eta}",
        None => "{msg:>12} {spinner} {pos} jobs {per_sec} {elapsed}",
    };
    let style = ProgressStyle::with_template(template);
    let bar = match jobs {
        Some(jobs) => ProgressBar::new(u64::try_from(jobs).unwrap_or(u64::MAX)),
        None => ProgressBar::no_length(),
    };
    let bar = bar.with_message(text.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_never_for_this_template) => bar,
    }
}
