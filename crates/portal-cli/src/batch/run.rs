//! Runs the rows of a batch: profiles concurrently, and each event into the journal first.

use std::cell::Cell;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _, stream};
use portal_http::client::{Client, ClientBuilder, ClientError, IntentSink};
use portal_model::flow::Intent;
use portal_model::outcome::NotDone;
use portal_model::{CreateOperation, Outcome};
use tokio::sync::{OnceCell, watch};

use super::doubt::{self, Adopted};
use super::in_flight::InFlight;
use super::journal::{About, InDoubt, State, Writer};
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
    pub(crate) identity: OnceCell<Result<Identity, ClientError>>,
}

/// The rows of one org in which something is to be done.
pub(crate) type Tasks = Vec<usize>;

/// A row that ended.
pub(crate) struct Ended {
    pub(crate) row: usize,
    pub(crate) result: RowResult,
    /// Whether the journal has the result.
    pub(crate) written: io::Result<()>,
}

/// What all rows share.
pub(crate) struct Batch<'a> {
    pub(crate) rows: &'a [Row],
    /// Of each row, according to the journal.
    pub(crate) states: &'a [State],
    pub(crate) log: &'a IntentLog,
    pub(crate) journal: Arc<Writer>,
    pub(crate) journal_path: PathBuf,
    /// Whether no further row begins. Rows in flight run to their end.
    pub(crate) is_stopping: Cell<bool>,
    /// Whether rows in flight end as soon as their outcome can be told truthfully.
    pub(crate) stop_now: watch::Sender<bool>,
    /// Whether to recover rows in doubt even if the identity of their org has changed.
    pub(crate) same_org: bool,
    /// Number of orgs worked on concurrently.
    pub(crate) jobs: usize,
    pub(crate) in_flight: InFlight,
    pub(crate) printer: &'a Printer,
}

impl Batch<'_> {
    /// Returns each row that was started when it ends. Once the journal can't be written, no further
    /// row is started.
    pub(crate) fn run(&self, orgs: Vec<(Org, Tasks)>) -> impl Stream<Item = Ended> {
        let orgs = stream::iter(orgs).map(move |(org, tasks)| {
            let org = Arc::new(org);
            stream::iter(tasks)
                .map(move |row| self.row(row, org.clone()))
                .buffer_unordered(ClientBuilder::CONCURRENCY)
        });
        orgs.flatten_unordered(self.jobs).filter_map(std::future::ready)
    }

    /// Runs one row, unless the batch was asked to stop before.
    async fn row(&self, index: usize, org: Arc<Org>) -> Option<Ended> {
        if self.is_stopping.get() {
            return None;
        }
        let row = self.rows.get(index)?;
        // Its outcome is determined first; if it did not take effect, the row is created.
        let in_doubt = match self.states.get(index)? {
            State::InDoubt(doubt) => Some(&**doubt),
            State::Open | State::Done(_) => None,
        };
        let created = self.create(index, row, in_doubt, &org).await;
        self.in_flight.end(index);
        let (result, intent) = match created {
            Ok(Finished { outcome, intent }) => {
                let outcome = keep_doubt(outcome, in_doubt);
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
        if written.is_err() {
            self.is_stopping.set(true);
        }
        Some(Ended { row: index, result, written })
    }

    async fn create(
        &self,
        index: usize,
        row: &Row,
        in_doubt: Option<&InDoubt>,
        org: &Org,
    ) -> Result<Finished, Failure> {
        let mut stop = self.stop_now.subscribe();
        let wish = CreateOperation::new(row.name.clone()).with_fallbacks(row.fallbacks.clone());
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
            Err(error) => {
                let names: Vec<_> = wish.names().map(ToString::to_string).collect();
                return Err(unidentified(self.log, &org.target, &names, "created", error).await);
            }
        };
        let mut show = |activity| self.in_flight.show(index, &row.profile, activity);
        let whose = Whose {
            identity: identity.clone(),
            place: org.target.place.clone(),
            batch_row: Some(BatchRow { journal: self.journal_path.clone(), row: index + 1 }),
        };
        let client = &org.client;
        if let Some(in_doubt) = in_doubt.filter(|_| !*stop.borrow()) {
            let whose = whose.clone();
            let adopted = if self.same_org {
                doubt::adopt_as(self.log, in_doubt, whose, client, &mut stop, &mut show).await?
            } else {
                doubt::adopt(self.log, in_doubt, whose).await?
            };
            if let Adopted::Finished(finished) = adopted {
                return Ok(*finished);
            }
        }
        let create = SafeCreate { log: self.log, client, whose, printer: self.printer };
        let journal = self.journal.clone();
        let sink = JournalSink { journal, about: about(index, row, Some(identity)) };
        create.run(wish, sink, stop, show).await
    }
}

fn about(index: usize, row: &Row, org: Option<&Identity>) -> About {
    About { row: index + 1, profile: row.profile.clone(), org: org.cloned() }
}

/// A row that was in doubt, and was stopped before a list could tell, stays in doubt.
fn keep_doubt(outcome: Outcome, in_doubt: Option<&InDoubt>) -> Outcome {
    match (&outcome, in_doubt) {
        (Outcome::NotCreated { why: NotDone::Stopped, .. }, Some(doubt)) => doubt.stopped(),
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
