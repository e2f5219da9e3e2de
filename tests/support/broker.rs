//! Help for tests against a real RabbitMQ.
//!
//! `TESTER_WORKER_TEST_AMQP_URL` names the broker and `TESTER_WORKER_TEST_RABBITMQCTL` a program that runs
//! `rabbitmqctl` on its node. Every test has names of its own, and deletes what it made.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, ExchangeDeleteOptions, QueueDeclareOptions,
    QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use secrecy::SecretString;
use tester_worker::broker::topology::Names;
use tester_worker::broker::{Broker, BrokerEvents, BrokerPublisher, Cause, Gate, Parts, Role, Settings, Timeouts};
use tester_worker::config::model;
use tester_worker::ports::conditions::{Conditions, Part, State};
use tester_worker::ports::messages::{Address, Delivered, Disposition, Outbound, Settled};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The bound of every wait in these tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

#[expect(clippy::disallowed_methods, reason = "tests take their broker from the environment")]
fn variable(name: &str, what: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| {
        panic!("{name} is not set: it names {what} (scripts/test starts a private RabbitMQ and sets it)")
    })
}

/// The broker's URL.
pub(crate) fn url() -> String {
    variable(
        "TESTER_WORKER_TEST_AMQP_URL",
        "the AMQP URL of a RabbitMQ for tests, like amqp://guest:guest@localhost:5672/%2f",
    )
}

