//! What profiles and keys allow.

use std::collections::BTreeSet;
use std::time::Duration;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use super::claims::Claims;
use super::fields::ClaimError;
use super::keys::VerifyingKey;
use super::quote::quote;
use crate::domain::job::JobFile;
use crate::domain::limits::{Limits, LimitsPatch};
use crate::domain::reason::RejectReason;

/// Beyond a run's own time: the kill, the report, the publish.
const RUN_OVERHEAD_SECONDS: u64 = 120;
/// What a file in a scratch folder takes at least.
const PAGE_BYTES: u64 = 4096;
/// Queues whose names begin so are the worker's own.
const OWN_QUEUES: &str = "tester.";

/// What a profile says about jobs that name it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ProfileRules {
    /// The file that stands for `{entry}` when a job names none; empty: the profile needs none.
    pub entry: String,
    /// Limits where they differ from the defaults.
    pub limits: LimitsPatch,
    /// The most a job may ask for; a limit that is absent here cannot be raised above the profile's own.
    pub limits_max: LimitsPatch,
    /// How long the compiler may take, in seconds of wall time; 0 where nothing is compiled.
    pub compile_wall_seconds: f64,
}

impl ProfileRules {
    fn limits_in_force(&self) -> Limits {
        Limits::default().overlaid(&self.limits)
    }

    fn maxima(&self) -> LimitsPatch {
        self.limits_in_force().to_patch().overlaid(&self.limits_max)
    }
}

/// A glob of a policy that is none.
#[derive(Debug, thiserror::Error)]
#[error("the reply queue glob {glob} of the policy for the key {kid} is not a glob: {source}")]
pub struct PolicyError {
    /// The key.
    pub kid: String,
    /// The glob.
    pub glob: String,
    /// Why it is none.
    #[source]
    source: globset::Error,
}

/// What a key may do, besides what profiles allow. The default allows everything.
#[derive(Debug, Clone, Default)]
pub struct KeyRules {
    profiles: Option<BTreeSet<String>>,
    reply_queues: Option<GlobSet>,
    limits_max: LimitsPatch,
    may_drain: Option<bool>,
}

impl KeyRules {
    /// The rules of one `[keys.policies."kid"]`.
    ///
    /// # Errors
    /// [`PolicyError`] for a glob that cannot be read.
    pub fn new(
        kid: &str,
        profiles: Option<&[String]>,
        reply_queues: Option<&[String]>,
        limits_max: LimitsPatch,
    ) -> Result<Self, PolicyError> {
        let reply_queues = reply_queues.map(|globs| glob_set(kid, globs)).transpose()?;
        let profiles = profiles.map(|names| names.iter().cloned().collect());
        Ok(Self { profiles, reply_queues, limits_max, may_drain: None })
    }

    /// The same, with a word on whether the key may drain workers.
    #[must_use]
    pub fn with_drain(self, may_drain: Option<bool>) -> Self {
        Self { may_drain, ..self }
    }

    /// Whether the key may drain workers: as the policy says; where it says nothing, only the shared token may, whose
    /// holder is the operator.
    pub(in crate::protocol) fn allows_drain(&self, key: &VerifyingKey) -> bool {
        self.may_drain.unwrap_or_else(|| key.is_shared_token())
    }

    /// Whether results may go to this queue.
    pub(in crate::protocol) fn allows_reply_to(&self, queue: &str) -> bool {
        match &self.reply_queues {
            Some(globs) => globs.is_match(queue),
            None => !queue.starts_with(OWN_QUEUES),
        }
    }
}

fn glob_set(kid: &str, globs: &[String]) -> Result<GlobSet, PolicyError> {
    let error = |glob: &str, source| PolicyError { kid: quote(kid), glob: quote(glob), source };
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        // A queue's name is no path: `*` matches a slash like any other character.
        let built = GlobBuilder::new(glob).literal_separator(false).backslash_escape(true).build();
        set.add(built.map_err(|source| error(glob, source))?);
    }
    set.build().map_err(|source| error(&globs.join(", "), source))
}

/// What the broker and the operator set for all jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// The longest `exp - iat`, in seconds.
    pub lifetime_seconds_max: u64,
    /// The broker's `consumer_timeout`, in seconds.
    pub consumer_timeout_seconds: u64,
}

/// The limits in force for the job and for each of its cases.
#[derive(Debug, PartialEq)]
pub(in crate::protocol) struct Granted {
    pub(in crate::protocol) limits: Limits,
    pub(in crate::protocol) case_limits: Vec<Limits>,
}

