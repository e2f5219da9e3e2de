//! Compact JWS (RFC 7515): split, strict header, signing and verifying over the exact bytes.
//!
//! Nothing of the header chooses how a signature is checked: the key does, and the header must agree with it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use base64::write::EncoderStringWriter;
use bytes::Bytes;
use serde::Serialize;

use super::keys::{Algorithm, Direction, KeyRing, VerifyingKey};
use super::quote::quote;
use super::signing::SigningKey;
use super::strict::{self, Json};
use crate::domain::reason::DeadReason;

/// Bytes of the encoded header at most.
const HEADER_BYTES_MAX: usize = 1024;
/// Bytes of a `kid` at most.
pub(in crate::protocol) const KID_BYTES_MAX: usize = 255;

/// Why a message is not authentic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct JwsError {
    /// The code.
    pub reason: DeadReason,
    /// One sentence, without anything secret.
    pub detail: String,
}

const fn refuse(reason: DeadReason, detail: String) -> JwsError {
    JwsError { reason, detail }
}

/// What a signature must be for.
#[derive(Debug, Clone, Copy)]
pub struct Purpose {
    /// The `typ` that the header must have.
    pub typ: &'static str,
    /// What the key must be for.
    pub direction: Direction,
}

/// A payload whose signature was good, and the key that made it.
#[derive(Debug)]
pub struct Signed<'ring> {
    /// The payload, decoded.
    pub payload: Vec<u8>,
    /// The key.
    pub key: &'ring VerifyingKey,
}

/// Splits, reads the header, finds the key and verifies, in this order.
///
/// # Errors
/// [`JwsError`] for whatever is wrong first.
pub fn verify<'ring>(body: &[u8], ring: &'ring KeyRing, purpose: Purpose) -> Result<Signed<'ring>, JwsError> {
    let parts = Parts::split(body)?;
    let header = Header::read(&parts.header, purpose.typ)?;
    let key = ring.find(&header.kid).filter(|key| key.is_for(purpose.direction)).ok_or_else(|| {
        let detail = format!("no key {} signs {}", quote(&header.kid), purpose.direction.as_str());
        refuse(DeadReason::UnknownKey, detail)
    })?;
    if key.algorithm() != header.algorithm {
        let (kid, own, named) = (quote(&header.kid), key.algorithm().as_str(), header.algorithm.as_str());
        return Err(refuse(DeadReason::AlgNotAllowed, format!("the key {kid} is for {own}, not {named}")));
    }
    if !key.verify(parts.signing_input, &parts.signature) {
        let detail = format!("the signature is not that of the key {} over these bytes", quote(&header.kid));
        return Err(refuse(DeadReason::BadSignature, detail));
    }
    Ok(Signed { payload: parts.payload, key })
}

/// Signs claims.
///
/// # Errors
/// The claims do not go into JSON.
pub(in crate::protocol) fn sign(
    typ: &str,
    key: &SigningKey,
    claims: &impl Serialize,
) -> Result<Bytes, serde_json::Error> {
    Ok(seal(key, signing_input(typ, key, claims)?))
}

/// Signs claims whose token has at most so many bytes; `None` if it would have more.
///
/// # Errors
/// The claims do not go into JSON.
pub(in crate::protocol) fn sign_within(
    token_bytes_max: usize,
    typ: &str,
    key: &SigningKey,
    claims: &impl Serialize,
) -> Result<Option<Bytes>, serde_json::Error> {
    let token = signing_input(typ, key, claims)?;
    let length = token.len() + 1 + encoded_len(key.algorithm().signature_bytes());
    Ok((length <= token_bytes_max).then(|| seal(key, token)))
}

/// The token without its signature. The claims are written straight into it: large ones are never there a second time as JSON.
fn signing_input(typ: &str, key: &SigningKey, claims: &impl Serialize) -> Result<String, serde_json::Error> {
    let mut token = signing_input_start(typ, key);
    let mut payload = EncoderStringWriter::from_consumer(&mut token, &URL_SAFE_NO_PAD);
    serde_json::to_writer(&mut payload, claims)?;
    payload.into_inner();
    Ok(token)
}

fn seal(key: &SigningKey, mut token: String) -> Bytes {
    let signature = key.sign(token.as_bytes());
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Bytes::from(token)
}

/// The largest payload whose token has at most `token_bytes_max` bytes; `None` if not even an empty one fits.
pub(in crate::protocol) fn payload_bytes_max(typ: &str, key: &SigningKey, token_bytes_max: usize) -> Option<usize> {
    let around = signing_input_start(typ, key).len() + 1 + encoded_len(key.algorithm().signature_bytes());
    let encoded = token_bytes_max.checked_sub(around)?;
    // Four characters hold three bytes; a remainder of two or three characters holds one or two.
    Some(encoded / 4 * 3 + (encoded % 4).saturating_sub(1))
}

const fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[derive(Serialize)]
struct HeaderJson<'a> {
    alg: &'static str,
    kid: &'a str,
    typ: &'a str,
}

fn signing_input_start(typ: &str, key: &SigningKey) -> String {
    let header = HeaderJson { alg: key.algorithm().as_str(), kid: key.kid(), typ };
    // Three strings always serialise; an empty header would be refused by everybody.
    let json = serde_json::to_vec(&header).unwrap_or_default();
    let mut token = URL_SAFE_NO_PAD.encode(json);
    token.push('.');
    token
}

struct Parts<'a> {
    signing_input: &'a [u8],
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn split(body: &'a [u8]) -> Result<Self, JwsError> {
        let not_jws = |detail: &str| refuse(DeadReason::NotJws, detail.to_owned());
        let mut dots = body.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(not_jws("the body is not three parts with two dots between them"));
        };
        let part = |range: std::ops::Range<usize>| body.get(range).unwrap_or_default();
        let decode = |name: &str, encoded: &[u8]| {
            URL_SAFE_NO_PAD.decode(encoded).map_err(|error| {
                refuse(DeadReason::NotJws, format!("the {name} is not base64url without padding: {error}"))
            })
        };
        if first > HEADER_BYTES_MAX {
            let detail = format!("the header has {first} bytes, but {HEADER_BYTES_MAX} is the most");
            return Err(refuse(DeadReason::BadHeader, detail));
        }
        Ok(Self {
            signing_input: part(0..second),
            header: decode("header", part(0..first))?,
            payload: decode("payload", part(first + 1..second))?,
            signature: decode("signature", part(second + 1..body.len()))?,
        })
    }
}

struct Header {
    algorithm: Algorithm,
    kid: String,
}

