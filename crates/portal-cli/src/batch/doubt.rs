//! Rows that a journal has in doubt, and their entries in the intent log.
//!
//! Creates are recovered from the intent log (rule 11). It has the intent of a row unless the
//! journal was written on another machine. In that case the intent is recorded first, and its attempt
//! counts as ended only now.

use std::path::Path;

use portal_http::client::{Client, IntentSink};
use portal_model::flow::{Activity, Intent};
use portal_model::identity::SameOrg;
use portal_model::{Outcome, PortalName};
use tokio::sync::watch;

use super::journal::{self, InDoubt};
use super::plan::Row;
use crate::org::place::Place;
use crate::report::failure::{ErrorKind, Failure};
use crate::safe::create::Finished;
use crate::safe::intent_log::{BatchRow, Found, IntentLog, State, Taken, Whose};
use crate::safe::recovery::{self, Recovered};

/// The result of [`adopt`].
pub(crate) enum Adopted {
    /// In the log; a create of the row takes it over.
    InLog,
    /// Ended.
    Finished(Box<Finished>),
}

/// Ensures that the log has a row in doubt.
///
/// # Errors
/// If its profile now leads to another org: absence there would prove nothing (rule 10), and a
/// create there would make a second portal for one row.
pub(crate) async fn adopt(
    log: &IntentLog,
    doubt: &InDoubt,
    whose: Whose,
) -> Result<Adopted, Failure> {
    let (begun, now) = (&doubt.org, &whose.identity);
    if begun.compare(now) != SameOrg::Yes {
        let name = &doubt.intent.name;
        let message = format!(
            "{name} was begun in {begun}, and the profile {} leads to {now} now; nothing was sent",
            doubt.profile
        );
        return Err(Failure::new(ErrorKind::AnotherOrg, message).hint(
            "log in to the first org again, or pass `--same-org` if it is the same one; then \
                 run the same command again",
        ));
    }
    let found = about(log, doubt, &whose).await?;
    if !is_known(&found, doubt, &whose) {
        record(log, doubt, whose).await?;
    }
    Ok(Adopted::InLog)
}

/// Like [`adopt`], for a profile that leads to the same org according to the user: what was started
/// under another identity is recovered under this one.
pub(crate) async fn adopt_as(
    log: &IntentLog,
    doubt: &InDoubt,
    whose: Whose,
    client: &Client,
    stop: &mut watch::Receiver<bool>,
    show: &mut impl FnMut(watch::Receiver<Activity>),
) -> Result<Adopted, Failure> {
    let found = about(log, doubt, &whose).await?;
    let elsewhere = found.entries.iter().find(|entry| {
        matches!(entry.state(), State::InDoubt | State::Undelivered)
            && entry.history.whose.batch_row == whose.batch_row
            && !entry.is_in(&whose.identity)
    });
    if let Some(entry) = elsewhere
        && let Taken::Held(entry, intent) = log.take(entry).await?
        && let Recovered::Create(outcome) =
            recovery::recover(client, &entry, intent.clone(), stop, show).await
    {
        if !matches!(outcome, Outcome::NotCreated { .. }) || *stop.borrow() {
            return Ok(Adopted::Finished(Box::new(Finished { outcome, intent })));
        }
        // It did not take effect, so the row is created now, and nobody waits for this outcome.
        intent.delivered().await?;
        return Ok(Adopted::InLog);
    }
    if !is_known(&found, doubt, &whose) {
        record(log, doubt, whose).await?;
    }
    Ok(Adopted::InLog)
}

/// Ensures that the log has whatever the journal at `path`, if there is one, has in doubt in the
/// orgs of `rows`, so that creates of a new journal determine it first.
pub(crate) async fn adopt_all(log: &IntentLog, path: &Path, rows: &[Row]) -> Result<(), Failure> {
    let doubts = journal::in_doubt(path).map_err(|error| {
        Failure::usage(format!("cannot tell what is in doubt in another journal: {error:#}")).hint(
            "restore it from a copy, or move it away once `portal list` has shown its portals",
        )
    })?;
    for doubt in doubts {
        if !rows.iter().any(|row| row.profile == doubt.profile) {
            continue;
        }
        let whose = Whose {
            identity: doubt.org.clone(),
            place: Place::Profile(doubt.profile.clone()),
            batch_row: Some(BatchRow { journal: path.to_owned(), row: doubt.row }),
        };
        let found = about(log, &doubt, &whose).await?;
        if !is_known(&found, &doubt, &whose) {
            record(log, &doubt, whose).await?;
        }
    }
    Ok(())
}

async fn about(log: &IntentLog, doubt: &InDoubt, whose: &Whose) -> Result<Found, Failure> {
    let names: Vec<String> = std::iter::once(&doubt.intent.name)
        .chain(&doubt.intent.taken)
        .map(PortalName::to_string)
        .collect();
    Ok(log.about(&whose.identity, &names).await?)
}

/// Whether the log has the create or its end. A receipt of an existing portal doesn't count: only
/// the intent proves that this row created it.
fn is_known(found: &Found, doubt: &InDoubt, whose: &Whose) -> bool {
    found.entries.iter().any(|entry| {
        let is_same = entry.is_create() && entry.has_name(doubt.intent.name.as_str());
        is_same
            && match entry.state() {
                State::InProgress | State::InDoubt | State::Undelivered => {
                    entry.is_in(&whose.identity)
                }
                State::Receipt => {
                    let is_done = entry.history.end.as_ref().is_some_and(|e| e.ending.is_done());
                    entry.history.whose.batch_row == whose.batch_row && !is_done
                }
            }
    })
}

/// Records the intent and releases it at once, so that a create of the row can take it over.
async fn record(log: &IntentLog, doubt: &InDoubt, whose: Whose) -> Result<(), Failure> {
    let mut intent = log.begin(whose);
    IntentSink::record(&mut intent, &Intent::Create(doubt.intent.clone())).await?;
    Ok(())
}
