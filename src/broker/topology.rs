//! Exchanges and queues, as one pure description. The names and arguments are the contract's; a queue's arguments can
//! never be changed once it exists, so they are kept to what cannot be given by a policy later.

use std::time::Duration;

/// The prefix of every name.
const PREFIX: &str = "tester";

/// RabbitMQ 4 drops a message at its 20th return by default, silently where no dead-letter exchange is; 3.10 drops at
/// the first return when the limit is -1. The worker counts attempts itself, so the broker's limit is out of reach.
const DELIVERY_LIMIT: i64 = 1_000_000;

/// Anybody who may publish a job can fill these queues with messages that are not jobs; they must not fill the disk.
const KEPT_BYTES_MAX: i64 = 1 << 30;

/// Names of exchanges and queues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    prefix: String,
    results_exchange: String,
}

impl Names {
    /// The contract's names; `results_exchange` is empty for the default exchange.
    pub fn new(results_exchange: &str) -> Self {
        Self { prefix: PREFIX.to_owned(), results_exchange: results_exchange.to_owned() }
    }

    /// Names with another prefix, so that tests on one broker do not meet.
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str) -> Self {
        prefix.clone_into(&mut self.prefix);
        self
    }

    /// The exchange that takes jobs, by class.
    pub fn jobs(&self) -> String {
        format!("{}.jobs", self.prefix)
    }

    /// The queue of one class.
    pub fn class_queue(&self, class: &str) -> String {
        format!("{}.jobs.{class}", self.prefix)
    }

    /// Exchange and queue of messages that are not jobs.
    pub fn dead(&self) -> String {
        format!("{}.dead", self.prefix)
    }

    /// Exchange and queue of results that nobody could be given.
    pub fn unrouted(&self) -> String {
        format!("{}.unrouted", self.prefix)
    }

    /// The exchange that carries cancel and drain to every worker.
    pub fn control(&self) -> String {
        format!("{}.control", self.prefix)
    }

    /// The queue through which one process hears what is said on the control exchange.
    pub fn control_queue(&self, worker_id: &str, epoch: &str) -> String {
        format!("{}.control.{worker_id}.{epoch}", self.prefix)
    }

    /// The exchange for results; empty: the default exchange.
    pub fn results_exchange(&self) -> &str {
        &self.results_exchange
    }
}

/// How an exchange routes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Routing {
    /// By the exact routing key.
    Direct,
    /// To every queue that is bound.
    Fanout,
}

/// An exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Its name.
    pub name: String,
    /// How it routes.
    pub routing: Routing,
}

/// A queue's argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argument {
    /// A string.
    Text(String),
    /// A number; sent as a 64-bit one, which RabbitMQ holds equal to any other width.
    Number(i64),
}

/// A queue and its one binding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<(&'static str, Argument)>,
    /// The exchange it is bound to.
    pub exchange: String,
    /// The binding's key; empty for a fanout exchange.
    pub key: String,
}

/// Everything that must be there. Exchanges come first: a queue may dead-letter into one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Exchanges of ours.
    pub exchanges: Vec<Exchange>,
    /// Queues of ours.
    pub queues: Vec<Queue>,
    /// Exchanges that somebody else must have declared.
    pub foreign_exchanges: Vec<String>,
}

impl Topology {
    /// The description for these names and classes; the queues of classes go when nobody consumed from them for `expire`.
    pub fn describe(names: &Names, classes: &[String], expire: Option<Duration>) -> Self {
        let exchange = |name: String, routing| Exchange { name, routing };
        let mut queues: Vec<Queue> = classes.iter().map(|class| class_queue(names, class, expire)).collect();
        queues.push(kept_queue(names.dead()));
        queues.push(kept_queue(names.unrouted()));
        Self {
            exchanges: vec![
                exchange(names.dead(), Routing::Fanout),
                exchange(names.unrouted(), Routing::Fanout),
                exchange(names.control(), Routing::Fanout),
                exchange(names.jobs(), Routing::Direct),
            ],
            queues,
            foreign_exchanges: Some(names.results_exchange())
                .filter(|name| !name.is_empty())
                .map(ToOwned::to_owned)
                .into_iter()
                .collect(),
        }
    }
}

fn class_queue(names: &Names, class: &str, expire: Option<Duration>) -> Queue {
    let expires = expire.map(|after| Argument::Number(i64::try_from(after.as_millis()).unwrap_or(i64::MAX)));
    let arguments = vec![
        // Replicated, and the only type that counts deliveries.
        ("x-queue-type", Argument::Text("quorum".to_owned())),
        ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
        // What the broker itself gives up must not vanish.
        ("x-dead-letter-exchange", Argument::Text(names.dead())),
        // Keep it here until the dead queue has confirmed it; needs the overflow below.
        ("x-dead-letter-strategy", Argument::Text("at-least-once".to_owned())),
        // A full queue refuses new jobs instead of dropping old ones.
        ("x-overflow", Argument::Text("reject-publish".to_owned())),
    ];
    Queue {
        name: names.class_queue(class),
        arguments: arguments.into_iter().chain(expires.map(|after| ("x-expires", after))).collect(),
        exchange: names.jobs(),
        key: class.to_owned(),
    }
}

/// A queue that keeps what somebody must look at; the oldest goes when it is full.
fn kept_queue(name: String) -> Queue {
    Queue {
        exchange: name.clone(),
        key: String::new(),
        arguments: vec![
            ("x-queue-type", Argument::Text("quorum".to_owned())),
            ("x-delivery-limit", Argument::Number(DELIVERY_LIMIT)),
            ("x-max-length-bytes", Argument::Number(KEPT_BYTES_MAX)),
        ],
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_the_contracts() {
        let topology = Topology::describe(&Names::new(""), &["default".to_owned(), "gpu".to_owned()], None);
        insta::assert_debug_snapshot!(topology);
    }

    #[test]
    fn only_queues_of_classes_expire_and_only_where_they_should() {
        let classes = ["one".to_owned()];
        let topology = Topology::describe(&Names::new(""), &classes, Some(Duration::from_mins(1)));
        let expiring: Vec<&Queue> = topology
            .queues
            .iter()
            .filter(|queue| queue.arguments.iter().any(|(name, _)| *name == "x-expires"))
            .collect();
        assert_eq!(expiring.len(), 1, "{topology:?}");
        assert_eq!(expiring[0].name, "tester.jobs.one");
        assert!(expiring[0].arguments.contains(&("x-expires", Argument::Number(60_000))), "{topology:?}");
    }

    #[test]
    fn a_results_exchange_is_checked_and_never_declared() {
        let topology = Topology::describe(&Names::new("results"), &[], None);
        assert_eq!(topology.foreign_exchanges, ["results"]);
        assert!(topology.exchanges.iter().all(|exchange| exchange.name != "results"));
    }

    #[test]
    fn a_prefix_changes_every_name() {
        let topology = Topology::describe(&Names::new("").with_prefix("t1"), &["default".to_owned()], None);
        let text = format!("{topology:?}");
        assert!(!text.contains("tester"), "{text}");
    }
}
