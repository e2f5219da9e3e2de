//! Control messages: a sender cancels a job of its own, an operator drains a worker.
//!
//! They are signed like jobs, by keys whose direction is `control` or by the shared token, and have a life of their own
//! (`iat` to `exp`), so that one that was kept back does no harm later. Saying the same thing twice changes nothing.

use std::fmt;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::admission::Admission;
use super::fields::{At, ClaimError, Fields};
use super::jws::{self, Purpose};
use super::keys::Direction;
use super::quote::{message, quote};
use super::signing::SigningKey;
use super::strict;
use super::{CONTROL_TYP, LEEWAY_SECONDS, VERSION};
use crate::domain::job::JobKey;

/// Bytes of a control message at most: a few claims and a signature.
pub const CONTROL_BYTES_MAX: usize = 8 * 1024;

const MEMBERS: [&str; 9] = ["v", "iss", "aud", "jti", "iat", "exp", "command", "job", "worker"];

/// What a control message asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandName {
    /// Ends a job of the same issuer, wherever it is.
    Cancel,
    /// Makes a worker finish what it has and stop.
    Drain,
}

/// The claims of a control message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ControlClaims {
    /// Version of the protocol; 1, also where it is absent.
    #[serde(default = "this_version")]
    #[schemars(extend("const" = 1))]
    pub v: u64,
    /// Who sends it: the issuer that the signing key belongs to. A `cancel` reaches jobs of this issuer only.
    #[schemars(length(min = 1, max = 255))]
    pub iss: String,
    /// The fleet of workers it is for.
    #[schemars(length(min = 1, max = 255))]
    pub aud: String,
    /// The message's own id: a UUID in lower case with hyphens.
    pub jti: Uuid,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// When it is void, in seconds since 1970. A cancelled job that comes until then is not run.
    pub exp: u64,
    /// What is asked for.
    pub command: CommandName,
    /// The `jti` of the job to cancel; with `cancel` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<Uuid>,
    /// The id of the worker to drain; with `drain` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub worker: Option<String>,
}

const fn this_version() -> u64 {
    VERSION
}

/// A command with what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Cancel this job.
    Cancel(JobKey),
    /// Drain the worker of this id.
    Drain(String),
}

/// A control message that somebody who may has signed, and that holds now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its own id.
    pub id: Uuid,
    /// Who sends it.
    pub issuer: String,
    /// `kid` of the key that signed it.
    pub kid: String,
    /// When it was signed, in seconds since 1970.
    pub issued_at: u64,
    /// When it is void, in seconds since 1970.
    pub expires_at: u64,
    /// What it asks for.
    pub command: Command,
}

/// Why a control message is not obeyed: one sentence for operators, quoting nothing of unbounded length.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ControlRefusal(String);

fn refuse(text: impl fmt::Display) -> ControlRefusal {
    ControlRefusal(message(&text.to_string()))
}

impl Admission {
    /// Checks a control message: size, header, key, signature, strict claims, audience, issuer, time, policy.
    ///
    /// # Errors
    /// [`ControlRefusal`] for whatever is wrong first.
    pub fn control(&self, body: &[u8], now_unix_seconds: u64) -> Result<Order, ControlRefusal> {
        if body.len() > CONTROL_BYTES_MAX {
            let bytes = body.len();
            return Err(refuse(format_args!("it has {bytes} bytes, but {CONTROL_BYTES_MAX} is the most")));
        }
        let purpose = Purpose { typ: CONTROL_TYP, direction: Direction::Control };
        let signed = jws::verify(body, self.keys(), purpose).map_err(refuse)?;
        let claims = read(&signed.payload)?;
        let wanted = &self.settings().audience;
        if claims.aud != *wanted {
            return Err(refuse(format_args!("aud is {}, not {}", quote(&claims.aud), quote(wanted))));
        }
        let kid = signed.key.kid();
        if !signed.key.may_sign_for(&claims.iss) {
            let (kid, issuer) = (quote(kid), quote(&claims.iss));
            return Err(refuse(format_args!("the key {kid} does not sign for the issuer {issuer}")));
        }
        check_times(&claims, now_unix_seconds, self.settings().lifetimes.lifetime_seconds_max)?;
        let command = command(&claims)?;
        let may_drain = match self.rules(kid) {
            Some(rules) => rules.allows_drain(signed.key),
            None => signed.key.is_shared_token(),
        };
        if matches!(command, Command::Drain(_)) && !may_drain {
            let kid = quote(kid);
            return Err(refuse(format_args!(
                "the key {kid} may not drain workers; its policy needs `may_drain = true`"
            )));
        }
        Ok(Order {
            id: claims.jti,
            issuer: claims.iss,
            kid: kid.to_owned(),
            issued_at: claims.iat,
            expires_at: claims.exp,
            command,
        })
    }
}

