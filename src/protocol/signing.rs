//! Keys that sign: an Ed25519 private key in PKCS#8 PEM, or the shared token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::jws::KID_BYTES_MAX;
use super::keys::{Algorithm, Direction, KeyError, KeyRing, TOKEN_KID, token_secret};

#[derive(Debug, Clone)]
enum Material {
    // Its Debug shows the public half only.
    Ed25519(Box<ed25519_dalek::SigningKey>),
    Hs256(SecretSlice<u8>),
}

/// A key that signs.
#[derive(Debug, Clone)]
pub struct SigningKey {
    kid: String,
    material: Material,
}

impl SigningKey {
    /// The shared token, under the name `default`.
    ///
    /// # Errors
    /// [`KeyError::ShortToken`].
    pub fn from_token(token: &SecretString) -> Result<Self, KeyError> {
        Ok(Self { kid: TOKEN_KID.to_owned(), material: Material::Hs256(token_secret(token)?) })
    }

    /// An Ed25519 private key in PKCS#8 PEM. An empty `kid` stands for the key's thumbprint.
    ///
    /// # Errors
    /// [`KeyError::NotPem`] or [`KeyError::BadKid`].
    pub fn from_pem(kid: &str, pem: &SecretString) -> Result<Self, KeyError> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem.expose_secret().trim())
            .map_err(|_nothing_of_a_secret| KeyError::NotPem)?;
        Self::new(kid, key)
    }

    /// An Ed25519 key from 32 random bytes. An empty `kid` stands for the key's thumbprint.
    ///
    /// # Errors
    /// [`KeyError::BadKid`].
    pub fn from_seed(kid: &str, seed: &Zeroizing<[u8; 32]>) -> Result<Self, KeyError> {
        Self::new(kid, ed25519_dalek::SigningKey::from_bytes(seed))
    }

    fn new(kid: &str, key: ed25519_dalek::SigningKey) -> Result<Self, KeyError> {
        if kid.len() > KID_BYTES_MAX {
            return Err(KeyError::BadKid { bytes: kid.len() });
        }
        let kid = if kid.is_empty() { thumbprint(&key.verifying_key()) } else { kid.to_owned() };
        Ok(Self { kid, material: Material::Ed25519(Box::new(key)) })
    }

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

    /// The signature over a message.
    pub(in crate::protocol) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.material {
            Material::Ed25519(key) => key.sign(message).to_vec(),
            // An HMAC takes a key of any length; were it not so, the empty signature would verify nowhere.
            Material::Hs256(secret) => Hmac::<Sha256>::new_from_slice(secret.expose_secret())
                .map_or_else(|_| Vec::new(), |mac| mac.chain_update(message).finalize().into_bytes().to_vec()),
        }
    }

    /// The public half as an entry of a JWKS document; `None` for a shared secret, which has none.
    pub fn public_jwk(&self, direction: Direction, issuer: Option<&str>) -> Option<serde_json::Value> {
        let Material::Ed25519(key) = &self.material else { return None };
        let mut jwk = serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "alg": self.algorithm().as_str(), "use": "sig", "kid": self.kid,
            "x": URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes()), "tester:direction": direction.as_str(),
        });
        if let (Some(issuer), Some(members)) = (issuer, jwk.as_object_mut()) {
            members.insert("tester:iss".to_owned(), issuer.into());
        }
        Some(jwk)
    }

    /// The private key as PKCS#8 PEM; `None` for a shared secret.
    pub fn to_pem(&self) -> Option<Zeroizing<String>> {
        let Material::Ed25519(key) = &self.material else { return None };
        // Without the public half: older OpenSSL refuses the newer form that carries both.
        KeypairBytes { secret_key: key.to_bytes(), public_key: None }.to_pkcs8_pem(LineEnding::LF).ok()
    }

    /// A ring that verifies what this key signs, in one direction.
    ///
    /// # Errors
    /// None that a key which was made can cause; the signature follows from [`KeyRing`]'s.
    pub fn ring(&self, direction: Direction) -> Result<KeyRing, KeyError> {
        let jwk = match &self.material {
            Material::Ed25519(_) => self.public_jwk(direction, None),
            Material::Hs256(secret) => Some(serde_json::json!({
                "kty": "oct", "alg": "HS256", "kid": self.kid, "tester:direction": direction.as_str(),
                "k": URL_SAFE_NO_PAD.encode(secret.expose_secret()),
            })),
        };
        let document = Zeroizing::new(serde_json::json!({ "keys": [jwk] }).to_string());
        KeyRing::from_jwks(document.as_bytes(), direction)
    }
}

/// The thumbprint of RFC 7638: a name that follows from the key.
fn thumbprint(key: &ed25519_dalek::VerifyingKey) -> String {
    let x = URL_SAFE_NO_PAD.encode(key.as_bytes());
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: [u8; 32] = [7; 32];

    fn key() -> SigningKey {
        SigningKey::from_seed("", &Zeroizing::new(SEED)).unwrap()
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        // RFC 8037, appendix A.3.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let key = ed25519_dalek::VerifyingKey::from_bytes(&x.try_into().unwrap()).unwrap();
        assert_eq!(thumbprint(&key), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_private_key_survives_pem_and_keeps_its_name() {
        let pem = SecretString::from(key().to_pem().unwrap().to_string());
        assert!(pem.expose_secret().starts_with("-----BEGIN PRIVATE KEY-----\n"));
        let read = SigningKey::from_pem("", &pem).unwrap();
        assert_eq!(read.kid(), key().kid());
        assert_eq!(read.sign(b"x"), key().sign(b"x"));
        assert_eq!(SigningKey::from_pem("named", &pem).unwrap().kid(), "named");
    }

    #[test]
    fn what_is_no_key_is_refused_without_quoting_it() {
        let error = SigningKey::from_pem("k", &SecretString::from("hunter2")).unwrap_err();
        assert_eq!(error, KeyError::NotPem);
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn nothing_secret_is_in_a_debug_text() {
        let token = SecretString::from("a secret that has thirty-two bytes");
        let texts = [
            format!("{:?}", SigningKey::from_token(&token).unwrap()),
            format!("{:?}", KeyRing::from_token(&token).unwrap()),
            format!("{:?}", key()),
        ];
        for text in texts {
            assert!(!text.contains("thirty-two"), "{text}");
            assert!(!text.contains("7, 7, 7, 7"), "{text}");
        }
    }

    #[test]
    fn a_public_entry_has_no_private_half_and_says_what_it_is_for() {
        let jwk = key().public_jwk(Direction::Results, Some("worker-1")).unwrap();
        assert!(jwk.get("d").is_none());
        assert_eq!(jwk["tester:iss"], "worker-1");
        let document = serde_json::json!({ "keys": [jwk] }).to_string();
        let ring = KeyRing::from_jwks(document.as_bytes(), Direction::Jobs).unwrap();
        let found = ring.find(key().kid()).unwrap();
        assert!(found.is_for(Direction::Results) && !found.is_for(Direction::Jobs));
        assert!(found.may_sign_for("worker-1") && !found.may_sign_for("worker-2"));
        assert!(found.verify(b"x", &key().sign(b"x")));
    }
}
