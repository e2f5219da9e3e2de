//! A RabbitMQ node of one test's own, to be stopped, killed and alarmed: a container on the machine's network, which
//! goes with the test.

use super::cluster::{docker, must};
use super::vhost::Broker;
use super::{free_port, until, variable};

/// See the module.
#[derive(Debug)]
pub(crate) struct Node {
    name: String,
    port: u16,
}

impl Node {
    /// A node that takes connections.
    pub(crate) async fn start() -> Self {
        let image = variable("TESTER_WORKER_TEST_RABBITMQ_IMAGE");
        let (port, distribution, epmd) = (free_port(), free_port(), free_port());
        let node = Self { name: format!("tester-node-{port}"), port };
        let variables = [
            format!("RABBITMQ_NODENAME=tester-{port}@localhost"),
            "RABBITMQ_NODE_IP_ADDRESS=127.0.0.1".to_owned(),
            format!("RABBITMQ_NODE_PORT={port}"),
            format!("RABBITMQ_DIST_PORT={distribution}"),
            format!("ERL_EPMD_PORT={epmd}"),
            "ERL_EPMD_ADDRESS=127.0.0.1".to_owned(),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}".to_owned(),
        ];
        let variables: Vec<&str> = variables.iter().flat_map(|variable| ["-e", variable]).collect();
        must(&[&["create", "--name", &node.name, "--network", "host"], &variables[..], &[&image]].concat());
        node.run().await;
        node
    }

    /// The broker.
    pub(crate) fn broker(&self) -> Broker {
        let ctl = ["docker", "exec", "-u", "rabbitmq", &self.name, "rabbitmqctl"].map(str::to_owned).to_vec();
        Broker::new(&format!("amqp://guest:guest@127.0.0.1:{}/%2f", self.port), ctl)
    }

    /// Runs `rabbitmqctl`.
    pub(crate) fn ctl(&self, arguments: &[&str]) -> String {
        self.broker().ctl(arguments).unwrap_or_else(|error| panic!("rabbitmqctl {arguments:?}: {error}"))
    }

    /// Ends it as a power cut does.
    pub(crate) fn kill(&self) {
        must(&["kill", &self.name]);
    }

    /// Starts it, for the first time or again, and waits until it takes connections.
    pub(crate) async fn run(&self) {
        must(&["start", &self.name]);
        until("the node takes connections", async || self.broker().ctl(&["await_startup", "--timeout", "60"]).ok())
            .await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A failure is told, unless the test is failing anyway.
        if std::thread::panicking() {
            let log = docker(&["logs", "--tail", "60", &self.name]).unwrap_or_else(|error| error);
            eprintln!("--- the end of the log of the node ---\n{log}");
        }
        let removed = docker(&["rm", "-fv", &self.name]);
        if !std::thread::panicking() {
            removed.expect("remove the node");
        }
    }
}
