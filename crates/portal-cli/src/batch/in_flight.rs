//! [`InFlight`]: the rows in flight, and what each is doing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Instant;

use portal_model::flow::Activity;
use tokio::sync::watch;

/// The rows in flight.
#[derive(Debug, Default)]
pub(crate) struct InFlight(RefCell<BTreeMap<usize, Waiting>>);

#[derive(Debug)]
struct Waiting {
    profile: String,
    since: Instant,
    activity: watch::Receiver<Activity>,
}

impl InFlight {
    /// Shows a row until the returned value is dropped.
    pub(crate) fn show(
        &self,
        row: usize,
        profile: &str,
        activity: watch::Receiver<Activity>,
    ) -> Shown<'_> {
        let waiting = Waiting { profile: profile.to_owned(), since: Instant::now(), activity };
        self.0.borrow_mut().insert(row, waiting);
        Shown { in_flight: self, row }
    }

    /// Returns the number of rows in flight.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// Returns the profile of the row that has been in flight longest, and what it is doing.
    pub(crate) fn slowest(&self) -> Option<(String, Activity)> {
        let in_flight = self.0.borrow();
        let slowest = in_flight.values().min_by_key(|waiting| waiting.since)?;
        let activity = slowest.activity.borrow().clone();
        Some((slowest.profile.clone(), activity))
    }
}

/// Keeps a row in flight until dropped.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    in_flight: &'a InFlight,
    row: usize,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.in_flight.0.borrow_mut().remove(&self.row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowest_row_is_in_flight_for_longest_time() {
        let in_flight = InFlight::default();
        let (_sender, activity) = watch::channel(Activity::ListingFirst);
        assert_eq!(in_flight.slowest(), None);
        let first = in_flight.show(7, "acme", activity.clone());
        let _second = in_flight.show(3, "beta", activity);
        assert_eq!(in_flight.len(), 2);
        assert_eq!(in_flight.slowest().unwrap().0, "acme");
        drop(first);
        assert_eq!(in_flight.slowest().unwrap().0, "beta");
    }
}
