//! The engine that keeps nothing: for tests, and for processes whose crash may lose a doubt.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::entry::{Entry, State};
use crate::error::LedgerError;
use crate::rows::Rows;

/// Entries in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    entries: Arc<Mutex<Vec<Entry>>>,
    /// How often [`after_restart`](Self::after_restart) was called, on any of the clones.
    restarts: Arc<AtomicU64>,
    /// The same when this one was made: an older one is of a process that was killed.
    begun_at: u64,
}

impl Memory {
    pub(crate) fn after_restart(&self) -> Self {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let begun_at = self.restarts.fetch_add(1, Ordering::SeqCst) + 1;
        for entry in entries.iter_mut() {
            if let State::Open(lease) = &mut entry.state {
                lease.holder = None;
            }
        }
        Self { begun_at, ..self.clone() }
    }

    pub(crate) fn transact<T>(
        &self,
        rows: &Rows,
        decide: impl FnOnce(Vec<Entry>) -> (Vec<Entry>, T),
    ) -> Result<T, LedgerError> {
        // No decision panics, and rows are written only after it.
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if self.restarts.load(Ordering::SeqCst) != self.begun_at {
            return Err(LedgerError::NotApplied("the process was killed".to_owned()));
        }
        let mut selects = rows.selects();
        let found = entries.iter().rev().filter(|entry| selects(entry)).cloned().collect();
        let (written, decision) = decide(found);
        for mut row in written {
            if let Some(entry) = entries.iter_mut().find(|entry| entry.id == row.id) {
                row.order = entry.order;
                *entry = row;
            } else {
                row.order = entries.len() as u64 + 1;
                entries.push(row);
            }
        }
        Ok(decision)
    }
}
