//! `doctor`

use std::process::ExitCode;

use super::args::Doctor;
use super::failure::Failure;
use super::{job, output};
use crate::app::identity;
use crate::app::keys::KeySource;
use crate::broker::{self, Settings};
use crate::config::Loaded;
use crate::ports::diagnosis::{Colour, Finding};
use crate::sandbox;

/// Runs the command.
pub(super) fn run(loaded: &Loaded, options: &Doctor) -> Result<ExitCode, Failure> {
    job::quiet_log(loaded)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let findings = runtime.block_on(examine(loaded))?;
    let red = findings.iter().any(|finding| finding.colour == Colour::Red);
    if options.json {
        output::out_line(&serde_json::to_string(&findings).map_err(Failure::fault)?)?;
    } else {
        let width = findings.iter().map(|finding| finding.name.chars().count()).max().unwrap_or(0);
        for finding in &findings {
            show(finding, width)?;
        }
        output::err(if red { "something is red: the worker cannot do its work like this\n" } else { "all is well\n" });
    }
    Ok(if red { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn examine(loaded: &Loaded) -> Result<Vec<Finding>, Failure> {
    let epoch = identity::epoch()?;
    let mut findings = vec![configuration(loaded), keys(loaded).await];
    findings.extend(sandbox::examine(&loaded.config, &epoch).await);
    let settings = Settings::new(&loaded.config.broker, &loaded.config.worker.id, loaded.config.worker.slots);
    let report = broker::doctor::probe(&settings).await;
    findings.extend(report.checks.into_iter().map(|check| Finding {
        name: check.subject,
        colour: if check.good { Colour::Green } else { Colour::Red },
        text: check.found,
        hint: check.hint,
    }));
    Ok(findings)
}

fn configuration(loaded: &Loaded) -> Finding {
    let from = loaded.file.as_ref().map_or_else(|| "defaults".to_owned(), |path| path.display().to_string());
    let hints: Vec<String> = loaded.hints.iter().map(ToString::to_string).collect();
    if hints.is_empty() {
        return Finding::good("configuration", from);
    }
    Finding::doubtful("configuration", from, &hints.join("; "))
}

async fn keys(loaded: &Loaded) -> Finding {
    match KeySource::new(loaded.config.clone(), loaded.token.clone()).load().await {
        Ok(keys) => {
            let text = format!(
                "{} to verify jobs, results are signed with `{}` ({})",
                keys.admission.keys().iter().count(),
                keys.signer.kid(),
                keys.signer.algorithm().as_str()
            );
            Finding::good("keys", text)
        }
        Err(error) => {
            let text = format!("{:#}", anyhow::Error::from(error));
            Finding::bad("keys", text, "export WORKER_AUTH_TOKEN=$(openssl rand -hex 32), or set keys.jwks_file")
        }
    }
}

fn show(finding: &Finding, width: usize) -> std::io::Result<()> {
    let mark = match finding.colour {
        Colour::Green => "ok  ",
        Colour::Yellow => "hmm ",
        Colour::Red => "FAIL",
    };
    output::out_line(&format!("{mark}  {:<width$}  {}", finding.name, finding.text))?;
    if let Some(hint) = &finding.hint {
        output::out_line(&format!("      {:<width$}  → {hint}", ""))?;
    }
    Ok(())
}
