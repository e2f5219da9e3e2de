//! `serve`

use std::process::ExitCode;
use std::time::Duration;

use super::failure::Failure;
use crate::app::serve::{Ended, serve};
use crate::config::Loaded;
use crate::telemetry::log;

/// The deadline passed and jobs were given back: the system may try again (`EX_TEMPFAIL`).
const GAVE_BACK: u8 = 75;

/// How long tasks may take to notice the end of the process.
const RUNTIME_LIMIT: Duration = Duration::from_millis(500);

/// Runs the command.
pub(super) fn run(loaded: Loaded) -> Result<ExitCode, Failure> {
    loaded.check_files()?;
    loaded.require_keys()?;
    log::init(&loaded.config.log).map_err(Failure::usage)?;
    for hint in &loaded.hints {
        tracing::warn!("{hint}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Boxed: the future holds every part of the worker.
    let ended = runtime.block_on(Box::pin(serve(loaded)));
    runtime.shutdown_timeout(RUNTIME_LIMIT);
    match ended.map_err(Failure::usage)? {
        Ended::Drained => Ok(ExitCode::SUCCESS),
        Ended::GaveBack => Ok(ExitCode::from(GAVE_BACK)),
        Ended::Broken => Err(Failure::fault(anyhow::anyhow!("the dispatcher ended by itself; the log says why"))),
        Ended::Killed(signal) => Ok(ExitCode::from(signal.exit_status())),
    }
}
