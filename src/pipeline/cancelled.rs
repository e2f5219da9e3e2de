//! Ids of jobs that were cancelled, so that one of them is not run when it comes here later.

use std::collections::{BTreeSet, HashMap};

use crate::domain::job::JobKey;

/// Cancelled ids that are kept. Whoever may cancel may also fill this; then those go first that are void soonest.
const CANCELLED_MAX: usize = 10_000;

/// See the module. Times are seconds since 1970.
#[derive(Debug, Default)]
pub(super) struct Cancelled {
    until: HashMap<JobKey, u64>,
    /// The same, the one that is void soonest first.
    order: BTreeSet<(u64, JobKey)>,
}

impl Cancelled {
    /// Keeps an id until the control message that named it is void; the later one of two counts.
    pub(super) fn note(&mut self, key: &JobKey, until: u64, now: u64) {
        self.forget_until(now);
        let until = self.until.get(key).copied().unwrap_or(0).max(until);
        if let Some(before) = self.until.insert(key.clone(), until) {
            self.order.remove(&(before, key.clone()));
        }
        self.order.insert((until, key.clone()));
        if self.order.len() > CANCELLED_MAX
            && let Some((_, soonest)) = self.order.pop_first()
        {
            self.until.remove(&soonest);
        }
    }

    /// Whether the job was cancelled.
    pub(super) fn has(&self, key: &JobKey, now: u64) -> bool {
        self.until.get(key).is_some_and(|until| *until > now)
    }

    /// How many are kept.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    fn forget_until(&mut self, now: u64) {
        while let Some((until, _)) = self.order.first() {
            if *until > now {
                return;
            }
            if let Some((_, key)) = self.order.pop_first() {
                self.until.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn key(number: usize) -> JobKey {
        JobKey { issuer: "b".to_owned(), id: Uuid::from_u128(u128::try_from(number).unwrap()) }
    }

    #[test]
    fn an_id_is_kept_until_its_message_is_void_and_the_later_message_counts() {
        let mut cancelled = Cancelled::default();
        cancelled.note(&key(1), 100, 0);
        cancelled.note(&key(1), 50, 0);
        assert!(cancelled.has(&key(1), 99) && !cancelled.has(&key(1), 100) && !cancelled.has(&key(2), 0));
        assert_eq!(cancelled.len(), 1);
        cancelled.note(&key(2), 300, 200);
        assert!(!cancelled.has(&key(1), 0), "what is void is forgotten");
        assert_eq!(cancelled.len(), 1);
    }

    #[test]
    fn when_there_are_too_many_the_one_that_is_void_soonest_goes() {
        let mut cancelled = Cancelled::default();
        for number in 0..=CANCELLED_MAX {
            cancelled.note(&key(number), 1000 + u64::try_from(number).unwrap(), 0);
        }
        assert_eq!((cancelled.len(), cancelled.until.len()), (CANCELLED_MAX, CANCELLED_MAX));
        assert!(!cancelled.has(&key(0), 0) && cancelled.has(&key(1), 0) && cancelled.has(&key(CANCELLED_MAX), 0));
    }
}
