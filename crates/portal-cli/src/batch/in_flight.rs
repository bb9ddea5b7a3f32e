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
    /// Shows a row until it [ends](Self::end), with its latest activity.
    pub(crate) fn show(&self, row: usize, profile: &str, activity: watch::Receiver<Activity>) {
        let waiting = Waiting { profile: profile.to_owned(), since: Instant::now(), activity };
        self.0.borrow_mut().insert(row, waiting);
    }

    pub(crate) fn end(&self, row: usize) {
        self.0.borrow_mut().remove(&row);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowest_row_is_in_flight_for_longest_time() {
        let in_flight = InFlight::default();
        let (_sender, activity) = watch::channel(Activity::ListingFirst);
        assert_eq!(in_flight.slowest(), None);
        in_flight.show(7, "acme", activity.clone());
        in_flight.show(3, "beta", activity);
        assert_eq!(in_flight.len(), 2);
        assert_eq!(in_flight.slowest().unwrap().0, "acme");
        in_flight.end(7);
        assert_eq!(in_flight.slowest().unwrap().0, "beta");
    }
}
