//! Forgeries: one changed bit, keys and algorithms that are mistaken for one another, messages sent the wrong way.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};
use sha2::Digest as _;
use tester_worker::domain::job::JobDigest;
use tester_worker::domain::reason::DeadReason;
use tester_worker::protocol::admission::{Admission, PropertiesView, Refusal};
use tester_worker::protocol::job_writer::{JobDraft, SignedJob, Stamp, sign_job};
use tester_worker::protocol::keys::{Algorithm, Direction, KeyRing};
use tester_worker::protocol::result::{Expected, ResultClaims, sign_result, verify_result};
use tester_worker::protocol::signing::SigningKey;
use zeroize::Zeroizing;

use crate::support::{
    AUDIENCE, NOW, TOKEN, claims, hs256, job_key, outcome, profiles, settings, shared_key, shared_ring, sign_json,
    token_sender,
};

fn ed25519() -> SigningKey {
    SigningKey::from_seed("backend-1", &Zeroizing::new([9; 32])).unwrap()
}

fn admission(ring: KeyRing) -> Admission {
    Admission::new(settings(), Arc::new(ring), profiles(), BTreeMap::new())
}

fn dead(admission: &Admission, body: &[u8]) -> DeadReason {
    match admission.authenticate(body, &PropertiesView::default()).unwrap_err() {
        Refusal::Dead { reason, .. } => reason,
        rejected @ Refusal::Rejected { .. } => panic!("{rejected:?}"),
    }
}

fn small_job(key: &SigningKey) -> SignedJob {
    let draft = JobDraft { reply_to: "q".to_owned(), profile: "pytest".to_owned(), ..JobDraft::default() };
    let stamp = Stamp { key: job_key(), audience: AUDIENCE.to_owned(), issued_at: NOW, expires_at: NOW + 60 };
    sign_job(draft, stamp, key).unwrap()
}

#[test]
fn no_bit_of_a_token_can_be_changed() {
    for key in [shared_key(), ed25519()] {
        let admission = admission(key.ring(Direction::Jobs).unwrap());
        let body = small_job(&key).body;
        assert!(admission.authenticate(&body, &PropertiesView::default()).is_ok());
        for at in 0..body.len() {
            // Ed25519 is slow in a debug build: one bit of each byte, and another one from byte to byte.
            let bits = if key.algorithm() == Algorithm::Hs256 { 0..8 } else { at % 8..at % 8 + 1 };
            for bit in bits {
                let mut changed = body.to_vec();
                changed[at] ^= 1 << bit;
                let reason = dead(&admission, &changed);
                assert_ne!(reason, DeadReason::Unreadable, "byte {at}, bit {bit}: it passed for signed");
            }
        }
    }
}

#[test]
fn no_byte_can_be_left_out_or_added() {
    let admission = admission(shared_ring());
    let body = small_job(&shared_key()).body;
    for at in 0..body.len() {
        dead(&admission, &[&body[..at], &body[at + 1..]].concat());
        dead(&admission, &body[..at]);
        for extra in [b'A', b'=', b'.', b'\n', 0] {
            dead(&admission, &[&body[..at], &[extra], &body[at..]].concat());
        }
    }
    dead(&admission, &[&body[..], b"\n"].concat());
}

#[test]
fn a_public_key_is_no_shared_secret() {
    let key = ed25519();
    let jwk = key.public_jwk(Direction::Jobs, None).unwrap();
    let x = jwk["x"].as_str().unwrap();
    let raw = URL_SAFE_NO_PAD.decode(x).unwrap();
    // The DER of a SubjectPublicKeyInfo of Ed25519 is this prefix and the 32 bytes.
    let der = [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00][..], &raw].concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(&der));
    let document = json!({ "keys": [jwk] }).to_string();
    let secrets = [
        raw.clone(),
        der,
        pem.trim().as_bytes().to_vec(),
        pem.into_bytes(),
        x.as_bytes().to_vec(),
        jwk.to_string().into_bytes(),
        document.clone().into_bytes(),
    ];
    let admission = admission(KeyRing::from_jwks(document.as_bytes(), Direction::Jobs).unwrap());
    for secret in secrets {
        for (alg, reason) in [("HS256", DeadReason::AlgNotAllowed), ("EdDSA", DeadReason::BadSignature)] {
            let header = json!({ "alg": alg, "kid": "backend-1", "typ": "job+jwt" });
            assert_eq!(dead(&admission, &hs256(&secret, &header, claims().to_string().as_bytes())), reason);
        }
    }
}

#[test]
fn a_key_in_the_header_is_never_used() {
    let attacker = SigningKey::from_seed("backend-1", &Zeroizing::new([66; 32])).unwrap();
    let admission = admission(ed25519().ring(Direction::Jobs).unwrap());
    assert_eq!(dead(&admission, &small_job(&attacker).body), DeadReason::BadSignature);
    let extra = [
        ("jwk", attacker.public_jwk(Direction::Jobs, None).unwrap()),
        ("jku", json!("https://example.org/jwks.json")),
        ("x5u", json!("https://example.org/cert.pem")),
        ("crit", json!(["exp"])),
    ];
    for (name, value) in extra {
        let mut header = json!({ "alg": "HS256", "kid": "default", "typ": "job+jwt" });
        header[name] = value;
        let body = hs256(TOKEN.as_bytes(), &header, claims().to_string().as_bytes());
        assert_eq!(dead(&token_sender().admission(), &body), DeadReason::BadHeader, "{name}");
    }
}

