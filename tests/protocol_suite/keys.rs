//! What is a set of keys, and what is refused with words that say how to mend it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde_json::{Value, json};
use tester_worker::protocol::keys::{Algorithm, Direction, KeyError, KeyProblem, KeyRing};
use tester_worker::protocol::signing::SigningKey;

const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn okp() -> Value {
    json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "backend-1", "x": X })
}

fn oct(bytes: usize) -> Value {
    json!({ "kty": "oct", "alg": "HS256", "kid": "old", "k": URL_SAFE_NO_PAD.encode(vec![7; bytes]) })
}

fn parse(keys: &[Value]) -> Result<KeyRing, KeyError> {
    KeyRing::from_jwks(json!({ "keys": keys }).to_string().as_bytes(), Direction::Jobs)
}

#[track_caller]
fn problem(key: Value) -> KeyProblem {
    let error = parse(&[key]).unwrap_err();
    let KeyError::Key { problem, .. } = error else { panic!("{error}") };
    problem
}

fn edited(mut key: Value, name: &str, value: Value) -> Value {
    key[name] = value;
    key
}

fn without(mut key: Value, name: &str) -> Value {
    key.as_object_mut().unwrap().remove(name);
    key
}

#[test]
fn both_kinds_of_key_are_read_and_default_to_the_files_direction() {
    let ring = parse(&[okp(), oct(32)]).unwrap();
    let found: Vec<_> = ring.iter().map(|key| (key.kid(), key.algorithm(), key.is_for(Direction::Jobs))).collect();
    assert_eq!(found, [("backend-1", Algorithm::EdDsa, true), ("old", Algorithm::Hs256, true)]);
    assert!(!ring.find("old").unwrap().is_for(Direction::Results));
}

#[test]
fn members_that_rfc_7517_leaves_open_are_ignored_and_ours_are_checked() {
    assert!(parse(&[edited(okp(), "x5t", json!("abc"))]).is_ok());
    assert!(parse(&[edited(okp(), "use", json!("sig"))]).is_ok());
    assert!(parse(&[edited(oct(32), "key_ops", json!(["sign", "verify"]))]).is_ok());
    assert!(matches!(problem(edited(okp(), "tester:is", json!("x"))), KeyProblem::UnknownMember(_)));
    assert_eq!(problem(edited(okp(), "tester:direction", json!("job"))), KeyProblem::Direction);
    assert_eq!(problem(edited(okp(), "tester:iss", json!(""))), KeyProblem::Missing("tester:iss"));
    assert_eq!(problem(edited(okp(), "use", json!("enc"))), KeyProblem::NotForSignatures);
    assert_eq!(problem(edited(okp(), "key_ops", json!(["sign"]))), KeyProblem::NotForSignatures);
}

#[test]
fn a_private_key_among_public_ones_is_refused_and_not_quoted() {
    let error = parse(&[edited(okp(), "d", json!("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"))]).unwrap_err();
    assert_eq!(error, KeyError::Key { key: "\"backend-1\"".to_owned(), problem: KeyProblem::Private });
    assert!(error.to_string().contains("private") && !error.to_string().contains("nWGxne"), "{error}");
}

#[test]
fn every_key_needs_its_kid_and_alg_and_each_kid_is_one_keys() {
    for name in ["kid", "alg", "kty", "x", "crv"] {
        assert!(matches!(problem(without(okp(), name)), KeyProblem::Missing(_)), "{name}");
    }
    assert_eq!(problem(without(oct(32), "k")), KeyProblem::Missing("k"));
    let twice = parse(&[okp(), edited(oct(32), "kid", json!("backend-1"))]).unwrap_err();
    assert!(matches!(twice, KeyError::Key { problem: KeyProblem::DuplicateKid, .. }));
}

#[test]
fn kind_and_algorithm_must_go_together() {
    for (name, value) in
        [("alg", "HS256"), ("alg", "none"), ("alg", "RS256"), ("kty", "oct"), ("kty", "RSA"), ("crv", "X25519")]
    {
        assert!(matches!(problem(edited(okp(), name, json!(value))), KeyProblem::Kind | KeyProblem::Missing("k")));
    }
    assert_eq!(problem(edited(oct(32), "alg", json!("EdDSA"))), KeyProblem::Kind);
}

#[test]
fn weak_and_broken_keys_are_refused() {
    let point = |bytes: [u8; 32]| edited(okp(), "x", json!(URL_SAFE_NO_PAD.encode(bytes)));
    let mut identity = [0; 32];
    identity[0] = 1;
    // The identity, and a point of order 4: either would verify signatures that nobody made.
    assert_eq!(problem(point(identity)), KeyProblem::BadPublic);
    assert_eq!(problem(point([0; 32])), KeyProblem::BadPublic);
    assert_eq!(problem(edited(okp(), "x", json!("abc"))), KeyProblem::BadPublic);
    assert_eq!(problem(edited(oct(32), "k", json!("not base64!"))), KeyProblem::BadSecret);
    assert_eq!(problem(oct(31)), KeyProblem::ShortSecret { bytes: 31 });
}

#[test]
fn a_document_that_is_none_is_refused() {
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#, "-----BEGIN PUBLIC KEY-----"] {
        let error = KeyRing::from_jwks(text.as_bytes(), Direction::Jobs).unwrap_err();
        assert!(matches!(error, KeyError::NotJwks(_)), "{text}: {error}");
    }
    assert_eq!(parse(&[]).unwrap_err(), KeyError::Empty);
}

#[test]
fn a_short_token_is_refused_with_the_command_that_makes_a_good_one() {
    let short = SecretString::from("x".repeat(31));
    for error in [KeyRing::from_token(&short).unwrap_err(), SigningKey::from_token(&short).unwrap_err()] {
        assert_eq!(error, KeyError::ShortToken { bytes: 31 });
        assert!(error.to_string().contains("openssl rand -hex 32"), "{error}");
    }
    let ring = KeyRing::from_token(&SecretString::from("x".repeat(32))).unwrap();
    let key = ring.find("default").unwrap();
    assert!(key.is_for(Direction::Jobs) && key.is_for(Direction::Results) && key.is_for(Direction::Control));
}
