//! What a caller is told without an attempt of its own, by what the ledger has and a list shows; and what
//! the ledger keeps of an outcome.
//!
//! Functions of entries and facts, for [`run`](crate::run) and the exhaustive test of portal-proof.

use std::time::Duration;

use portal_model::flow::{Evidence, Flow, KnownPortal, Receipt};
use portal_model::name::is_same_name;
use portal_model::outcome::{Conflict, Doubt, NotDone, Origin, Owner, Unverified};
use portal_model::{ApiVersion, Operation, Outcome, Portal};

use crate::claim::{Blocked, ClaimRequest, Refusal, Wanted, Why};
use crate::decide::{Look, has_equal_key, is_other_org, is_same_wish};
use crate::entry::{Ending, EndingKind, Entry, EntryId};
use crate::error::LedgerError;
use crate::time::Moment;

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

/// What may be done yet by others about what is wanted, in what may be the org.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    Nothing,
    /// Creates by others: a portal that they may be about stays.
    OtherCreates,
    Anything,
}

impl Pending {
    /// By the entries that are in doubt or under way.
    pub fn of(request: &ClaimRequest, look: &Look) -> Self {
        let is_own = |entry: &Entry| look.entry.as_ref().is_some_and(|own| own.id == entry.id);
        let is_other_create =
            |entry: &Entry| matches!(entry.operation, Operation::Create(_)) && !is_own(entry);
        let mut here = look.undecided.iter().filter(|entry| !is_other_org(entry, request));
        match here.next() {
            None => Self::Nothing,
            Some(first) if is_other_create(first) && here.all(is_other_create) => {
                Self::OtherCreates
            }
            Some(_) => Self::Anything,
        }
    }
}

/// The outcome that one list shows, without an attempt; `None` if only an attempt or a later list can tell.
/// `wait` is what a claim would wait for.
fn seen(listed: Outcome, wait: Option<Why>, pending: Pending) -> Option<Outcome> {
    match listed {
        listed if wait == Some(Why::Rename) && may_lag_behind_rename(&listed) => None,
        // Known from the ledger, not from the list.
        Outcome::Present { origin: Origin::CreatedEarlier { .. }, .. } => Some(listed),
        listed if pending == Pending::Nothing => Some(listed),
        Outcome::Present { portal, taken, .. } if pending == Pending::OtherCreates => {
            Some(Outcome::Present { portal, origin: Origin::Undetermined, taken })
        }
        Outcome::Unchanged { .. } if pending == Pending::OtherCreates => Some(listed),
        _ => None,
    }
}

/// The outcome that a list shows to somebody who waits for others, if it does not need the end of the wait.
pub fn seen_meanwhile(listed: Outcome, why: Why, pending: Pending) -> Option<Outcome> {
    let ends_wait =
        |outcome: &Outcome| outcome.exists() || matches!(outcome, Outcome::OrgHasPortal { .. });
    seen(listed, Some(why), pending).filter(ends_wait)
}

/// Whether a list that does not show a rename of this ledger yet may say so of its portal.
const fn may_lag_behind_rename(listed: &Outcome) -> bool {
    matches!(
        listed,
        Outcome::Present { origin: Origin::Preexisting, .. }
            | Outcome::Unchanged { .. }
            | Outcome::NotFound { .. }
            | Outcome::NameTaken { owner: Owner::ThisOrg, .. }
    )
}

/// What a list is to tell of it; the outcome if the ledger alone tells. No list makes up for what that has
/// against it.
pub fn to_list<'a>(
    request: &'a ClaimRequest,
    look: &Look,
    version: ApiVersion,
) -> Result<(&'a Operation, Flow), Box<Outcome>> {
    match (&look.decision, &request.wanted) {
        (Err(Refusal::Blocked(why)), _) => Err(blocked(request, why).outcome.into()),
        (Err(Refusal::Ended(entry)), _) => Err(told(request, entry).outcome.into()),
        (_, Wanted::Recover(id)) => {
            Err(blocked(request, &Blocked::NoEntry(id.clone())).outcome.into())
        }
        (_, Wanted::Do(operation)) => {
            let flow = Flow::preview(operation.clone(), request.policy.clone(), version);
            Ok((operation, flow.with_receipts(look.receipts.iter().cloned())))
        }
    }
}

