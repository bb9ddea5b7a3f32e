//! The outcomes of what was not attempted here, and what the ledger keeps of an outcome.

use std::future::Future;

use portal_model::flow::{Evidence, KnownPortal, Receipt};
use portal_model::name::is_same_name;
use portal_model::outcome::{Conflict, Doubt, NotDone, Origin, Owner, Unverified};
use portal_model::{Operation, Outcome, Portal};

use super::stop::within;
use super::{Ended, Run};
use crate::claim::{Blocked, ClaimRequest, Wanted};
use crate::decide::{Decision, is_other_org, is_same_wish, is_undecided};
use crate::entry::{Ending, EndingKind, Entry, EntryId};
use crate::error::LedgerError;
use crate::host::Host;
use crate::rows::Filter;
use crate::time::Moment;

/// Outcomes of what was not attempted here.
impl<H: Host, S> Run<'_, H, S> {
    /// Rule 11: nothing was sent by this call, but an earlier one may be in doubt, in any org.
    pub(super) async fn nothing_sent(&self, why: NotDone) -> Ended {
        let now = self.host.now();
        let undecided = match self.undecided(&now).await {
            Ok(entries) => entries,
            Err(why) => return self.request.unknown(Unverified::Ledger(why), None),
        };
        if let Some(entry) = undecided.first() {
            return self.request.unknown(unverified(why), Some(entry));
        }
        let look = match self.read(self.ledger.look(&self.request, &now)).await {
            Ok(look) => look,
            Err(why) => return self.request.unknown(Unverified::Ledger(why), None),
        };
        let is_done = |entry: &Entry| {
            let has_key = self.request.key.is_some() && entry.key == self.request.key;
            has_key && entry.ending().is_some_and(|ending| ending.kind.is_own())
        };
        match (&self.request.wanted, look.decision) {
            // It may have ended since the caller asked for it.
            (_, Decision::Ended(entry)) if is_done(&entry) => {
                self.request.told(&entry, self.began.as_ref())
            }
            (_, Decision::Blocked(blocked)) if blocked.is_of(Conflict::NameUncertain) => {
                self.request.blocked(blocked)
            }
            (Wanted::Do(operation), _) => {
                unless_done(Outcome::not_done(operation, why), &look.receipts).into()
            }
            (Wanted::Recover(id), _) => {
                let entry = Some(id.clone());
                Ended { entry, ..self.request.unknown(unverified(why), look.entry.as_ref()) }
            }
        }
    }

    /// What the ledger holds, or why it can't be read.
    pub(super) async fn read<T>(
        &self,
        work: impl Future<Output = Result<T, LedgerError>>,
    ) -> Result<T, String> {
        let limit = self.request.policy.record_timeout;
        match within(self.host.sleep(limit), work).await {
            Some(result) => result.map_err(|error| error.to_string()),
            None => Err(format!("no response of the ledger within {limit:?}")),
        }
    }

    /// The entries about what is wanted of which something may be done yet, in any org; or why the ledger
    /// can't be read.
    async fn undecided(&self, now: &Moment) -> Result<Vec<Entry>, String> {
        let filter = Filter {
            // Not known before there is a token, in which case any may be meant.
            origin: Some(self.request.org.origin().to_owned()).filter(|origin| !origin.is_empty()),
            is_unfinished: true,
            ..Filter::default()
        };
        let mut entries = self.read(self.ledger.entries(&filter)).await?;
        entries.retain(|entry| is_undecided(entry, &self.request, now));
        Ok(entries)
    }

    /// Whether what is wanted may be done yet by another entry, in what may be the same org.
    pub(super) async fn may_be_done_here(&self) -> bool {
        match self.undecided(&self.host.now()).await {
            Ok(entries) => entries.iter().any(|entry| !is_other_org(entry, &self.request)),
            Err(_) => true,
        }
    }
}

/// What the ledger says of it.
impl ClaimRequest {
    pub(super) fn unknown(&self, why: Unverified, entry: Option<&Entry>) -> Ended {
        let name = match &self.wanted {
            Wanted::Do(Operation::Create(create)) => {
                let reached = entry.map(Entry::name).filter(|name| create.includes(name));
                reached.unwrap_or(create.name.as_str())
            }
            Wanted::Do(operation) => operation.target().as_str(),
            Wanted::Recover(id) => entry.map_or(id.as_str(), Entry::name),
        };
        let outcome = Outcome::Unknown { name: name.to_owned(), doubt: Doubt::Earlier, why };
        Ended { outcome, entry: entry.map(|entry| entry.id.clone()), not_written: None }
    }

    pub(super) fn blocked(&self, blocked: Blocked) -> Ended {
        let (conflict, entry) = match blocked {
            Blocked::Conflict { conflict, entry } => (conflict, entry),
            Blocked::NoEntry(id) => {
                let why = Unverified::Ledger(Blocked::NoEntry(id).to_string());
                return self.unknown(why, None);
            }
        };
        let name = entry.name().to_owned();
        let outcome = match &self.wanted {
            _ if conflict == Conflict::NameUncertain => {
                let doubt = Doubt::Done(entry.id.to_string());
                Outcome::Unknown { name, doubt, why: Unverified::Conflict(conflict) }
            }
            // What is in doubt there is what is wanted here, unless it is another operation.
            Wanted::Do(operation) if !entry.is_in_doubt() || !is_same_wish(&entry, operation) => {
                Outcome::not_done(operation, NotDone::Conflict { conflict, name })
            }
            Wanted::Do(_) | Wanted::Recover(_) => {
                let why = Unverified::Conflict(conflict);
                Outcome::Unknown { name, doubt: Doubt::Earlier, why }
            }
        };
        Ended { outcome, entry: Some(entry.id), not_written: None }
    }

