//! Whose key signs what a command sends: a key file of the user's, or the shared token.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::args;
use super::failure::Failure;
use crate::config::Loaded;
use crate::protocol::keys::{Direction, KeyRing};
use crate::protocol::signing::SigningKey;

/// The `iss` of what is signed with the shared token.
const TOKEN_ISSUER: &str = "submit";

/// What a sender without a key is told.
const SENDER_HINT: &str = "set WORKER_AUTH_TOKEN, or give --key-file, --kid and --results-jwks";

/// The sender's side: what signs jobs and verifies results.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) key: SigningKey,
    pub(super) issuer: String,
    pub(super) results: KeyRing,
}

impl Sender {
    /// From the command line; what it does not name is the shared token.
    pub(super) fn of(loaded: &Loaded, options: &args::Sender) -> Result<Self, Failure> {
        let named =
            Named { key_file: options.key_file.as_ref(), kid: options.kid.as_ref(), issuer: options.iss.as_ref() };
        let (key, issuer) = signer(loaded, named, SENDER_HINT)?;
        let results = match &options.results_jwks {
            Some(path) => KeyRing::from_jwks(&read(path)?, Direction::Results).map_err(Failure::usage)?,
            None => Self::ring(token(loaded, SENDER_HINT)?)?,
        };
        Ok(Self { key, issuer, results })
    }

    /// With a token, for both ways.
    pub(super) fn with_token(token: &SecretString) -> Result<Self, Failure> {
        let key = SigningKey::from_token(token).map_err(Failure::usage)?;
        Ok(Self { key, issuer: TOKEN_ISSUER.to_owned(), results: Self::ring(token)? })
    }

    fn ring(token: &SecretString) -> Result<KeyRing, Failure> {
        KeyRing::from_token(token).map_err(Failure::usage)
    }
}

/// What the command line says of a key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) key_file: Option<&'a PathBuf>,
    pub(super) kid: Option<&'a String>,
    pub(super) issuer: Option<&'a String>,
}

/// The key, and the issuer it signs for.
pub(super) fn signer(loaded: &Loaded, named: Named<'_>, hint: &'static str) -> Result<(SigningKey, String), Failure> {
    let key = match (named.key_file, named.kid) {
        (Some(path), Some(kid)) => {
            let pem = SecretString::from(String::from_utf8(read(path)?).map_err(Failure::usage)?);
            SigningKey::from_pem(kid, &pem).map_err(Failure::usage)?
        }
        _ => SigningKey::from_token(token(loaded, hint)?).map_err(Failure::usage)?,
    };
    let issuer = named.issuer.or(named.kid).cloned().unwrap_or_else(|| TOKEN_ISSUER.to_owned());
    Ok((key, issuer))
}

/// The shared token, which stands for every key that is not named.
pub(super) fn token<'a>(loaded: &'a Loaded, hint: &'static str) -> Result<&'a SecretString, Failure> {
    loaded.token.as_ref().ok_or_else(|| {
        let error = anyhow::anyhow!("there is no key: WORKER_AUTH_TOKEN is not set");
        Failure::usage(error).hint(hint)
    })
}

/// Reads a file that the command line names.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path)
        .map_err(|error| Failure::usage(anyhow::Error::new(error).context(format!("cannot read {}", path.display()))))
}
