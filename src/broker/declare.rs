//! Declaring the topology, or checking that it is there.

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::protocol::AMQPSoftError;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, ExchangeKind};

use super::connection::Link;
use super::error::{BrokerError, Problem, describe, soft};
use super::topology::{Argument, Exchange, Queue, Routing, Topology};
use crate::config::model;

/// Declares or checks everything, and tells all that is wrong at once.
pub(super) async fn ensure(link: &Link, topology: &Topology, mode: model::Topology) -> Result<(), BrokerError> {
    let mut work = Work { link, mode, channel: None, problems: Vec::new() };
    for exchange in &topology.exchanges {
        work.exchange(exchange).await?;
    }
    for name in &topology.foreign_exchanges {
        work.foreign_exchange(name).await?;
    }
    for queue in &topology.queues {
        work.queue(queue).await?;
    }
    if let Some(channel) = work.channel.take() {
        link.call("close a channel", channel.close(200, "OK".into())).await?;
    }
    if work.problems.is_empty() { Ok(()) } else { Err(BrokerError::Topology { problems: work.problems }) }
}

struct Work<'a> {
    link: &'a Link,
    mode: model::Topology,
    channel: Option<Channel>,
    problems: Vec<Problem>,
}

impl Work<'_> {
    fn passive(&self) -> bool {
        self.mode == model::Topology::Check
    }

    /// A channel that works: a refused declaration closes the one it was made on.
    async fn channel(&mut self) -> Result<Channel, BrokerError> {
        if let Some(channel) = self.channel.take_if(|channel| channel.status().connected()) {
            return Ok(channel);
        }
        self.link.channel().await
    }

    async fn exchange(&mut self, exchange: &Exchange) -> Result<(), BrokerError> {
        let kind = match exchange.routing {
            Routing::Direct => ExchangeKind::Direct,
            Routing::Fanout => ExchangeKind::Fanout,
        };
        let options = exchange_options(self.passive());
        self.declare_exchange(&exchange.name, kind, options).await
    }

    async fn foreign_exchange(&mut self, name: &str) -> Result<(), BrokerError> {
        // A passive declaration does not compare the kind.
        self.declare_exchange(name, ExchangeKind::Direct, exchange_options(true)).await
    }

    async fn declare_exchange(
        &mut self,
        name: &str,
        kind: ExchangeKind,
        options: ExchangeDeclareOptions,
    ) -> Result<(), BrokerError> {
        let subject = format!("exchange `{name}`");
        let doing = format!("declare {subject}");
        let Some(short) = self.short(&subject, name) else { return Ok(()) };
        let channel = self.channel().await?;
        let request = channel.exchange_declare(short, kind, options, FieldTable::default());
        let answer = self.link.ask(&doing, request).await?;
        self.note(subject, name, answer, channel)
    }

    async fn queue(&mut self, queue: &Queue) -> Result<(), BrokerError> {
        let subject = format!("queue `{}`", queue.name);
        let doing = format!("declare {subject}");
        let (Some(name), Some(exchange), Some(key)) = (
            self.short(&subject, &queue.name),
            self.short(&subject, &queue.exchange),
            self.short(&subject, &queue.key),
        ) else {
            return Ok(());
        };
        let channel = self.channel().await?;
        // A passive declaration with arguments would compare them; "check" takes a queue as it is.
        let arguments = if self.passive() { FieldTable::default() } else { arguments(queue) };
        let declaration = channel.queue_declare(name.clone(), queue_options(self.passive()), arguments);
        let mut answer = self.link.ask(&doing, declaration).await?.map(|_queue| ());
        if answer.is_ok() && !self.passive() {
            let doing = format!("bind {subject}");
            let options = QueueBindOptions { nowait: false };
            let binding = channel.queue_bind(name, exchange, key, options, FieldTable::default());
            answer = self.link.ask(&doing, binding).await?;
        }
        self.note(subject, &queue.name, answer, channel)
    }

    /// Keeps the channel after a success, and a problem after a refusal; anything else ends the connection's use.
    fn note(
        &mut self,
        subject: String,
        name: &str,
        answer: lapin::Result<()>,
        channel: Channel,
    ) -> Result<(), BrokerError> {
        match answer {
            Ok(()) => self.channel = Some(channel),
            Err(error) => match soft(&error) {
                Some(code) => self.problems.push(problem(subject, name, &code, &describe(&error))),
                None => return Err(BrokerError::lost(&format!("declare {subject}"), &error)),
            },
        }
        Ok(())
    }

    fn short(&mut self, subject: &str, name: &str) -> Option<ShortString> {
        let short = ShortString::try_new(name).ok();
        if short.is_none() {
            self.problems.push(Problem {
                subject: subject.to_owned(),
                what: "has a name of more than 255 bytes".to_owned(),
                hint: "shorten it in the configuration".to_owned(),
            });
        }
        short
    }
}

fn exchange_options(passive: bool) -> ExchangeDeclareOptions {
    ExchangeDeclareOptions {
        passive,
        // It must be there after the broker's restart, when publishers come back before any worker does.
        durable: true,
        // Never removed by itself: a publish to a missing exchange closes the sender's channel.
        auto_delete: false,
        // Clients publish to it.
        internal: false,
        // The answer is what this is about.
        nowait: false,
    }
}

fn queue_options(passive: bool) -> QueueDeclareOptions {
    QueueDeclareOptions {
        passive,
        // Quorum queues are always durable; RabbitMQ 4.3 refuses queues that are neither durable nor exclusive.
        durable: true,
        // Every worker shares it.
        exclusive: false,
        // It keeps jobs while no worker is there.
        auto_delete: false,
        nowait: false,
    }
}

fn arguments(queue: &Queue) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, argument) in &queue.arguments {
        let value = match argument {
            Argument::Text(text) => AMQPValue::LongString(text.as_str().into()),
            Argument::Number(number) => AMQPValue::LongLongInt(*number),
        };
        table.insert((*name).into(), value);
    }
    table
}

fn problem(subject: String, name: &str, code: &AMQPSoftError, text: &str) -> Problem {
    let is_queue = subject.starts_with("queue");
    let (what, hint) = match code {
        AMQPSoftError::PRECONDITIONFAILED => (
            format!("exists with other properties than this worker declares ({text})"),
            if is_queue {
                format!(
                    "empty and delete it (`rabbitmqctl delete_queue {name}`), and the next start declares it anew; or \
                     set `broker.topology = \"check\"` to use it as it is"
                )
            } else {
                "delete it, and the next start declares it anew; or set `broker.topology = \"check\"` to use it as it is"
                    .to_owned()
            },
        ),
        AMQPSoftError::NOTFOUND => (
            format!("does not exist ({text})"),
            "start a worker with `broker.topology = \"declare\"` once, or have whoever owns the broker declare it"
                .to_owned(),
        ),
        AMQPSoftError::ACCESSREFUSED => (
            format!("may not be declared by this user ({text})"),
            "give the user permission (`rabbitmqctl set_permissions`), or have it declared by another and set \
             `broker.topology = \"check\"`"
                .to_owned(),
        ),
        AMQPSoftError::CONTENTTOOLARGE
        | AMQPSoftError::NOROUTE
        | AMQPSoftError::NOCONSUMERS
        | AMQPSoftError::RESOURCELOCKED => {
            (format!("was refused ({text})"), "see RabbitMQ's own log for the reason".to_owned())
        }
    };
    Problem { subject, what, hint }
}
