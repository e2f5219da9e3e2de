//! What the tests share: a sender, a worker's admission, and a small good job.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tester_worker::domain::content::Content;
use tester_worker::domain::evidence::{EndedBy, Evidence, MemoryPeakSource, Usage};
use tester_worker::domain::job::{Job, JobDigest, JobKey};
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::domain::outcome::{Isolation, Outcome, Output, RunRecord, Timings};
use tester_worker::domain::path::PathBounds;
use tester_worker::domain::reason::{DeadReason, RejectReason};
use tester_worker::domain::verdict::Status;
use tester_worker::protocol::admission::{Admission, Bounds, PropertiesView, Refusal, Settings};
use tester_worker::protocol::keys::KeyRing;
use tester_worker::protocol::policy::{KeyRules, Lifetimes, ProfileRules};
use tester_worker::protocol::signing::SigningKey;
use tester_worker::protocol::verified::Verified;

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const AUDIENCE: &str = "tester";
pub(crate) const ISSUER: &str = "backend-1";
pub(crate) const TOKEN: &str = "test-only-0123456789abcdef0123456789abcdef";

/// A small good job.
pub(crate) fn claims() -> Value {
    json!({
        "v": 1, "iss": ISSUER, "aud": AUDIENCE, "jti": "6f2f6a0e-0000-4000-8000-000000000001",
        "iat": NOW, "exp": NOW + 60, "reply_to": "results.backend-1", "profile": "python",
        "files": [{ "path": "main.py", "content": { "text": "print(1)" } }],
    })
}

/// The small good job with a change.
pub(crate) fn edit(change: impl FnOnce(&mut Value)) -> Value {
    let mut job = claims();
    change(&mut job);
    job
}

/// The beginning of the claims, for messages.
pub(crate) fn shown(claims: &Value) -> String {
    claims.to_string().chars().take(400).collect()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    JobDigest(Sha256::digest(bytes).into()).to_string()
}

/// A compact JWS, made here and not by the code under test.
pub(crate) fn hs256(secret: &[u8], header: &Value, payload: &[u8]) -> Vec<u8> {
    let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(payload));
    let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(&token).finalize().into_bytes();
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(mac, &mut token);
    token.into_bytes()
}

/// Claims under the shared secret.
pub(crate) fn sign_json(secret: &str, claims: &Value) -> Vec<u8> {
    let header = json!({ "alg": "HS256", "kid": "default", "typ": "job+jwt" });
    hs256(secret.as_bytes(), &header, claims.to_string().as_bytes())
}

pub(crate) fn settings() -> Settings {
    Settings {
        audience: AUDIENCE.to_owned(),
        body_bytes_max: 8_388_608,
        bounds: Bounds { files_max: 1000, path: PathBounds { bytes_max: 255, depth_max: 16 } },
        lifetimes: Lifetimes { lifetime_seconds_max: 86_400, consumer_timeout_seconds: 1800 },
    }
}

pub(crate) fn profiles() -> BTreeMap<String, ProfileRules> {
    let limits_max = LimitsPatch { wall_seconds: Some(60.0), memory_bytes: Some(1 << 30), ..LimitsPatch::default() };
    let python = ProfileRules {
        entry: "main.py".to_owned(),
        limits: LimitsPatch::default(),
        limits_max,
        compile_wall_seconds: 0.0,
    };
    BTreeMap::from([("python".to_owned(), python), ("pytest".to_owned(), ProfileRules::default())])
}

/// A sender with the shared token, and the worker that gets its jobs.
pub(crate) struct Sender {
    pub(crate) key: String,
    pub(crate) settings: Settings,
    pub(crate) policies: BTreeMap<String, KeyRules>,
    pub(crate) profiles: BTreeMap<String, ProfileRules>,
}

pub(crate) fn token_sender() -> Sender {
    Sender { key: TOKEN.to_owned(), settings: settings(), policies: BTreeMap::new(), profiles: profiles() }
}

