//! The broker adapter against a real RabbitMQ: `TESTER_WORKER_TEST_AMQP_URL` names it, and
//! `TESTER_WORKER_TEST_RABBITMQCTL` a program that runs `rabbitmqctl` on its node.

#[cfg(test)]
#[path = "broker/commands.rs"]
mod commands;
#[cfg(test)]
#[path = "broker/connect.rs"]
mod connect;
#[cfg(test)]
#[path = "broker/control.rs"]
mod control;
#[cfg(test)]
#[path = "broker/deliver.rs"]
mod deliver;
#[cfg(test)]
#[path = "broker/faults.rs"]
mod faults;
#[cfg(test)]
#[path = "broker/growth.rs"]
mod growth;
#[cfg(test)]
#[path = "support/network.rs"]
mod network;
#[cfg(test)]
#[path = "support/proxy.rs"]
mod proxy;
#[cfg(test)]
#[path = "support/raw_publisher.rs"]
mod raw_publisher;
#[cfg(test)]
#[path = "broker/silence.rs"]
mod silence;
#[cfg(test)]
#[path = "support/broker.rs"]
mod support;
#[cfg(test)]
#[path = "broker/topology.rs"]
mod topology;
