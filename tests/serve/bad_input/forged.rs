//! Messages that nobody vouches for: their form, header, key or signature is wrong, or it cannot be read whom to answer.
//! None of them is answered; the dead queue has each, with its reason.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::End::Dead;
use super::{Row, header};
use crate::support::bench::SENDER;
use crate::support::client::claims;
use crate::support::token::{Seed, finish, hs256};

/// Every row.
pub(super) fn forged() -> Vec<Row> {
    [not_even_tokens(), headers(), signatures(), unanswerable()].into_iter().flatten().collect()
}

fn not_even_tokens() -> Vec<Row> {
    vec![
        Row::bytes("bytes that are no JWS", b"print('it ran')".to_vec(), Dead("not_jws")),
        Row::bytes("an empty body", Vec::new(), Dead("not_jws")),
        Row::bytes("bytes that are no text", vec![0, 0xff, 0xfe, b'.', b'.'], Dead("not_jws")),
        Row::bytes("unsigned JSON", claims().to_string().into_bytes(), Dead("not_jws")),
        Row::token(
            "the JSON form of a JWS",
            |payload| json!({ "payload": URL_SAFE_NO_PAD.encode(payload), "signatures": [] }).to_string().into_bytes(),
            Dead("not_jws"),
        ),
    ]
}

fn headers() -> Vec<Row> {
    let dead = |name, changes: &Value, reason| {
        Row::token(name, |payload| SENDER.sign(&header(SENDER, changes), payload), Dead(reason))
    };
    vec![
        Row::token(
            "alg none without a signature",
            |payload| finish(&header(SENDER, &json!({ "alg": "none" })), payload, |_| Vec::new()),
            Dead("alg_not_allowed"),
        ),
        dead("alg none with a good signature", &json!({ "alg": "none" }), "alg_not_allowed"),
        dead("another algorithm", &json!({ "alg": "RS256" }), "alg_not_allowed"),
        dead("typ of a result", &json!({ "typ": "result+jwt" }), "wrong_typ"),
        dead("typ of any JWT", &json!({ "typ": "JWT" }), "wrong_typ"),
        dead("no typ", &json!({ "typ": null }), "bad_header"),
        dead("a critical extension", &json!({ "crit": ["exp"] }), "bad_header"),
        dead("a key in the header", &json!({ "jwk": SENDER.jwk("x") }), "bad_header"),
        dead("a key's address in the header", &json!({ "jku": "https://example.org/keys" }), "bad_header"),
    ]
}

fn signatures() -> Vec<Row> {
    let public = SENDER.public();
    let confused = header(SENDER, &json!({ "alg": "HS256" }));
    let stranger = Seed("nobody", 7);
    let impostor = Seed(SENDER.0, 7);
    vec![
        Row::token("HS256 by the public key", |payload| hs256(&public, &confused, payload), Dead("alg_not_allowed")),
        Row::token(
            "HS256 by the public key as text",
            |payload| hs256(URL_SAFE_NO_PAD.encode(public).as_bytes(), &confused, payload),
            Dead("alg_not_allowed"),
        ),
        Row::token(
            "an unknown key",
            |payload| stranger.sign(&header(stranger, &json!({})), payload),
            Dead("unknown_key"),
        ),
        Row::token(
            "a known kid, another's key",
            |payload| impostor.sign(&header(SENDER, &json!({})), payload),
            Dead("bad_signature"),
        ),
        Row::token(
            "one bit of the payload changed",
            |payload| {
                flipped(SENDER.sign(&header(SENDER, &json!({})), payload), |token| {
                    token.iter().position(|byte| *byte == b'.').expect("a dot") + 9
                })
            },
            Dead("bad_signature"),
        ),
        Row::token(
            "one bit of the signature changed",
            |payload| flipped(SENDER.sign(&header(SENDER, &json!({})), payload), |token| token.len() - 40),
            Dead("bad_signature"),
        ),
    ]
}

fn unanswerable() -> Vec<Row> {
    vec![
        Row::claims("another issuer than the key's", |job| job["iss"] = json!("backend-2"), Dead("unknown_key")),
        Row::claims("another audience", |job| job["aud"] = json!("other-fleet"), Dead("wrong_audience")),
        Row::claims("a list of audiences", |job| job["aud"] = json!(["tester"]), Dead("unreadable")),
        Row::claims("an id that is no UUID", |job| job["jti"] = json!("42"), Dead("unreadable")),
        Row::claims(
            "a body over the limit",
            |job| job["stdin"] = json!({ "text": "x".repeat(800_000) }),
            Dead("too_large"),
        ),
        Row::bytes(
            "a signed payload that is no JSON",
            SENDER.sign(&header(SENDER, &json!({})), b"{"),
            Dead("unreadable"),
        ),
    ]
}

/// The token with one bit changed that still makes a letter of base64url.
fn flipped(mut token: Vec<u8>, place: impl FnOnce(&[u8]) -> usize) -> Vec<u8> {
    let place = place(&token);
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let other =
        (0..7).map(|bit| token[place] ^ (1 << bit)).find(|byte| good(*byte)).expect("a neighbour in the alphabet");
    token[place] = other;
    token
}
