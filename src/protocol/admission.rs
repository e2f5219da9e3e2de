//! From the bytes of a message to a verified job, or to a refusal with a reason.
//!
//! Two steps, because the caller looks up the job's id and digest between them: a job that ended here gets its stored
//! result even after its `exp`. [`Admission::authenticate`] proves who is asking and what the job says;
//! [`Authentic::admit`] decides whether it may run now.
//!
//! Whatever this module refuses with an answer ([`Refusal::Rejected`]) has a reply queue that its key may use.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use super::claims::Bounds;
use super::claims::Claims;
use super::envelope::Envelope;
use super::fields::ClaimError;
use super::jws::{self, Purpose};
use super::keys::{Direction, KeyRing};
use super::policy::{self, KeyRules, Lifetimes, ProfileRules};
use super::quote::{message, quote};
use super::verified::Verified;
use super::{JOB_TYP, LEEWAY_SECONDS, strict};
use crate::domain::job::{Case, Job, JobDigest, JobKey};
use crate::domain::reason::{DeadReason, RejectReason};

/// What a client writes into `reply_to` for RabbitMQ's direct reply-to; the broker puts the address behind it.
const DIRECT_REPLY: &str = "amq.rabbitmq.reply-to";

/// AMQP properties that repeat claims. None of them is signed.
#[derive(Debug, Clone, Copy, Default)]
pub struct PropertiesView<'a> {
    /// `reply_to`.
    pub reply_to: Option<&'a str>,
    /// `message_id`.
    pub message_id: Option<&'a str>,
}

/// Where the answer to a job goes, and what it must say about the job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Issuer and id.
    pub key: JobKey,
    /// SHA-256 of the job's bytes.
    pub digest: JobDigest,
    /// The queue; for direct reply-to, the address that the broker made.
    pub reply_to: String,
    /// `kid` of the key that signed the job.
    pub kid: String,
    /// The profile it names, if it came so far.
    pub profile: Option<String>,
    /// `iat`, if it came so far.
    pub issued_at: Option<u64>,
}

/// Why a job does not run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody is answered; the message goes to the dead queue.
    Dead {
        /// The code.
        reason: DeadReason,
        /// One sentence for operators.
        detail: String,
    },
    /// The sender gets a signed refusal.
    Rejected {
        /// Where it goes.
        to: Box<Reply>,
        /// The code.
        reason: RejectReason,
        /// One sentence for the sender.
        message: String,
    },
}

fn dead(reason: DeadReason, detail: impl Into<String>) -> Refusal {
    Refusal::Dead { reason, detail: message(&detail.into()) }
}

fn rejected(to: Reply, error: ClaimError) -> Refusal {
    Refusal::Rejected { to: Box::new(to), reason: error.reason, message: error.message }
}

/// What admission needs besides keys and rules.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `aud` that jobs must have.
    pub audience: String,
    /// The largest body that is looked at, in bytes.
    pub body_bytes_max: usize,
    /// Bounds of files and paths.
    pub bounds: Bounds,
    /// Bounds in time.
    pub lifetimes: Lifetimes,
}

/// Everything that decides about jobs. An immutable value: a reload of keys makes another one.
#[derive(Debug, Clone)]
pub struct Admission {
    settings: Settings,
    keys: Arc<KeyRing>,
    profiles: Arc<BTreeMap<String, ProfileRules>>,
    policies: Arc<BTreeMap<String, KeyRules>>,
}

impl Admission {
    /// Puts the parts together; `policies` are by `kid`.
    pub fn new(
        settings: Settings,
        keys: Arc<KeyRing>,
        profiles: BTreeMap<String, ProfileRules>,
        policies: BTreeMap<String, KeyRules>,
    ) -> Self {
        Self { settings, keys, profiles: Arc::new(profiles), policies: Arc::new(policies) }
    }

    /// The same with other keys.
    #[must_use]
    pub fn with_keys(&self, keys: Arc<KeyRing>) -> Self {
        Self { keys, ..self.clone() }
    }

    /// The keys in force.
    pub const fn keys(&self) -> &Arc<KeyRing> {
        &self.keys
    }

    /// Policies for keys that are not there: a misspelt `kid` would leave the key it means without a policy.
    pub fn policies_without_key(&self) -> impl Iterator<Item = &str> {
        self.policies.keys().map(String::as_str).filter(|kid| self.keys.find(kid).is_none())
    }

