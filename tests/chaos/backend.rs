//! The sender of a campaign: it publishes until RabbitMQ confirms, collects every answer, and comes back whenever its own
//! connection breaks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{Channel, Confirmation, Connection, ConnectionProperties};
use tester_worker::domain::job::JobKey;
use tester_worker::protocol::job_writer::{SignedJob, Stamp, sign_job};
use tester_worker::protocol::keys::{Direction, KeyRing};
use tester_worker::protocol::result::{Expected, verify_result};
use tester_worker::protocol::signing::SigningKey;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::checker::Checker;
use super::support::client::{ISSUER, REPLY_TO, message_id, properties};
use super::support::now;
use super::support::token::SECRET;
use super::work::{Answer, job};

/// How long a confirmation may take before the publish is repeated on a new connection.
const CONFIRM_LIMIT: Duration = Duration::from_secs(20);
/// How long a job is good for: longer than any campaign.
const LIFETIME_SECONDS: u64 = 12 * 3600;
/// Between two attempts to connect.
const CONNECT_PAUSE: Duration = Duration::from_millis(200);
/// How long there may be too many open jobs before one more is sent all the same.
const ROOM_LIMIT: Duration = Duration::from_secs(1);
/// Answers on their way to the consumer.
const PREFETCH: u16 = 200;

/// How fast and how many.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// At least so many jobs.
    pub(crate) jobs: usize,
    /// At most so many a second.
    pub(crate) a_second: u32,
    /// At most so many without an answer.
    pub(crate) open_max: usize,
}

