//! The ledger of a process, which ends with it.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::ready;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::entry::{Entry, State};
use crate::error::LedgerError;
use crate::rows::{Decide, Engine, Rows, Submitted, terms};

#[derive(Clone, Default)]
pub(crate) struct Memory {
    entries: Arc<Mutex<Entries>>,
    /// How often [`after_restart`](Self::after_restart) was called, on any of the clones.
    restarts: Arc<AtomicU64>,
    /// The same when this one was made: an older one is of a process that was killed.
    begun_at: u64,
}

/// Entries in the order in which they were made.
#[derive(Default)]
struct Entries {
    all: Vec<Entry>,
    ids: HashMap<String, usize>,
    by_term: HashMap<String, BTreeSet<usize>>,
}

/// Without its entries, which have callers' keys and orgs.
impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Engine for Memory {
    fn after_restart(&self) -> Option<Arc<dyn Engine>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let begun_at = self.restarts.fetch_add(1, Ordering::SeqCst) + 1;
        for entry in &mut entries.all {
            if let State::Open(lease) = &mut entry.state {
                lease.holder = None;
            }
        }
        Some(Arc::new(Self { begun_at, ..self.clone() }))
    }

    fn submit(&self, rows: Rows, decide: Decide) -> Submitted {
        // No decision panics, and rows are written only after it.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if self.restarts.load(Ordering::SeqCst) != self.begun_at {
            let killed = LedgerError::NotApplied("the process was killed".to_owned());
            return Box::pin(ready(Err(killed)));
        }
        for entry in decide(entries.read(&rows), None) {
            entries.write(entry);
        }
        Box::pin(ready(Ok(())))
    }
}

impl Entries {
    fn read(&self, rows: &Rows) -> Vec<Entry> {
        let of_term = |term| self.by_term.get(term);
        let ids = rows.ids.iter().filter_map(|id| self.ids.get(id));
        let of_terms = rows.terms.iter().filter_map(of_term).flatten();
        let newest = rows.newest.iter().filter_map(of_term).filter_map(BTreeSet::last);
        let places: BTreeSet<usize> = if rows.is_all() {
            (0..self.all.len()).collect()
        } else {
            ids.chain(of_terms).chain(newest).copied().collect()
        };
        let found = places.iter().rev().filter_map(|place| self.all.get(*place));
        found.filter(|entry| rows.selects(entry)).take(rows.limit()).cloned().collect()
    }

    fn write(&mut self, mut entry: Entry) {
        let place = *self.ids.entry(entry.id.to_string()).or_insert(self.all.len());
        // A copy of some entries has them in the order of the original.
        if entry.order == 0 {
            entry.order = place as u64 + 1;
        }
        let new = terms(&entry);
        if let Some(old) = self.all.get_mut(place) {
            for term in terms(old) {
                self.by_term.entry(term).or_default().remove(&place);
            }
            *old = entry;
        } else {
            self.all.push(entry);
        }
        for term in new {
            self.by_term.entry(term).or_default().insert(place);
        }
    }
}
