//! One job, here, without a broker: the same admission, sandbox and result as a job from the queue.
//!
//! The job is signed with a key that lives as long as this call, so that nothing can run which was not verified.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use secrecy::SecretString;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{identity, keys};
use crate::config::model::Config;
use crate::domain::job::JobKey;
use crate::domain::outcome::{Outcome, RunRecord};
use crate::domain::verdict::Status;
use crate::pipeline::outcome::{Stamps, assemble, not_run};
use crate::ports::conditions::Conditions;
use crate::ports::events::EventSink;
use crate::ports::execution::{ExecutionFault, Executor as _};
use crate::protocol::admission::{PropertiesView, Refusal};
use crate::protocol::job_writer::{JobDraft, Stamp, sign_job};
use crate::protocol::keys::KeyRing;
use crate::protocol::result::ResultClaims;
use crate::protocol::signing::SigningKey;
use crate::sandbox::Sandboxes;
use crate::telemetry::metrics::Metrics;

/// The `iss` of a job that was never sent.
const ISSUER: &str = "exec";

/// How long such a job holds. It is admitted at once.
const LIFETIME_SECONDS: u64 = 3_600;

/// How long the removal of the sandbox may take.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExecError {
    /// No sandbox, or one that failed.
    #[error(transparent)]
    Fault(#[from] ExecutionFault),
    /// The job is not one that admission takes at all.
    #[error("the job is not accepted ({reason}): {detail}")]
    NotAccepted {
        /// The reason code.
        reason: String,
        /// One sentence more.
        detail: String,
    },
    /// The system failed.
    #[error("cannot {attempt}")]
    System {
        /// What was attempted.
        attempt: &'static str,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Runs one job. `cancel` ends it early, and its result says `cancelled`.
///
/// # Errors
/// [`ExecError`]: no result, because of us or of this host.
pub async fn run(config: &Config, draft: JobDraft, cancel: CancellationToken) -> Result<ResultClaims, ExecError> {
    let system = |attempt| move |source| ExecError::System { attempt, source };
    let epoch = identity::epoch().map_err(system("get random numbers"))?;
    // Only what this job needs is started.
    let mut config = config.clone();
    config.profiles.retain(|name, _| *name == draft.profile);
    config.worker.slots = 1;
    config.pool.extra_max = 0;
    for profile in config.profiles.values_mut() {
        profile.warm = 1;
    }
    // Nothing is published; the claim is one that every job has.
    let draft = JobDraft { reply_to: ISSUER.to_owned(), ..draft };
    let sandboxes = Sandboxes::start_unproved(&config, &epoch, &Conditions::default(), &Metrics::new(&config));
    let ran = run_in(&config, &sandboxes, draft, cancel).await;
    sandboxes.stop(STOP_LIMIT).await;
    ran
}

async fn run_in(
    config: &Config,
    sandboxes: &Sandboxes,
    draft: JobDraft,
    cancel: CancellationToken,
) -> Result<ResultClaims, ExecError> {
    let profile = draft.profile.clone();
    // An unknown profile is admission's to refuse.
    if config.profiles.contains_key(&profile) {
        sandboxes.warmed(&profile).await?;
    }
    let began = Instant::now();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (key, ring) = ephemeral_key()?;
    let stamp = Stamp {
        key: JobKey { issuer: ISSUER.to_owned(), id: Uuid::new_v4() },
        audience: config.worker.audience.clone(),
        issued_at: now,
        expires_at: now + LIFETIME_SECONDS.min(config.protocol.lifetime_seconds_max),
    };
    let signed = sign_job(draft, stamp, &key).map_err(|error| not_accepted("malformed", error))?;
    let admission = keys::admission(config, ring).map_err(|error| not_accepted("policy", error))?;
    let admitted = admission
        .authenticate(&signed.body, &PropertiesView::default())
        .and_then(|authentic| authentic.admit(&admission, now));
    let stamps = |began: Instant| Stamps {
        queued: None,
        began: None,
        total: began.elapsed(),
        worker: &config.worker.id,
        attempt: 1,
    };
    let outcome = match admitted {
        Ok(job) => {
            let job = Arc::new(job);
            let execution = sandboxes.execute(Arc::clone(&job), cancel, EventSink::silent()).await?;
            assemble(job.get(), execution, stamps(began))
        }
        Err(refusal) => rejected(refusal, profile, stamps(began))?,
    };
    Ok(ResultClaims::new(&signed.key, signed.digest, now, outcome))
}

fn rejected(refusal: Refusal, profile: String, stamps: Stamps<'_>) -> Result<Outcome, ExecError> {
    match refusal {
        Refusal::Dead { reason, detail } => Err(not_accepted(reason.as_str(), detail)),
        Refusal::Rejected { to: _, reason, message } => {
            let record = RunRecord::not_run(Status::Rejected, Some(reason.as_str().to_owned()), message);
            Ok(not_run(record, Some(profile), stamps))
        }
    }
}

fn ephemeral_key() -> Result<(SigningKey, KeyRing), ExecError> {
    let token: String = std::iter::repeat_with(|| Uuid::new_v4().simple().to_string()).take(2).collect();
    let token = SecretString::from(token);
    let failed = |error| not_accepted("keys", error);
    Ok((SigningKey::from_token(&token).map_err(failed)?, KeyRing::from_token(&token).map_err(failed)?))
}

fn not_accepted(reason: &str, detail: impl std::fmt::Display) -> ExecError {
    ExecError::NotAccepted { reason: reason.to_owned(), detail: format!("{detail}") }
}