#[test]
fn a_token_without_a_signature_is_refused_whatever_its_algorithm() {
    for alg in ["none", "HS256", "EdDSA"] {
        let header = json!({ "alg": alg, "kid": "default", "typ": "job+jwt" }).to_string();
        let body = format!("{}.{}.", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims().to_string()));
        let expected = if alg == "HS256" { DeadReason::BadSignature } else { DeadReason::AlgNotAllowed };
        assert_eq!(dead(&token_sender().admission(), body.as_bytes()), expected);
    }
}

#[test]
fn a_result_is_no_job_and_a_job_is_no_result_even_under_one_secret() {
    let job = small_job(&shared_key());
    let claims = ResultClaims::new(&job.key, job.digest, NOW, outcome());
    let result = sign_result(&claims, &shared_key(), 1 << 20).unwrap();
    assert_eq!(dead(&admission(shared_ring()), &result), DeadReason::WrongTyp);
    let expected = Expected { job: job.key, digest: job.digest };
    assert!(verify_result(&result, &shared_ring(), &expected).is_ok());
    assert!(verify_result(&job.body, &shared_ring(), &expected).is_err());
}

#[test]
fn a_key_signs_one_way_only() {
    let admission = admission(ed25519().ring(Direction::Results).unwrap());
    assert_eq!(dead(&admission, &small_job(&ed25519()).body), DeadReason::UnknownKey);
}

#[test]
fn a_bound_key_signs_for_its_issuer_only() {
    for (issuer, good) in [("backend-1", true), ("backend-2", false)] {
        let jwk = ed25519().public_jwk(Direction::Jobs, Some(issuer)).unwrap();
        let ring = KeyRing::from_jwks(json!({ "keys": [jwk] }).to_string().as_bytes(), Direction::Jobs).unwrap();
        let admission = admission(ring);
        let body = small_job(&ed25519()).body;
        assert_eq!(admission.authenticate(&body, &PropertiesView::default()).is_ok(), good);
        if !good {
            assert_eq!(dead(&admission, &body), DeadReason::UnknownKey);
        }
    }
}

#[test]
fn two_keys_at_once_are_a_rotation_and_the_old_one_can_go() {
    let (old, new) = (ed25519(), SigningKey::from_seed("backend-1b", &Zeroizing::new([10; 32])).unwrap());
    let jwks = |keys: &[&SigningKey]| {
        let list: Vec<Value> = keys.iter().map(|key| key.public_jwk(Direction::Jobs, None).unwrap()).collect();
        Arc::new(KeyRing::from_jwks(json!({ "keys": list }).to_string().as_bytes(), Direction::Jobs).unwrap())
    };
    let both = admission(old.ring(Direction::Jobs).unwrap()).with_keys(jwks(&[&old, &new]));
    for key in [&old, &new] {
        assert!(both.authenticate(&small_job(key).body, &PropertiesView::default()).is_ok());
    }
    let after = both.with_keys(jwks(&[&new]));
    assert!(after.authenticate(&small_job(&new).body, &PropertiesView::default()).is_ok());
    assert_eq!(dead(&after, &small_job(&old).body), DeadReason::UnknownKey);
}

proptest! {
    #[test]
    fn bytes_that_nobody_signed_never_get_in(body in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(token_sender().admission().authenticate(&body, &PropertiesView::default()).is_err());
    }

    #[test]
    fn any_signed_payload_is_answered_or_dead_and_never_a_panic(payload in "\\PC{0,200}") {
        let sender = token_sender();
        prop_assert!(sender.admission().authenticate(&sender.sign_payload(payload.as_bytes()), &PropertiesView::default()).is_err());
    }

    #[test]
    fn every_file_name_and_byte_survives(
        names in prop::collection::btree_set("[a-zA-Z0-9 ü\n.-]{3,20}", 1..8),
        content in prop::collection::vec(any::<u8>(), 0..500),
    ) {
        let encoded = STANDARD.encode(&content);
        let mut job = claims();
        for name in &names {
            let file = json!({ "path": name, "content": { "base64": encoded } });
            job["files"].as_array_mut().unwrap().push(file);
        }
        prop_assume!(!names.contains("main.py") && !names.contains("..."));
        let sender = token_sender();
        let body = sign_json(&sender.key, &job);
        let verified = sender.admit(&body, PropertiesView::default(), NOW).unwrap();
        let found = &verified.get().files[1..];
        prop_assert!(found.iter().map(|file| file.path.as_str()).eq(names.iter().map(String::as_str)));
        prop_assert!(found.iter().all(|file| file.content.as_bytes() == content));
        prop_assert_eq!(verified.get().digest, JobDigest(sha2::Sha256::digest(&body).into()));
    }
}
