//! A backend: sends anything at all, and collects whatever comes back.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tester_worker::domain::content::Content;
use tester_worker::domain::job::{JobDigest, JobKey, Role};
use tester_worker::protocol::job_writer::{FileClaims, JobDraft, SignedJob, Stamp, sign_job};
use tester_worker::protocol::keys::{Direction, KeyRing};
use tester_worker::protocol::result::{Expected, ResultClaims, verify_result};
use tester_worker::protocol::signing::SigningKey;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{PATIENCE, now};

/// The `iss` of the tests' jobs.
pub(crate) const ISSUER: &str = "backend-1";
/// The queue that the tests' results come to.
pub(crate) const REPLY_TO: &str = "results.backend-1";

/// A backend with one key and one reply queue.
pub(crate) struct Client {
    connection: Connection,
    channel: Channel,
    /// The reply queue, to be waited on.
    pub(crate) inbox: watch::Receiver<Vec<Arc<Delivery>>>,
    pub(crate) key: SigningKey,
    pub(crate) results: KeyRing,
}

impl Client {
    /// Connects; jobs are signed by `key`, and results must be by `worker_key`.
    pub(crate) async fn connect(url: &str, key: SigningKey, worker_key: &SigningKey) -> Self {
        let options = ConnectionProperties::default().with_connection_name("e2e client".into());
        let connection = Connection::connect(url, options).await.expect("connect to RabbitMQ");
        let channel = connection.create_channel().await.expect("open a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("ask for confirms");
        let durable = QueueDeclareOptions::durable();
        channel.queue_declare(REPLY_TO.into(), durable, FieldTable::default()).await.expect("a reply queue");
        let inbox = collect(&connection.create_channel().await.expect("open a channel"), REPLY_TO).await;
        let results = worker_key.ring(Direction::Results).expect("a ring of the worker's key");
        Self { connection, channel, inbox, key, results }
    }

    /// Publishes to the jobs exchange and waits for the confirmation.
    pub(crate) async fn publish(&self, body: &[u8], properties: BasicProperties) {
        self.publish_to("default", body, properties).await;
    }

    /// The same for another class than `default`.
    pub(crate) async fn publish_to(&self, class: &str, body: &[u8], properties: BasicProperties) {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = properties.with_delivery_mode(2).with_content_type("application/jwt".into());
        let published = self.channel.basic_publish("tester.jobs".into(), class.into(), options, body, properties);
        let confirmation = published.await.expect("publish").await.expect("a confirmation");
        assert_eq!(confirmation, Confirmation::Ack(None), "no queue takes class `{class}`");
    }

    /// Signs a job that is good for five minutes.
    pub(crate) fn sign(&self, draft: JobDraft) -> SignedJob {
        let key = JobKey { issuer: ISSUER.to_owned(), id: Uuid::new_v4() };
        let stamp = Stamp { key, audience: "tester".to_owned(), issued_at: now(), expires_at: now() + 300 };
        sign_job(draft, stamp, &self.key).expect("claims go into JSON")
    }

    /// Signs and publishes a job.
    pub(crate) async fn send(&self, draft: JobDraft) -> SignedJob {
        let job = self.sign(draft);
        self.publish(&job.body, properties(&job)).await;
        job
    }

    /// The message with a job's result, as it came. Fails when it does not come in time.
    pub(crate) async fn message(&self, job: &SignedJob) -> Arc<Delivery> {
        let id = job.key.id.to_string();
        self.messages(&id, 1).await.swap_remove(0)
    }

    /// The first `count` messages with this message id.
    pub(crate) async fn messages(&self, id: &str, count: usize) -> Vec<Arc<Delivery>> {
        let mut inbox = self.inbox.clone();
        let about = |all: &Vec<Arc<Delivery>>| -> Vec<Arc<Delivery>> {
            all.iter().filter(|message| message_id(message) == Some(id)).cloned().collect()
        };
        let waited = timeout(PATIENCE, inbox.wait_for(|all| about(all).len() >= count)).await;
        let all = waited.unwrap_or_else(|_| panic!("{count} results of {id} did not come within {PATIENCE:?}"));
        about(&all.expect("the connection stands"))
    }

    /// The result of a job, verified.
    pub(crate) async fn result(&self, job: &SignedJob) -> ResultClaims {
        let message = self.message(job).await;
        self.verified(&message.data, job)
    }

    /// Verifies a result; fails unless it is one of this very job.
    pub(crate) fn verified(&self, body: &[u8], job: &SignedJob) -> ResultClaims {
        let expected = Expected { job: job.key.clone(), digest: job.digest };
        verify_result(body, &self.results, &expected).expect("a verified result")
    }

    /// Sends a job and waits for its verified result.
    pub(crate) async fn run(&self, draft: JobDraft) -> ResultClaims {
        let job = self.send(draft).await;
        self.result(&job).await
    }

    /// Sends a good job; fails unless its verified result is that it ran.
    pub(crate) async fn good_job_runs(&self) {
        let result = self.run(python("print(6 * 7)")).await;
        assert_eq!(result.outcome.run.status.as_str(), "ok", "{:?}", result.outcome.run);
        assert_eq!(result.outcome.run.stdout.content.as_bytes(), b"42\n");
    }

    /// Everything that came to the reply queue so far.
    pub(crate) fn inbox(&self) -> Vec<Arc<Delivery>> {
        self.inbox.borrow().clone()
    }

    /// Takes one message out of a queue.
    pub(crate) async fn take(&self, queue: &str) -> Option<Delivery> {
        let got = self.channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.expect("read a queue");
        got.map(|got| got.delivery)
    }

    /// Messages that are ready in a queue.
    pub(crate) async fn depth(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
        let declared = self.channel.queue_declare(queue.into(), options, FieldTable::default());
        declared.await.expect("look at a queue").message_count()
    }

    /// A channel of its own, for what cannot share one.
    pub(crate) async fn new_channel(&self) -> Channel {
        self.connection.create_channel().await.expect("open a channel")
    }

    /// Ends the connection.
    pub(crate) async fn close(self) {
        self.connection.close(200, "OK".into()).await.expect("close the connection");
    }
}

/// Collects everything that comes to a queue.
pub(crate) async fn collect(channel: &Channel, queue: &str) -> watch::Receiver<Vec<Arc<Delivery>>> {
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let consumer = channel.basic_consume(queue.into(), "".into(), options, FieldTable::default());
    let mut consumer = consumer.await.expect("consume");
    let (sender, inbox) = watch::channel(Vec::new());
    TaskTracker::new().spawn(async move {
        while let Some(Ok(delivery)) = consumer.next().await {
            sender.send_modify(|all| all.push(Arc::new(delivery)));
        }
    });
    inbox
}

/// The properties that a good job has.
pub(crate) fn properties(job: &SignedJob) -> BasicProperties {
    let id = job.key.id.to_string();
    BasicProperties::default()
        .with_message_id(id.as_str().into())
        .with_reply_to(REPLY_TO.into())
        .with_correlation_id(format!("c-{id}").as_str().into())
}

/// The message id of a message.
pub(crate) fn message_id(message: &Delivery) -> Option<&str> {
    message.properties.message_id().as_ref().map(lapin::types::ShortString::as_str)
}

/// A Python program.
pub(crate) fn python(program: &str) -> JobDraft {
    draft("python", &[("main.py", program.as_bytes())])
}

/// A job of these files.
pub(crate) fn draft(profile: &str, files: &[(&str, &[u8])]) -> JobDraft {
    let file = |(path, bytes): &(&str, &[u8])| FileClaims {
        path: (*path).to_owned(),
        content: Content::new(bytes.to_vec()),
        executable: false,
        role: Role::default(),
    };
    let files = files.iter().map(file).collect();
    JobDraft { reply_to: REPLY_TO.to_owned(), profile: profile.to_owned(), files, ..JobDraft::default() }
}

/// The claims of a small good job, to be spoilt.
pub(crate) fn claims() -> Value {
    json!({
        "v": 1, "iss": ISSUER, "aud": "tester", "jti": Uuid::new_v4().to_string(), "iat": now(), "exp": now() + 300,
        "reply_to": REPLY_TO, "profile": "python",
        "files": [{ "path": "main.py", "content": { "text": "print('it ran')" } }],
    })
}

/// What a hand-made token's result must refer to.
pub(crate) fn signed(claims: &Value, body: Vec<u8>) -> SignedJob {
    let id = claims["jti"].as_str().expect("a jti").parse().expect("a UUID");
    let digest = JobDigest(Sha256::digest(&body).into());
    SignedJob { body: Bytes::from(body), key: JobKey { issuer: ISSUER.to_owned(), id }, digest }
}

/// A program that works for so long before it says so.
pub(crate) fn sleeper(seconds: f64) -> JobDraft {
    python(&format!("import time\ntime.sleep({seconds})\nprint('slept')"))
}

/// A program that waits until the test has it go on (`docker::go_on`), for a minute at most.
pub(crate) fn waiter() -> JobDraft {
    let mut draft = python("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nprint('went on')");
    draft.limits.wall_seconds = Some(60.0);
    draft
}
