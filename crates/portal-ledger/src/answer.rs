//! What a caller is told without an attempt of its own, by what the ledger has and a list shows; and what
//! the ledger keeps of an outcome.
//!
//! Functions of entries and facts, for [`run`](crate::run) and the exhaustive test of portal-proof.

use std::time::Duration;

use portal_model::flow::{Evidence, Flow, KnownPortal, Receipt};
use portal_model::name::is_same_name;
use portal_model::outcome::{Doubt, NotDone, Origin, Owner, Unverified};
use portal_model::{ApiVersion, Operation, Outcome, Portal};

use crate::claim::{Blocked, ClaimRequest, Wanted, Why};
use crate::decide::{Look, has_equal_key, is_same_wish};
use crate::entry::{Ending, EndingKind, Entry, EntryId};
use crate::error::LedgerError;

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ended {
    /// What is true.
    pub outcome: Outcome,
    /// The operation in the ledger, if it got that far.
    pub entry: Option<EntryId>,
    /// Why the ledger does not hold the outcome, if it does not. The next claim determines it again.
    pub not_written: Option<LedgerError>,
}

impl From<Outcome> for Ended {
    /// Without an entry.
    fn from(outcome: Outcome) -> Self {
        Self { outcome, entry: None, not_written: None }
    }
}

impl Ended {
    fn of(outcome: Outcome, entry: &EntryId) -> Self {
        Self { entry: Some(entry.clone()), ..outcome.into() }
    }
}

/// The flow of the holder of `entry`, after it has spent some of its time; `None` if nothing was attempted,
/// and nothing is to be. Until `horizon` an earlier attempt may take effect.
pub fn flow(
    request: &ClaimRequest,
    entry: &Entry,
    horizon: Duration,
    spent: Duration,
    version: ApiVersion,
) -> Option<Flow> {
    let mut policy = request.policy.clone();
    policy.deadline = policy.deadline.saturating_sub(spent);
    let intent = entry.intent.clone().filter(|_| entry.attempts > 0);
    Some(match (&request.wanted, intent) {
        (Wanted::Do(operation), None) => Flow::new(operation.clone(), policy, version),
        (Wanted::Do(operation), Some(intent)) => {
            Flow::resume(operation.clone(), intent, horizon, policy, version)
        }
        (Wanted::Recover(_), Some(intent)) => {
            Flow::recover(entry.operation.clone(), intent, horizon, policy, version)
        }
        (Wanted::Recover(_), None) => return None,
    })
}

/// The outcome of a flow whose portal may be another operation's, if it appeared.
#[must_use]
pub fn beside_rival(mut outcome: Outcome) -> Outcome {
    if let Outcome::Present { origin: origin @ Origin::Appeared, .. } = &mut outcome {
        *origin = Origin::Undetermined;
    }
    outcome
}

/// What a list says that ends a wait, if it does. `may_be_done` is whether what is wanted may be done yet by
/// somebody else, in what may be the same org.
pub fn seen_meanwhile(outcome: Outcome, why: Why, may_be_done: bool) -> Option<Outcome> {
    match outcome {
        _ if may_lag_behind(&outcome, why) => None,
        Outcome::Present { portal, origin: Origin::Preexisting, taken } => {
            let origin = match (may_be_done, why) {
                (false, _) => Origin::Preexisting,
                // The same operation may have made it, and its holder may be gone.
                (true, Why::SameUnderWay) => return None,
                (true, _) => Origin::Undetermined,
            };
            Some(Outcome::Present { portal, origin, taken })
        }
        Outcome::Present { .. } | Outcome::Unchanged { .. } => Some(outcome),
        // While the same is under way or in doubt, be it with another credential, the org may yet get the
        // portal.
        Outcome::OrgHasPortal { .. } if why != Why::SameUnderWay && !may_be_done => Some(outcome),
        _ => None,
    }
}

/// Whether a list that does not show a rename of this ledger yet may say so of its portal.
pub(crate) fn may_lag_behind(outcome: &Outcome, why: Why) -> bool {
    let is_of_portal = matches!(
        outcome,
        Outcome::Present { origin: Origin::Preexisting, .. }
            | Outcome::Unchanged { .. }
            | Outcome::NotFound { .. }
            | Outcome::NameTaken { owner: Owner::ThisOrg, .. }
    );
    why == Why::Rename && is_of_portal
}

/// Rule 11 of a safe call: nothing was sent by this one, but an earlier one may be in doubt, in any org.
pub fn nothing_sent(request: &ClaimRequest, why: NotDone, look: &Look) -> Ended {
    if let Some(entry) = look.undecided.first() {
        return unknown(request, unverified(why), Some(entry));
    }
    let is_done = |entry: &&Entry| {
        has_equal_key(entry, request) && entry.ending().is_some_and(|ending| ending.kind.is_own())
    };
    match (&request.wanted, look.entry.as_ref().filter(is_done)) {
        // It may have ended since the caller asked for it.
        (_, Some(entry)) => told(request, entry),
        (Wanted::Do(operation), None) => {
            unless_done(Outcome::not_done(operation, why), &look.receipts).into()
        }
        (Wanted::Recover(id), None) => {
            Ended::of(unknown(request, unverified(why), None).outcome, id)
        }
    }
}

