//! Real jobs in real sandboxes, without a broker.

use std::sync::OnceLock;

use tester_worker::app::exec;
use tester_worker::config;
use tester_worker::domain::content::Content;
use tester_worker::domain::job::Role;
use tester_worker::domain::verdict::Status;
use tester_worker::protocol::job_writer::{FileClaims, JobDraft};
use tester_worker::protocol::result::ResultClaims;
use tokio_util::sync::CancellationToken;

fn config() -> &'static config::model::Config {
    static CONFIG: OnceLock<config::model::Config> = OnceLock::new();
    CONFIG.get_or_init(|| {
        let environment = config::Environment { host_name: "exec-test".to_owned(), ..config::Environment::default() };
        config::load_from(None, &environment).unwrap().config
    })
}

fn python(source: &str) -> JobDraft {
    draft("python", &[("main.py", source.as_bytes())])
}

fn draft(profile: &str, files: &[(&str, &[u8])]) -> JobDraft {
    let file = |(path, content): &(&str, &[u8])| FileClaims {
        path: (*path).to_owned(),
        content: Content::new(content.to_vec()),
        executable: false,
        role: Role::Submission,
    };
    JobDraft {
        reply_to: "none".to_owned(),
        profile: profile.to_owned(),
        files: files.iter().map(file).collect(),
        ..JobDraft::default()
    }
}

async fn run(draft: JobDraft) -> ResultClaims {
    exec::run(config(), draft, CancellationToken::new()).await.expect("a result")
}

#[tokio::test]
async fn a_program_runs_and_its_output_comes_back() {
    let result = run(python("print(1)")).await;
    assert_eq!(result.outcome.run.status, Status::Ok);
    assert_eq!(result.outcome.run.stdout.content.as_bytes(), b"1\n");
    println!("{:#?} {:#?} {:#?}", result.outcome.timings, result.outcome.run.usage, result.outcome.run.evidence);
}
