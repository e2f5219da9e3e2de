//! Sandboxes: the only importer of the Docker client, of the pool library and of tar.
//!
//! ```text
//! Executor ── lease ──▶ Pool (one a profile) ◀── filler: creates, starts, attaches, waits for the runner
//!    │                                                │
//!    ├── Session: frames to and from the runner       ▼
//!    ├── Lease dropped ──▶ Reaper: removes the container, then gives its place in the pool back
//!    └── recycle: where a profile allows several jobs, empties the sandbox and gives it back, if it is shown to be clean
//! ```
//!
//! A sandbox runs one job, unless its profile says otherwise. Whatever else happens to a lease, its container is removed.

mod artifacts;
mod attack;
mod blueprint;
mod collect;
mod compile;
mod demand;
mod doctor;
mod engine;
mod executor;
mod guards;
mod hardening;
mod health;
mod image;
mod judge;
mod judging;
mod launch;
mod lease;
mod leftovers;
mod link;
mod making;
mod pauses;
mod plan;
mod pool;
mod proof;
mod reaper;
mod recycle;
mod refill;
mod report;
mod room;
mod runner_volume;
mod running;
mod session;
mod size;
mod stock;
mod tarball;
mod warm;
#[cfg(feature = "without-walls")]
mod without;

pub use doctor::examine;
pub use engine::DockerError;
pub use executor::Sandboxes;
pub use pool::PoolCount;
pub use size::Size;