/// That it is not known, as far as `entry` goes.
pub fn unknown(request: &ClaimRequest, why: Unverified, entry: Option<&Entry>) -> Ended {
    let name = match &request.wanted {
        Wanted::Do(operation) => operation.target().as_str(),
        Wanted::Recover(id) => entry.map_or(id.as_str(), Entry::name),
    };
    let outcome = Outcome::Unknown { name: name.to_owned(), doubt: Doubt::Earlier, why };
    Ended { entry: entry.map(|entry| entry.id.clone()), ..outcome.into() }
}

/// The outcome of a claim that can't be granted.
pub fn blocked(request: &ClaimRequest, blocked: &Blocked) -> Ended {
    let Blocked::Conflict { conflict, entry } = blocked else {
        return unknown(request, Unverified::Ledger(blocked.to_string()), None);
    };
    let (conflict, name) = (*conflict, entry.name().to_owned());
    let outcome = match &request.wanted {
        // What is in doubt there is what is wanted here, unless it is another operation.
        Wanted::Do(operation) if !entry.is_in_doubt() || !is_same_wish(entry, operation) => {
            Outcome::not_done(operation, NotDone::Conflict { conflict, name })
        }
        Wanted::Do(_) | Wanted::Recover(_) => {
            let why = Unverified::Conflict(conflict);
            Outcome::Unknown { name, doubt: Doubt::Earlier, why }
        }
    };
    Ended::of(outcome, &entry.id)
}

/// The outcome of an operation that ended earlier.
pub fn told(request: &ClaimRequest, entry: &Entry) -> Ended {
    // By now it may have another name.
    let name = entry.name().to_owned();
    let ending = entry.ending();
    let kind = ending.map_or(EndingKind::Unknown, |ending| ending.kind);
    let is_recovery = matches!(request.wanted, Wanted::Recover(_));
    // Not because the entry is that of a claim whose result was lost: somebody else did it since.
    let is_recovered =
        ending.is_some_and(|it| it.is_recovered) && request.began.as_ref() == Some(&entry.id);
    let is_own = is_recovery || is_recovered || has_equal_key(entry, request);
    let outcome = match (kind, &entry.operation, &entry.intent) {
        // Nobody verified it since.
        (EndingKind::NameTaken, _, Some(intent)) => {
            let owner = Owner::Undetermined(Unverified::AtOnce);
            Outcome::NameTaken { name: intent.name().clone(), owner }
        }
        (EndingKind::NotDone | EndingKind::NameTaken, operation, _) if entry.attempts > 0 => {
            Outcome::not_done(operation, NotDone::Absent)
        }
        (EndingKind::NotDone | EndingKind::NameTaken, operation, _) => {
            Outcome::not_done(operation, NotDone::NotAttempted)
        }
        (EndingKind::Unknown, ..) => {
            let (doubt, why) = (Doubt::Earlier, Unverified::Stopped);
            Outcome::Unknown { name, doubt, why }
        }
        (_, Operation::Rename(rename), _) => {
            let new = name.parse().unwrap_or_else(|_| rename.new.clone());
            Outcome::Renamed { old: rename.old.clone(), new }
        }
        // Another claim may have gone on from it with other fallbacks.
        (EndingKind::Created, Operation::Create(create), _) if is_recovery => {
            let name = name.parse().unwrap_or_else(|_| create.name.clone());
            Outcome::Created { name, taken: Vec::new() }
        }
        (_, Operation::Create(_), _) => {
            let known = ending.and_then(|ending| ending.portal.as_ref());
            let mut portal = Portal::new(name);
            portal.zaid = known.and_then(|known| known.id.clone());
            let origin = match kind {
                EndingKind::Present => Origin::Undetermined,
                _ => Origin::CreatedEarlier { entry: entry.id.to_string(), is_own },
            };
            Outcome::Present { portal, origin, taken: Vec::new() }
        }
    };
    Ended::of(outcome, &entry.id)
}

/// The outcome if nothing was sent and no list was seen: what this ledger did earlier may be so still, or
/// have been renamed since.
pub(crate) fn unless_done(outcome: Outcome, receipts: &[Receipt]) -> Outcome {
    let is_it = |receipt: &&Receipt| {
        matches!(receipt.evidence, Evidence::Made { .. })
            && receipt.is_of_org
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
        let ending = Self::new(kind);
        let cause = (!outcome.exists()).then(|| outcome.to_string());
        match outcome {
            Outcome::Created { name, .. } => Self { name: Some(name.to_string()), ..ending },
            Outcome::Present { portal, .. } => Self {
                name: Some(portal.name.clone()),
                portal: Some(KnownPortal::of(portal)),
                ..ending
            },
            Outcome::Unchanged { portal } => {
                Self { portal: Some(KnownPortal::of(portal)), ..ending }
            }
            _ => Self { cause, ..ending },
        }
    }
}
