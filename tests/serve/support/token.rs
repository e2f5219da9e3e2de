//! Tokens made by hand, so that a test can sign what the library would never sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tester_worker::protocol::signing::SigningKey;
use zeroize::Zeroizing;

/// The shared secret of the tests that use one.
pub(crate) const SECRET: &str = "test-only-0123456789abcdef0123456789abcdef";

/// An Ed25519 key of a test, which any library can make again from its seed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seed(pub(crate) &'static str, pub(crate) u8);

impl Seed {
    /// The key, as the library knows it.
    pub(crate) fn key(self) -> SigningKey {
        SigningKey::from_seed(self.0, &Zeroizing::new([self.1; 32])).expect("a key from a seed")
    }

    fn raw(self) -> ed25519_dalek::SigningKey {
        ed25519_dalek::SigningKey::from_bytes(&[self.1; 32])
    }

    /// The 32 bytes that everybody may know.
    pub(crate) fn public(self) -> [u8; 32] {
        self.raw().verifying_key().to_bytes()
    }

    /// The entry of a JWKS document.
    pub(crate) fn jwk(self, issuer: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": self.0, "tester:iss": issuer,
                "x": URL_SAFE_NO_PAD.encode(self.public()) })
    }

    /// A token with the header that a job has.
    pub(crate) fn job(self, claims: &Value) -> Vec<u8> {
        self.sign(&json!({ "alg": "EdDSA", "kid": self.0, "typ": "job+jwt" }), claims.to_string().as_bytes())
    }

    /// A token with any header over any payload.
    pub(crate) fn sign(self, header: &Value, payload: &[u8]) -> Vec<u8> {
        finish(header, payload, |message| self.raw().sign(message).to_vec())
    }
}

/// A token under a shared secret.
pub(crate) fn hs256(secret: &[u8], header: &Value, payload: &[u8]) -> Vec<u8> {
    finish(header, payload, |message| {
        let mac = Hmac::<Sha256>::new_from_slice(secret).expect("an HMAC takes any key");
        mac.chain_update(message).finalize().into_bytes().to_vec()
    })
}

/// A token whose signature is what `signature` makes of the signed part.
pub(crate) fn finish(header: &Value, payload: &[u8], signature: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
    let signature = signature(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    token.into_bytes()
}

/// A JWKS document.
pub(crate) fn jwks(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}
