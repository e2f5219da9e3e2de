//! `tester-worker serve` from end to end: the real binary as a process of its own, a real RabbitMQ and a real Docker.
//!
//! scripts/test sets what the tests need: `TESTER_WORKER_TEST_AMQP_URL`, `TESTER_WORKER_TEST_RABBITMQCTL`,
//! `TESTER_WORKER_TEST_PYTHON`, `TESTER_WORKER_TEST_WORKER_IMAGE` and `TESTER_WORKER_TEST_RABBITMQ_IMAGE`. What is missing fails the test that needs it.

#[cfg(test)]
mod absent;
#[cfg(test)]
mod backend;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod container;
#[cfg(test)]
mod control;
#[cfg(test)]
mod daemon;
#[cfg(test)]
mod dead;
#[cfg(test)]
mod docker;
#[cfg(test)]
#[path = "../support/docker_faults.rs"]
mod docker_faults;
#[cfg(test)]
#[path = "../support/docker_proxy.rs"]
mod docker_proxy;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod memory;
#[cfg(test)]
#[path = "../support/network.rs"]
mod network;
#[cfg(test)]
mod node;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod replay;
#[cfg(test)]
mod road;
#[cfg(test)]
mod shares;
#[cfg(test)]
mod shutdown;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod stream;
#[cfg(test)]
mod support;
#[cfg(test)]
mod unsigned;
#[cfg(test)]
mod walls;
#[cfg(test)]
mod warm;