    /// The outcome of an operation that ended earlier. `began`: the entry that its run began, and lost.
    pub(super) fn told(&self, entry: &Entry, began: Option<&EntryId>) -> Ended {
        let name = entry.name().to_owned();
        let kind = entry.ending().map_or(EndingKind::Unknown, |ending| ending.kind);
        let is_recovery = matches!(self.wanted, Wanted::Recover(_));
        let has_key = self.key.is_some() && self.key == entry.key;
        // Not because the entry is that of a claim whose result was lost: somebody else did it since.
        let is_recovered =
            entry.ending().is_some_and(|ending| ending.is_recovered) && began == Some(&entry.id);
        let is_own = is_recovery || has_key || is_recovered;
        let outcome = match (kind, &entry.operation) {
            (EndingKind::NotDone, operation) if entry.attempts == 0 => {
                Outcome::not_done(operation, NotDone::NotAttempted)
            }
            (EndingKind::NotDone, operation) => Outcome::not_done(operation, NotDone::Absent),
            // Nobody verified it since.
            (EndingKind::NameTaken, operation) => match &entry.intent {
                Some(intent) => {
                    let owner = Owner::Undetermined(Unverified::AtOnce);
                    Outcome::NameTaken { name: intent.name().clone(), owner }
                }
                None => Outcome::not_done(operation, NotDone::Absent),
            },
            (EndingKind::Unknown, _) => {
                let (doubt, why) = (Doubt::Earlier, Unverified::Stopped);
                Outcome::Unknown { name, doubt, why }
            }
            (_, Operation::Rename(rename)) => {
                // By now it may have another name.
                let new = name.parse().unwrap_or_else(|_| rename.new.clone());
                Outcome::Renamed { old: rename.old.clone(), new }
            }
            (EndingKind::Created, Operation::Create(create)) if is_recovery => {
                // Another claim may have gone on from it with other fallbacks. By now it may have another name.
                let name = name.parse().unwrap_or_else(|_| create.name.clone());
                Outcome::Created { name, taken: Vec::new() }
            }
            _ => {
                let known = entry.ending().and_then(|ending| ending.portal.as_ref());
                let mut portal = Portal::new(name);
                portal.zaid = known.and_then(|known| known.id.clone());
                let origin = match kind {
                    EndingKind::Present => Origin::Undetermined,
                    EndingKind::Appeared if is_own => Origin::Appeared,
                    _ => Origin::CreatedEarlier { entry: entry.id.to_string(), is_own },
                };
                Outcome::Present { portal, origin, taken: entry.taken().to_vec() }
            }
        };
        Ended { outcome, entry: Some(entry.id.clone()), not_written: None }
    }
}

impl Ending {
    /// What the ledger keeps of an outcome.
    #[doc(hidden)]
    pub fn of(outcome: &Outcome) -> Self {
        let kind = match outcome {
            Outcome::Created { .. } => EndingKind::Created,
            Outcome::Renamed { .. } => EndingKind::Renamed,
            Outcome::Present { origin: Origin::Appeared, .. } => EndingKind::Appeared,
            Outcome::Present { .. } | Outcome::Unchanged { .. } => EndingKind::Present,
            // It may be this org's, by a copy of this attempt.
            Outcome::NameTaken { owner: Owner::Undetermined(Unverified::AtOnce), .. } => {
                EndingKind::NameTaken
            }
            Outcome::Unknown { .. } | Outcome::NameTaken { owner: Owner::Undetermined(_), .. } => {
                EndingKind::Unknown
            }
            _ => EndingKind::NotDone,
        };
        let portal = match outcome {
            Outcome::Present { portal, .. } | Outcome::Unchanged { portal } => {
                Some(KnownPortal::of(portal))
            }
            _ => None,
        };
        let name = matches!(outcome, Outcome::Created { .. } | Outcome::Present { .. })
            .then(|| outcome.name().to_owned());
        let other_name = match outcome {
            Outcome::Unknown { doubt: Doubt::OtherName(other_name), .. } => {
                Some(other_name.clone())
            }
            _ => None,
        };
        let cause = (!outcome.exists()).then(|| outcome.to_string());
        Self { name, portal, other_name, cause, ..Self::new(kind) }
    }
}

/// The outcome if nothing was sent and no list was seen: what this ledger did earlier may be so still, or
/// have been renamed since.
pub(super) fn unless_done(outcome: Outcome, receipts: &[Receipt]) -> Outcome {
    let is_it = |receipt: &&Receipt| {
        matches!(receipt.evidence, Evidence::Made { .. })
            && is_same_name(&receipt.name, outcome.name())
    };
    match (&outcome, receipts.iter().find(is_it)) {
        (Outcome::NotCreated { why, .. } | Outcome::NotRenamed { why, .. }, Some(receipt)) => {
            let doubt = Doubt::Done(receipt.entry.clone());
            let (name, why) = (outcome.name().to_owned(), unverified(why.clone()));
            Outcome::Unknown { name, doubt, why }
        }
        _ => outcome,
    }
}

/// The same cause, of what is in doubt.
fn unverified(why: NotDone) -> Unverified {
    match why {
        NotDone::Stopped => Unverified::Stopped,
        NotDone::Auth(failure) => Unverified::Auth(failure),
        NotDone::Origin(api) => Unverified::Origin(api),
        NotDone::OtherOrg { expected, found } => Unverified::OtherOrg { expected, found },
        NotDone::NotRecorded(why) => Unverified::Ledger(why),
        NotDone::Unreachable(failure) => Unverified::Unreachable(failure),
        _ => Unverified::Deadline,
    }
}

pub(super) fn not_recorded(error: &LedgerError) -> NotDone {
    NotDone::NotRecorded(error.to_string())
}
