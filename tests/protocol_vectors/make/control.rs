//! Control messages, good and bad.

use ed25519_dalek::Signer as _;
use serde_json::{Value, json};

use super::{JOB_ID, NOW, OPERATOR_SEED, eddsa, hs256, token};

const ID: &str = "6f2f6a0e-0000-4000-8000-00000000000c";

fn cancel() -> Value {
    json!({
        "v": 1, "iss": "backend-1", "aud": "tester", "jti": ID, "iat": NOW, "exp": NOW + 60, "command": "cancel",
        "job": JOB_ID,
    })
}

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut claims = cancel();
    change(&mut claims);
    claims
}

fn drain() -> Value {
    changed(|claims| {
        claims["command"] = json!("drain");
        claims["worker"] = json!("worker-1");
        drop(claims.as_object_mut().unwrap().remove("job"));
    })
}

pub(crate) fn control() -> Value {
    let header = |kid: &str, alg: &str| json!({ "alg": alg, "kid": kid, "typ": "control+jwt" });
    let operator = |input: &str| ed25519_dalek::SigningKey::from_bytes(&OPERATOR_SEED).sign(input.as_bytes()).to_vec();
    let row = |name: &str, token: String, accepted: bool| json!({ "name": name, "token": token, "now": NOW + 10, "stock_library": "accepts", "accepted": accepted });
    let by_operator = |name: &str, claims: &Value, accepted: bool| {
        row(name, token(&header("operator-1", "EdDSA"), &claims.to_string(), operator), accepted)
    };
    let without = |name: &'static str| changed(|claims| drop(claims.as_object_mut().unwrap().remove(name)));
    let by_token = token(&header("default", "HS256"), &drain().to_string(), hs256);
    let by_sender = token(&header("backend-1", "EdDSA"), &cancel().to_string(), eddsa);
    let job_typ = json!({ "alg": "EdDSA", "kid": "operator-1", "typ": "job+jwt" });
    let vectors = [
        by_operator("cancel", &cancel(), true),
        by_operator("cancel, no version", &without("v"), true),
        row("drain, by a secret that signs jobs", by_token, false),
        by_operator("drain, by a key whose policy does not say so", &drain(), false),
        row("by a key that signs jobs", by_sender, false),
        row("a job's typ", token(&job_typ, &cancel().to_string(), operator), false),
        by_operator(
            "for an issuer that is not the key's",
            &changed(|claims| claims["iss"] = json!("backend-2")),
            false,
        ),
        by_operator("for another fleet", &changed(|claims| claims["aud"] = json!("others")), false),
        by_operator("void", &changed(|claims| claims["exp"] = json!(NOW)), false),
        by_operator("from the future", &changed(|claims| claims["iat"] = json!(NOW + 30)), false),
        by_operator("for longer than a day", &changed(|claims| claims["exp"] = json!(NOW + 86_401)), false),
        by_operator("cancel without a job", &without("job"), false),
        by_operator("cancel with a worker", &changed(|claims| claims["worker"] = json!("worker-1")), false),
        by_operator("an unknown command", &changed(|claims| claims["command"] = json!("stop")), false),
        by_operator("an unknown member", &changed(|claims| claims["force"] = json!(true)), false),
        by_operator("a job's id in capitals", &changed(|claims| claims["job"] = json!(JOB_ID.to_uppercase())), false),
    ];
    json!({ "vectors": vectors })
}