/// What publisher and consumer share.
#[derive(Debug)]
struct Shared {
    url: String,
    key: SigningKey,
    results: KeyRing,
    checker: Mutex<Checker>,
    sent: Mutex<HashMap<Uuid, Expected>>,
    /// An answer came.
    answered: Notify,
    /// The faults are over: no more jobs than were asked for.
    enough: CancellationToken,
    /// The campaign is over.
    stop: CancellationToken,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Backend {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

impl Shared {
    fn checker<T>(&self, with: impl FnOnce(&mut Checker) -> T) -> T {
        with(&mut self.checker.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn connect(&self) -> Option<(Connection, Channel)> {
        let options = ConnectionProperties::default().with_connection_name("chaos backend".into());
        let connect = async {
            let connection = Connection::connect(&self.url, options).await?;
            let channel = connection.create_channel().await?;
            channel.queue_declare(REPLY_TO.into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
            Ok::<_, lapin::Error>((connection, channel))
        };
        // An error: the broker is away, as it often is here.
        timeout(CONFIRM_LIMIT, connect).await.ok()?.ok()
    }
}

impl Backend {
    /// Begins to send and to collect. The workers' exchange must be there.
    pub(crate) fn start(url: String, pace: Pace) -> Self {
        let key = SigningKey::from_token(&SECRET.into()).expect("a good token");
        let results = key.ring(Direction::Results).expect("a ring of the worker's key");
        let shared = Arc::new(Shared {
            url,
            key,
            results,
            checker: Mutex::default(),
            sent: Mutex::default(),
            answered: Notify::new(),
            enough: CancellationToken::new(),
            stop: CancellationToken::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(publish(Arc::clone(&shared), pace));
        tasks.spawn(collect(Arc::clone(&shared)));
        Self { shared, tasks }
    }

    /// Looks at the checker.
    pub(crate) fn checker<T>(&self, with: impl FnOnce(&mut Checker) -> T) -> T {
        self.shared.checker(with)
    }

    /// No more jobs than the pace asks for; waits until those are confirmed.
    pub(crate) async fn finish_sending(&mut self) {
        self.shared.enough.cancel();
        // The collector goes on until it is stopped.
        self.tasks.join_next().await.expect("a task").expect("no panic while sending");
    }

    /// Ends the connections.
    pub(crate) async fn stop(mut self) {
        self.shared.stop.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("no panic while collecting");
        }
    }
}

/// Publishes jobs until there are enough.
async fn publish(shared: Arc<Shared>, pace: Pace) {
    let mut ticks = interval(Duration::from_secs(1) / pace.a_second);
    let mut link = None;
    let mut number = 0;
    while !(shared.enough.is_cancelled() && number >= pace.jobs) {
        ticks.tick().await;
        let room = async {
            while shared.checker(|checker| checker.open()) >= pace.open_max {
                shared.answered.notified().await;
            }
        };
        // Lost jobs, if there are any, must not end the campaign before it has found them.
        drop(timeout(ROOM_LIMIT, room).await);
        // Lengths of every remainder, so that exit codes differ.
        let input = format!("job {number} {}", "x".repeat(number % 3));
        let key = JobKey { issuer: ISSUER.to_owned(), id: Uuid::new_v4() };
        let id = key.id;
        let stamp =
            Stamp { key, audience: "tester".to_owned(), issued_at: now(), expires_at: now() + LIFETIME_SECONDS };
        let signed = sign_job(job(&input), stamp, &shared.key).expect("claims go into JSON");
        let expected = Expected { job: signed.key.clone(), digest: signed.digest };
        shared.checker(|checker| checker.attempted(id, Answer::to(&input)));
        shared.sent.lock().unwrap_or_else(PoisonError::into_inner).insert(id, expected);
        until_confirmed(&shared, &mut link, &signed).await;
        shared.checker(|checker| checker.accepted(id));
        number += 1;
    }
}

/// Publishes the same bytes until the broker has confirmed them, as docs/reliability.md tells a sender to.
async fn until_confirmed(shared: &Shared, link: &mut Option<(Connection, Channel)>, job: &SignedJob) {
    loop {
        if let Some((_, channel)) = link.as_ref() {
            let options = BasicPublishOptions { mandatory: true, immediate: false };
            let properties = properties(job).with_delivery_mode(2);
            let publish = async {
                let published =
                    channel.basic_publish("tester.jobs".into(), "default".into(), options, &job.body, properties);
                published.await?.await
            };
            // Anything else: whether it arrived is not known, and the same again does no harm.
            if matches!(timeout(CONFIRM_LIMIT, publish).await, Ok(Ok(Confirmation::Ack(None)))) {
                return;
            }
        }
        *link = shared.connect().await;
        let confirms = match link.as_ref() {
            Some((_, channel)) => channel.confirm_select(ConfirmSelectOptions::default()).await.is_ok(),
            None => false,
        };
        if !confirms {
            *link = None;
            tokio::time::sleep(CONNECT_PAUSE).await;
        }
    }
}

/// Collects answers until it is stopped.
async fn collect(shared: Arc<Shared>) {
    while !shared.stop.is_cancelled() {
        if let Some((connection, channel)) = shared.connect().await
            && let Err(error) = consume(&shared, &channel).await
        {
            // As it should be while brokers restart.
            drop((connection, error));
        }
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = tokio::time::sleep(CONNECT_PAUSE) => {}
        }
    }
}

async fn consume(shared: &Shared, channel: &Channel) -> lapin::Result<()> {
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut consumer = channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default()).await?;
    loop {
        let delivery = tokio::select! {
            () = shared.stop.cancelled() => return Ok(()),
            delivery = consumer.next() => delivery,
        };
        let Some(delivery) = delivery else { return Ok(()) };
        let delivery = delivery?;
        note(shared, &delivery);
        shared.answered.notify_one();
        // After it was noted: what the consumer has not stored is not the consumer's yet.
        delivery.acker.ack(BasicAckOptions::default()).await?;
    }
}

/// What a consumer has to do with a message: verify it, and keep the first of each job.
fn note(shared: &Shared, delivery: &Delivery) {
    let Some(id) = message_id(delivery).and_then(|id| id.parse().ok()) else {
        return shared.checker(|checker| checker.unexpected("a message without the id of a job".to_owned()));
    };
    let sent = shared.sent.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
    let Some(expected) = sent else {
        return shared.checker(|checker| checker.unexpected(format!("{id}: nobody sent this job")));
    };
    match verify_result(&delivery.data, &shared.results, &expected) {
        Ok(result) => {
            let answer = Answer::of(&result.outcome.run);
            shared.checker(|checker| checker.answered(id, answer, delivery.redelivered));
        }
        Err(error) => shared.checker(|checker| checker.unexpected(format!("{id}: {error}"))),
    }
}
