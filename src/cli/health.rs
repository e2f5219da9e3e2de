//! `health`

use std::net::SocketAddr;
use std::process::ExitCode;

use super::args::Health;
use super::failure::Failure;
use super::output;
use crate::config::Loaded;
use crate::sidecar::health::{Probe, ask};

/// Runs the command.
pub(super) fn run(loaded: &Loaded, options: Health) -> Result<ExitCode, Failure> {
    let listen = &loaded.config.sidecar.listen;
    if listen.is_empty() {
        let error = anyhow::anyhow!("the configuration has no sidecar to ask");
        return Err(Failure::usage(error).hint("set sidecar.listen, as for `serve`"));
    }
    let address: SocketAddr = listen.parse().map_err(Failure::usage)?;
    let probe = if options.live { Probe::Live } else { Probe::Ready };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(ask(address, probe)).map_err(|error| {
        Failure::fault(error).status(1).hint("is `tester-worker serve` running, with the same sidecar.listen?")
    })?;
    let (yes, no) = if options.live { ("live", "not live") } else { ("ready", "not ready") };
    if answer.well {
        output::out_line(yes)?;
        return Ok(ExitCode::SUCCESS);
    }
    output::out_line(no)?;
    for reason in &answer.reasons {
        output::out_line(&format!("  {reason}"))?;
    }
    Ok(ExitCode::FAILURE)
}
