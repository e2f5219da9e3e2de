//! Guards that undo something when they are dropped, wherever a future is given up.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::reaper::{Doomed, Reaper};

/// Counts a job that waits, for as long as it does.
pub(super) struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    pub(super) fn new(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A container name that was given out. Unless the sandbox comes to be, the reaper removes whatever has the name.
pub(super) struct Named<'a> {
    pub(super) name: Option<String>,
    pub(super) reaper: &'a Reaper,
}

impl Drop for Named<'_> {
    fn drop(&mut self) {
        if let Some(name) = self.name.take() {
            self.reaper.post(Doomed { name, sandbox: false, place: None, gone: None });
        }
    }
}