/// Checks a job against its profile and its key. `profile` is `None` where no profile has the name.
pub(in crate::protocol) fn check(
    claims: &Claims,
    profile: Option<&ProfileRules>,
    key: &KeyRules,
    lifetimes: Lifetimes,
) -> Result<Granted, ClaimError> {
    let profile = profile.ok_or_else(|| {
        let text = format_args!("no profile of this worker is called {}", quote(&claims.profile));
        ClaimError::new(RejectReason::UnknownProfile, text)
    })?;
    if key.profiles.as_ref().is_some_and(|allowed| !allowed.contains(&claims.profile)) {
        let text = format_args!("the key may not use the profile {}", quote(&claims.profile));
        return Err(ClaimError::new(RejectReason::OverPolicy, text));
    }
    check_entry(claims, &profile.entry)?;
    let granted = grant_limits(claims, profile, key)?;
    check_space(claims, &granted.limits)?;
    check_deadlines(claims, &granted, (profile.compile_wall_seconds, lifetimes))?;
    Ok(granted)
}

fn check_entry(claims: &Claims, default: &str) -> Result<(), ClaimError> {
    let has = |path: &str| claims.files.iter().any(|file: &JobFile| file.path.as_str() == path);
    let bad = |text: std::fmt::Arguments<'_>| Err(ClaimError::new(RejectReason::BadPath, text));
    match &claims.entry {
        Some(entry) if !has(entry.as_str()) => {
            bad(format_args!("the entry {} is none of the job's files", quote(entry.as_str())))
        }
        None if !default.is_empty() && !has(default) => {
            bad(format_args!("the job names no entry, and {}, the profile's own, is none of its files", quote(default)))
        }
        Some(_) | None => Ok(()),
    }
}

fn grant_limits(claims: &Claims, profile: &ProfileRules, key: &KeyRules) -> Result<Granted, ClaimError> {
    let maxima = profile.maxima();
    let grant = |what: &str, limits: Limits| {
        let over =
            |by: &str, error| ClaimError::new(RejectReason::OverPolicy, format_args!("{what}, by {by}: {error}"));
        limits.check_within(&maxima).map_err(|error| over("the profile", error))?;
        limits.check_within(&key.limits_max).map_err(|error| over("the key's policy", error))?;
        Ok(limits)
    };
    let limits = grant("limits", profile.limits_in_force().overlaid(&claims.limits))?;
    let case_limits = claims
        .cases
        .iter()
        .enumerate()
        .map(|(index, case)| grant(&format!("cases[{index}].limits"), limits.overlaid(&case.limits)))
        .collect::<Result<_, _>>()?;
    Ok(Granted { limits, case_limits })
}

/// Whether the job's own files fit into its scratch folder: found here, it is a refusal and costs no sandbox.
fn check_space(claims: &Claims, limits: &Limits) -> Result<(), ClaimError> {
    let over = |text: std::fmt::Arguments<'_>| Err(ClaimError::new(RejectReason::OverPolicy, text));
    let page = |file: &JobFile| u64::try_from(file.content.len()).unwrap_or(u64::MAX).div_ceil(PAGE_BYTES);
    let bytes = claims.files.iter().map(page).sum::<u64>().saturating_mul(PAGE_BYTES);
    let bytes_max = limits.scratch_bytes_in_force();
    if bytes > bytes_max {
        return over(format_args!("the files take {bytes} bytes, but the scratch folder has {bytes_max}"));
    }
    let folders: BTreeSet<&str> = claims.files.iter().flat_map(|file| file.path.parents()).collect();
    let entries = u64::try_from(claims.files.len() + folders.len()).unwrap_or(u64::MAX);
    // The folder itself counts as one.
    if entries >= limits.scratch_files {
        let files_max = limits.scratch_files;
        return over(format_args!("{entries} files and folders do not fit a scratch folder of {files_max}"));
    }
    Ok(())
}

fn check_deadlines(
    claims: &Claims,
    granted: &Granted,
    (compile_seconds, lifetimes): (f64, Lifetimes),
) -> Result<(), ClaimError> {
    let too_long = |text: std::fmt::Arguments<'_>| Err(ClaimError::new(RejectReason::DeadlineTooLong, text));
    let lifetime = claims.expires_at.saturating_sub(claims.issued_at);
    let lifetime_max = lifetimes.lifetime_seconds_max;
    if lifetime > lifetime_max {
        return too_long(format_args!("exp is {lifetime} s after iat, but {lifetime_max} s is the most"));
    }
    let all_runs: f64 = if granted.case_limits.is_empty() {
        granted.limits.wall_seconds
    } else {
        granted.case_limits.iter().map(|limits| limits.wall_seconds).sum()
    };
    let run_seconds = compile_seconds + all_runs;
    let timeout = lifetimes.consumer_timeout_seconds;
    // A time that no Duration holds is too long as well.
    let longest = Duration::from_secs(timeout.saturating_sub(RUN_OVERHEAD_SECONDS));
    if !Duration::try_from_secs_f64(run_seconds).is_ok_and(|run| run <= longest) {
        return too_long(format_args!(
            "the job may run for {run_seconds} s, but the broker takes a job back after {timeout} s, of which the \
             worker keeps {RUN_OVERHEAD_SECONDS} s"
        ));
    }
    Ok(())
}
