//! Asking a sandbox for a warm interpreter.

use std::time::Duration;

use tester_runner::frame::Kind;
use tester_runner::message::{Warm, Warmed};
use tokio::time::timeout;

use super::engine::DockerError;
use super::link::Link;
use super::plan::WARM_TIME_MAX;

/// How much later than the runner the worker gives up.
const GRACE: Duration = Duration::from_secs(10);

/// Has the runner start a warm interpreter; `Some`: why there is none, and every program starts plainly.
///
/// # Errors
/// The runner is lost.
///
/// # Cancel safety
/// None: the sandbox must not be used after the future was dropped.
pub(super) async fn warm_up(link: &mut Link, order: &Warm) -> Result<Option<String>, DockerError> {
    let lost = |reason: String| DockerError::Runner { reason };
    let order = serde_json::to_vec(order).map_err(|error| lost(error.to_string()))?;
    link.writer.send(Kind::Warm, &order).await.map_err(|error| lost(format!("it takes no order: {error}")))?;
    let answer = timeout(WARM_TIME_MAX + GRACE, link.reader.answer(Kind::Warmed)).await;
    let answer = answer.map_err(|_elapsed| lost("it does not say what came of its warm interpreter".to_owned()))?;
    let warmed: Warmed = serde_json::from_slice(&answer.map_err(lost)?).map_err(|error| lost(error.to_string()))?;
    Ok(warmed.error)
}