/// What would come of it, by the ledger and what the list shows, if there is one.
pub fn previewed(
    (request, operation): (&ClaimRequest, &Operation),
    look: &Look,
    listed: Option<Outcome>,
    now: &Moment,
) -> Outcome {
    let wait = match &look.decision {
        Err(Refusal::Wait(wait)) => Some(wait.why),
        _ => None,
    };
    let would_send = || Outcome::not_done(operation, NotDone::Preview);
    let is_here = |entry: &&Entry| !is_other_org(entry, request);
    let own = look.entry.iter().filter(|own| look.undecided.iter().any(|it| it.id == own.id));
    let entry = own.chain(look.undecided.iter().filter(is_here)).next();
    // Of the same with another credential, a later list may say more.
    let is_same = entry.is_some_and(|entry| operation.is_same_as(&entry.operation));
    let pending_here = if is_same { Pending::Anything } else { Pending::of(request, look) };
    match (seen(listed.unwrap_or_else(would_send), wait, pending_here), entry) {
        (Some(outcome), _) => outcome,
        (None, Some(entry)) => pending(request, NotDone::Stopped, entry, now),
        (None, None) => would_send(),
    }
}

/// Rule 11 of a safe call: nothing was sent by this one, but an earlier one may be in doubt, in any org.
pub fn nothing_sent(request: &ClaimRequest, why: NotDone, look: &Look, now: &Moment) -> Ended {
    if let Some(entry) = look.undecided.first() {
        return Ended::of(pending(request, why, entry, now), &entry.id);
    }
    match (&look.decision, &request.wanted) {
        // It may have ended since the caller asked for it.
        (Err(Refusal::Ended(entry)), _) => told(request, entry),
        (Err(Refusal::Blocked(why)), _) if why.is_of(Conflict::NameUncertain) => {
            blocked(request, why)
        }
        (_, Wanted::Do(operation)) => {
            unless_done(Outcome::not_done(operation, why), &look.receipts).into()
        }
        (_, Wanted::Recover(id)) => {
            Ended::of(unknown(request, unverified(why), look.entry.as_ref()).outcome, id)
        }
    }
}

/// That an entry by which it may be done yet is to be determined first.
fn pending(request: &ClaimRequest, why: NotDone, entry: &Entry, now: &Moment) -> Outcome {
    let why = match why {
        NotDone::Stopped if entry.is_under_way(now) => Unverified::Elsewhere,
        why => unverified(why),
    };
    unknown(request, why, Some(entry)).outcome
}

/// That it is not known, as far as `entry` goes.
pub fn unknown(request: &ClaimRequest, why: Unverified, entry: Option<&Entry>) -> Ended {
    let name = match &request.wanted {
        Wanted::Do(Operation::Create(create)) => {
            let reached = entry.map(Entry::name).filter(|name| create.includes(name));
            reached.unwrap_or(create.name.as_str())
        }
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
        _ if conflict == Conflict::NameUncertain => {
            let doubt = Doubt::Done(entry.id.to_string());
            Outcome::Unknown { name, doubt, why: Unverified::Conflict(conflict) }
        }
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
    let portal = |name| {
        let known = ending.and_then(|ending| ending.portal.as_ref());
        let mut portal = Portal::new(name);
        portal.zaid = known.and_then(|known| known.id.clone());
        portal
    };
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
        (EndingKind::Present, Operation::Rename(_), _) if entry.attempts == 0 => {
            Outcome::Unchanged { portal: portal(name) }
        }
        (_, Operation::Rename(rename), _) => {
            let new = name.parse().unwrap_or_else(|_| rename.new.clone());
            // It was named back since.
            let is_back = is_same_name(&rename.old, new.as_str()) && !rename.new.is_same_as(&name);
            let old = if is_back { rename.new.to_string() } else { rename.old.clone() };
            Outcome::Renamed { old, new }
        }
        // With the name of then. Another claim may have gone on from it with other fallbacks.
        (EndingKind::Created, Operation::Create(create), _) if is_recovery => {
            let name = name.parse().unwrap_or_else(|_| create.name.clone());
            Outcome::Created { name, taken: Vec::new() }
        }
        (_, Operation::Create(_), _) => {
            let portal = portal(name);
            let origin = match kind {
                EndingKind::Present => Origin::Undetermined,
                EndingKind::Appeared if is_own => Origin::Appeared,
                _ => Origin::CreatedEarlier { entry: entry.id.to_string(), is_own },
            };
            Outcome::Present { portal, origin, taken: entry.taken().to_vec() }
        }
    };
    Ended::of(outcome, &entry.id)
}

/// The outcome if nothing was sent and no list was seen: what this ledger did earlier may be so still, or
/// have been renamed since.
pub fn unless_done(outcome: Outcome, receipts: &[Receipt]) -> Outcome {
    let is_it = |receipt: &&Receipt| {
        matches!(receipt.evidence, Evidence::Made { .. } | Evidence::Renamed { .. })
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
        NotDone::Unreachable(cause) | NotDone::RateLimited { cause, .. } => {
            Unverified::Unreachable(cause)
        }
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
