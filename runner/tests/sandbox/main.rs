//! The runner as PID 1 of real containers, driven by frames as the worker drives it. Needs Docker and the image
//! `tester-sandbox`; without them every test here fails.

// Clippy takes a helper for a test's only below `cfg(test)`.
#[cfg(test)]
mod basics;
#[cfg(test)]
mod binary;
#[cfg(test)]
mod boundary;
#[cfg(test)]
mod collecting;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod files;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod orders;
#[cfg(test)]
mod probes;
#[cfg(test)]
mod pytest;
#[cfg(test)]
mod reuse;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod warm;
