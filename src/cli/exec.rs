//! `exec`

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;

use super::args::Exec;
use super::failure::Failure;
use super::job;
use super::status::Ending;
use crate::app::exec;
use crate::app::signals::Signals;
use crate::config::Loaded;

/// Runs the command.
pub(super) fn run(loaded: &Loaded, options: &Exec) -> Result<ExitCode, Failure> {
    job::quiet_log(loaded)?;
    let draft = job::draft(&options.job, loaded)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::take()?;
        let cancel = CancellationToken::new();
        let mut run = Box::pin(exec::run(&loaded.config, draft, cancel.clone()));
        tokio::select! {
            result = &mut run => result.map(Some).map_err(Failure::fault),
            _ = signals.next() => {
                cancel.cancel();
                // The sandbox is removed before the command ends, unless the user insists.
                tokio::select! {
                    result = run => drop(result),
                    _ = signals.next() => {}
                }
                Ok(None)
            }
        }
    })?;
    match result {
        Some(claims) => job::show(&claims, options.job.json),
        None => Ok(Ending::Interrupted.into()),
    }
}
