//! Three RabbitMQ nodes that are one cluster: containers on a network of their own, which all go with the test.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::vhost::Broker;
use super::{until, variable};

/// What makes three nodes one cluster. The leader of a quorum queue is on the node of whoever declares it.
const CONFIGURATION: &str = "cluster_formation.peer_discovery_backend = classic_config\n\
    cluster_formation.classic_config.nodes.1 = rabbit@node1\n\
    cluster_formation.classic_config.nodes.2 = rabbit@node2\n\
    cluster_formation.classic_config.nodes.3 = rabbit@node3\n";

/// Nodes are named by their number, from 1 to 3.
const NODES: [u8; 3] = [1, 2, 3];

/// See the module.
#[derive(Debug)]
pub(crate) struct Cluster {
    network: String,
}

impl Cluster {
    /// A cluster that all three nodes are in.
    pub(crate) async fn start() -> Self {
        let image = variable("TESTER_WORKER_TEST_RABBITMQ_IMAGE");
        let cluster = Self { network: format!("tester-cluster-{:08x}", uuid::Uuid::new_v4().as_fields().0) };
        // An address may be given to a container only in a network whose range was chosen; another test may have some.
        let range = (0..=255).map(|third| format!("172.31.{third}.0/24"));
        let taken = |range: &String| docker(&["network", "create", "--subnet", range, &cluster.network]).is_err();
        let range = range.into_iter().find(|range| !taken(range)).expect("a range of addresses that is free");
        let folder = TempDir::with_prefix("tester-worker-cluster-").expect("a folder");
        let file = |name: &str, text: &str, mode| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).expect("write a file");
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set a file's mode");
            path.to_str().expect("a path in UTF-8").to_owned()
        };
        let configuration = file("20-cluster.conf", CONFIGURATION, 0o644);
        let cookie = file("cookie", &uuid::Uuid::new_v4().simple().to_string(), 0o400);
        for node in NODES {
            let (name, host) = (cluster.name(node), format!("node{node}"));
            let address = format!("{}{}", range.trim_end_matches("0/24"), 10 + node);
            let network = ["--network", &cluster.network, "--network-alias", &host, "--ip", &address];
            let nodename = format!("RABBITMQ_NODENAME=rabbit@{host}");
            let create = ["create", "--name", &name, "--hostname", &host, "-e", &nodename];
            must(&[&create[..], &network[..], &[&image]].concat());
            must(&["cp", &configuration, &format!("{name}:/etc/rabbitmq/conf.d/20-cluster.conf")]);
            must(&["cp", &cookie, &format!("{name}:/var/lib/rabbitmq/.erlang.cookie")]);
            cluster.start_node(node);
        }
        until("the three nodes are one cluster", async || {
            let running = cluster.ctl(1, &["eval", "length(rabbit_nodes:list_running())."]).ok()?;
            (running.trim() == "3").then_some(())
        })
        .await;
        for node in NODES {
            until("the node takes connections", async || cluster.ctl(node, &["await_startup"]).ok()).await;
        }
        cluster
    }

    fn name(&self, node: u8) -> String {
        format!("{}-{node}", self.network)
    }

    /// The broker by way of one node.
    pub(crate) fn node(&self, node: u8) -> Broker {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
        let address = must(&["inspect", "--format", format, &self.name(node)]);
        let ctl = ["docker", "exec", "-u", "rabbitmq", &self.name(node), "rabbitmqctl"].map(str::to_owned).to_vec();
        Broker::new(&format!("amqp://guest:guest@{}:5672/%2f", address.trim()), ctl)
    }

    fn ctl(&self, node: u8, arguments: &[&str]) -> Result<String, String> {
        docker(&[&["exec", "-u", "rabbitmq", &self.name(node), "rabbitmqctl", "-q"], arguments].concat())
    }

    /// The node with a quorum queue's leader, as `seen_by` sees it.
    pub(crate) fn leader(&self, seen_by: u8, vhost: &str, queue: &str) -> Option<u8> {
        self.queue(seen_by, vhost, queue, "leader")?.strip_prefix("rabbit@node")?.parse().ok()
    }

    /// Messages of a queue, also those that somebody holds unsettled.
    pub(crate) fn messages(&self, seen_by: u8, vhost: &str, queue: &str) -> Option<u64> {
        self.queue(seen_by, vhost, queue, "messages")?.parse().ok()
    }

    fn queue(&self, seen_by: u8, vhost: &str, queue: &str, column: &str) -> Option<String> {
        let listed = self.ctl(seen_by, &["list_queues", "-p", vhost, "--no-table-headers", "name", column]).ok()?;
        let (_, value) = listed.lines().filter_map(|line| line.split_once('\t')).find(|(name, _)| *name == queue)?;
        Some(value.trim().to_owned())
    }

    /// Ends a node as a power cut does.
    pub(crate) fn kill_node(&self, node: u8) {
        must(&["kill", &self.name(node)]);
    }

    /// Starts a node, for the first time or again.
    pub(crate) fn start_node(&self, node: u8) {
        must(&["start", &self.name(node)]);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // All are tried; a failure is told, unless the test is failing anyway.
        if std::thread::panicking() {
            for node in NODES {
                let log = docker(&["logs", "--tail", "40", &self.name(node)]).unwrap_or_else(|error| error);
                eprintln!("--- the end of the log of node {node} ---\n{log}");
            }
        }
        let removed = NODES.map(|node| docker(&["rm", "-fv", &self.name(node)]));
        let network = docker(&["network", "rm", &self.network]);
        if !std::thread::panicking() {
            removed.into_iter().chain([network]).collect::<Result<Vec<_>, _>>().expect("remove the cluster");
        }
    }
}

pub(super) fn must(arguments: &[&str]) -> String {
    docker(arguments).unwrap_or_else(|error| panic!("docker {arguments:?}: {error}"))
}

pub(super) fn docker(arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("docker").args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}
