//! Keys: loaded at start, and again whenever their files change, without a restart.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::model::{Config, Profile};
use crate::domain::limits::Limits;
use crate::domain::path::PathBounds;
use crate::protocol::admission::{Admission, Bounds, Settings};

use crate::protocol::keys::{Direction, KeyError, KeyRing};
use crate::protocol::policy::{KeyRules, Lifetimes, PolicyError, ProfileRules};
use crate::protocol::signing::SigningKey;
use crate::telemetry::labels::ReloadOutcome;
use crate::telemetry::metrics::Metrics;

/// How often the key files are looked at. They are small, and a rotation is not urgent to the second.
const RELOAD_PERIOD: Duration = Duration::from_secs(2);

/// Why keys cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// A file cannot be read.
    #[error("cannot read the key file {path}")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file holds something else than keys.
    #[error("the key file {path} cannot be used")]
    File {
        /// The file.
        path: String,
        /// What is wrong with it.
        #[source]
        source: KeyError,
    },
    /// The shared token cannot be used.
    #[error("WORKER_AUTH_TOKEN cannot be used")]
    Token(#[source] KeyError),
    /// Neither a JWKS file nor a token.
    #[error(
        "there is no key to verify jobs with; set WORKER_AUTH_TOKEN (openssl rand -hex 32 makes one), or keys.jwks_file"
    )]
    None,
    /// A policy that cannot be read.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// The two halves: what decides about jobs, and what signs results.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Verifies jobs and holds the policies.
    pub admission: Arc<Admission>,
    /// Signs results.
    pub signer: Arc<SigningKey>,
    /// What the files were like before they were read: a change in between is seen by the next look.
    pub known: Fingerprint,
}

/// What changes when a key file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([Option<[u8; 32]>; 2]);

/// Where keys come from.
#[derive(Debug, Clone)]
pub struct KeySource {
    config: Config,
    token: Option<SecretString>,
}

impl KeySource {
    /// The keys of this configuration.
    pub const fn new(config: Config, token: Option<SecretString>) -> Self {
        Self { config, token }
    }

    /// Reads everything.
    ///
    /// # Errors
    /// [`KeysError`] says which file or variable, and what is wrong with it.
    pub async fn load(&self) -> Result<Keys, KeysError> {
        let known = self.fingerprint().await;
        let jwks = self.jwks().await?;
        let pem = self.pem().await?;
        self.build(jwks.as_deref(), pem.as_ref(), known)
    }

    async fn jwks(&self) -> Result<Option<Vec<u8>>, KeysError> {
        let path = &self.config.keys.jwks_file;
        if path.is_empty() { Ok(None) } else { read(path).await.map(Some) }
    }

    async fn pem(&self) -> Result<Option<SecretString>, KeysError> {
        let path = &self.config.keys.signing_key_file;
        if path.is_empty() {
            return Ok(None);
        }
        let text = String::from_utf8(read(path).await?).map_err(|error| KeysError::Read {
            path: path.clone(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()),
        })?;
        Ok(Some(SecretString::from(text)))
    }

    fn build(&self, jwks: Option<&[u8]>, pem: Option<&SecretString>, known: Fingerprint) -> Result<Keys, KeysError> {
        let keys = &self.config.keys;
        let ring = match (jwks, &self.token) {
            (Some(json), _) => KeyRing::from_jwks(json, Direction::Jobs)
                .map_err(|source| KeysError::File { path: keys.jwks_file.clone(), source })?,
            (None, Some(token)) => KeyRing::from_token(token).map_err(KeysError::Token)?,
            (None, None) => return Err(KeysError::None),
        };
        let signer = match (pem, &self.token) {
            (Some(pem), _) => SigningKey::from_pem(&keys.signing_kid, pem)
                .map_err(|source| KeysError::File { path: keys.signing_key_file.clone(), source })?,
            (None, Some(token)) => SigningKey::from_token(token).map_err(KeysError::Token)?,
            (None, None) => return Err(KeysError::None),
        };
        let admission = admission(&self.config, ring)?;
        for kid in admission.policies_without_key() {
            tracing::warn!("keys.policies.{kid:?} is for a key that is not there; is the kid misspelt?");
        }
        Ok(Keys { admission: Arc::new(admission), signer: Arc::new(signer), known })
    }

