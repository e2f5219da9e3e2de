//! Is the broker there, is it ours to use, and if not, what is to be done?
//!
//! Nothing is declared, published or taken: what may be done is asked in ways that the broker must refuse for another
//! reason.

mod greeting;

use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::protocol::{AMQPSoftError, BasicProperties};
use lapin::types::FieldTable;

use super::address::Address;
use super::connection::{Brokers, Link};
use super::consumer::short;
use super::declare;
use super::error::{BrokerError, describe, soft};
use super::settings::Settings;
use crate::config::model;

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What, in a few words.
    pub subject: String,
    /// Whether it is as it must be.
    pub good: bool,
    /// What was found.
    pub found: String,
    /// What to do, where something is wrong.
    pub hint: Option<String>,
}

impl Check {
    fn good(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self { subject: subject.into(), good: true, found: found.into(), hint: None }
    }

    fn bad(subject: impl Into<String>, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { subject: subject.into(), good: false, found: found.into(), hint: Some(hint.into()) }
    }
}

/// What `doctor` says of the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerReport {
    /// In the order in which they were made; what needs a connection is missing where there is none.
    pub checks: Vec<Check>,
}

impl BrokerReport {
    /// Whether all is well.
    pub fn healthy(&self) -> bool {
        self.checks.iter().all(|check| check.good)
    }
}

/// Looks at every configured broker, and through the first that answers at the topology and the permissions.
pub async fn probe(settings: &Settings) -> BrokerReport {
    let mut report = BrokerReport::default();
    let brokers = match Brokers::new(settings) {
        Ok(brokers) => brokers,
        Err(error) => {
            report.checks.push(Check::bad("configuration", error.to_string(), "correct `broker.urls`"));
            return report;
        }
    };
    let mut first = None;
    for address in brokers.addresses() {
        let (check, link) = reach(settings, address).await;
        report.checks.push(check);
        first = first.or(link);
    }
    if let Some(link) = first {
        if let Err(error) = examine(settings, &link, &mut report.checks).await {
            report.checks.push(Check::bad("connection", error.to_string(), "run doctor again"));
        }
        link.close().await;
    }
    report
}

async fn reach(settings: &Settings, address: &Address) -> (Check, Option<Link>) {
    let name = format!("tester-worker {} doctor", settings.worker_id);
    match Link::connect(address, &name, settings.timeouts).await {
        Ok(link) => {
            let product = greeting::product(address, settings.timeouts.connect).await;
            let product = product.unwrap_or_else(|| "its version is not told".to_owned());
            (Check::good(address.shown(), format!("user accepted; {product}")), Some(link))
        }
        Err(BrokerError::Connect { broker: _, cause: _, what, hint }) => {
            (Check::bad(address.shown(), what, hint), None)
        }
        Err(error) => (Check::bad(address.shown(), error.to_string(), "see RabbitMQ's own log"), None),
    }
}

async fn examine(settings: &Settings, link: &Link, checks: &mut Vec<Check>) -> Result<(), BrokerError> {
    let topology = settings.describe_topology();
    let missing = match declare::ensure(link, &topology, model::Topology::Check).await {
        Ok(()) => {
            checks.push(Check::good("exchanges and queues", "all there"));
            Vec::new()
        }
        Err(BrokerError::Topology { problems }) => problems,
        Err(error) => return Err(error),
    };
    let declares = settings.topology == model::Topology::Declare;
    for problem in &missing {
        let foreign = topology.foreign_exchanges.iter().any(|name| problem.subject.contains(&format!("`{name}`")));
        if declares && !foreign {
            checks.push(Check::good(&problem.subject, "not there yet; the worker declares it when it starts"));
        } else {
            checks.push(Check::bad(&problem.subject, &problem.what, &problem.hint));
        }
    }
    let ask = Ask { settings, link };
    if declares {
        checks.push(ask.configure().await?);
    }
    let names = &settings.names;
    for exchange in [names.results_exchange().to_owned(), names.dead(), names.unrouted()] {
        if !missing.iter().any(|problem| problem.subject == format!("exchange `{exchange}`")) {
            checks.push(ask.write(&exchange).await?);
        }
    }
    let control = format!("exchange `{}`", names.control());
    if !missing.iter().any(|problem| problem.subject == control) {
        checks.push(ask.control().await?);
    }
    for class in &settings.classes {
        let queue = names.class_queue(class);
        if !missing.iter().any(|problem| problem.subject == format!("queue `{queue}`")) {
            checks.push(ask.read(&queue).await?);
        }
    }
    Ok(())
}

/// Asks what this user may do.
struct Ask<'a> {
    settings: &'a Settings,
    link: &'a Link,
}

