//! `submit`

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use uuid::Uuid;

use super::args::Submit;
use super::failure::Failure;
use super::live::Live;
use super::signer::Sender;
use super::status::Ending;
use super::{job, output};
use crate::app::signals::Signals;
use crate::broker::Settings;
use crate::broker::client::{Reply, ReplyQueue, Submission, SubmitError, Submitter};
use crate::config::Loaded;
use crate::domain::job::JobKey;
use crate::protocol::event::verify_event;
use crate::protocol::job_writer::{JobDraft, Stamp, sign_job};
use crate::protocol::result::{Expected, ResultClaims, verify_result};

/// How much longer than the job holds its result is waited for: a refusal because it expired is a result, too.
const RESULT_GRACE: Duration = Duration::from_secs(5);

/// Runs the command.
pub(super) fn run(loaded: &Loaded, options: &Submit) -> Result<ExitCode, Failure> {
    job::quiet_log(loaded)?;
    let sender = Sender::of(loaded, &options.sender)?;
    let draft = job::draft(&options.job, loaded)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let mut signals = Signals::take()?;
        tokio::select! {
            result = submit(loaded, options, &sender, draft) => result.map(Some),
            _ = signals.next() => Ok(None),
        }
    })?;
    if let Some((claims, live)) = result {
        return if options.stream { live.end(&claims.outcome) } else { job::show(&claims, options.job.json) };
    }
    output::err("interrupted: the job may still run; its result is not waited for\n");
    Ok(Ending::Interrupted.into())
}

async fn submit(
    loaded: &Loaded,
    options: &Submit,
    sender: &Sender,
    draft: JobDraft,
) -> Result<(ResultClaims, Live), Failure> {
    let settings = Settings::new(&loaded.config.broker, &loaded.config.worker.id, loaded.config.worker.slots);
    let queue = options.reply_to.clone().map_or(ReplyQueue::Own, ReplyQueue::Named);
    let mut submitter = Submitter::connect(settings, queue).await.map_err(explain)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let stamp = Stamp {
        key: JobKey { issuer: sender.issuer.clone(), id: Uuid::new_v4() },
        audience: loaded.config.worker.audience.clone(),
        issued_at: now,
        expires_at: now.saturating_add(options.timeout_seconds),
    };
    let draft = JobDraft { reply_to: submitter.reply_to().to_owned(), stream: options.stream, ..draft };
    let signed = sign_job(draft, stamp, &sender.key).map_err(Failure::usage)?;
    let message_id = signed.key.id.hyphenated().to_string();
    let submission = Submission {
        class: options.class.clone(),
        body: signed.body.clone(),
        message_id: message_id.clone(),
        correlation_id: Some(message_id.clone()),
    };
    submitter.submit(&submission).await.map_err(explain)?;
    let limit = Duration::from_secs(options.timeout_seconds).saturating_add(RESULT_GRACE);
    let expected = Expected { job: signed.key, digest: signed.digest };
    let mut live = Live::default();
    let reply = if options.stream {
        follow(&mut submitter, limit, (sender, &expected), &mut live).await?
    } else {
        submitter.wait(&message_id, limit).await.map_err(explain)?
    };
    submitter.close().await;
    let claims = verify_result(&reply.body, &sender.results, &expected).map_err(|error| {
        Failure::fault(error).hint("the result is not trusted; --results-jwks names the workers' public keys")
    })?;
    Ok((claims, live))
}

/// Shows the events of a job until its result is there.
async fn follow(
    submitter: &mut Submitter,
    limit: Duration,
    trusted: (&Sender, &Expected),
    live: &mut Live,
) -> Result<Reply, Failure> {
    let (sender, expected) = trusted;
    let id = expected.job.id.hyphenated().to_string();
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let reply = submitter.next_about(&id, left).await.map_err(explain)?;
        if reply.properties.message_id.as_deref() == Some(id.as_str()) {
            return Ok(reply);
        }
        match verify_event(&reply.body, &sender.results, expected) {
            Ok(event) => live.show(&event)?,
            // Anybody may publish to a reply queue. What is not a worker's is not shown.
            Err(error) => tracing::warn!("a message about the job is no event of it: {error}"),
        }
    }
}

fn explain(error: SubmitError) -> Failure {
    Failure::fault(error)
}
