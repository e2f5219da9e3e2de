//! Several URLs, of which some lead nowhere.

use std::fmt::Write as _;

use super::super::support::bench::{Bench, Config, Keys};
use super::super::support::free_port;
use super::super::support::worker::Worker;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn urls_of_which_one_is_down_and_one_is_silent_are_tried_until_the_good_one() {
    let bench = Bench::new("urls", Keys::Token).await;
    // It accepts, by way of the kernel, and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let mut urls = String::new();
    for authority in [format!("127.0.0.1:{}", free_port()), silent.local_addr().expect("an address").to_string()] {
        writeln!(urls, "{}", bench.vhost.url_at(&authority)).expect("write into a text");
    }
    urls.push_str(&bench.vhost.url());
    let mut worker = Worker::spawn(&bench.setup_by("worker", Config::default(), &urls));
    worker.ready().await;
    bench.client.good_job_runs().await;
    worker.alive().await;
    bench.end(worker).await;
}
