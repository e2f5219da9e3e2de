//! Events of a running job: told while it runs, in order, signed; and nothing of the result depends on them.

use std::process::Stdio;
use std::sync::Arc;

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use nix::sys::signal::Signal;
use tester_worker::domain::content::Content;
use tester_worker::domain::limits::LimitsPatch;
use tester_worker::domain::verdict::{LimitHit, Status};
use tester_worker::protocol::event::{EventClaims, EventName, verify_event};
use tester_worker::protocol::job_writer::{CaseClaims, ExpectClaims, JobDraft, SignedJob};
use tester_worker::protocol::result::{Expected, verify_result};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::sync::watch;
use tokio::time::timeout;

use super::support::bench::{Bench, Config, Keys};
use super::support::client::{Client, collect, message_id, properties, python};
use super::support::vhost::{authority, rabbitmqctl};
use super::support::worker::{Worker, command};
use super::support::{PATIENCE, until};

type Inbox = watch::Receiver<Vec<Arc<Delivery>>>;

/// A program whose output is told.
fn streaming(program: &str) -> JobDraft {
    JobDraft { stream: true, ..python(program) }
}

/// Publishes a job whose properties name the same reply queue.
async fn send_to(client: &Client, queue: &str, draft: JobDraft) -> SignedJob {
    let job = client.sign(JobDraft { reply_to: queue.to_owned(), ..draft });
    client.publish(&job.body, properties(&job).with_reply_to(queue.into())).await;
    job
}

/// The event in a message about a job, verified; `None` for its result.
fn event(client: &Client, job: &SignedJob, message: &Delivery) -> Option<EventClaims> {
    let expected = Expected { job: job.key.clone(), digest: job.digest };
    let id = message_id(message).expect("a message id");
    let number = id.strip_prefix(&job.key.id.to_string())?.strip_prefix('/')?;
    let event = verify_event(&message.data, &client.results, &expected).expect("a verified event");
    assert_eq!(event.seq.to_string(), number);
    let passed = verify_result(&message.data, &client.results, &expected);
    assert!(passed.is_err(), "an event passed for a result: {passed:?}");
    Some(event)
}

/// The events about a job that have come, in order.
fn events(client: &Client, job: &SignedJob, messages: &[Arc<Delivery>]) -> Vec<EventClaims> {
    messages.iter().filter_map(|message| event(client, job, message)).collect()
}

/// What the events say that a program wrote.
fn told(events: &[EventClaims], name: EventName) -> Vec<u8> {
    let of = events.iter().filter(|event| event.event == name);
    of.flat_map(|event| event.content.as_ref().expect("content").as_bytes().to_vec()).collect()
}

/// Fails unless nothing is missing from the first event to the last.
#[track_caller]
fn assert_contiguous(events: &[EventClaims]) {
    let numbers: Vec<u64> = events.iter().map(|event| event.seq).collect();
    let expected: Vec<u64> = (1..).take(events.len()).collect();
    assert_eq!(numbers, expected);
}

