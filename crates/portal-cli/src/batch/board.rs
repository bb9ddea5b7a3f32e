//! The rows in flight and what each is doing: [`Board`].

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use portal_model::flow::Activity;
use tokio::sync::watch;

/// The rows in flight.
#[derive(Debug, Default)]
pub(crate) struct Board(Mutex<BTreeMap<usize, Waiting>>);

#[derive(Debug)]
struct Waiting {
    profile: String,
    since: Instant,
    activity: watch::Receiver<Activity>,
}

/// The row that has been in flight for the longest time.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Slowest {
    pub(crate) profile: String,
    pub(crate) activity: Activity,
}

impl Board {
    /// Shows a row until the return value is dropped.
    pub(crate) fn show(
        &self,
        row: usize,
        profile: &str,
        activity: watch::Receiver<Activity>,
    ) -> Shown<'_> {
        let waiting = Waiting { profile: profile.to_owned(), since: Instant::now(), activity };
        self.lock().insert(row, waiting);
        Shown { board: self, row }
    }

    /// How many rows are in flight.
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    pub(crate) fn slowest(&self) -> Option<Slowest> {
        let board = self.lock();
        let slowest = board.values().min_by_key(|waiting| waiting.since)?;
        let activity = slowest.activity.borrow().clone();
        Some(Slowest { profile: slowest.profile.clone(), activity })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<usize, Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes a row off the board when it is dropped.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    board: &'a Board,
    row: usize,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.board.lock().remove(&self.row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowest_row_is_in_flight_for_longest_time() {
        let board = Board::default();
        let (_sender, activity) = watch::channel(Activity::ListingFirst);
        assert_eq!(board.slowest(), None);
        let first = board.show(7, "acme", activity.clone());
        let _second = board.show(3, "beta", activity);
        assert_eq!(board.len(), 2);
        assert_eq!(board.slowest().unwrap().profile, "acme");
        drop(first);
        assert_eq!(board.slowest().unwrap().profile, "beta");
    }
}