fn read(payload: &[u8]) -> Result<ControlClaims, ControlRefusal> {
    let json =
        strict::parse(payload).map_err(|error| refuse(format_args!("the claims are not strict JSON: {error}")))?;
    let mut fields = Fields::open(At::Control, json, &MEMBERS).map_err(|error| refuse(error.message))?;
    let claims = read_fields(&mut fields).map_err(|error| refuse(error.message))?;
    if claims.v != VERSION {
        return Err(refuse(format_args!("v is {}, but this worker speaks version {VERSION}", claims.v)));
    }
    Ok(claims)
}

fn read_fields(fields: &mut Fields<'_>) -> Result<ControlClaims, ClaimError> {
    let time = |fields: &mut Fields<'_>, name: &'static str| {
        let missing = || ClaimError::malformed(format_args!("{} needs the member {name}", At::Control));
        fields.whole(name)?.ok_or_else(missing)
    };
    let id = |name: &str, text: &str| {
        // One spelling only, as for jobs.
        let parsed = Uuid::try_parse(text).ok().filter(|id| id.hyphenated().to_string() == text);
        let wrong = || ClaimError::malformed(format_args!("{name} is not a UUID in lower case with hyphens"));
        parsed.ok_or_else(wrong)
    };
    let named = |name: &'static str, text: String| super::claims::bounded_name(name, text);
    Ok(ControlClaims {
        v: fields.whole("v")?.unwrap_or(VERSION),
        iss: named("iss", fields.need_string("iss")?)?,
        aud: named("aud", fields.need_string("aud")?)?,
        jti: id("jti", &fields.need_string("jti")?)?,
        iat: time(fields, "iat")?,
        exp: time(fields, "exp")?,
        command: match fields.need_string("command")?.as_str() {
            "cancel" => CommandName::Cancel,
            "drain" => CommandName::Drain,
            other => {
                let text = format_args!("no command is called {}; there are cancel and drain", quote(other));
                return Err(ClaimError::malformed(text));
            }
        },
        job: fields.string("job")?.map(|text| id("job", &text)).transpose()?,
        worker: fields.string("worker")?.map(|text| named("worker", text)).transpose()?,
    })
}

fn check_times(claims: &ControlClaims, now: u64, lifetime_max: u64) -> Result<(), ControlRefusal> {
    let (issued, expires) = (claims.iat, claims.exp);
    if now >= expires.saturating_add(LEEWAY_SECONDS) {
        let ago = now.saturating_sub(expires);
        return Err(refuse(format_args!("exp passed {ago} s ago, by this worker's clock")));
    }
    if issued > now.saturating_add(LEEWAY_SECONDS) {
        let ahead = issued.saturating_sub(now);
        return Err(refuse(format_args!("iat lies {ahead} s ahead of this worker's clock")));
    }
    let lifetime = expires.saturating_sub(issued);
    if lifetime > lifetime_max {
        return Err(refuse(format_args!("exp is {lifetime} s after iat, but {lifetime_max} s is the most")));
    }
    Ok(())
}

/// A command has exactly the member that it is about.
fn command(claims: &ControlClaims) -> Result<Command, ControlRefusal> {
    match (claims.command, &claims.job, &claims.worker) {
        (CommandName::Cancel, Some(job), None) => Ok(Command::Cancel(JobKey { issuer: claims.iss.clone(), id: *job })),
        (CommandName::Drain, None, Some(worker)) => Ok(Command::Drain(worker.clone())),
        (CommandName::Cancel, ..) => Err(refuse("cancel needs the member job, and no worker")),
        (CommandName::Drain, ..) => Err(refuse("drain needs the member worker, and no job")),
    }
}

/// What is to be said, before it has an id and times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlDraft {
    /// Who sends it.
    pub issuer: String,
    /// The fleet it is for.
    pub audience: String,
    /// The message's own id.
    pub id: Uuid,
    /// When it is signed, in seconds since 1970.
    pub issued_at: u64,
    /// When it is void, in seconds since 1970.
    pub expires_at: u64,
}

/// Signs an order to cancel this job of the draft's issuer.
///
/// # Errors
/// The claims do not go into JSON.
pub fn sign_cancel(draft: ControlDraft, job: Uuid, key: &SigningKey) -> Result<Bytes, serde_json::Error> {
    sign(draft, (CommandName::Cancel, Some(job), None), key)
}

/// Signs an order to drain this worker.
///
/// # Errors
/// The claims do not go into JSON.
pub fn sign_drain(draft: ControlDraft, worker: &str, key: &SigningKey) -> Result<Bytes, serde_json::Error> {
    sign(draft, (CommandName::Drain, None, Some(worker.to_owned())), key)
}

fn sign(
    draft: ControlDraft,
    asked: (CommandName, Option<Uuid>, Option<String>),
    key: &SigningKey,
) -> Result<Bytes, serde_json::Error> {
    let ControlDraft { issuer, audience, id, issued_at, expires_at } = draft;
    let (command, job, worker) = asked;
    let claims = ControlClaims {
        v: VERSION,
        iss: issuer,
        aud: audience,
        jti: id,
        iat: issued_at,
        exp: expires_at,
        command,
        job,
        worker,
    };
    jws::sign(CONTROL_TYP, key, &claims)
}
