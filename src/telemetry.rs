//! What the worker tells about itself: logs on stderr and metrics for Prometheus. A leaf: it knows `domain` and the
//! configuration's plain data only.

pub mod labels;
pub mod log;
pub mod metrics;
mod process;
pub mod reference;
