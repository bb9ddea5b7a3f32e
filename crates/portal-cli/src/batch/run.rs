//! Runs the rows of a batch: profiles side by side, and whatever happens into the journal first.

use std::io;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use portal_http::client::{Baseline, Client, ClientBuilder, Creating, IntentSink};
use portal_model::Outcome;
use portal_model::flow::Intent;
use portal_model::outcome::NotCreated;
use tokio::sync::watch;

use super::board::Board;
use super::journal::Writer;
use super::plan::Row;
use super::result::RowResult;

/// How many profiles are at work at once.
const AT_ONCE: usize = 16;

/// The org of a profile.
#[derive(Clone, Debug)]
pub(crate) struct Org {
    pub(crate) client: Client,
    /// Its rows begin with one list of its portals.
    pub(crate) baseline: Baseline,
}

/// What is to be done for one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Create,
    /// Find out what became of an earlier create; if nothing, create.
    Settle(Intent),
}

/// How a batch is asked to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    #[default]
    No,
    /// What is in flight goes on to its end.
    BeforeTheNext,
    /// What is in flight ends as soon as it honestly can.
    Now,
}

/// What all rows have in common.
pub(crate) struct Batch<'a> {
    pub(crate) rows: &'a [Row],
    pub(crate) journal: Arc<Writer>,
    pub(crate) stop: watch::Sender<Stop>,
    pub(crate) board: &'a Board,
}

impl Batch<'_> {
    /// Gives every row that was begun to `over`, as it ends. Returns why the journal could not be
    /// written, if it could not: nothing is begun after that.
    pub(crate) async fn run(
        &self,
        orgs: Vec<(Org, Vec<(usize, Task)>)>,
        mut over: impl FnMut(usize, RowResult),
    ) -> Option<io::Error> {
        let mut unwritable = None;
        let orgs = stream::iter(orgs).map(|(org, tasks)| {
            stream::iter(tasks)
                .map(move |(row, task)| self.row(row, task, org.clone()))
                .buffer_unordered(ClientBuilder::CONCURRENCY)
        });
        let mut results = std::pin::pin!(orgs.flatten_unordered(AT_ONCE));
        while let Some(ended) = results.next().await {
            let Some((row, result, written)) = ended else { continue };
            if let Err(error) = written {
                self.stop.send_if_modified(|stop| {
                    *stop == Stop::No && {
                        *stop = Stop::BeforeTheNext;
                        true
                    }
                });
                unwritable.get_or_insert(error);
            }
            over(row, result);
        }
        unwritable
    }

    /// Does one row, unless the batch was asked to stop before.
    async fn row(
        &self,
        index: usize,
        task: Task,
        org: Org,
    ) -> Option<(usize, RowResult, io::Result<()>)> {
        if *self.stop.borrow() != Stop::No {
            return None;
        }
        let row = self.rows.get(index)?;
        let outcome = self.perform(index, row, task, &org).await;
        let result = RowResult::new(&outcome, row);
        let written = self.journal.result(index, &row.profile, result.clone()).await;
        Some((index, result, written))
    }

    async fn perform(
        &self,
        index: usize,
        row: &Row,
        task: Task,
        Org { client, baseline }: &Org,
    ) -> Outcome {
        let sink = || JournalSink {
            journal: self.journal.clone(),
            row: index,
            profile: row.profile.clone(),
        };
        if let Task::Settle(intent) = task {
            let settled = self.finish(index, row, client.resume(intent, sink())).await;
            let absent =
                matches!(settled, Outcome::NotCreated { reason: NotCreated::Exhausted, .. });
            if !absent || *self.stop.borrow() != Stop::No {
                return settled;
            }
        }
        let flow = client.flow(row.name.clone()).or(row.or.iter().cloned());
        self.finish(index, row, client.create_sharing(flow, sink(), baseline)).await
    }

    async fn finish(&self, index: usize, row: &Row, mut creating: Creating) -> Outcome {
        let _shown = self.board.show(index, &row.profile, creating.activity());
        let mut stop = self.stop.subscribe();
        tokio::select! {
            outcome = &mut creating => return outcome,
            _ = stop.wait_for(|stop| *stop == Stop::Now) => creating.stop(),
        }
        creating.await
    }
}

/// Keeps the intents of a row in the journal.
struct JournalSink {
    journal: Arc<Writer>,
    row: usize,
    profile: String,
}

impl IntentSink for JournalSink {
    async fn record(&mut self, intent: &Intent) -> io::Result<()> {
        self.journal.sending(self.row, &self.profile, intent.clone()).await
    }

    /// The result that follows says that it is certain.
    async fn clear(&mut self) -> io::Result<()> {
        Ok(())
    }
}