impl Ask<'_> {
    /// A queue of the kind that this worker declares for itself: exclusive, and gone with the connection.
    async fn configure(&self) -> Result<Check, BrokerError> {
        let name = format!("{}.doctor.{}", self.settings.names.control(), uuid::Uuid::new_v4());
        let doing = "ask for permission to declare";
        let channel = self.link.channel().await?;
        let options =
            QueueDeclareOptions { passive: false, durable: false, exclusive: true, auto_delete: true, nowait: false };
        let declared = channel.queue_declare(short(doing, &name)?, options, FieldTable::default());
        let subject = "permission to declare";
        match self.link.ask(doing, declared).await? {
            Ok(_queue) => {
                let deleted = channel.queue_delete(short(doing, &name)?, lapin::options::QueueDeleteOptions::default());
                self.link.call(doing, deleted).await?;
                Ok(Check::good(subject, "given"))
            }
            Err(error) => self.refused(subject.to_owned(), "configure", &error, false),
        }
    }

    /// A queue like the one in which control messages come, bound to their exchange.
    async fn control(&self) -> Result<Check, BrokerError> {
        let exchange = self.settings.names.control();
        let name = format!("{exchange}.doctor.{}", uuid::Uuid::new_v4());
        let doing = "ask for permission to hear control messages";
        let channel = self.link.channel().await?;
        let options =
            QueueDeclareOptions { passive: false, durable: false, exclusive: true, auto_delete: true, nowait: false };
        let subject = "permission to hear control messages";
        let (queue, exchange) = (short(doing, &name)?, short(doing, &exchange)?);
        let declared = channel.queue_declare(queue.clone(), options, FieldTable::default());
        if let Err(error) = self.link.ask(doing, declared).await? {
            return self.refused(subject.to_owned(), "configure", &error, false);
        }
        let options = QueueBindOptions { nowait: false };
        let bound = channel.queue_bind(queue.clone(), exchange, "".into(), options, FieldTable::default());
        if let Err(error) = self.link.ask(doing, bound).await? {
            return self.refused(subject.to_owned(), "write` and `read", &error, false);
        }
        let deleted = channel.queue_delete(queue, lapin::options::QueueDeleteOptions::default());
        self.link.call(doing, deleted).await?;
        Ok(Check::good(subject, "given"))
    }

    /// A message whose expiration is no number: the broker checks the permission first, then refuses it.
    async fn write(&self, exchange: &str) -> Result<Check, BrokerError> {
        let shown = if exchange.is_empty() { "the default exchange".to_owned() } else { format!("`{exchange}`") };
        let doing = format!("ask for permission to publish to {shown}");
        let channel = self.link.channel().await?;
        let confirm = channel.confirm_select(ConfirmSelectOptions { nowait: false });
        self.link.call(&doing, confirm).await?;
        let key = format!("tester-doctor.{}", uuid::Uuid::new_v4());
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let properties = BasicProperties::default().with_expiration("never".into());
        let (to, key) = (short(&doing, exchange)?, short(&doing, &key)?);
        let published = async { channel.basic_publish(to, key, options, b"", properties).await?.await };
        let subject = format!("permission to publish to {shown}");
        match self.link.ask(&doing, published).await? {
            Ok(_confirmation) => Ok(Check::good(subject, "given")),
            Err(error) => self.refused(subject, "write", &error, true),
        }
    }

    /// Takes nothing: a queue with jobs in it is left alone, for a look at a job would count as an attempt.
    async fn read(&self, queue: &str) -> Result<Check, BrokerError> {
        let doing = format!("ask for permission to read `{queue}`");
        let subject = format!("queue `{queue}`");
        let channel = self.link.channel().await?;
        let passive =
            QueueDeclareOptions { passive: true, durable: true, exclusive: false, auto_delete: false, nowait: false };
        let declared = channel.queue_declare(short(&doing, queue)?, passive, FieldTable::default());
        let declared = self.link.call(&doing, declared).await?;
        let found = format!("{} jobs waiting, {} consumers", declared.message_count(), declared.consumer_count());
        if declared.message_count() > 0 || declared.consumer_count() > 0 {
            return Ok(Check::good(subject, found));
        }
        let got = channel.basic_get(short(&doing, queue)?, BasicGetOptions { no_ack: false });
        match self.link.ask(&doing, got).await? {
            // A job that came this very moment goes back with the channel.
            Ok(_got) => Ok(Check::good(subject, found)),
            Err(error) => self.refused(subject, "read", &error, false),
        }
    }

    fn refused(
        &self,
        subject: String,
        permission: &str,
        error: &lapin::Error,
        expects_precondition: bool,
    ) -> Result<Check, BrokerError> {
        match soft(error) {
            Some(AMQPSoftError::PRECONDITIONFAILED) if expects_precondition => Ok(Check::good(subject, "given")),
            Some(AMQPSoftError::ACCESSREFUSED) => {
                let vhost = self.link.address().vhost();
                let hint = format!(
                    "give this user the `{permission}` permission: `rabbitmqctl set_permissions -p {vhost} USER \
                     CONFIGURE WRITE READ`; docs/operations.md has the patterns"
                );
                Ok(Check::bad(subject, "not given", hint))
            }
            Some(_) => Ok(Check::bad(subject, describe(error), "see RabbitMQ's own log")),
            None => Err(BrokerError::lost("ask for a permission", error)),
        }
    }
}