async fn count(worker: &Worker, outcome: &str) -> f64 {
    worker.metric("tester_worker_events_total", &[("outcome", outcome)]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_is_told_in_order_while_the_program_runs_and_the_result_has_it_again() {
    let bench = Bench::new("stream", Keys::Ed25519).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let program = "import sys, time\n\
        print('one', flush=True)\ntime.sleep(0.3)\nprint('aside', file=sys.stderr, flush=True)\ntime.sleep(0.3)\n\
        print('two', flush=True)\ntime.sleep(60)";
    let limits = LimitsPatch { wall_seconds: Some(6.0), ..LimitsPatch::default() };
    let job = client.send(JobDraft { limits, ..streaming(program) }).await;
    until("all that it wrote is told", async || {
        (told(&events(client, &job, &client.inbox()), EventName::Stdout) == b"one\ntwo\n").then_some(())
    })
    .await;
    assert_eq!(worker.status().await["running"], 1, "it runs on");

    let outcome = client.result(&job).await.outcome;
    assert_eq!((outcome.run.status, outcome.run.limit), (Status::TimeLimit, Some(LimitHit::Wall)));
    assert_eq!(outcome.run.stdout.content.as_bytes(), b"one\ntwo\n");
    assert_eq!(outcome.run.stderr.content.as_bytes(), b"aside\n");
    let inbox = client.inbox();
    let events = events(client, &job, &inbox);
    assert_contiguous(&events);
    let names: Vec<EventName> = events.iter().map(|event| event.event).collect();
    assert_eq!(names, [EventName::Started, EventName::Stdout, EventName::Stderr, EventName::Stdout]);
    assert_eq!((inbox.len(), message_id(&inbox[4])), (5, Some(job.key.id.to_string().as_str())), "the result is last");
    for message in &inbox[..4] {
        let text = |value: &Option<lapin::types::ShortString>| value.as_ref().map(ToString::to_string);
        assert_eq!(text(message.properties.kind()).as_deref(), Some("event"));
        assert_eq!(text(message.properties.content_type()).as_deref(), Some("application/jwt"));
        assert_eq!(text(message.properties.correlation_id()), Some(format!("c-{}", job.key.id)));
    }
    assert!(events.iter().all(|event| event.iss == worker.id && event.attempt == 1));
    let expected = Expected { job: job.key.clone(), digest: job.digest };
    let passed = verify_event(&inbox[4].data, &client.results, &expected);
    assert!(passed.is_err(), "a result passed for an event: {passed:?}");
    assert_eq!(count(&worker, "told").await.to_bits(), 4.0_f64.to_bits());
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_case_is_told_as_the_result_says_it_behind_its_output() {
    let bench = Bench::new("streamcases", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let case = |number: u32, stdout: &str| {
        let expect = ExpectClaims { stdout: Content::from(stdout), ..ExpectClaims::default() };
        let stdin = Content::from(number.to_string().as_str());
        CaseClaims { name: format!("case {number}"), stdin, expect: Some(expect), ..CaseClaims::default() }
    };
    let cases = vec![case(1, "2\n"), case(2, "5\n"), case(3, "6\n"), case(4, "8\n")];
    let job = client.send(JobDraft { cases, ..streaming("print(2 * int(input()))") }).await;
    let outcome = client.result(&job).await.outcome;
    assert_eq!(outcome.run.status, Status::WrongAnswer);
    let events = events(client, &job, &client.inbox());
    assert_contiguous(&events);
    let (first, pairs) = events.split_first().expect("events");
    assert_eq!((first.event, pairs.len()), (EventName::Started, 2 * outcome.cases.len()));
    for (pair, case) in pairs.chunks(2).zip(&outcome.cases) {
        assert_eq!(told(pair, EventName::Stdout), case.run.stdout.content.as_bytes());
        assert_eq!((pair[1].event, pair[1].case.as_ref()), (EventName::Case, Some(case)));
    }
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_told_of_the_compiler() {
    let bench = Bench::new("streamcompile", Keys::Token).await;
    let more = "[profiles.compiled]\nimage = \"tester-sandbox\"\nentry = \"main.py\"\nargv = [\"python3\", \"{entry}\"]\n\
        compile = [\"python3\", \"-c\", \"print('compiling')\"]\nwarm = 1\n";
    let worker = bench.worker(Config { python_warm: 0, more, ..Config::default() }).await;
    let client = &bench.client;
    let job = client.send(JobDraft { profile: "compiled".to_owned(), ..streaming("print('run')") }).await;
    let outcome = client.result(&job).await.outcome;
    let compile = outcome.compile.expect("the compiler's record");
    assert_eq!((compile.stdout.content.as_bytes(), outcome.run.status), (&b"compiling\n"[..], Status::Ok));
    let events = events(client, &job, &client.inbox());
    assert_contiguous(&events);
    assert_eq!((events.len(), events[0].event), (2, EventName::Started));
    assert_eq!(told(&events, EventName::Stdout), b"run\n");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_small_writes_are_few_events_and_a_flood_is_told_up_to_its_limit() {
    let bench = Bench::new("streamflood", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let words = "import os\nfor _ in range(20000):\n    os.write(1, b'o')\n    os.write(2, b'e')";
    let job = client.send(streaming(words)).await;
    let outcome = client.result(&job).await.outcome;
    let run = outcome.run;
    assert_eq!((run.status, run.stdout.bytes_total, run.stderr.bytes_total), (Status::Ok, 20_000, 20_000));
    let few = events(client, &job, &client.inbox());
    assert_contiguous(&few);
    assert_eq!(told(&few, EventName::Stdout), run.stdout.content.as_bytes());
    assert_eq!(told(&few, EventName::Stderr), run.stderr.content.as_bytes());
    // A chunk is gathered for 50 ms, so there are at most 20 a second and stream, and the last ones. Of the seconds in which the
    // worker read, that is: 40,000 writes are still on their way when the program has ended.
    let most = 3.0 + 40.0 * outcome.timings.run_seconds.expect("a time");
    let number = f64::from(u32::try_from(few.len()).expect("not so many events"));
    assert!(number <= most, "{number} events, at most {most}");

    let flood = "import os\nwhile True:\n    os.write(1, b'x' * 65536)";
    let job = client.send(streaming(flood)).await;
    let run = client.result(&job).await.outcome.run;
    assert_eq!((run.status, run.stdout.content.len()), (Status::OutputLimit, 1_048_576));
    assert!(run.stdout.bytes_total > 1_048_576);
    let all = events(client, &job, &client.inbox());
    assert_contiguous(&all);
    assert_eq!(told(&all, EventName::Stdout), run.stdout.content.as_bytes(), "what is beyond the limit is not told");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_queue_that_takes_no_more_costs_events_and_two_seconds() {
    let bench = Bench::new("streamfull", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let channel = client.new_channel().await;
    let mut full = FieldTable::default();
    full.insert("x-max-length".into(), AMQPValue::LongInt(1));
    full.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    channel.queue_declare("results.full".into(), QueueDeclareOptions::durable(), full).await.expect("a full queue");
    let program = "import sys\nfor _ in range(48):\n    sys.stdout.write('x' * 65536)";
    let limits = LimitsPatch { stdout_bytes: Some(8 << 20), ..LimitsPatch::default() };
    let job = send_to(client, "results.full", JobDraft { limits, ..streaming(program) }).await;
    // The queue has room for one message, which is the first event. The result waits until it is taken.
    until("the events that found no queue are given up", async || (count(&worker, "late").await >= 1.0).then_some(()))
        .await;
    assert_eq!(count(&worker, "told").await.to_bits(), 1.0_f64.to_bits());
    assert!(count(&worker, "not_confirmed").await >= 1.0 && count(&worker, "no_room").await >= 1.0);
    let mut inbox = collect(&channel, "results.full").await;
    let came = timeout(PATIENCE, inbox.wait_for(|all| all.len() >= 2)).await.expect("the result in time");
    let messages = came.expect("the connection stands").clone();
    let events = events(client, &job, &messages);
    assert_eq!((events.len(), events[0].event), (1, EventName::Started));
    let outcome = client.verified(&messages[1].data, &job).outcome;
    assert_eq!((outcome.run.status, outcome.run.stdout.content.len()), (Status::Ok, 48 * 65_536), "it is complete");
    let timings = outcome.timings;
    let ran = [timings.leased_seconds, timings.started_seconds, timings.run_seconds];
    let held_up = timings.total_seconds.expect("a time") - ran.iter().flatten().sum::<f64>();
    assert!((1.9..4.0).contains(&held_up), "the result was held up for {held_up} s: {timings:?}");
    assert_eq!(client.depth("tester.unrouted").await, 0);
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_queue_that_vanishes_costs_events_only() {
    let bench = Bench::new("streamgone", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let channel = client.new_channel().await;
    let declared = channel.queue_declare("results.gone".into(), QueueDeclareOptions::durable(), FieldTable::default());
    declared.await.expect("a reply queue");
    let mut inbox: Inbox = collect(&channel, "results.gone").await;
    let program = "import time\nfor n in range(40):\n    print(n, flush=True)\n    time.sleep(0.1)";
    let job = send_to(client, "results.gone", streaming(program)).await;
    let first = timeout(PATIENCE, inbox.wait_for(|all| !all.is_empty())).await.expect("an event in time");
    assert!(event(client, &job, &first.expect("the connection stands")[0]).is_some());
    channel.queue_delete("results.gone".into(), QueueDeleteOptions::default()).await.expect("delete the queue");
    let parked = until("the result is parked", async || client.take("tester.unrouted").await).await;
    let outcome = client.verified(&parked.data, &job).outcome;
    let all: String = (0..40).map(|n| n.to_string() + "\n").collect();
    assert_eq!((outcome.run.status, outcome.run.stdout.content.as_bytes()), (Status::Ok, all.as_bytes()));
    assert_eq!(client.depth("tester.unrouted").await, 0, "no event is parked");
    assert_eq!(count(&worker, "unroutable").await.to_bits(), 1.0_f64.to_bits(), "one try is enough");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_cut_costs_few_events_and_the_telling_goes_on() {
    let mut bench = Bench::new("streamcut", Keys::Token).await;
    let user = bench.vhost.add_user("a-password");
    let mut setup = bench.setup("worker", Config::default());
    setup.variables.retain(|(name, _)| name != "TESTER_WORKER__BROKER__URLS");
    let url = bench.vhost.url_as(&user, "a-password", &authority());
    setup.variables.push(("TESTER_WORKER__BROKER__URLS".to_owned(), url));
    let mut worker = Worker::spawn(&setup);
    worker.ready().await;
    let client = &bench.client;
    let program = "import time\nfor n in range(60):\n    print(n, flush=True)\n    time.sleep(0.1)";
    let job = client.send(streaming(program)).await;
    until("it is told of", async || (!client.inbox().is_empty()).then_some(())).await;
    rabbitmqctl(&["close_all_user_connections", &user, "a test cuts them"]);
    let outcome = client.result(&job).await.outcome;
    let all: String = (0..60).map(|n| n.to_string() + "\n").collect();
    assert_eq!((outcome.run.status, outcome.run.stdout.content.as_bytes()), (Status::Ok, all.as_bytes()));
    let events = events(client, &job, &client.inbox());
    assert!(events.windows(2).all(|pair| pair[0].seq < pair[1].seq), "in order, none twice");
    let last = events.last().and_then(|event| event.content.as_ref()).expect("output");
    assert!(last.as_bytes().ends_with(b"59\n"), "told to the end, on the next connection");
    // What was on its way when the connection went is all that can be lost, and it may have arrived.
    let missing = events.last().map_or(0, |event| event.seq) - events.len() as u64;
    let not_confirmed = count(&worker, "not_confirmed").await;
    assert!(missing <= 1 && not_confirmed <= 1.0, "{missing} are missing, {not_confirmed} were not confirmed");
    let dropped = count(&worker, "no_room").await + count(&worker, "late").await;
    assert!(dropped < 1.0, "{dropped} were dropped");
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_go_to_direct_reply_to_and_a_job_that_asks_for_none_gets_none() {
    let bench = Bench::new("streamdirect", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let client = &bench.client;
    let channel = client.new_channel().await;
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("ask for confirms");
    let direct = "amq.rabbitmq.reply-to";
    let mut inbox = collect(&channel, direct).await;
    let job = client.sign(JobDraft { reply_to: direct.to_owned(), ..streaming("print('direct')") });
    let properties = BasicProperties::default().with_reply_to(direct.into());
    let options = BasicPublishOptions::default();
    let published = channel.basic_publish("tester.jobs".into(), "default".into(), options, &job.body, properties);
    published.await.expect("publish").await.expect("a confirmation");
    let came = timeout(PATIENCE, inbox.wait_for(|all| all.len() >= 3)).await.expect("a result in time");
    let messages = came.expect("the connection stands").clone();
    let events = events(client, &job, &messages);
    assert_contiguous(&events);
    assert_eq!((events.len(), told(&events, EventName::Stdout)), (2, b"direct\n".to_vec()));
    assert_eq!(client.verified(&messages[2].data, &job).outcome.run.stdout.content.as_bytes(), b"direct\n");

    let before = count(&worker, "told").await;
    client.good_job_runs().await;
    assert_eq!(client.inbox().len(), 1, "its result, and nothing else");
    assert_eq!(count(&worker, "told").await.to_bits(), before.to_bits());
    bench.end(worker).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_is_given_back_is_told_anew_by_whoever_runs_it_then() {
    let bench = Bench::new("streamdrain", Keys::Token).await;
    let worker = bench.worker(Config { drain_seconds: 1, ..Config::default() }).await;
    let client = &bench.client;
    let program = "import time\nprint('begun', flush=True)\ntime.sleep(5)\nprint('done')";
    let job = client.send(streaming(program)).await;
    let first = worker.id.clone();
    until("it has begun", async || {
        (told(&events(client, &job, &client.inbox()), EventName::Stdout) == b"begun\n").then_some(())
    })
    .await;
    worker.signal(Signal::SIGTERM);
    worker.ends_with(75).await;
    let next = Worker::spawn(&bench.setup("next", Config::default()));
    let outcome = client.result(&job).await.outcome;
    assert_eq!((outcome.run.status, outcome.attempt), (Status::Ok, 2));
    let all = events(client, &job, &client.inbox());
    let (old, new): (Vec<_>, Vec<_>) = all.into_iter().partition(|event| event.iss == first);
    assert_contiguous(&old);
    assert_contiguous(&new);
    assert!(old.iter().all(|event| event.attempt == 1) && new.iter().all(|event| event.attempt == 2));
    assert_eq!(told(&old, EventName::Stdout), b"begun\n");
    assert_eq!(told(&new, EventName::Stdout), b"begun\ndone\n");
    bench.end(next).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn submit_shows_output_while_the_program_runs_and_every_byte_once() {
    let bench = Bench::new("streamsubmit", Keys::Token).await;
    let worker = bench.worker(Config::default()).await;
    let program = "import sys, time\nprint('one', flush=True)\ntime.sleep(4)\nprint('two')\nsys.stderr.write('aside')";
    std::fs::write(bench.path("main.py"), program).expect("write the program");
    let mut child = command(&bench.variables())
        .args(["submit", "--stream"])
        .arg(bench.path("main.py"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start tester-worker submit");
    let mut stdout = BufReader::new(child.stdout.take().expect("its stdout"));
    let mut shown = String::new();
    timeout(PATIENCE, stdout.read_line(&mut shown)).await.expect("a line in time").expect("read its stdout");
    assert_eq!((shown.as_str(), &worker.status().await["running"]), ("one\n", &1.into()), "shown while it runs");
    timeout(PATIENCE, stdout.read_to_string(&mut shown)).await.expect("its end in time").expect("read its stdout");
    assert_eq!(shown, "one\ntwo\n");
    let output = timeout(PATIENCE, child.wait_with_output()).await.expect("it ends in time").expect("wait for it");
    let stderr = String::from_utf8(output.stderr).expect("text");
    assert!(output.status.success() && stderr.starts_with("aside\nok · exit 0 · "), "{stderr}");
    bench.end(worker).await;
}
