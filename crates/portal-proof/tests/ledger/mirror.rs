//! What portal-ledger's `run` does around the flow, line by line, where it decides anything: the
//! functions of the same names there. It is a mirror, not the thing itself.

use std::time::Duration;

use portal_ledger::decide::is_same_wish;
use portal_ledger::{Blocked, ClaimRequest, EndingKind, Entry, EntryId, Wanted, Why};
use portal_model::flow::{Baseline, Flow};
use portal_model::outcome::{Doubt, NotDone, Origin, Owner, Unverified};
use portal_model::{Operation, Outcome, Portal};

use super::state::PROCESSES;
use super::world::{VERSION, ago};

/// What the holder of an entry does with it. A broken one has a baseline of its own.
pub(super) fn flow(
    request: &ClaimRequest,
    entry: &Entry,
    own_baseline: Option<Baseline>,
    horizon: Duration,
    spent: Duration,
) -> Option<Flow> {
    let (mut policy, operation) = (request.policy.clone(), entry.operation.clone());
    policy.deadline = policy.deadline.saturating_sub(spent);
    let intent = entry.intent.clone().filter(|_| entry.attempts > 0);
    let intent = intent.map(|intent| match own_baseline {
        None => intent,
        own => intent.with_baseline(own),
    });
    Some(match (&request.wanted, intent) {
        (Wanted::Do(operation), None) => Flow::new(operation.clone(), policy, VERSION),
        (Wanted::Do(operation), Some(intent)) => {
            Flow::resume(operation.clone(), intent, horizon, policy, VERSION)
        }
        (Wanted::Recover(_), Some(intent)) => {
            Flow::recover(operation, intent, horizon, policy, VERSION)
        }
        (Wanted::Recover(_), None) => return None,
    })
}

/// What of `perform` changes an outcome.
pub(super) fn origin(mut outcome: Outcome, has_rival: bool) -> Outcome {
    if let (Outcome::Present { origin, .. }, true) = (&mut outcome, has_rival)
        && *origin == Origin::Appeared
    {
        *origin = Origin::Undetermined;
    }
    outcome
}

/// Whether what a list shows ends the wait.
pub(super) fn look(outcome: &Outcome, why: Why) -> bool {
    match outcome {
        Outcome::Present { origin: Origin::Preexisting, .. } | Outcome::Unchanged { .. }
            if why == Why::Rename =>
        {
            false
        }
        Outcome::Present { .. } | Outcome::Unchanged { .. } => true,
        Outcome::OrgHasPortal { .. } => why != Why::SameUnderWay,
        _ => false,
    }
}

/// Rule 11, over every entry.
pub(super) fn nothing_sent<'a>(
    request: &ClaimRequest,
    why: NotDone,
    entries: impl Iterator<Item = &'a Entry>,
) -> Outcome {
    let Wanted::Do(operation) = &request.wanted else {
        return unknown(request, Unverified::Stopped);
    };
    let wanted = |entry: &Entry| {
        operation.names().any(|name| entry.operation.concerns(name))
            || operation.concerns(entry.name())
    };
    let entries: Vec<&Entry> = entries.collect();
    let is_done = |entry: &&&Entry| {
        let ended = entry.ending().is_some_and(|ending| ending.kind.is_own());
        request.key.is_some() && entry.key == request.key && ended
    };
    if entries.iter().any(|entry| wanted(entry) && entry.may_be_done(&ago(0))) {
        unknown(request, Unverified::Stopped)
    } else if let Some(entry) = entries.iter().find(is_done) {
        told(request, entry)
    } else {
        not_done(operation, why)
    }
}

pub(super) fn unknown(request: &ClaimRequest, why: Unverified) -> Outcome {
    let name = match &request.wanted {
        Wanted::Do(operation) => operation.names().last().unwrap_or_default(),
        Wanted::Recover(id) => id.as_str(),
    };
    Outcome::Unknown { name: name.to_owned(), doubt: Doubt::Earlier, why }
}

pub(super) fn blocked(request: &ClaimRequest, blocked: &Blocked) -> Outcome {
    let (conflict, entry) = match blocked {
        Blocked::Conflict { conflict, entry } => (*conflict, entry),
        other => return unknown(request, Unverified::Ledger(other.to_string())),
    };
    let name = entry.name().to_owned();
    match &request.wanted {
        Wanted::Do(operation) if !entry.is_in_doubt() || !is_same_wish(entry, operation) => {
            not_done(operation, NotDone::Conflict { conflict, name })
        }
        Wanted::Do(_) | Wanted::Recover(_) => {
            let why = Unverified::Conflict(conflict);
            Outcome::Unknown { name, doubt: Doubt::Earlier, why }
        }
    }
}

pub(super) fn told(request: &ClaimRequest, entry: &Entry) -> Outcome {
    let name = entry.name().to_owned();
    let kind = entry.ending().map_or(EndingKind::Unknown, |ending| ending.kind);
    let is_recovery = matches!(request.wanted, Wanted::Recover(_));
    let has_key = request.key.is_some() && request.key == entry.key;
    // Each process has ids of its own.
    let process = |id: &EntryId| id.as_str().parse::<usize>().unwrap() % PROCESSES;
    let is_recovered = entry.ending().is_some_and(|ending| ending.is_recovered)
        && process(&entry.id) == process(&request.id);
    let is_own = is_recovery || has_key || is_recovered;
    match (kind, &entry.operation) {
        (EndingKind::NotDone, operation) if entry.attempts == 0 => {
            not_done(operation, NotDone::NotAttempted)
        }
        (EndingKind::NotDone, operation) => not_done(operation, NotDone::Absent),
        (EndingKind::NameTaken, _) => {
            let name = entry.name().parse().unwrap();
            Outcome::NameTaken { name, owner: Owner::Undetermined(Unverified::AtOnce) }
        }
        (EndingKind::Unknown, _) => {
            Outcome::Unknown { name, doubt: Doubt::Earlier, why: Unverified::Stopped }
        }
        (_, Operation::Rename(rename)) => {
            Outcome::Renamed { old: rename.old.clone(), new: rename.new.clone() }
        }
        (EndingKind::Created, Operation::Create(create)) if is_recovery => {
            Outcome::Created { name: create.name.clone(), taken: Vec::new() }
        }
        _ => {
            let known = entry.ending().and_then(|ending| ending.portal.as_ref());
            let mut portal = Portal::new(name);
            portal.zaid = known.and_then(|known| known.id.clone());
            let origin = match kind {
                EndingKind::Present => Origin::Undetermined,
                _ => Origin::CreatedEarlier { entry: entry.id.to_string(), is_own },
            };
            Outcome::Present { portal, origin, taken: Vec::new() }
        }
    }
}

pub(super) fn not_done(operation: &Operation, why: NotDone) -> Outcome {
    match operation {
        Operation::Create(create) => Outcome::NotCreated { name: create.name.clone(), why },
        Operation::Rename(rename) => {
            Outcome::NotRenamed { old: rename.old.clone(), new: rename.new.clone(), why }
        }
    }
}