impl Header {
    fn read(json: &[u8], typ: &str) -> Result<Self, JwsError> {
        let bad = |detail: String| refuse(DeadReason::BadHeader, detail);
        let header = strict::parse(json).map_err(|error| bad(format!("the header is not strict JSON: {error}")))?;
        let Json::Object(members) = &header else {
            return Err(bad(format!("the header is {}, not an object", header.kind())));
        };
        if let Some(name) = members.keys().find(|name| !matches!(name.as_str(), "alg" | "kid" | "typ")) {
            return Err(bad(format!("the header has the member {}; only alg, kid and typ may be there", quote(name))));
        }
        let member = |name: &str| {
            header.string_member(name).ok_or_else(|| bad(format!("the header has no member {name} that is a string")))
        };
        let named = member("alg")?;
        let algorithm = Algorithm::parse(named).ok_or_else(|| {
            refuse(DeadReason::AlgNotAllowed, format!("alg is {}; EdDSA and HS256 are allowed", quote(named)))
        })?;
        let kid = member("kid")?;
        if kid.is_empty() || kid.len() > KID_BYTES_MAX {
            return Err(bad(format!("kid has {} bytes; 1 to {KID_BYTES_MAX} are allowed", kid.len())));
        }
        let found = member("typ")?;
        if found != typ {
            return Err(refuse(DeadReason::WrongTyp, format!("typ is {}, not \"{typ}\"", quote(found))));
        }
        Ok(Self { algorithm, kid: kid.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;
    use serde_json::json;

    const PURPOSE: Purpose = Purpose { typ: "job+jwt", direction: Direction::Jobs };
    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn key() -> SigningKey {
        SigningKey::from_token(&SecretString::from(TOKEN)).unwrap()
    }

    fn ring() -> KeyRing {
        KeyRing::from_token(&SecretString::from(TOKEN)).unwrap()
    }

    fn reason(body: &[u8]) -> DeadReason {
        verify(body, &ring(), PURPOSE).unwrap_err().reason
    }

    /// A token with any header whose signature is right all the same.
    fn with_header(header: &str) -> Vec<u8> {
        let mut token = URL_SAFE_NO_PAD.encode(header) + ".e30";
        let signature = key().sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token.into_bytes()
    }

    #[test]
    fn what_was_signed_is_verified() {
        let ring = ring();
        let signed = sign("job+jwt", &key(), &json!({})).unwrap();
        let verified = verify(&signed, &ring, PURPOSE).unwrap();
        assert_eq!(verified.payload, b"{}");
        assert_eq!(verified.key.kid(), "default");
        assert_eq!(signed, with_header(r#"{"alg":"HS256","kid":"default","typ":"job+jwt"}"#));
    }

    #[test]
    fn only_three_canonical_parts_are_a_jws() {
        let good = String::from_utf8(sign("job+jwt", &key(), &json!({})).unwrap().to_vec()).unwrap();
        let parts: Vec<&str> = good.split('.').collect();
        let [header, payload, signature] = parts[..] else { panic!("not three parts") };
        let bad = [
            String::new(),
            "..".to_owned() + ".",
            format!("{header}.{payload}"),
            format!("{good}."),
            format!("{header}.{payload}=.{signature}"),
            format!("{header}.e31.{signature}"),
            format!("{header}.e3+.{signature}"),
            format!(" {good}"),
            format!("{good}\n"),
            "{\"payload\":\"e30\"}".to_owned(),
            "ü.ü.ü".to_owned(),
        ];
        for token in bad {
            assert_eq!(reason(token.as_bytes()), DeadReason::NotJws, "{token}");
        }
    }

    #[test]
    fn the_header_has_exactly_three_members() {
        let bad = [
            r#"{"alg":"HS256","kid":"default"}"#,
            r#"{"alg":"HS256","typ":"job+jwt"}"#,
            r#"{"kid":"default","typ":"job+jwt"}"#,
            r#"{"alg":"HS256","kid":"default","typ":"job+jwt","crit":["exp"]}"#,
            r#"{"alg":"HS256","kid":"default","typ":"job+jwt","jku":"https://example.org/keys"}"#,
            r#"{"alg":"HS256","kid":"default","typ":"job+jwt","jwk":{}}"#,
            r#"{"alg":"HS256","kid":"default","typ":"job+jwt","x5u":"https://example.org/cert"}"#,
            r#"{"alg":"HS256","kid":"default","typ":"job+jwt","b64":false}"#,
            r#"{"alg":"HS256","kid":"default","kid":"default","typ":"job+jwt"}"#,
            r#"{"alg":1,"kid":"default","typ":"job+jwt"}"#,
            r#"{"alg":"HS256","kid":"","typ":"job+jwt"}"#,
            r#"["alg"]"#,
            "{",
        ];
        for header in bad {
            assert_eq!(reason(&with_header(header)), DeadReason::BadHeader, "{header}");
        }
        let long = format!(r#"{{"alg":"HS256","kid":"{}","typ":"job+jwt"}}"#, "x".repeat(1000));
        assert_eq!(reason(&with_header(&long)), DeadReason::BadHeader);
    }

    #[test]
    fn only_two_algorithms_exist() {
        for alg in ["none", "None", "NONE", "", "hs256", "HS512", "RS256", "ES256", "Ed25519"] {
            let header = format!(r#"{{"alg":"{alg}","kid":"default","typ":"job+jwt"}}"#);
            assert_eq!(reason(&with_header(&header)), DeadReason::AlgNotAllowed, "{alg}");
        }
        let unsigned = format!("{}.e30.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"default","typ":"job+jwt"}"#));
        assert_eq!(reason(unsigned.as_bytes()), DeadReason::AlgNotAllowed);
    }

    #[test]
    fn the_algorithm_must_be_the_keys() {
        let header = r#"{"alg":"EdDSA","kid":"default","typ":"job+jwt"}"#;
        assert_eq!(reason(&with_header(header)), DeadReason::AlgNotAllowed);
    }

    #[test]
    fn kid_typ_and_signature_have_their_own_codes() {
        let unknown = with_header(r#"{"alg":"HS256","kid":"other","typ":"job+jwt"}"#);
        assert_eq!(reason(&unknown), DeadReason::UnknownKey);
        for typ in ["JWT", "result+jwt", "JOB+JWT", "application/job+jwt"] {
            assert_eq!(reason(&sign(typ, &key(), &json!({})).unwrap()), DeadReason::WrongTyp);
        }
        let other = SigningKey::from_token(&SecretString::from("another token of thirty-two bytes")).unwrap();
        assert_eq!(reason(&sign("job+jwt", &other, &json!({})).unwrap()), DeadReason::BadSignature);
        let cut = sign("job+jwt", &key(), &json!({})).unwrap();
        assert_eq!(reason(&cut[..cut.len() - 3]), DeadReason::BadSignature);
        assert_eq!(reason(&cut[..cut.len() - 43]), DeadReason::BadSignature, "no signature at all");
    }

    #[test]
    fn the_largest_payload_fits_and_one_byte_more_does_not() {
        let key = key();
        for limit in 200..220 {
            let largest = payload_bytes_max("job+jwt", &key, limit).unwrap();
            // A string is its characters and two quotation marks.
            let within = |bytes: usize| sign_within(limit, "job+jwt", &key, &"x".repeat(bytes - 2)).unwrap();
            assert!(within(largest).is_some_and(|token| token.len() <= limit), "{limit}");
            assert_eq!(within(largest + 1), None, "{limit}");
        }
        assert_eq!(payload_bytes_max("job+jwt", &key, 10), None);
    }
}
