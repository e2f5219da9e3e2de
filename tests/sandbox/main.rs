//! The sandbox as a whole: real jobs in a real Docker, run as `exec` runs them.
//!
//! `TESTER_WORKER_TEST_SANDBOX_IMAGE` names the image to run in; without it, it is `tester-sandbox`. For compilers it is
//! `TESTER_WORKER_TEST_CPP_IMAGE`, or `tester-sandbox-cpp`.

#[cfg(test)]
mod artifacts;
#[cfg(test)]
mod attack;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod compile;
#[cfg(test)]
mod containment;
#[cfg(test)]
mod demand;
#[cfg(test)]
mod docker;
#[cfg(test)]
#[path = "../support/docker_proxy.rs"]
mod docker_proxy;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod image;
#[cfg(test)]
mod input;
#[cfg(test)]
mod integrity;
#[cfg(test)]
mod job;
#[cfg(test)]
mod kill_time;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod leftovers;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lost_runner;
#[cfg(test)]
mod warm;
#[cfg(test)]
mod worker;
