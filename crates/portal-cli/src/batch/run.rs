//! Runs the rows of a batch: profiles concurrently, and each event into the journal first.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use portal_http::client::{Client, ClientBuilder, IntentSink};
use portal_model::Outcome;
use portal_model::flow::Intent;
use portal_model::outcome::NotDone;
use tokio::sync::{OnceCell, watch};

use super::doubt::{self, Adopted};
use super::in_flight::InFlight;
use super::journal::{About, InDoubt, Writer};
use super::plan::Row;
use super::result::RowResult;
use crate::org::identity::Identity;
use crate::org::target::Target;
use crate::report::failure::Failure;
use crate::safe::create::{Finished, SafeCreate};
use crate::safe::intent_log::{BatchRow, IntentLog, Whose};
use crate::safe::recovery::verified_after;
use crate::safe::unidentified::unidentified;
use crate::sys::signal::raised;
use crate::terminal::printer::Printer;

/// The org of a profile.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) target: Target,
    pub(crate) client: Client,
    /// Determined by the first of its rows.
    pub(crate) identity: OnceCell<Result<Identity, Failure>>,
}

/// What to do for a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Task {
    Create,
    /// Determine the outcome of an earlier create; if it did not take effect, create.
    Recover(Box<InDoubt>),
}

/// How a batch is asked to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stop {
    #[default]
    No,
    /// Rows in flight run to their end.
    BeforeTheNext,
    /// Rows in flight end as soon as their outcome can be told truthfully.
    Now,
}

/// What all rows share.
pub(crate) struct Batch<'a> {
    pub(crate) rows: &'a [Row],
    pub(crate) log: &'a IntentLog,
    pub(crate) journal: Arc<Writer>,
    pub(crate) journal_path: PathBuf,
    pub(crate) stop: watch::Sender<Stop>,
    /// Set along with [`Stop::Now`].
    pub(crate) stop_now: watch::Receiver<bool>,
    /// Whether to recover rows in doubt even if the identity of their org has changed.
    pub(crate) same_org: bool,
    /// Number of orgs worked on concurrently.
    pub(crate) jobs: usize,
    pub(crate) in_flight: &'a InFlight,
    pub(crate) printer: &'a Printer,
}

