//! The commands that look after the dead queue, with the real binary.

use serde_json::Value;

use super::support::bench::{Bench, Config, Keys, SENDER};
use super::support::client::{ISSUER, claims, signed};
use super::support::token::Seed;
use super::support::until;
use super::support::worker::command;
use lapin::BasicProperties;

/// Runs `dead …`; its exit status, and what it printed as JSON where it printed anything.
async fn dead(bench: &Bench, arguments: &[&str]) -> (i32, Value) {
    let output = command(&bench.variables()).arg("dead").args(arguments).output().await.expect("run dead");
    let status = output.status.code().expect("an exit status");
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.stdout.is_empty() {
        return (status, Value::String(shown));
    }
    (status, serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}")))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_job_is_listed_shown_mended_and_run() {
    let bench = Bench::new("dead", Keys::Ed25519).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let late = Seed("backend-late", 3);
    let claims = claims();
    let job = signed(&claims, late.job(&claims));
    client.publish(&job.body, BasicProperties::default().with_message_id(job.key.id.to_string().as_str().into())).await;
    client.publish(b"rubbish", BasicProperties::default()).await;
    until("both are dead", async || (client.depth("tester.dead").await == 2).then_some(())).await;

    let (status, listed) = dead(&bench, &["list", "--json"]).await;
    assert_eq!((status, &listed["total"]), (0, &2.into()), "{listed}");
    let by_reason = |reason: &str| -> String {
        let all = listed["messages"].as_array().expect("a list");
        let found =
            all.iter().find(|message| message["reason"] == reason).unwrap_or_else(|| panic!("{reason}: {listed}"));
        assert_eq!((&found["worker"], &found["exchange"]), (&worker.id.as_str().into(), &"tester.jobs".into()));
        assert_eq!(found["routing_key"], "default");
        found["id"].as_str().expect("an id").to_owned()
    };
    let (unknown, rubbish) = (by_reason("unknown_key"), by_reason("not_jws"));

    let (status, shown) = dead(&bench, &["show", &unknown, "--json"]).await;
    assert_eq!((status, shown["body"].as_str()), (0, std::str::from_utf8(&job.body).ok()), "{shown}");
    assert_eq!(shown["message_id"], job.key.id.to_string().as_str());
    assert!(shown["detail"].as_str().is_some_and(|detail| detail.contains("backend-late")), "{shown}");
    until("what was shown is back", async || (client.depth("tester.dead").await == 2).then_some(())).await;

    // Mended: the key is known now.
    bench.write_jwks(&[SENDER.jwk(ISSUER), late.jwk(ISSUER)]);
    worker.until_metric("tester_worker_key_reloads_total", &[("outcome", "loaded")], 1.0).await;
    let (status, requeued) = dead(&bench, &["requeue", &unknown, "--json"]).await;
    assert_eq!((status, &requeued["requeued"][0]["id"]), (0, &unknown.as_str().into()), "{requeued}");
    let outcome = client.result(&job).await.outcome;
    assert_eq!((outcome.run.status.as_str(), outcome.run.stdout.content.as_bytes()), ("ok", &b"it ran\n"[..]));

    let (status, dropped) = dead(&bench, &["drop", &rubbish, "--json"]).await;
    assert_eq!((status, &dropped["dropped"][0]["id"]), (0, &rubbish.as_str().into()), "{dropped}");
    let (status, listed) = dead(&bench, &["list", "--json"]).await;
    assert_eq!((status, &listed["total"]), (0, &0.into()), "{listed}");
    let (status, said) = dead(&bench, &["show", &rubbish, "--json"]).await;
    assert_eq!(status, 2, "{said}");
    assert!(said.as_str().is_some_and(|text| text.contains("no dead message is called")), "{said}");
    client.good_job_runs().await;
    assert_eq!(client.depth("tester.dead").await, 0);
    bench.end(worker).await;
}
