//! `bench` against a worker: every program comes out right, and the report has a row for each number of clients.

use serde_json::Value;

use super::support::bench::{Bench, Config, Keys};
use super::support::until;
use super::support::vhost::authority;
use super::support::worker::command;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_program_is_measured_with_every_number_of_clients() {
    let bench = Bench::new("bench", Keys::Token).await;
    let worker = bench.worker(Config { slots: 2, python_warm: 2, ..Config::default() }).await;
    let pid = worker.pid().to_string();
    let plot = bench.folder.path().join("plot.svg");
    let run = async |arguments: &[&str]| {
        let output = command(&bench.variables()).arg("bench").args(arguments).output().await.expect("run bench");
        (output.status.code(), String::from_utf8(output.stdout).expect("UTF-8"), output.stderr)
    };
    let (status, stdout, stderr) = run(&[
        "--jobs",
        "1",
        "--clients",
        "1,2",
        "--json",
        "--worker-pid",
        &pid,
        "--plot",
        plot.to_str().expect("UTF-8"),
    ])
    .await;
    assert_eq!(status, Some(0), "{}", String::from_utf8_lossy(&stderr));
    let report: Value = serde_json::from_str(&stdout).expect("one JSON document");
    let rows = report["rows"].as_array().expect("rows");
    let shape: Vec<_> =
        rows.iter().map(|row| (row["program"].as_str().expect("a name"), row["clients"].as_u64())).collect();
    let programs = ["no-op", "true", "print", "pytest", "cases"];
    let expected: Vec<_> = programs.into_iter().flat_map(|program| [(program, Some(1)), (program, Some(2))]).collect();
    assert_eq!(shape, expected);
    for row in rows {
        assert_eq!((row["jobs"].as_u64(), row["failed"].as_u64()), (row["clients"].as_u64(), Some(0)), "{row}");
        let figure = |name: &str| row[name].as_f64().expect("a number");
        let (p50, p99) = (figure("p50_milliseconds"), figure("p99_milliseconds"));
        assert!(p50 > 0.0 && p50 <= p99 && figure("around_p50_milliseconds") <= p99, "{row}");
        assert!(figure("road_p50_milliseconds") > 0.0 && figure("road_p50_milliseconds") < p99, "{row}");
        // The pipeline alone is in the process that measures it: no figure of that would be the worker's.
        let (used, rss) = (row["worker_cpu_milliseconds_per_job"].as_f64(), row["worker_rss_mebibytes"].as_f64());
        if row["program"] == "no-op" {
            assert_eq!((used, rss), (None, None), "{row}");
        } else {
            assert!(figure("around_p50_milliseconds") < p99, "a program runs for a while: {row}");
            assert!(used.is_some_and(|used| used >= 0.0) && rss.is_some_and(|rss| rss > 1.0), "{row}");
        }
        assert!(figure("jobs_per_second") > 0.0 && figure("runs_per_second") >= figure("jobs_per_second"), "{row}");
    }
    let drawing = std::fs::read_to_string(&plot).expect("the plot");
    assert!(drawing.starts_with("<svg") && drawing.ends_with("</svg>\n"), "{drawing}");
    // Two panels, with a point for each row.
    assert_eq!(drawing.matches("<circle").count(), 2 * rows.len(), "{drawing}");
    for program in programs {
        assert!(drawing.contains(&format!(">{program}<")), "{drawing}");
    }
    let (status, stdout, _) = run(&["--seconds", "1", "--clients", "1", "--program", "print"]).await;
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!((status, lines.len()), (Some(0), 2), "{stdout}");
    assert!(lines[0].starts_with("program") && lines[1].starts_with("print"), "{stdout}");
    worker.stop().await;

    let (status, _, stderr) =
        run(&["--jobs", "1", "--clients", "1", "--program", "print", "--timeout-seconds", "1"]).await;
    assert_eq!(status, Some(70));
    let text = String::from_utf8_lossy(&stderr).into_owned();
    assert!(text.contains("is a worker running for this class"), "{text}");
    bench.close().await;
}

/// The queues of a virtual host with their arguments.
fn queues(bench: &Bench) -> String {
    bench.vhost.rabbitmqctl(&["list_queues", "--silent", "-p", &bench.vhost.name, "name", "arguments"])
}

/// The patterns of the page for the user `bench`: configure, write, read.
fn permissions() -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let (_, patterns) = page.split_once("set_permissions -p / bench ").expect("permissions for `bench`");
    patterns.split('\'').skip(1).step_by(2).take(3).map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pipeline_alone_needs_no_worker_and_no_key_and_leaves_no_queue() {
    const PASSWORD: &str = "of-the-bench";
    let mut bench = Bench::new("alone", Keys::Token).await;
    let user = bench.vhost.add_user(PASSWORD);
    // Exactly what the page says.
    let patterns = permissions();
    let allow: Vec<&str> = ["set_permissions", "-p", &bench.vhost.name, &user]
        .into_iter()
        .chain(patterns.iter().map(String::as_str))
        .collect();
    bench.vhost.rabbitmqctl(&allow);
    let url = bench.vhost.url_as(&user, PASSWORD, &authority());
    let variables = [("TESTER_WORKER__BROKER__URLS".to_owned(), url)];
    let no_op = |arguments: &[&str]| {
        let mut command = command(&variables);
        command.args(["bench", "--program", "no-op", "--clients", "4", "--json"]).args(arguments);
        command
    };
    let output = no_op(&["--jobs", "50"]).output().await.expect("run bench");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let left = queues(&bench);
    assert!(left.contains("tester.dead") && !left.contains("bench-"), "{left}");
    // What a worker has to verify does need one, and says so before anything is measured.
    let output = no_op(&["--program", "print"]).output().await.expect("run bench");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && text.contains("WORKER_AUTH_TOKEN"), "{text}");

    // One that is killed cannot delete its queue: RabbitMQ does, after a minute without a consumer.
    let mut killed = no_op(&["--seconds", "3600"]).spawn().expect("start bench");
    let line = until("its queue is there", async || {
        queues(&bench).lines().find(|line| line.starts_with("tester.jobs.bench-")).map(str::to_owned)
    })
    .await;
    killed.kill().await.expect("kill bench");
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').collect::<Vec<_>>();
    assert!(line.contains("x-expires") && words.contains(&"60000"), "{line}");
    bench.close().await;
}