impl Batch<'_> {
    /// Passes each row that was started to `ended` when it ends. Returns the error if the journal
    /// can't be written, after which no row is started.
    pub(crate) async fn run(
        &self,
        orgs: Vec<(Org, Vec<(usize, Task)>)>,
        mut ended: impl FnMut(usize, RowResult),
    ) -> Option<io::Error> {
        let mut unwritable = None;
        let orgs = stream::iter(orgs).map(|(org, tasks)| {
            let org = Arc::new(org);
            stream::iter(tasks)
                .map(move |(row, task)| self.row(row, task, org.clone()))
                .buffer_unordered(ClientBuilder::CONCURRENCY)
        });
        let mut results = std::pin::pin!(orgs.flatten_unordered(self.jobs));
        while let Some(result) = results.next().await {
            let Some((row, result, written)) = result else { continue };
            if let Err(error) = written {
                self.stop.send_if_modified(|stop| {
                    *stop == Stop::No && {
                        *stop = Stop::BeforeTheNext;
                        true
                    }
                });
                unwritable.get_or_insert(error);
            }
            ended(row, result);
        }
        unwritable
    }

    /// Runs one row, unless the batch was asked to stop before.
    async fn row(
        &self,
        index: usize,
        task: Task,
        org: Arc<Org>,
    ) -> Option<(usize, RowResult, io::Result<()>)> {
        if *self.stop.borrow() != Stop::No {
            return None;
        }
        let row = self.rows.get(index)?;
        let in_doubt = match task {
            Task::Create => None,
            Task::Recover(doubt) => Some(doubt),
        };
        let (result, intent) = match self.create(index, row, in_doubt.as_deref(), &org).await {
            Ok(Finished { outcome, intent }) => {
                let outcome = keep_doubt(outcome, in_doubt.as_deref());
                let verified_after = Some(verified_after(&org.client));
                (RowResult::new(&outcome, row, verified_after), Some(intent))
            }
            Err(failure) => (RowResult::withheld(failure, row, in_doubt.is_some()), None),
        };
        let identity = org.identity.get().and_then(|identity| identity.as_ref().ok());
        let about = about(index, row, identity);
        let written = self.journal.result(about, result.clone()).await;
        // The journal first: whatever it lacks is reported by the next run, from the intent log.
        if written.is_ok()
            && let Some(intent) = intent
            && let Err(error) = intent.delivered().await
        {
            tracing::warn!(%error, "the intent log was not updated");
        }
        Some((index, result, written))
    }

    async fn create(
        &self,
        index: usize,
        row: &Row,
        in_doubt: Option<&InDoubt>,
        org: &Org,
    ) -> Result<Finished, Failure> {
        let mut stop = self.stop_now.clone();
        let known;
        let asked = org.identity.get_or_init(|| org.target.identify(&org.client));
        let identified = tokio::select! {
            identified = asked => identified.as_ref(),
            // An earlier attempt may be in doubt: determine its outcome, send nothing.
            () = raised(&mut stop) => {
                known = org.target.declared_identity();
                Ok(&known)
            }
        };
        let identity = match identified {
            Ok(identity) => identity,
            Err(failure) => return Err(self.unidentified(row, org, failure.clone()).await),
        };
        let mut shown = None;
        let mut show = |activity| {
            // Drop the previous one first: both take the place of the row.
            drop(shown.take());
            shown = Some(self.in_flight.show(index, &row.profile, activity));
        };
        if let Some(in_doubt) = in_doubt.filter(|_| !*stop.borrow()) {
            let whose = Whose {
                identity: identity.clone(),
                place: org.target.place.clone(),
                batch_row: Some(self.batch_row(index)),
            };
            let adopted = if self.same_org {
                let client = &org.client;
                doubt::adopt_as(self.log, in_doubt, whose, client, &mut stop, &mut show).await?
            } else {
                doubt::adopt(self.log, in_doubt, whose).await?
            };
            if let Adopted::Finished(finished) = adopted {
                return Ok(*finished);
            }
        }
        let create = SafeCreate {
            log: self.log,
            client: &org.client,
            place: &org.target.place,
            identity,
            batch_row: Some(self.batch_row(index)),
            printer: self.printer,
        };
        let journal = self.journal.clone();
        let sink = JournalSink { journal, about: about(index, row, Some(identity)) };
        create.run(row.name.clone(), row.fallbacks.clone(), sink, stop, show).await
    }

    async fn unidentified(&self, row: &Row, org: &Org, failure: Failure) -> Failure {
        let names: Vec<_> =
            std::iter::once(&row.name).chain(&row.fallbacks).map(ToString::to_string).collect();
        let (known, place) = (org.target.declared_identity(), &org.target.place);
        unidentified(self.log, &known, place, &names, "created", failure).await
    }

    fn batch_row(&self, index: usize) -> BatchRow {
        BatchRow { journal: self.journal_path.clone(), row: index + 1 }
    }
}

fn about(index: usize, row: &Row, org: Option<&Identity>) -> About {
    About { row: index + 1, profile: row.profile.clone(), org: org.cloned() }
}

/// A row that was in doubt, and was stopped before a list could tell, stays in doubt.
fn keep_doubt(outcome: Outcome, in_doubt: Option<&InDoubt>) -> Outcome {
    match (&outcome, in_doubt) {
        (Outcome::NotCreated { reason: NotDone::Stopped, .. }, Some(doubt)) => doubt.stopped(),
        _ => outcome,
    }
}

/// Records the intents of a row in the journal.
#[derive(Clone)]
struct JournalSink {
    journal: Arc<Writer>,
    about: About,
}

impl IntentSink for JournalSink {
    async fn record(&mut self, intent: &Intent) -> io::Result<()> {
        self.journal.attempt(self.about.clone(), intent.clone()).await
    }

    /// The result of the row follows in any case.
    async fn end(&mut self, _: &Outcome) -> io::Result<()> {
        Ok(())
    }
}
