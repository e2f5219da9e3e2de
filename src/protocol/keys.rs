//! Keys that verify: a JWKS document (RFC 7517), or one shared token.
//!
//! A ring is an immutable value. A reload makes a new one and swaps it; two keys in it at once are a rotation.

use std::collections::BTreeMap;

use ed25519_dalek::Signature;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::Sha256;

use super::jws::KID_BYTES_MAX;
use super::quote::quote;

mod jwks;

/// `kid` of the shared token.
pub const TOKEN_KID: &str = "default";
/// Bytes that a shared secret must have.
pub const SECRET_BYTES_MIN: usize = 32;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// HMAC with SHA-256.
    Hs256,
}

impl Algorithm {
    /// The name in `alg`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }

    pub(in crate::protocol) fn parse(name: &str) -> Option<Self> {
        [Self::EdDsa, Self::Hs256].into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    pub(in crate::protocol) const fn signature_bytes(self) -> usize {
        match self {
            Self::EdDsa => 64,
            Self::Hs256 => 32,
        }
    }
}

/// What a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Jobs: senders' keys.
    Jobs,
    /// Results: workers' keys.
    Results,
    /// Control messages: operators' keys.
    Control,
}

impl Direction {
    /// The name in `tester:direction`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Results => "results",
            Self::Control => "control",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Jobs, Self::Results, Self::Control].into_iter().find(|direction| direction.as_str() == name)
    }
}

/// Why a set of keys was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a JWKS document.
    #[error("this is not a JWKS document ({0}); it must be one JSON object with the list `keys` (RFC 7517)")]
    NotJwks(String),
    /// No key in it.
    #[error("the JWKS document has no key; nobody could sign anything")]
    Empty,
    /// One key is wrong.
    #[error("key {key} of the JWKS document {problem}")]
    Key {
        /// Its `kid`, or its place in the list.
        key: String,
        /// What is wrong with it.
        problem: KeyProblem,
    },
    /// The token is too short to be safe.
    #[error(
        "the token has {bytes} bytes, but HS256 needs {SECRET_BYTES_MIN} or more; make a good one with: openssl rand -hex 32"
    )]
    ShortToken {
        /// Its length.
        bytes: usize,
    },
    /// The private key cannot be read.
    #[error(
        "the signing key is not an Ed25519 private key in PKCS#8 PEM; make one with: openssl genpkey -algorithm ed25519"
    )]
    NotPem,
    /// The name of the private key is unusable.
    #[error("the signing key's kid has {bytes} bytes; it must have 1 to {KID_BYTES_MAX}")]
    BadKid {
        /// Its length.
        bytes: usize,
    },
}

/// What is wrong with a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyProblem {
    /// A member is missing, or of the wrong type.
    #[error("needs the member `{0}`, a string of 1 to {KID_BYTES_MAX} bytes")]
    Missing(&'static str),
    /// The `kid` is another key's.
    #[error("has the kid of another key; each must be unique")]
    DuplicateKid,
    /// Neither of the two kinds.
    #[error(
        "has kty and alg that do not go together; allowed are kty OKP (crv Ed25519) with EdDSA, and oct with HS256"
    )]
    Kind,
    /// A private key where a public one belongs.
    #[error(
        "holds a private key (`d`); a key that verifies must be public: remove `d`, and treat the key as known to others"
    )]
    Private,
    /// The public key is not one.
    #[error("has an `x` that is not an Ed25519 public key in base64url")]
    BadPublic,
    /// The secret is not base64url.
    #[error("has a `k` that is not base64url without padding")]
    BadSecret,
    /// The secret is too short.
    #[error("has a secret of {bytes} bytes, but HS256 needs {SECRET_BYTES_MIN} or more")]
    ShortSecret {
        /// Its length.
        bytes: usize,
    },
    /// Not made for verifying signatures.
    #[error("is not for signatures: `use` must be \"sig\", and `key_ops` must contain \"verify\"")]
    NotForSignatures,
    /// No direction has this name.
    #[error("has a `tester:direction` that is none of jobs, results and control")]
    Direction,
    /// A member of ours that does not exist.
    #[error("has the member {0}; of those that begin with `tester:` there are tester:iss and tester:direction")]
    UnknownMember(String),
}

/// What a key signs: one direction, or, for the shared token, every one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    One(Direction),
    Every,
}

#[derive(Debug)]
enum Material {
    Ed25519(ed25519_dalek::VerifyingKey),
    Hs256(SecretSlice<u8>),
}

/// One key that verifies.
#[derive(Debug)]
pub struct VerifyingKey {
    kid: String,
    scope: Scope,
    issuer: Option<String>,
    material: Material,
}

impl VerifyingKey {
    /// Its name.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// How it signs.
    pub const fn algorithm(&self) -> Algorithm {
        match self.material {
            Material::Ed25519(_) => Algorithm::EdDsa,
            Material::Hs256(_) => Algorithm::Hs256,
        }
    }

    /// The only issuer it may sign for; `None`: any.
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Whether it may sign for this issuer.
    pub fn may_sign_for(&self, issuer: &str) -> bool {
        self.issuer().is_none_or(|own| own == issuer)
    }

    /// Whether it signs messages of this kind.
    pub fn is_for(&self, direction: Direction) -> bool {
        self.scope == Scope::Every || self.scope == Scope::One(direction)
    }

    /// Whether it is the shared token, which signs everything.
    pub fn is_shared_token(&self) -> bool {
        self.scope == Scope::Every
    }

    /// Whether this key made the signature over the message.
    pub(in crate::protocol) fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Ed25519(key) => {
                Signature::from_slice(signature).is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
            }
            Material::Hs256(secret) => Hmac::<Sha256>::new_from_slice(secret.expose_secret())
                .is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok()),
        }
    }
}

/// Keys by `kid`.
#[derive(Debug)]
pub struct KeyRing {
    keys: BTreeMap<String, VerifyingKey>,
}

impl KeyRing {
    /// Reads a JWKS document. A key that names no `tester:direction` gets `direction`: jobs for a file of senders' keys.
    ///
    /// # Errors
    /// [`KeyError`] names the key and what is wrong with it.
    pub fn from_jwks(json: &[u8], direction: Direction) -> Result<Self, KeyError> {
        jwks::parse(json, direction)
    }

    /// One shared token, which signs both ways.
    ///
    /// # Errors
    /// [`KeyError::ShortToken`].
    pub fn from_token(token: &SecretString) -> Result<Self, KeyError> {
        let key = VerifyingKey {
            kid: TOKEN_KID.to_owned(),
            scope: Scope::Every,
            issuer: None,
            material: Material::Hs256(token_secret(token)?),
        };
        Ok(Self { keys: BTreeMap::from([(TOKEN_KID.to_owned(), key)]) })
    }

    /// The key with this name.
    pub fn find(&self, kid: &str) -> Option<&VerifyingKey> {
        self.keys.get(kid)
    }

    /// Every key, by name.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.values()
    }
}

pub(in crate::protocol) fn token_secret(token: &SecretString) -> Result<SecretSlice<u8>, KeyError> {
    let bytes = token.expose_secret().as_bytes();
    if bytes.len() < SECRET_BYTES_MIN {
        return Err(KeyError::ShortToken { bytes: bytes.len() });
    }
    Ok(SecretSlice::from(bytes.to_vec()))
}

fn key_error(key: &str, problem: KeyProblem) -> KeyError {
    KeyError::Key { key: quote(key), problem }
}
