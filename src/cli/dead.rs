//! `dead list|show|requeue|drop`

use std::process::ExitCode;

use serde_json::{Value, json};

use super::args::{Dead, DeadMany};
use super::failure::Failure;
use super::{job, output};
use crate::broker::Settings;
use crate::broker::dead::{DeadLetter, DeadQueue, Which};
use crate::config::Loaded;

/// Messages of one listing.
const LISTED_MAX: usize = 1_000;

/// Digits of a body's SHA-256 that name a message.
const ID_DIGITS: usize = 12;

/// Bytes of a body that `show` prints.
const BODY_SHOWN_BYTES_MAX: usize = 4_096;

/// Runs the command.
pub(super) fn run(loaded: &Loaded, command: &Dead) -> Result<ExitCode, Failure> {
    job::quiet_log(loaded)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let settings = Settings::new(&loaded.config.broker, &loaded.config.worker.id, loaded.config.worker.slots);
        let queue = DeadQueue::connect(settings).await.map_err(Failure::fault)?;
        let done = act(&queue, command).await;
        queue.close().await;
        done
    })
}

async fn act(queue: &DeadQueue, command: &Dead) -> Result<ExitCode, Failure> {
    match command {
        Dead::List(options) => list(queue, options.json).await,
        Dead::Show(options) => show(queue, &options.id, options.json).await,
        Dead::Requeue(options) => requeue(queue, options).await,
        Dead::Drop(options) => discard(queue, options).await,
    }
}

async fn list(queue: &DeadQueue, as_json: bool) -> Result<ExitCode, Failure> {
    let letters = queue.list(LISTED_MAX).await.map_err(Failure::fault)?;
    let total = queue.count().await.map_err(Failure::fault)?.max(letters.len());
    if as_json {
        let messages: Vec<Value> = letters.iter().map(described).collect();
        output::out_line(&json!({ "total": total, "messages": messages }).to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    for letter in &letters {
        output::out_line(&line(letter))?;
    }
    let shown = if total > letters.len() { format!("the first {} of ", letters.len()) } else { String::new() };
    output::err(&format!("{shown}{total} dead message{}\n", if total == 1 { "" } else { "s" }));
    Ok(ExitCode::SUCCESS)
}

async fn show(queue: &DeadQueue, id: &str, as_json: bool) -> Result<ExitCode, Failure> {
    let (letter, body) =
        queue.show(&Which::Body(id.to_owned())).await.map_err(Failure::fault)?.ok_or_else(|| unknown(id))?;
    if as_json {
        let mut shown = described(&letter);
        if let Some(members) = shown.as_object_mut() {
            members.insert("body".to_owned(), String::from_utf8_lossy(&body).into());
        }
        output::out_line(&shown.to_string())?;
        return Ok(ExitCode::SUCCESS);
    }
    let known = described(&letter);
    for (name, value) in known.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), |text| text.escape_debug().to_string());
        output::out_line(&format!("{name:<14} {text}"))?;
    }
    let shown = body.get(..body.len().min(BODY_SHOWN_BYTES_MAX)).unwrap_or_default();
    // Nobody vouches for it, so nothing in it reaches the terminal unescaped.
    output::out_line(&format!("body           {}", String::from_utf8_lossy(shown).escape_debug()))?;
    Ok(ExitCode::SUCCESS)
}

async fn requeue(queue: &DeadQueue, options: &DeadMany) -> Result<ExitCode, Failure> {
    let requeued = queue.requeue(&which(options)).await.map_err(Failure::fault)?;
    report(&requeued.done, "requeued", options)?;
    for (letter, reason) in &requeued.kept {
        output::err(&format!("{} stays: {reason}\n", id(letter)));
    }
    Ok(if requeued.kept.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn discard(queue: &DeadQueue, options: &DeadMany) -> Result<ExitCode, Failure> {
    let dropped = queue.discard(&which(options)).await.map_err(Failure::fault)?;
    report(&dropped, "dropped", options)?;
    Ok(ExitCode::SUCCESS)
}

fn report(letters: &[DeadLetter], done: &str, options: &DeadMany) -> Result<(), Failure> {
    if letters.is_empty()
        && let Some(id) = &options.id
    {
        return Err(unknown(id));
    }
    if options.json {
        let messages: Vec<Value> = letters.iter().map(described).collect();
        output::out_line(&json!({ done: messages }).to_string())?;
    } else {
        for letter in letters {
            output::out_line(&format!("{done} {}", line(letter)))?;
        }
        output::err(&format!("{} {done}\n", letters.len()));
    }
    Ok(())
}

fn which(options: &DeadMany) -> Which {
    options.id.clone().map_or(Which::All, Which::Body)
}

fn unknown(id: &str) -> Failure {
    let error = anyhow::anyhow!("no dead message is called {id:?}");
    Failure::usage(error).hint("`tester-worker dead list` shows their names")
}

/// How a message is called: the first digits of its body's SHA-256, which no sender chooses and no reordering changes.
fn id(letter: &DeadLetter) -> &str {
    letter.body_sha256.get(..ID_DIGITS).unwrap_or(&letter.body_sha256)
}

fn line(letter: &DeadLetter) -> String {
    let text = |value: &Option<String>| value.as_deref().unwrap_or("-").escape_debug().to_string();
    format!(
        "{}  {:<16} {:>9} bytes  from {}/{}  {}",
        id(letter),
        text(&letter.reason),
        letter.body_bytes,
        text(&letter.exchange),
        text(&letter.routing_key),
        text(&letter.detail)
    )
}

fn described(letter: &DeadLetter) -> Value {
    json!({
        "id": id(letter), "reason": letter.reason, "detail": letter.detail, "worker": letter.worker,
        "exchange": letter.exchange, "routing_key": letter.routing_key, "message_id": letter.message_id,
        "correlation_id": letter.correlation_id, "reply_to": letter.reply_to, "died_at": letter.died_at,
        "body_bytes": letter.body_bytes, "body_sha256": letter.body_sha256,
    })
}