    /// The first step: size, header, key, signature, audience, issuer, strict claims.
    ///
    /// # Errors
    /// [`Refusal`] for whatever is wrong first.
    pub fn authenticate(&self, body: &[u8], properties: &PropertiesView<'_>) -> Result<Authentic, Refusal> {
        let (bytes, bytes_max) = (body.len(), self.settings.body_bytes_max);
        if bytes > bytes_max {
            return Err(dead(DeadReason::TooLarge, format!("the body has {bytes} bytes, but {bytes_max} is the most")));
        }
        let purpose = Purpose { typ: JOB_TYP, direction: Direction::Jobs };
        let signed = jws::verify(body, &self.keys, purpose).map_err(|error| dead(error.reason, error.detail))?;
        let parsed = strict::parse(&signed.payload);
        let envelope = match &parsed {
            Ok(json) => Envelope::from_json(json),
            Err(_) => Envelope::from_broken(&signed.payload),
        }
        .map_err(|detail| dead(DeadReason::Unreadable, detail))?;
        if envelope.audience != self.settings.audience {
            let detail = format!("aud is {}, not {}", quote(&envelope.audience), quote(&self.settings.audience));
            return Err(dead(DeadReason::WrongAudience, detail));
        }
        let kid = signed.key.kid();
        if !signed.key.may_sign_for(&envelope.issuer) {
            let detail = format!("the key {} does not sign for the issuer {}", quote(kid), quote(&envelope.issuer));
            return Err(dead(DeadReason::UnknownKey, detail));
        }
        let mismatch = find_mismatch(&envelope, properties);
        let claimed_reply_to = envelope.reply_to.clone();
        let mut reply = Reply {
            reply_to: reply_address(&envelope, properties)?,
            key: JobKey { issuer: envelope.issuer, id: envelope.id },
            digest: JobDigest(Sha256::digest(body).into()),
            kid: kid.to_owned(),
            profile: parsed.as_ref().ok().and_then(|json| json.string_member("profile")).map(message),
            issued_at: None,
        };
        let claims = parsed
            .map_err(|error| ClaimError::malformed(format_args!("the claims are not strict JSON: {error}")))
            .and_then(|json| Claims::read(json, self.settings.bounds));
        match claims {
            Ok(claims) => {
                reply.issued_at = Some(claims.issued_at);
                Ok(Authentic { reply, claimed_reply_to, mismatch, claims })
            }
            Err(error) => {
                self.check_reply_to(kid, &claimed_reply_to)?;
                Err(rejected(reply, error))
            }
        }
    }

    /// What a control message must be, besides authentic.
    pub(in crate::protocol) const fn settings(&self) -> &Settings {
        &self.settings
    }

    pub(in crate::protocol) fn rules(&self, kid: &str) -> Option<&KeyRules> {
        self.policies.get(kid)
    }

    fn check_reply_to(&self, kid: &str, claimed: &str) -> Result<(), Refusal> {
        let allowed = match self.rules(kid) {
            Some(rules) => rules.allows_reply_to(claimed),
            None => KeyRules::default().allows_reply_to(claimed),
        };
        if allowed {
            return Ok(());
        }
        let detail = format!("the key {} may not have results sent to {}", quote(kid), quote(claimed));
        Err(dead(DeadReason::ReplyNotAllowed, detail))
    }
}

/// The queue of the claim; for direct reply-to, the address that the broker made of the property.
fn reply_address(envelope: &Envelope, properties: &PropertiesView<'_>) -> Result<String, Refusal> {
    if envelope.reply_to != DIRECT_REPLY {
        return Ok(envelope.reply_to.clone());
    }
    properties.reply_to.filter(|address| is_direct_address(address)).map(ToOwned::to_owned).ok_or_else(|| {
        let detail = "the job asks for direct reply-to, but its reply_to property is no address that the broker made";
        dead(DeadReason::Unreadable, detail)
    })
}

fn is_direct_address(address: &str) -> bool {
    address.strip_prefix(DIRECT_REPLY).is_some_and(|rest| rest.starts_with('.') && rest.len() > 1)
}

fn find_mismatch(envelope: &Envelope, properties: &PropertiesView<'_>) -> Option<ClaimError> {
    let differs = |name: &str, claim: &str| {
        let text = format_args!("the property {name} differs from the claim {claim}");
        Some(ClaimError::new(RejectReason::PropertiesMismatch, text))
    };
    let direct = envelope.reply_to == DIRECT_REPLY;
    if !direct && properties.reply_to.is_some_and(|property| property != envelope.reply_to) {
        return differs("reply_to", "reply_to");
    }
    if properties.message_id.is_some_and(|property| property != envelope.id.hyphenated().to_string()) {
        return differs("message_id", "jti");
    }
    None
}

