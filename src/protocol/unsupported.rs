//! What a job may ask for, and this version of the worker does not do yet.

use super::claims::Claims;
use super::fields::ClaimError;
use crate::domain::reason::RejectReason;

/// Refuses a job that asks for streamed output: it is checked like everything else, but nobody would stream.
pub(in crate::protocol) fn refuse_what_is_not_run_yet(claims: &Claims) -> Result<(), ClaimError> {
    let asked = [("stream", claims.stream)];
    asked.into_iter().find(|(_, present)| *present).map_or(Ok(()), |(name, _)| {
        let text = format_args!("the job asks for {name}, which this worker does not run yet; send the job without");
        Err(ClaimError::new(RejectReason::OverPolicy, text))
    })
}
