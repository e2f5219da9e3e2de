//! Faults between a worker and the broker that all tests share; each test has a virtual host, and a user or a network,
//! of its own.

mod descriptors;
mod partition;
mod queues;
mod refused;
mod urls;
mod watchdog;