/// Runs `rabbitmqctl` on the broker's node and gives what it printed.
pub(crate) async fn rabbitmqctl(arguments: &[&str]) -> String {
    let program = variable("TESTER_WORKER_TEST_RABBITMQCTL", "a program that runs rabbitmqctl on that RabbitMQ's node");
    let output = tokio::process::Command::new(program)
        .arg("-q")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("start rabbitmqctl");
    assert!(output.status.success(), "rabbitmqctl {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("rabbitmqctl prints UTF-8")
}

/// Waits until `what` holds, looking whenever `changed` says so, and at least every tenth of a second.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let found = timeout(PATIENCE, async {
        loop {
            ticks.tick().await;
            if let Some(found) = look().await {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"))
}

/// Counts what the adapter reports.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    connected: Mutex<BTreeMap<&'static str, usize>>,
    reconnecting: Mutex<Vec<(Role, Cause)>>,
    blocked: Mutex<Vec<bool>>,
    listening: Mutex<Vec<bool>>,
    waiting: Mutex<BTreeMap<String, u32>>,
}

impl Counter {
    pub(crate) fn connected(&self, role: Role) -> usize {
        self.connected.lock().unwrap().get(role.as_str()).copied().unwrap_or(0)
    }

    pub(crate) fn causes(&self, role: Role) -> Vec<Cause> {
        self.reconnecting.lock().unwrap().iter().filter(|(of, _)| *of == role).map(|(_, cause)| *cause).collect()
    }

    pub(crate) fn blocked(&self) -> Vec<bool> {
        self.blocked.lock().unwrap().clone()
    }

    /// Whether control messages can be heard now.
    pub(crate) fn listening(&self) -> bool {
        self.listening.lock().unwrap().last() == Some(&true)
    }

    pub(crate) fn waiting(&self, class: &str) -> Option<u32> {
        self.waiting.lock().unwrap().get(class).copied()
    }
}

impl BrokerEvents for Counter {
    fn connected(&self, role: Role) {
        *self.connected.lock().unwrap().entry(role.as_str()).or_default() += 1;
    }

    fn reconnecting(&self, role: Role, cause: Cause) {
        self.reconnecting.lock().unwrap().push((role, cause));
    }

    fn blocked(&self, _: Role, blocked: bool) {
        self.blocked.lock().unwrap().push(blocked);
    }

    fn control_listening(&self, listening: bool) {
        self.listening.lock().unwrap().push(listening);
    }

    fn turned(&self, _: Role) {}

    fn rests(&self, _: Role) {}

    fn waiting(&self, class: &str, messages: u32) {
        self.waiting.lock().unwrap().insert(class.to_owned(), messages);
    }

    fn fed(&self) {}
}

/// Names of this test's own, on the shared broker, and a connection to look at them with.
pub(crate) struct Bench {
    pub(crate) prefix: String,
    pub(crate) settings: Settings,
    connection: Connection,
}

impl Bench {
    pub(crate) async fn new(test: &str) -> Self {
        let prefix = format!("test-{test}-{}", uuid::Uuid::new_v4().simple());
        let connection = Connection::connect(
            &url(),
            ConnectionProperties::default().with_connection_name(format!("test {prefix}").as_str().into()),
        )
        .await
        .expect("connect to the RabbitMQ for tests (TESTER_WORKER_TEST_AMQP_URL)");
        let settings = settings(&prefix, &[url()]);
        Self { prefix, settings, connection }
    }

    pub(crate) async fn channel(&self) -> Channel {
        let channel = self.connection.create_channel().await.expect("open a channel");
        channel.confirm_select(ConfirmSelectOptions::default()).await.expect("ask for confirms");
        channel
    }

    /// Starts the adapter and waits until both roles are ready.
    pub(crate) async fn start(&self) -> Running {
        let running = self.start_unready();
        running.ready(Part::BrokerConsume).await;
        running.ready(Part::BrokerPublish).await;
        running
    }

    pub(crate) fn start_unready(&self) -> Running {
        Running::start(self.settings.clone())
    }

    /// Publishes a job and waits for the confirmation.
    pub(crate) async fn send_job(&self, class: &str, id: &str, body: &[u8]) {
        let properties = BasicProperties::default().with_delivery_mode(2).with_message_id(id.into());
        self.send(&self.settings.names.jobs(), class, properties, body).await;
    }

    pub(crate) async fn send(&self, exchange: &str, key: &str, properties: BasicProperties, body: &[u8]) {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let channel = self.channel().await;
        let publish = channel.basic_publish(exchange.into(), key.into(), options, body, properties);
        let confirmation = publish.await.expect("publish").await.expect("confirm");
        assert_eq!(confirmation, Confirmation::Ack(None), "nobody takes {exchange} {key}");
        channel.close(200, "OK".into()).await.expect("close a channel");
    }

    /// Declares a durable queue that goes when the test says so.
    pub(crate) async fn queue(&self, name: &str) -> String {
        let name = format!("{}.{name}", self.prefix);
        self.channel()
            .await
            .queue_declare(name.as_str().into(), QueueDeclareOptions::durable(), FieldTable::default())
            .await
            .expect("declare a queue");
        name
    }

    /// Takes one message out of a queue.
    pub(crate) async fn take(&self, queue: &str) -> Option<lapin::message::Delivery> {
        let channel = self.channel().await;
        let got = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.expect("get");
        channel.close(200, "OK".into()).await.expect("close a channel");
        got.map(|got| got.delivery)
    }

    /// Messages that are ready in a queue.
    pub(crate) async fn depth(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
        let channel = self.channel().await;
        let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await.expect("look at a queue");
        channel.close(200, "OK".into()).await.expect("close a channel");
        queue.message_count()
    }

    /// Consumers of a queue.
    pub(crate) async fn consumers(&self, queue: &str) -> u32 {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::durable() };
        let channel = self.channel().await;
        let queue = channel.queue_declare(queue.into(), options, FieldTable::default()).await.expect("look at a queue");
        channel.close(200, "OK".into()).await.expect("close a channel");
        queue.consumer_count()
    }

    pub(crate) async fn until_depth(&self, queue: &str, depth: u32) {
        until(&format!("{queue} has {depth} messages"), async || (self.depth(queue).await == depth).then_some(()))
            .await;
    }

    pub(crate) async fn delete_queue(&self, name: &str) {
        let channel = self.channel().await;
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.expect("delete a queue");
    }

    pub(crate) async fn delete_exchange(&self, name: &str) {
        let channel = self.channel().await;
        channel.exchange_delete(name.into(), ExchangeDeleteOptions::default()).await.expect("delete an exchange");
    }

    /// Deletes everything of this test.
    pub(crate) async fn clean(self) {
        let topology = self.settings.describe_topology();
        for queue in &topology.queues {
            self.delete_queue(&queue.name).await;
        }
        for exchange in &topology.exchanges {
            self.delete_exchange(&exchange.name).await;
        }
        // Fails while a channel that was dropped is still being closed; either way the connection ends here.
        drop(self.connection.close(200, "OK".into()).await);
    }
}

