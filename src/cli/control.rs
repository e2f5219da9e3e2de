//! `cancel` and `drain`: signed orders to the workers.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use super::args::{Cancel, Drain, Order};
use super::failure::Failure;
use super::signer::{self, Named};
use super::{job, output};
use crate::broker::Settings;
use crate::broker::operator::{Operator, OperatorError};
use crate::config::Loaded;
use crate::protocol::control::{ControlDraft, sign_cancel, sign_drain};
use crate::protocol::signing::SigningKey;

/// How long an order to drain holds: it is for a process that runs now.
const DRAIN_SECONDS: u64 = 60;

/// What to do without a key.
const KEY_HINT: &str = "set WORKER_AUTH_TOKEN, or give --key-file and --kid of a key whose direction is control";

/// Runs `cancel`.
pub(super) fn cancel(loaded: &Loaded, options: &Cancel) -> Result<ExitCode, Failure> {
    let most = loaded.config.protocol.lifetime_seconds_max;
    let holds = options.holds_seconds.unwrap_or(most);
    if holds > most {
        let error =
            anyhow::anyhow!("--holds-seconds is {holds}, but {most} is the most (protocol.lifetime_seconds_max)");
        return Err(Failure::usage(error));
    }
    let (key, draft) = prepare(loaded, &options.order, holds)?;
    let (id, issuer) = (draft.id, draft.issuer.clone());
    let body = sign_cancel(draft, options.job, &key).map_err(Failure::fault)?;
    let said = json!({ "command": "cancel", "id": id, "iss": issuer, "job": options.job });
    let text = format!(
        "every worker that is connected was told to cancel job {} of {issuer:?}; if it was not answered yet, its result \
         says `cancelled`",
        options.job
    );
    send(loaded, &options.order, &body, (id, said, text))
}

/// Runs `drain`.
pub(super) fn drain(loaded: &Loaded, options: &Drain) -> Result<ExitCode, Failure> {
    let (key, draft) = prepare(loaded, &options.order, DRAIN_SECONDS)?;
    let (id, issuer) = (draft.id, draft.issuer.clone());
    let body = sign_drain(draft, &options.worker, &key).map_err(Failure::fault)?;
    let said = json!({ "command": "drain", "id": id, "iss": issuer, "worker": options.worker });
    let text = format!(
        "worker {:?} was told to drain, if it is connected and the key may: it gives back what waits, finishes what runs, \
         and ends",
        options.worker
    );
    send(loaded, &options.order, &body, (id, said, text))
}

fn prepare(loaded: &Loaded, order: &Order, holds_seconds: u64) -> Result<(SigningKey, ControlDraft), Failure> {
    job::quiet_log(loaded)?;
    let named = Named { key_file: order.key_file.as_ref(), kid: order.kid.as_ref(), issuer: order.iss.as_ref() };
    let (key, issuer) = signer::signer(loaded, named, KEY_HINT)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let draft = ControlDraft {
        issuer,
        audience: loaded.config.worker.audience.clone(),
        id: Uuid::new_v4(),
        issued_at: now,
        expires_at: now.saturating_add(holds_seconds),
    };
    Ok((key, draft))
}

fn send(loaded: &Loaded, order: &Order, body: &Bytes, said: (Uuid, Value, String)) -> Result<ExitCode, Failure> {
    let (id, json, text) = said;
    let settings = Settings::new(&loaded.config.broker, &loaded.config.worker.id, loaded.config.worker.slots);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let operator = Operator::connect(&settings).await.map_err(Failure::fault)?;
        let done = operator.say(body, &id.hyphenated().to_string()).await;
        operator.close().await;
        done.map_err(explain)
    })?;
    if order.json {
        output::out_line(&json.to_string())?;
    } else {
        output::err(&format!("{text}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn explain(error: OperatorError) -> Failure {
    let hint = match &error {
        OperatorError::NobodyListens { .. } | OperatorError::NoExchange { .. } => {
            Some("start a worker; one that runs and does not listen says why in its log (`control messages`)")
        }
        OperatorError::Broker(_) | OperatorError::Refused { .. } | OperatorError::NotConfirmed { .. } => None,
    };
    let failure = Failure::fault(error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
