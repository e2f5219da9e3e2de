//! How many sandboxes a pool has, and how many it should have.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use deadpool::unmanaged::Object;
use tokio::time::Instant;

use super::launch::Sandbox;
use super::pool::{PoolCount, ProfilePool};
use super::refill::Refill;
use crate::telemetry::labels::PoolState;

impl ProfilePool {
    /// Puts a new sandbox into the pool, unless it was only made to see whether it can be.
    pub(super) fn keep(&self, sandbox: Sandbox) {
        let wanted = self.wanted().max(self.waiting.load(Ordering::Relaxed));
        if self.sandboxes.status().available >= wanted {
            self.doom(sandbox.name, None);
        } else if let Err((sandbox, _full)) = self.sandboxes.try_add(sandbox) {
            self.doom(sandbox.name, None);
        }
    }

    /// How many sandboxes must be made now: for whoever waits at once, for the stock when its refilling begins.
    pub(super) fn missing(&self, creating: usize, refill: &mut Refill) -> usize {
        let status = self.sandboxes.status();
        let load = |number: &AtomicUsize| number.load(Ordering::Relaxed);
        let there = status.available + creating;
        // What jobs will give back counts for the stock, but nobody waits for it: a job may take its time.
        let wanted = self.wanted();
        let lacking = wanted.saturating_sub(there + load(&self.expected));
        let stock = refill.now(lacking, 2 * status.available >= wanted);
        let queue = load(&self.waiting).saturating_sub(there + load(&self.emptying));
        let room = status.max_size.saturating_sub(status.size + creating);
        stock.max(queue).min(room)
    }

    /// A job found no sandbox ready.
    pub(super) fn missed(&self) {
        let load = |number: &AtomicUsize| number.load(Ordering::Relaxed);
        // One that is being emptied will do; and where none can be made, no stock would help.
        let covered = load(&self.waiting) <= load(&self.emptying);
        if covered || self.is_failing() {
            return;
        }
        let extra = Arc::clone(&self.shared.extras).try_acquire_owned().ok();
        self.demand.lock().unwrap_or_else(PoisonError::into_inner).missed(extra);
    }

    /// Removes what has been of no use, notes how many are ready, and says when there may be too many.
    pub(super) fn look_at_demand(&self) -> Option<Instant> {
        self.settle();
        let mut demand = self.demand.lock().unwrap_or_else(PoisonError::into_inner);
        demand.ready(self.sandboxes.status().available);
        demand.settles_at()
    }

    fn settle(&self) {
        let mut demand = self.demand.lock().unwrap_or_else(PoisonError::into_inner);
        if !demand.settle() {
            return;
        }
        let wanted = demand.wanted();
        drop(demand);
        while self.sandboxes.status().available > wanted.max(self.waiting.load(Ordering::Relaxed)) {
            let Ok(found) = self.sandboxes.try_get() else { return };
            self.doom_idle(found);
        }
    }

    fn wanted(&self) -> usize {
        self.demand.lock().unwrap_or_else(PoisonError::into_inner).wanted()
    }

    /// Has a sandbox back that was shown to be clean.
    pub(super) fn take_back(&self, sandbox: Object<Sandbox>) {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            self.doom_idle(sandbox);
        } else {
            // Into the pool, and to whoever has waited longest.
            drop(sandbox);
        }
        drop(closed);
        self.tell_count();
    }

    /// Tells the metrics of everything, creations included.
    pub(super) fn tell(&self, starting: usize) {
        self.tell_count();
        self.shared.metrics.pool(&self.profile, PoolState::Starting, starting);
    }

    fn tell_count(&self) {
        let (metrics, count) = (&self.shared.metrics, self.count());
        metrics.pool(&self.profile, PoolState::Warm, count.warm);
        metrics.pool(&self.profile, PoolState::Leased, count.leased);
        metrics.pool_wanted(&self.profile, count.wanted);
    }

    /// Looks at every idle sandbox once.
    pub(super) fn sweep_dead(&self) {
        let mut alive = Vec::new();
        for _ in 0..self.sandboxes.status().available {
            let Ok(found) = self.sandboxes.try_get() else { break };
            alive.extend(self.alive(found));
        }
        // Dropped here, not in the loop: a dropped object is the next one handed out.
        drop(alive);
    }

    pub(super) fn sandboxes_to_reaper(&self) {
        while let Ok(found) = self.sandboxes.try_get() {
            self.doom_idle(found);
        }
    }

    pub(super) fn count(&self) -> PoolCount {
        let status = self.sandboxes.status();
        PoolCount {
            wanted: self.wanted(),
            warm: status.available,
            leased: status.size.saturating_sub(status.available),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }
}