    /// Looks at the files again and again, the first time against what was `known` before they were loaded; sends new keys when their bytes have changed. What cannot be used is logged
    /// and counted, and the old keys stay in force.
    pub async fn watch(
        self,
        senders: (watch::Sender<Arc<Admission>>, watch::Sender<Arc<SigningKey>>),
        metrics: Metrics,
        known: Fingerprint,
        stop: CancellationToken,
    ) {
        if self.config.keys.jwks_file.is_empty() && self.config.keys.signing_key_file.is_empty() {
            return;
        }
        let (admission, signer) = senders;
        let mut period = tokio::time::interval(RELOAD_PERIOD);
        let mut known = known;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = period.tick() => {}
            }
            let found = self.fingerprint().await;
            if found == known {
                continue;
            }
            // Remembered also when the load fails: one message a change, not one a period.
            known = found;
            match self.load().await {
                Ok(keys) => {
                    admission.send_replace(keys.admission);
                    signer.send_replace(keys.signer);
                    metrics.keys_reloaded(ReloadOutcome::Loaded);
                    tracing::info!("The keys have changed and were loaded again");
                }
                Err(error) => {
                    metrics.keys_reloaded(ReloadOutcome::Failed);
                    let chain = anyhow::Error::from(error);
                    tracing::error!("The keys have changed and cannot be used; the old ones stay in force: {chain:#}");
                }
            }
        }
    }

    /// What changes when a key file does: its content, for a secret that is mounted may change by a link alone.
    async fn fingerprint(&self) -> Fingerprint {
        use sha2::{Digest as _, Sha256};
        let digest = async |path: &str| tokio::fs::read(path).await.ok().map(|bytes| Sha256::digest(&bytes).into());
        let keys = &self.config.keys;
        Fingerprint([digest(&keys.jwks_file).await, digest(&keys.signing_key_file).await])
    }
}

async fn read(path: &str) -> Result<Vec<u8>, KeysError> {
    tokio::fs::read(Path::new(path)).await.map_err(|source| KeysError::Read { path: path.to_owned(), source })
}

/// Admission for a configuration and a set of keys.
///
/// # Errors
/// A policy with a glob that cannot be read.
pub fn admission(config: &Config, ring: KeyRing) -> Result<Admission, PolicyError> {
    let protocol = &config.protocol;
    let settings = Settings {
        audience: config.worker.audience.clone(),
        body_bytes_max: protocol.body_bytes_max,
        bounds: Bounds {
            files_max: protocol.files_max,
            path: PathBounds { bytes_max: protocol.path_bytes_max, depth_max: protocol.path_depth_max },
        },
        lifetimes: Lifetimes {
            lifetime_seconds_max: protocol.lifetime_seconds_max,
            consumer_timeout_seconds: config.broker.consumer_timeout_seconds,
        },
    };
    let profiles = config.profiles.iter().map(|(name, profile)| (name.clone(), rules(profile))).collect();
    let policies = config
        .keys
        .policies
        .iter()
        .map(|(kid, policy)| {
            let rules =
                KeyRules::new(kid, policy.profiles.as_deref(), policy.reply_queues.as_deref(), policy.limits_max)?;
            Ok((kid.clone(), rules.with_drain(policy.may_drain)))
        })
        .collect::<Result<BTreeMap<_, _>, PolicyError>>()?;
    Ok(Admission::new(settings, Arc::new(ring), profiles, policies))
}

fn rules(profile: &Profile) -> ProfileRules {
    let compiler = profile.limits.overlaid(&profile.compile_limits);
    ProfileRules {
        entry: profile.entry.clone(),
        limits: profile.limits,
        limits_max: profile.limits_max,
        compile_wall_seconds: if profile.compile.is_empty() {
            0.0
        } else {
            Limits::default().overlaid(&compiler).wall_seconds
        },
    }
}