impl Sender {
    pub(crate) fn policy(&mut self, profiles: Option<&[&str]>, queues: Option<&[&str]>, limits_max: LimitsPatch) {
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (profiles, queues) = (profiles.map(owned), queues.map(owned));
        let rules = KeyRules::new("default", profiles.as_deref(), queues.as_deref(), limits_max).unwrap();
        self.policies.insert("default".to_owned(), rules);
    }

    pub(crate) fn admission(&self) -> Admission {
        let ring = KeyRing::from_token(&SecretString::from(self.key.as_str())).unwrap();
        Admission::new(self.settings.clone(), Arc::new(ring), self.profiles.clone(), self.policies.clone())
    }

    /// Both steps.
    pub(crate) fn admit(
        &self,
        body: &[u8],
        properties: PropertiesView<'_>,
        now: u64,
    ) -> Result<Verified<Job>, Refusal> {
        let admission = self.admission();
        admission.authenticate(body, &properties)?.admit(&admission, now)
    }

    #[track_caller]
    pub(crate) fn refuse(&self, body: &[u8]) -> Refusal {
        self.admit(body, PropertiesView::default(), NOW).unwrap_err()
    }

    pub(crate) fn sign_payload(&self, payload: &[u8]) -> Vec<u8> {
        hs256(self.key.as_bytes(), &json!({ "alg": "HS256", "kid": "default", "typ": "job+jwt" }), payload)
    }
}

#[track_caller]
pub(crate) fn reject_reason(sender: &Sender, claims: &Value) -> RejectReason {
    match sender.refuse(&sign_json(&sender.key, claims)) {
        Refusal::Rejected { reason, .. } => reason,
        dead @ Refusal::Dead { .. } => panic!("{dead:?}: {}", shown(claims)),
    }
}

#[track_caller]
pub(crate) fn dead_reason(sender: &Sender, claims: &Value) -> DeadReason {
    match sender.refuse(&sign_json(&sender.key, claims)) {
        Refusal::Dead { reason, .. } => reason,
        rejected @ Refusal::Rejected { .. } => panic!("{rejected:?}: {}", shown(claims)),
    }
}

/// A job that the shared token signed is rejected for this reason.
#[track_caller]
pub(crate) fn rejects(claims: &Value, reason: RejectReason) {
    assert_eq!(reject_reason(&token_sender(), claims), reason, "{}", shown(claims));
}

/// The worker's answer to the small good job: what a run that went well says.
pub(crate) fn outcome() -> Outcome {
    let mut run = RunRecord::not_run(Status::Ok, None, String::new());
    run.message = None;
    run.exit_code = Some(0);
    run.stdout = Output { content: Content::from("1\n"), bytes_total: 2, truncated: false };
    run.usage = Some(Usage { wall_seconds: 0.5, cpu_seconds: 0.25, memory_peak_bytes: 4096 });
    run.evidence = Some(Evidence {
        ended_by: EndedBy::Program,
        oom_kills: 0,
        pids_limit_hits: 0,
        cpu_throttled_seconds: 0.0,
        cpu_wait_seconds: 0.25,
        processes_killed: 0,
        kill_seconds: 0.0,
        runner_lost: false,
        memory_peak_source: MemoryPeakSource::Cgroup,
    });
    Outcome {
        run,
        timings: Timings::default(),
        compile: None,
        cases: Vec::new(),
        tests: Vec::new(),
        tests_complete: None,
        tests_trust: None,
        artifacts: Vec::new(),
        artifacts_refused: Vec::new(),
        profile: Some("python".to_owned()),
        image_digest: Some("sha256:00".to_owned()),
        isolation: Some(Isolation::Fresh),
        worker: "worker-1".to_owned(),
        attempt: 1,
    }
}

pub(crate) fn job_key() -> JobKey {
    JobKey { issuer: ISSUER.to_owned(), id: "6f2f6a0e-0000-4000-8000-000000000001".parse().unwrap() }
}

pub(crate) fn shared_key() -> SigningKey {
    SigningKey::from_token(&SecretString::from(TOKEN)).unwrap()
}

pub(crate) fn shared_ring() -> KeyRing {
    KeyRing::from_token(&SecretString::from(TOKEN)).unwrap()
}
