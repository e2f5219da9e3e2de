//! Reading a JWKS document.
//!
//! Members that RFC 7517 leaves open are ignored, as it asks; those of ours are checked, for a misspelt `tester:iss`
//! would leave a key unbound.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretSlice;
use zeroize::Zeroizing;

use super::{
    Algorithm, Direction, KID_BYTES_MAX, KeyError, KeyProblem, KeyRing, Material, SECRET_BYTES_MIN, Scope,
    VerifyingKey, key_error, quote,
};
use crate::protocol::strict::{self, Json};

pub(super) fn parse(json: &[u8], direction: Direction) -> Result<KeyRing, KeyError> {
    let document = strict::parse(json).map_err(KeyError::NotJwks)?;
    let Json::Object(mut members) = document else {
        return Err(KeyError::NotJwks(format!("it is {}", document.kind())));
    };
    let Some(Json::Array(list)) = members.remove("keys") else {
        return Err(KeyError::NotJwks("the list `keys` is missing".to_owned()));
    };
    let mut keys = BTreeMap::new();
    for (index, entry) in list.into_iter().enumerate() {
        let name = entry.string_member("kid").map_or_else(|| format!("keys[{index}]"), ToOwned::to_owned);
        let refuse = |problem| key_error(&name, problem);
        let key = parse_key(entry, direction).map_err(refuse)?;
        if keys.contains_key(key.kid()) {
            return Err(refuse(KeyProblem::DuplicateKid));
        }
        keys.insert(key.kid.clone(), key);
    }
    if keys.is_empty() {
        return Err(KeyError::Empty);
    }
    Ok(KeyRing { keys })
}

fn parse_key(entry: Json, default_direction: Direction) -> Result<VerifyingKey, KeyProblem> {
    let Json::Object(mut members) = entry else {
        return Err(KeyProblem::Missing("kid"));
    };
    if let Some(name) = members
        .keys()
        .find(|name| name.starts_with("tester:") && !matches!(name.as_str(), "tester:iss" | "tester:direction"))
    {
        return Err(KeyProblem::UnknownMember(quote(name)));
    }
    if !is_for_signatures(&members) {
        return Err(KeyProblem::NotForSignatures);
    }
    let direction = match members.remove("tester:direction") {
        None => default_direction,
        Some(Json::String(name)) => Direction::parse(&name).ok_or(KeyProblem::Direction)?,
        Some(_) => return Err(KeyProblem::Direction),
    };
    let issuer = if members.contains_key("tester:iss") { Some(take_name(&mut members, "tester:iss")?) } else { None };
    let kid = take_name(&mut members, "kid")?;
    let kind = (take_name(&mut members, "kty")?, Algorithm::parse(&take_name(&mut members, "alg")?));
    let material = match (kind.0.as_str(), kind.1) {
        ("OKP", Some(Algorithm::EdDsa)) => public_key(&mut members)?,
        ("oct", Some(Algorithm::Hs256)) => secret(&mut members)?,
        _ => return Err(KeyProblem::Kind),
    };
    Ok(VerifyingKey { kid, scope: Scope::One(direction), issuer, material })
}

fn is_for_signatures(members: &BTreeMap<String, Json>) -> bool {
    let is = |value: &Json, text: &str| *value == Json::String(text.to_owned());
    let for_use = members.get("use").is_none_or(|value| is(value, "sig"));
    let for_verifying = members.get("key_ops").is_none_or(|value| match value {
        Json::Array(operations) => operations.iter().any(|operation| is(operation, "verify")),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Object(_) => false,
    });
    for_use && for_verifying
}

fn take_name(members: &mut BTreeMap<String, Json>, name: &'static str) -> Result<String, KeyProblem> {
    match members.remove(name) {
        Some(Json::String(text)) if !text.is_empty() && text.len() <= KID_BYTES_MAX => Ok(text),
        _ => Err(KeyProblem::Missing(name)),
    }
}

fn public_key(members: &mut BTreeMap<String, Json>) -> Result<Material, KeyProblem> {
    if members.contains_key("d") {
        return Err(KeyProblem::Private);
    }
    if take_name(members, "crv")? != "Ed25519" {
        return Err(KeyProblem::Kind);
    }
    let encoded = take_name(members, "x")?;
    let key = URL_SAFE_NO_PAD
        .decode(encoded)
        .ok()
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .and_then(|bytes| ed25519_dalek::VerifyingKey::from_bytes(&bytes).ok())
        // A point of small order verifies signatures that nobody made.
        .filter(|key| !key.is_weak())
        .ok_or(KeyProblem::BadPublic)?;
    Ok(Material::Ed25519(key))
}

fn secret(members: &mut BTreeMap<String, Json>) -> Result<Material, KeyProblem> {
    let Some(Json::String(encoded)) = members.remove("k") else {
        return Err(KeyProblem::Missing("k"));
    };
    let encoded = Zeroizing::new(encoded);
    let bytes = URL_SAFE_NO_PAD.decode(encoded.as_bytes()).map_err(|_position| KeyProblem::BadSecret)?;
    let secret = SecretSlice::from(bytes);
    let length = secrecy::ExposeSecret::expose_secret(&secret).len();
    if length < SECRET_BYTES_MIN {
        return Err(KeyProblem::ShortSecret { bytes: length });
    }
    Ok(Material::Hs256(secret))
}