/// A job that one of our senders signed, for us, and that says something we understand. Whether it may run is open.
#[derive(Debug)]
pub struct Authentic {
    reply: Reply,
    claimed_reply_to: String,
    mismatch: Option<ClaimError>,
    claims: Claims,
}

impl Authentic {
    /// Issuer and id.
    pub const fn key(&self) -> &JobKey {
        &self.reply.key
    }

    /// SHA-256 of its bytes.
    pub const fn digest(&self) -> JobDigest {
        self.reply.digest
    }

    /// Where its answer goes.
    pub const fn reply(&self) -> &Reply {
        &self.reply
    }

    /// `exp`, in seconds since 1970.
    pub const fn expires_at(&self) -> u64 {
        self.claims.expires_at
    }

    /// Whether its sender may be answered where it wants to be. Keys may have been reloaded since the first step.
    ///
    /// # Errors
    /// [`Refusal::Dead`]: the key is gone, or may not use the reply queue.
    pub fn may_be_answered(&self, admission: &Admission) -> Result<(), Refusal> {
        if admission.keys.find(&self.reply.kid).is_none() {
            let detail = format!("the key {} was removed while the job waited", quote(&self.reply.kid));
            return Err(dead(DeadReason::UnknownKey, detail));
        }
        admission.check_reply_to(&self.reply.kid, &self.claimed_reply_to)
    }

    /// The second step: properties, time, policy. Keys may have been reloaded since the first.
    ///
    /// # Errors
    /// [`Refusal`] for whatever is wrong first.
    pub fn admit(self, admission: &Admission, now_unix_seconds: u64) -> Result<Verified<Job>, Refusal> {
        self.may_be_answered(admission)?;
        match self.check(admission, now_unix_seconds) {
            Ok(granted) => Ok(Verified::new(self.into_job(granted))),
            Err(error) => Err(rejected(self.reply, error)),
        }
    }

    fn check(&self, admission: &Admission, now: u64) -> Result<policy::Granted, ClaimError> {
        if let Some(error) = &self.mismatch {
            return Err(error.clone());
        }
        check_times(&self.claims, now)?;
        let open = KeyRules::default();
        let rules = admission.rules(&self.reply.kid).unwrap_or(&open);
        let profile = admission.profiles.get(&self.claims.profile);
        policy::check(&self.claims, profile, rules, admission.settings.lifetimes)
    }

    fn into_job(self, granted: policy::Granted) -> Job {
        let claims = self.claims;
        let cases = claims.cases.into_iter().zip(granted.case_limits);
        Job {
            key: self.reply.key,
            digest: self.reply.digest,
            issued_at: claims.issued_at,
            expires_at: claims.expires_at,
            reply_to: self.reply.reply_to,
            profile: claims.profile,
            entry: claims.entry,
            files: claims.files,
            stdin: claims.stdin,
            args: claims.args,
            env: claims.env,
            limits: granted.limits,
            cases: cases
                .map(|(case, limits)| Case {
                    name: case.name,
                    stdin: case.stdin,
                    args: case.args,
                    limits,
                    expect: case.expect,
                })
                .collect(),
            stop_on_failure: claims.stop_on_failure,
            artifacts: claims.artifacts,
            stream: claims.stream,
        }
    }
}

fn check_times(claims: &Claims, now: u64) -> Result<(), ClaimError> {
    let (issued, expires) = (claims.issued_at, claims.expires_at);
    // RFC 7519: a token must not be accepted on or after its exp.
    if now >= expires.saturating_add(LEEWAY_SECONDS) {
        let ago = now.saturating_sub(expires);
        return Err(ClaimError::new(
            RejectReason::Expired,
            format_args!("exp passed {ago} s ago, by this worker's clock"),
        ));
    }
    for (name, time) in [("nbf", claims.not_before.unwrap_or(0)), ("iat", issued)] {
        if time > now.saturating_add(LEEWAY_SECONDS) {
            let ahead = time.saturating_sub(now);
            let text = format_args!("{name} lies {ahead} s ahead of this worker's clock");
            return Err(ClaimError::new(RejectReason::NotYetValid, text));
        }
    }
    Ok(())
}
