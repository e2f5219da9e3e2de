//! What a sender writes with the library is what the worker reads.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tester_worker::domain::content::Content;
use tester_worker::domain::job::Role;
use tester_worker::domain::limits::{Limits, LimitsPatch};
use tester_worker::protocol::admission::PropertiesView;
use tester_worker::protocol::job_writer::{
    CaseClaims, CheckerName, ExpectClaims, FileClaims, JobClaims, JobDraft, Stamp, sign_job,
};
use tester_worker::protocol::schema::job_schema;

use crate::support::{AUDIENCE, NOW, job_key, shared_key, token_sender};

fn stamp() -> Stamp {
    Stamp { key: job_key(), audience: AUDIENCE.to_owned(), issued_at: NOW, expires_at: NOW + 60 }
}

fn file(path: &str, content: Vec<u8>) -> FileClaims {
    FileClaims { path: path.to_owned(), content: Content::new(content), executable: false, role: Role::Submission }
}

fn draft() -> JobDraft {
    let reply_to = "results.backend-1".to_owned();
    JobDraft { reply_to, profile: "pytest".to_owned(), files: vec![file("a.py", vec![0xff])], ..JobDraft::default() }
}

#[test]
fn a_draft_leaves_out_what_it_does_not_say() {
    let json = serde_json::to_value(draft()).unwrap();
    let names: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(names, ["files", "profile", "reply_to"]);
}

#[test]
fn a_full_draft_matches_the_schema_and_reads_back() {
    let expect = ExpectClaims {
        stdout: Content::from("2"),
        checker: CheckerName::Floats,
        absolute_tolerance: Some(0.5),
        relative_tolerance: None,
    };
    let case = CaseClaims { name: "1".to_owned(), expect: Some(expect), ..CaseClaims::default() };
    let full = JobDraft {
        entry: Some("a.py".to_owned()),
        stdin: Content::new(vec![0xfe]),
        limits: LimitsPatch { cpus: Some(0.25), ..LimitsPatch::default() },
        cases: vec![case],
        stop_on_failure: true,
        artifacts: vec!["*.csv".to_owned()],
        stream: true,
        ..draft()
    };
    let claims = JobClaims {
        v: 1,
        iss: "backend-1".to_owned(),
        aud: AUDIENCE.to_owned(),
        jti: job_key().id,
        iat: NOW,
        nbf: Some(NOW),
        exp: NOW + 60,
        draft: full,
    };
    let json = serde_json::to_value(&claims).unwrap();
    let schema = jsonschema::validator_for(&job_schema()).unwrap();
    let errors: Vec<String> = schema.iter_errors(&json).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}");
    assert_eq!(serde_json::from_value::<JobClaims>(json).unwrap(), claims);
}

proptest! {
    #[test]
    fn what_is_signed_is_what_is_admitted(
        contents in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..5),
        stdin in prop::collection::vec(any::<u8>(), 0..200),
        args in prop::collection::vec("[^\0]{0,40}", 0..5),
        env in prop::collection::btree_map("[^=\0]{1,20}", "[^\0]{0,40}", 0..5),
        wall_seconds in 0.001_f64..10.0,
        processes in 1_u64..50,
    ) {
        let env: BTreeMap<String, String> = env;
        let files: Vec<FileClaims> =
            contents.into_iter().enumerate().map(|(index, bytes)| file(&format!("d/{index}"), bytes)).collect();
        let limits = LimitsPatch {
            wall_seconds: Some(wall_seconds), processes: Some(processes), ..LimitsPatch::default()
        };
        let draft = JobDraft {
            files: files.clone(), stdin: Content::new(stdin.clone()), args: args.clone(), env: env.clone(), limits,
            ..draft()
        };
        let signed = sign_job(draft, stamp(), &shared_key()).unwrap();
        let verified = token_sender().admit(&signed.body, PropertiesView::default(), NOW).unwrap();
        let job = verified.get();
        prop_assert_eq!((&job.key, job.digest), (&signed.key, signed.digest));
        prop_assert!(job.files.iter().map(|file| (file.path.as_str(), &file.content))
            .eq(files.iter().map(|file| (file.path.as_str(), &file.content))));
        prop_assert_eq!(job.stdin.as_bytes(), stdin);
        prop_assert_eq!(&job.args, &args);
        prop_assert_eq!(&job.env, &env);
        prop_assert_eq!(job.limits, Limits::default().overlaid(&limits));
    }
}
