//! [`Seen`]: the events at a server and a sink.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The events at a server and a sink, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen(Arc<Mutex<Vec<(Instant, Entry)>>>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Recorded { attempts: u32 },
    List { token: String },
    Attempt,
}

impl Seen {
    pub(super) fn note(&self, entry: Entry) {
        self.lock().push((Instant::now(), entry));
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.lock().iter().map(|(_, entry)| entry.clone()).collect()
    }

    pub(super) fn times(&self, is_wanted: impl Fn(&Entry) -> bool) -> Vec<Instant> {
        let wanted = |(time, entry): &(Instant, Entry)| is_wanted(entry).then_some(*time);
        self.lock().iter().filter_map(wanted).collect()
    }

    pub(super) fn count(&self, is_wanted: impl Fn(&Entry) -> bool) -> usize {
        self.times(is_wanted).len()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, Entry)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) const fn is_attempt(entry: &Entry) -> bool {
    matches!(entry, Entry::Attempt)
}

pub(super) const fn is_list(entry: &Entry) -> bool {
    matches!(entry, Entry::List { .. })
}