/// Settings with short limits, so that what must time out does so soon.
pub(crate) fn settings(prefix: &str, urls: &[String]) -> Settings {
    Settings {
        worker_id: prefix.to_owned(),
        urls: urls.iter().map(|url| SecretString::from(url.clone())).collect(),
        names: Names::new("").with_prefix(prefix),
        topology: model::Topology::Declare,
        classes: vec!["default".to_owned()],
        slots: 2,
        heartbeat_seconds: 10,
        consumer_timeout: Duration::from_mins(30),
        queues_expire: None,
        timeouts: Timeouts { backoff_max: Duration::from_millis(500), ..Timeouts::default() },
    }
}

/// The adapter at work.
pub(crate) struct Running {
    pub(crate) publisher: BrokerPublisher,
    pub(crate) gate: watch::Sender<Gate>,
    pub(crate) deliveries: mpsc::Receiver<Delivered>,
    pub(crate) control: mpsc::Receiver<Bytes>,
    pub(crate) conditions: Conditions,
    pub(crate) counter: Arc<Counter>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl Running {
    pub(crate) fn start(settings: Settings) -> Self {
        let (gate, gate_receiver) = watch::channel(Gate::Open);
        let (sender, deliveries) = mpsc::channel(settings.deliveries_max());
        let (control_sender, control) = mpsc::channel(16);
        let (conditions, counter) = (Conditions::default(), Arc::new(Counter::default()));
        let (cancel, tasks) = (CancellationToken::new(), TaskTracker::new());
        let parts = Parts {
            consuming: watch::Sender::new(false),
            gate: gate_receiver,
            deliveries: sender,
            control: control_sender,
            epoch: "0123456789ab",
            conditions: &conditions,
            events: Arc::clone(&counter) as Arc<dyn BrokerEvents>,
            cancel: cancel.clone(),
            tasks: &tasks,
        };
        let publisher = Broker::start(settings, parts).expect("good settings");
        Self { publisher, gate, deliveries, control, conditions, counter, cancel, tasks }
    }

    pub(crate) fn state(&self, part: Part) -> State {
        self.conditions.snapshot().into_iter().find(|(of, _)| *of == part).expect("every part is there").1
    }

    pub(crate) async fn ready(&self, part: Part) {
        until(&format!("{part:?} is ready: {:?}", self.conditions.snapshot()), async || {
            (self.state(part) == State::Ready).then_some(())
        })
        .await;
    }

    /// Waits until a part is not ready for a reason with `text` in it, and gives the reason.
    pub(crate) async fn not_ready(&self, part: Part, text: &str) -> String {
        until(&format!("{part:?} is not ready: {text}"), async || match self.state(part) {
            State::NotReady(reason) if reason.contains(text) => Some(reason),
            State::NotReady(_) | State::Ready => None,
        })
        .await
    }

    pub(crate) async fn connected(&self, role: Role, times: usize) {
        until(&format!("{role:?} has connected {times} times"), async || {
            (self.counter.connected(role) >= times).then_some(())
        })
        .await;
    }

    pub(crate) async fn delivery(&mut self) -> Delivered {
        timeout(PATIENCE, self.deliveries.recv()).await.expect("a delivery comes in time").expect("the adapter runs")
    }

    /// Ends the adapter; its tasks must end in time.
    pub(crate) async fn stop(self) {
        self.cancel.cancel();
        self.tasks.close();
        timeout(PATIENCE, self.tasks.wait()).await.expect("the adapter ends in time");
    }
}

/// Settles a delivery that is still ours.
pub(crate) async fn settle(delivered: Delivered, disposition: Disposition) {
    assert_eq!(delivered.acknowledger.settle(disposition).await, Settled::Sent);
}

/// A message with only what every message has.
pub(crate) fn message(address: Address, body: &[u8]) -> Outbound {
    Outbound {
        address,
        body: Bytes::copy_from_slice(body),
        message_id: Some(uuid::Uuid::new_v4().to_string()),
        correlation_id: None,
        kind: Some("result".to_owned()),
        content_type: Some("application/jwt".to_owned()),
        reply_to: None,
        headers: Vec::new(),
    }
}
