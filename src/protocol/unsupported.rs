//! What a job may ask for, and this version of the worker does not do yet.

use super::claims::Claims;
use super::fields::ClaimError;
use crate::domain::reason::RejectReason;

/// Refuses a job that asks for artifacts: they are checked like everything else, but a result without them would pass
/// for a complete answer.
pub(in crate::protocol) fn refuse_what_is_not_run_yet(claims: &Claims) -> Result<(), ClaimError> {
    if claims.artifacts.is_empty() {
        return Ok(());
    }
    let text = format_args!("the job asks for artifacts, which this worker does not run yet; send the job without");
    Err(ClaimError::new(RejectReason::OverPolicy, text))
}
