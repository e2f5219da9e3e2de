//! Users and permissions that change while the worker works.

use super::super::support::bench::{Bench, Config, Keys};
use super::super::support::client::waiter;
use super::super::support::docker::{go_on, waits};
use super::super::support::vhost::authority;
use super::super::support::worker::Worker;

const PASSWORD: &str = "SWORDFISH-74";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_or_a_password_that_is_taken_away_and_given_back_costs_no_job() {
    let mut bench = Bench::new("taken", Keys::Token).await;
    let user = bench.vhost.add_user(PASSWORD);
    let url = bench.vhost.url_as(&user, PASSWORD, &authority());
    let mut worker = Worker::spawn(&bench.setup_by("worker", Config::default(), &url));
    worker.ready().await;
    bench.client.good_job_runs().await;
    let vhost = bench.vhost.name.clone();
    for (take, reason) in [
        (vec!["clear_permissions", "-p", &vhost, &user], "refused the virtual host"),
        (vec!["change_password", &user, "another-one"], "refused the user or the password"),
    ] {
        let job = bench.client.send(waiter()).await;
        waits(&worker.id).await;
        bench.vhost.rabbitmqctl(&take);
        bench.vhost.rabbitmqctl(&["close_all_user_connections", &user, "a test takes it away"]);
        for part in ["broker_consume", "broker_publish"] {
            let said = worker.not_ready(part, reason).await;
            assert_eq!(said.status, 503);
            assert!(!format!("{said:?}").contains(PASSWORD), "{said:?}");
        }
        // The program ends meanwhile, and its result waits.
        go_on(&worker.id).await;
        worker.until_said(&format!("Job `{}` ended: ok", job.key.id)).await;
        worker.alive().await;
        bench.vhost.permit(&user);
        bench.vhost.rabbitmqctl(&["change_password", &user, PASSWORD]);
        bench.one_result(&job, b"went on\n").await;
        worker.ready().await;
        bench.client.good_job_runs().await;
    }
    let log = worker.log();
    assert!(!log.contains(PASSWORD), "the log hides the password");
    bench.end_empty(worker).await;
}
