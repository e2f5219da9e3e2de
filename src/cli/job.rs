//! What `exec` and `submit` share: from the command line to a job, from a result to the screen.

use std::process::ExitCode;

use super::args::Job;
use super::failure::Failure;
use super::status::Ending;
use super::{files, output, render};
use crate::config::Loaded;
use crate::config::model::{Log, Profile};
use crate::domain::content::Content;
use crate::domain::job::Role;
use crate::protocol::job_writer::{FileClaims, JobDraft};
use crate::protocol::result::ResultClaims;
use crate::telemetry::log;

/// The job of the command line, without an address for its result.
pub(super) fn draft(job: &Job, loaded: &Loaded) -> Result<JobDraft, Failure> {
    let bounds = &loaded.config.protocol;
    let gathered = files::gather(&job.paths, bounds).map_err(Failure::usage)?;
    let stdin = files::stdin(job.stdin.as_deref(), bounds).map_err(Failure::usage)?;
    let profile = job.profile.clone().unwrap_or_else(|| gathered.profile.to_owned());
    let file = |file: files::Gathering| FileClaims {
        path: file.path,
        content: Content::new(file.content),
        executable: file.executable,
        role: Role::Submission,
    };
    Ok(JobDraft {
        // A profile without an entry, such as a test runner's, finds its files by itself.
        entry: needs_entry(loaded.config.profiles.get(&profile)).then_some(gathered.entry),
        profile,
        files: gathered.files.into_iter().map(file).collect(),
        stdin: Content::new(stdin),
        args: job.args.clone(),
        env: job.env.iter().cloned().collect(),
        limits: job.limits_patch().map_err(Failure::usage)?,
        ..JobDraft::default()
    })
}

/// Whether the profile runs an entry file. One that this configuration does not know may.
fn needs_entry(profile: Option<&Profile>) -> bool {
    profile.is_none_or(|profile| !profile.entry.is_empty())
}

/// Shows a result as the user asked for it, and says how the process should exit.
pub(super) fn show(claims: &ResultClaims, json: bool) -> Result<ExitCode, Failure> {
    if json {
        output::out_line(&serde_json::to_string(claims).map_err(Failure::fault)?)?;
    } else {
        render::show(&claims.outcome)?;
    }
    Ok(Ending::Result(claims.outcome.run.status).into())
}

/// Logging of a command that answers on the terminal: only what went wrong, unless the operator asked for more.
pub(super) fn quiet_log(loaded: &Loaded) -> Result<(), Failure> {
    let asked = loaded.sources.contains_key("log.filter");
    let filter = if asked { loaded.config.log.filter.clone() } else { "error".to_owned() };
    log::init(&Log { filter, ..loaded.config.log.clone() }).map_err(Failure::usage)
}
