//! Runs what is left of a plan: orgs side by side, the rows of one org one after another.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use futures_util::{Stream, StreamExt as _, stream};
use portal_http::client::{Ended, SafeClient};
use portal_model::OrgIdentity;
use portal_model::flow::Activity;
use tokio::sync::watch;
use tracing::Instrument as _;

use super::orgs::Org;
use super::rows::Row;
use crate::sys::signal::until_stopped;

/// A row, and the client of its org.
pub(crate) type Task = (usize, SafeClient);

/// Tasks in the order in which they are done.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// Each of an org of its own, as far as anybody knows.
    pub(crate) apart: Vec<Vec<Task>>,
    /// Of orgs that may be one, or any of the others: after those, and one after another (rule 10).
    pub(crate) last: Vec<Task>,
}

impl Lanes {
    /// The tasks of `orgs`, the first `limit` in the order of the file. With `is_apart`, orgs whose ids
    /// are not known don't wait for each other.
    pub(crate) fn new(orgs: &[Org], limit: usize, is_apart: bool) -> Self {
        let mut rows: Vec<usize> = orgs.iter().flat_map(|org| &org.rows).copied().collect();
        rows.sort_unstable();
        let end = rows.get(limit).copied().unwrap_or(usize::MAX);
        let mut last = Vec::new();
        let mut apart = HashMap::<_, Vec<Task>>::new();
        for (index, org) in orgs.iter().enumerate() {
            let rows = org.rows.iter().filter(|row| **row < end);
            let tasks = rows.map(|row| (*row, org.safe.clone()));
            if !is_apart && org.seen.identity.as_ref().is_some_and(|org| org.org().is_none()) {
                last.extend(tasks);
            } else {
                apart.entry(key(org, index)).or_default().extend(tasks);
            }
        }
        let mut apart: Vec<_> = apart.into_values().filter(|lane| !lane.is_empty()).collect();
        apart.sort_by_key(|lane| lane.first().map(|(row, _)| *row));
        Self { apart, last }
    }

    /// The rows.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        self.apart.iter().flatten().chain(&self.last).map(|(row, _)| *row)
    }

    /// The number of rows.
    pub(crate) fn len(&self) -> usize {
        self.rows().count()
    }
}

/// Two profiles of one org share a lane.
fn key(org: &Org, index: usize) -> (String, String) {
    let known = org.seen.identity.as_ref().and_then(|identity: &OrgIdentity| {
        Some((identity.origin().to_owned(), identity.org()?.id.clone()))
    });
    known.unwrap_or_else(|| (String::new(), index.to_string()))
}

/// A run of rows.
pub(crate) struct Run<'a> {
    pub(crate) rows: &'a [Row],
    /// Number of lanes worked on concurrently.
    pub(crate) jobs: usize,
    /// Whether no further row begins. Rows in flight run to their end.
    pub(crate) is_stopping: Cell<bool>,
    /// Whether rows in flight end as soon as their outcome can be told truthfully.
    pub(crate) stop_now: watch::Sender<bool>,
    /// The rows in flight, that which began first at the front.
    in_flight: RefCell<Vec<(usize, watch::Receiver<Activity>)>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(rows: &'a [Row], jobs: usize) -> Self {
        Self {
            rows,
            jobs,
            is_stopping: Cell::new(false),
            stop_now: watch::Sender::new(false),
            in_flight: RefCell::default(),
        }
    }

    /// Runs the rows, and returns each as it ends. Rows that were not begun when the
    /// run stopped are not returned.
    pub(crate) fn start(&self, lanes: Lanes) -> impl Stream<Item = (usize, Ended)> {
        let apart = stream::iter(lanes.apart).map(move |lane| self.lane(lane));
        apart.flatten_unordered(self.jobs).chain(self.lane(lanes.last))
    }

    fn lane(&self, lane: Vec<Task>) -> impl Stream<Item = (usize, Ended)> {
        let rows = stream::iter(lane).then(move |(row, safe)| {
            let profile = self.rows.get(row).map(|row| row.profile.as_str());
            self.row(row, safe).instrument(tracing::debug_span!("batch", profile))
        });
        Box::pin(rows.filter_map(std::future::ready))
    }

    /// Runs one row, unless the run was asked to stop before.
    async fn row(&self, index: usize, safe: SafeClient) -> Option<(usize, Ended)> {
        let row = self.rows.get(index).filter(|_| !self.is_stopping.get())?;
        let call = safe.perform(row.create.clone()).key(&row.key).start();
        self.in_flight.borrow_mut().push((index, call.activity()));
        let ended = until_stopped(call, &mut self.stop_now.subscribe()).await;
        self.in_flight.borrow_mut().retain(|(row, _)| *row != index);
        Some((index, ended))
    }

    /// Returns the number of rows in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight.borrow().len()
    }

    /// Returns the row that has been in flight longest, and what it is doing.
    pub(crate) fn slowest(&self) -> Option<(&'a Row, Activity)> {
        let in_flight = self.in_flight.borrow();
        let (row, activity) = in_flight.first()?;
        Some((self.rows.get(*row)?, activity.borrow().clone()))
    }
}
