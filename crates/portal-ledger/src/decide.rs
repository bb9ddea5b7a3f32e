//! Every rule about entries: who may make the next attempt, what a claim waits for, and what a
//! holder may still write.
//!
//! Functions of rows and a time. An engine reads the rows, lets one of these decide, and writes the
//! rows that come back, all in one transaction; no rule is in an engine.
//!
//! # Rules
//! 1. **Fencing, not liveness.** A grant lasts until its lease ends, at most one attempt budget from
//!    then, and `record` extends it by one more. After that anybody may take the entry over. A holder
//!    that lost it learns that at the next `record` or `end`. That a process is gone only spares others the
//!    rest of its lease before they look; its attempt still ends with the lease.
//! 2. **A grant takes every other open entry that it had to wait for from its holder**, in the same
//!    transaction, also one without an attempt: a holder that wakes up late would attempt beside it.
//! 3. **`Unknown` is no end for the same operation**: it goes on from that entry, its first baseline
//!    included, and with the name of a success for another one, which is written when it is read. A claim
//!    that lost an entry in which it attempted something goes by what becomes of that. What this ledger did
//!    next with the name of an entry's portal says more: if it renamed it, the portal was there, as the doing
//!    of the attempt if it was not there before, and who is told of it hears the name by now; if it perhaps
//!    renamed it, or attempted to give the name to another portal (no two have one name at once), nobody here
//!    knows what the first one is called.
//! 4. **Other operations' entries are waited for, not determined.** After its horizon and the list lag
//!    an entry has an effect that the next baseline shows, or none.
//! 5. **What is waited for**: an open entry, until its lease ends, and if an attempt was recorded until
//!    horizon and list lag; an ended one that had or may have had an effect, until the list lag after
//!    its end, and until horizon and list lag of any attempt that was ever in doubt: if it ended as
//!    unknown, and for its names in any case. A rename waits that long for its names whether there was a
//!    doubt or not: it may free the name for a copy. Never one that sent nothing, or of which everything
//!    was rejected; but a name that was taken, and by whom was not verified, may be taken by a copy, which
//!    the list lag shows.
//! 6. **Unknown may be the same**: an entry counts if it may be of the same org, or has one of the names;
//!    unless the caller states that the credentials of the two lead to different orgs.
//!    With `allow_another` the names alone count.
//! 7. **A key is one operation**: created, or there after an attempt, and its entry is returned; in doubt,
//!    and it goes on, for a fallback that it got to as well; ended without a portal, and it begins anew. A
//!    name that is taken and not verified is in doubt for the same key and name, whatever other name of the
//!    key sent nothing since; another name of the key waits until a list shows whether a copy took it, and
//!    is not created beside that, whatever its name is by then.
//! 8. **A moment of another clock counts from when it is first read**: another boot, machine or time
//!    namespace. That is for waiting; how long ago something was done, it does not say.
//! 9. **`Created` is accepted from anybody, everything else from the holder.** But once another holder
//!    saw the portal appear, its caller was told that it is theirs, and no second one hears that. What a
//!    recovery saw appear is theirs who began the entry.

use std::collections::BTreeSet;
use std::time::Duration;

use portal_model::flow::{Evidence, Intent, Receipt};
use portal_model::identity::SameOrg;
use portal_model::name::{is_same_name, name_key};
use portal_model::operation::Operation;
use portal_model::outcome::Conflict;

use crate::claim::{Blocked, ClaimRequest, Refusal, Wait, Wanted, Why};
use crate::entry::{Ending, EndingKind, Entry, EntryId, Lease, State};
use crate::time::{Mark, Moment};

/// Nothing is waited for as long as this, so an older entry is settled for every reader.
const SETTLED_AFTER: Duration = Duration::from_secs(60 * 60);

/// What [`claim`] decides.
pub type Decision = Result<Box<Grant>, Refusal>;

/// What the holder of an entry works with.
#[derive(Debug)]
pub struct Grant {
    pub entry: Entry,
    /// Other portals that this ledger created, or may have created, in what may be the org.
    pub receipts: Vec<Receipt>,
    /// Whether what appears may be another operation's.
    pub has_rival: bool,
}

/// The end of the last recorded attempt, as its holder saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptEnd {
    /// When its response was read, or its connection closed.
    pub at: Moment,
    /// Whether it may have taken effect all the same.
    pub in_doubt: bool,
    /// The name that the service reported success for, where that is not the wanted one: no list shows that,
    /// so the next holder of the entry must know of it.
    pub other_name: Option<String>,
}

impl AttemptEnd {
    /// An end without a success for another name.
    pub const fn new(at: Moment, in_doubt: bool) -> Self {
        Self { at, in_doubt, other_name: None }
    }
}

/// Why a holder may not write: somebody else adopted the entry, or it has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the entry was taken over")]
pub struct Adopted;

/// Decides a claim over the rows that may concern it; others do no harm. Returns the rows to write.
pub fn claim(rows: Vec<Entry>, request: &ClaimRequest, now: &Moment) -> (Vec<Entry>, Decision) {
    let mut view = View::new(rows, request, now);
    let decision = view.decide();
    (view.written, decision)
}

/// What a claim would find, without one.
#[derive(Debug)]
pub struct Look {
    /// The last entry of the same operation.
    pub entry: Option<Entry>,
    /// Those by which something may be done yet about what is wanted, in whatever org.
    pub undecided: Vec<Entry>,
    /// What this ledger created besides.
    pub receipts: Vec<Receipt>,
    /// What would be decided.
    pub decision: Decision,
}

/// The names that a claim may turn on: those that are wanted or under its key, and those that renames gave
/// their portals. More of them may be found in the entries that have one of these.
pub(crate) fn names_of(rows: &[Entry], request: &ClaimRequest) -> BTreeSet<String> {
    let wanted = match &request.wanted {
        Wanted::Do(operation) => Some(operation),
        Wanted::Recover(_) => None,
    };
    let wanted = wanted.into_iter().flat_map(Operation::names);
    let is_own = |row: &&Entry| {
        has_equal_key(row, request)
            || matches!(&request.wanted, Wanted::Recover(id) if row.id == *id)
    };
    let own = rows.iter().filter(is_own).flat_map(|row| row.operation.names().chain([row.name()]));
    let mut names: BTreeSet<_> = wanted.chain(own).map(name_key).collect();
    // The newest come first.
    for row in rows.iter().rev().filter(|row| may_be_cause(row)) {
        if row.old_name().is_some_and(|old| names.contains(&name_key(old))) {
            names.insert(name_key(row.name()));
        }
    }
    names
}

/// What a claim would find.
pub fn look(rows: Vec<Entry>, request: &ClaimRequest, now: &Moment) -> Look {
    let is_undecided = |row: &&Entry| is_undecided(row, request, now);
    let undecided = rows.iter().filter(is_undecided).cloned().collect();
    let mut view = View::new(rows, request, now);
    let entry = match &request.wanted {
        Wanted::Do(operation) => view.last_of_same(operation),
        Wanted::Recover(id) => view.entry(id),
    };
    let entry = entry.map(|entry| view.named_by_now(entry.clone()).unwrap_or(entry.clone()));
    let in_doubt = entry.as_ref().filter(|entry| entry.is_in_doubt()).map(|entry| &entry.id);
    let receipts = view.receipts(in_doubt);
    Look { entry, undecided, receipts, decision: view.decide() }
}

/// Whether something may be done yet by an entry about what is wanted. A caller without a token does not know
/// the origin.
fn is_undecided(entry: &Entry, request: &ClaimRequest, now: &Moment) -> bool {
    let origin = request.org.origin();
    let is_wanted = match &request.wanted {
        Wanted::Do(operation) => {
            (origin.is_empty() || entry.org.origin() == origin)
                && (has_common_name(entry, operation)
                    || operation.concerns(entry.name())
                    || is_theirs_too(entry, request))
        }
        Wanted::Recover(id) => entry.id == *id,
    };
    is_wanted && entry.may_be_done(now)
}

/// Decides whether the holder may make the attempt that `intent` describes. Returns the row to write.
///
/// # Errors
/// [`Adopted`] if it no longer holds the entry: no attempt, ever.
pub fn record(
    entry: Entry,
    holder: &EntryId,
    intent: &Intent,
    last: Option<&AttemptEnd>,
    now: &Moment,
) -> Result<Entry, Adopted> {
    if !entry.is_held_by(holder) {
        return Err(Adopted);
    }
    let mut entry = with_end(entry, last);
    // An attempt whose end was not reported ended with its lease at the latest.
    entry.doubt_ended = entry.last_doubtful_end().cloned();
    // The first baseline is of before every attempt; a later one may show what the first one did.
    entry.intent = Some(match &entry.intent {
        Some(first) => intent.clone().with_baseline(first.baseline.clone()),
        None => intent.clone(),
    });
    entry.attempts += 1;
    if let State::Open(lease) = &mut entry.state {
        lease.until = now.plus(entry.times.attempt_budget).into();
        lease.is_attempting = true;
        // What earlier ones did, they did before those of others that were waited for.
        entry.gone_on_after = lease.newest.take().or(entry.gone_on_after);
    }
    Ok(entry)
}

/// Keeps the end of the last attempt. Returns the row to write.
///
/// # Errors
/// [`Adopted`] if `holder` no longer holds the entry.
pub fn attempt_ended(
    entry: Entry,
    holder: &EntryId,
    last: Option<&AttemptEnd>,
) -> Result<Entry, Adopted> {
    if entry.is_held_by(holder) { Ok(with_end(entry, last)) } else { Err(Adopted) }
}

/// Decides whether `holder` may end the entry so. Returns the row to write.
///
/// # Errors
/// [`Adopted`] if it no longer holds the entry, and did not create the portal or somebody was told
/// that it is theirs.
pub fn end(
    entry: Entry,
    holder: &EntryId,
    ending: &Ending,
    last: Option<&AttemptEnd>,
    now: &Moment,
) -> Result<Entry, Adopted> {
    let is_holder = entry.is_held_by(holder);
    let is_told = entry.ending().is_some_and(|ending| ending.kind.is_own());
    if !is_holder && (ending.kind != EndingKind::Created || is_told) {
        return Err(Adopted);
    }
    let entry = if is_holder { with_end(entry, last) } else { entry };
    Ok(ended(entry, ending.clone(), now.clone().into()))
}

/// Gives the entry up, if `holder` still has it and no attempt of it is under way.
pub fn release(entry: Entry, holder: &EntryId, last: Option<&AttemptEnd>) -> Option<Entry> {
    // Even if the attempt itself is not in doubt, nobody says what it did, or its copies, and no list may
    // show it yet.
    let last = last.map(|last| AttemptEnd { in_doubt: true, ..last.clone() });
    let mut entry = with_end(entry, last.as_ref());
    let State::Open(lease) = &mut entry.state else { return None };
    if lease.holder.as_ref() != Some(holder) || lease.is_attempting {
        return None;
    }
    lease.holder = None;
    let until = lease.until.clone();
    // Nothing was sent, and nothing remains to be determined.
    Some(if entry.attempts == 0 { taken_over(entry, until) } else { entry })
}

fn with_end(mut entry: Entry, last: Option<&AttemptEnd>) -> Entry {
    let Some(last) = last else { return entry };
    if last.in_doubt {
        let ahead = entry.times.attempt_budget;
        let before = entry.doubt_ended.take();
        let before = before.filter(|before| last.at.since(&before.on(&last.at, ahead)).is_none());
        entry.doubt_ended = Some(before.unwrap_or_else(|| last.at.clone().into()));
    }
    if let Some(other_name) = &last.other_name {
        entry.intent = entry.intent.map(|intent| intent.with_other_name(other_name.clone()));
    }
    if let State::Open(lease) = &mut entry.state {
        lease.is_attempting = false;
    }
    entry
}

fn ended(mut entry: Entry, mut ending: Ending, at: Mark) -> Entry {
    if entry.attempts == 0 && ending.kind == EndingKind::Unknown {
        ending.kind = EndingKind::NotDone;
    }
    entry.doubt_ended = entry.last_doubtful_end().cloned();
    entry.is_settled = entry.attempts == 0;
    // Of what did nothing, for certain, neither a receipt nor a later list is compared with what was there
    // before. What may have made a portal goes by it for good: a success has no id.
    let is_nothing = matches!(ending.kind, EndingKind::NotDone | EndingKind::Present);
    if is_nothing && entry.doubt_ended.is_none() {
        entry.intent = entry.intent.map(|intent| intent.with_baseline(None));
    }
    entry.state = State::Ended { ending, at };
    entry
}

fn taken_over(entry: Entry, at: Mark) -> Entry {
    ended(entry, Ending::new(EndingKind::Unknown), at)
}

/// The later of two moments of one clock.
fn later(one: Option<Moment>, other: Moment) -> Moment {
    one.filter(|one| other.since(one).is_none()).unwrap_or(other)
}

/// The entries that a claim looks at, as they are now, the newest first; and what was written.
struct View<'a> {
    entries: Vec<Entry>,
    written: Vec<Entry>,
    request: &'a ClaimRequest,
    now: &'a Moment,
}

impl<'a> View<'a> {
    fn new(rows: Vec<Entry>, request: &'a ClaimRequest, now: &'a Moment) -> Self {
        let mut view = Self { entries: Vec::new(), written: Vec::new(), request, now };
        // Names are looked up at every origin.
        let is_here = |row: &Entry| {
            row.org.origin() == request.org.origin()
                || matches!(&request.wanted, Wanted::Recover(id) if row.id == *id)
        };
        for mut row in rows.into_iter().filter(is_here) {
            if age(&mut row, request, now) {
                view.written.push(row.clone());
            }
            view.entries.push(row);
        }
        view.entries.sort_by_key(|entry| std::cmp::Reverse(entry.order));
        view
    }

    /// What the claim is about, if there is something.
    fn operation(&self) -> Option<&Operation> {
        match &self.request.wanted {
            Wanted::Do(operation) => Some(operation),
            Wanted::Recover(id) => self.entry(id).map(|entry| &entry.operation),
        }
    }

    fn entry(&self, id: &EntryId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == *id)
    }

    fn write(&mut self, entry: &Entry) {
        self.written.retain(|written| written.id != entry.id);
        self.written.push(entry.clone());
        for row in self.entries.iter_mut().filter(|row| row.id == entry.id) {
            *row = entry.clone();
        }
    }

    fn decide(&mut self) -> Decision {
        // A claim whose result was lost, made again: it holds an entry and has not used it.
        let holds = |entry: &&Entry| {
            entry.is_held_by(&self.request.id)
                && matches!(&entry.state, State::Open(lease) if !lease.is_attempting)
        };
        let entry = match (self.entries.iter().find(holds), &self.request.wanted) {
            (Some(entry), _) => entry.clone(),
            (None, Wanted::Do(operation)) => self.begin(operation)?,
            (None, Wanted::Recover(id)) => self.recover(id)?,
        };
        Ok(self.grant(entry).into())
    }

    /// What an attempt of `operation` goes on from.
    fn begin(&mut self, operation: &Operation) -> Result<Entry, Refusal> {
        if let Some(blocked) = self.blocked(operation) {
            return Err(Refusal::Blocked(blocked));
        }
        let adopted = self.earlier(operation)?;
        let own = adopted.as_ref().map(|entry| entry.id.clone());
        let others = || {
            let counts = |entry: &&Entry| self.counts(entry, operation);
            self.entries.iter().filter(counts).filter(|entry| own.as_ref() != Some(&entry.id))
        };
        let waits: Vec<Wait> =
            others().filter_map(|entry| self.wait_for(entry, operation)).collect();
        let is_renamed = waits.iter().any(|wait| wait.why == Why::Rename);
        let longest = waits
            .into_iter()
            .reduce(|one, other| if one.until.since(&other.until).is_none() { other } else { one });
        if let Some(wait) = longest {
            let receipts = self.receipts(own.as_ref());
            let is_in_doubt = adopted.is_some_and(|entry| entry.attempts > 0);
            let why = match wait.why {
                _ if is_in_doubt => Why::InDoubt,
                _ if is_renamed => Why::Rename,
                why => why,
            };
            return Err(Refusal::Wait(Wait { why, receipts, ..wait }));
        }
        // Rule 2: in this transaction, so that none of their holders attempts beside this one.
        let open: Vec<Entry> = others().filter(|entry| entry.ending().is_none()).cloned().collect();
        for entry in open {
            self.write(&taken_over(entry, self.now.clone().into()));
        }
        Ok(adopted.unwrap_or_else(|| self.new_entry(operation)))
    }

    /// The earlier entry of the same operation from which this one goes on, if any; or what that entry
    /// decides of this claim.
    fn earlier(&mut self, operation: &Operation) -> Result<Option<Entry>, Refusal> {
        let Some(mut entry) = self.last_of_same(operation).cloned() else { return Ok(None) };
        let is_outcome = is_theirs_too(&entry, self.request) && may_be_cause(&entry);
        let name_dropped = |entry| Refusal::Blocked(conflict(Conflict::NameDropped, entry));
        match &entry.state {
            State::Open(lease) if lease.is_held_at(self.now) => {
                return Err(self.under_way(&entry, lease));
            }
            // Whose the name is decides what came of the key.
            State::Ended { ending, .. }
                if ending.kind == EndingKind::NameTaken
                    && has_equal_key(&entry, self.request)
                    && operation.is_same_as(&entry.operation) => {}
            State::Ended { ending, .. } if ending.kind != EndingKind::Unknown => {
                // The result of this very claim was lost, and somebody ended the entry since.
                let is_own = entry.id == self.request.id;
                return if is_own || (is_outcome && self.concerns(operation, &entry)) {
                    Err(self.told(&entry))
                } else if is_outcome && is_create(&entry.operation) == is_create(operation) {
                    Err(name_dropped(&entry))
                } else if is_outcome {
                    Err(Refusal::Blocked(conflict(Conflict::KeyOfAnother, &entry)))
                } else {
                    Ok(None)
                };
            }
            State::Open(_) | State::Ended { .. } => {}
        }
        if let Some(renamed) = self.renamed_since(&entry) {
            // Whose key it is, is told; without one the wish is a new one, and the next list its outcome.
            let told = is_outcome.then(|| self.told(&renamed));
            return told.map_or(Ok(None), Err);
        }
        if entry.attempts > 0 && !operation.concerns(entry.name()) {
            return Err(name_dropped(&entry));
        }
        // Others wait for what is attempted under each of its names.
        entry.operation = match (entry.operation, operation) {
            (Operation::Create(begun), Operation::Create(wanted)) if entry.attempts > 0 => {
                begun.with_fallbacks(wanted.names().cloned()).into()
            }
            _ => operation.clone(),
        };
        entry.key = entry.key.or_else(|| self.request.key.clone());
        entry.label = entry.label.or_else(|| self.request.label.clone());
        Ok(Some(entry))
    }

    /// Whether the portal of an entry has or had one of the names, or may have it by a rename that is in doubt.
    fn concerns(&self, operation: &Operation, entry: &Entry) -> bool {
        let renamed = |last: &&Entry| {
            let last = *last;
            next_of_name(&self.entries, last).filter(|next| is_rename_of(last, next))
        };
        let mut named = std::iter::successors(Some(entry), renamed);
        is_create(operation) == is_create(&entry.operation)
            && named.any(|entry| operation.concerns(entry.name()))
    }

    /// The entry to determine; nothing is attempted, so nothing else is waited for.
    fn recover(&mut self, id: &EntryId) -> Result<Entry, Refusal> {
        let Some(entry) = self.entry(id).cloned() else {
            return Err(Refusal::Blocked(Blocked::NoEntry(id.clone())));
        };
        // The list of what may be another org proves nothing.
        if !is_same_org(&entry, self.request) {
            return Err(Refusal::Blocked(conflict(Conflict::LabelMoved, &entry)));
        }
        if let Some(renamed) = self.renamed_since(&entry) {
            return Err(self.recovered(renamed));
        }
        match &entry.state {
            State::Open(lease) if lease.is_held_at(self.now) => Err(self.under_way(&entry, lease)),
            State::Ended { ending, .. } if ending.kind != EndingKind::Unknown => {
                Err(self.recovered(entry))
            }
            State::Open(_) | State::Ended { .. } => Ok(entry),
        }
    }

    /// Rule 7, and a label or key that leads elsewhere.
    fn blocked(&self, operation: &Operation) -> Option<Blocked> {
        self.entries.iter().find_map(|entry| {
            if !entry.may_be_own() {
                return None;
            }
            let is_first = operation.is_same_as(&entry.operation);
            let has_key = has_equal_key(entry, self.request);
            let has_label = entry.label.is_some() && entry.label == self.request.label;
            let moved = is_other_org(entry, self.request);
            if has_label && is_first && moved {
                return Some(conflict(Conflict::LabelMoved, entry));
            }
            let is_wish = is_same_wish(entry, operation)
                || is_create(operation) && self.concerns(operation, entry);
            (has_key && (moved || !is_wish)).then(|| conflict(Conflict::KeyOfAnother, entry))
        })
    }

    /// The last entry of the same operation: of the same id, or of an equal key; or, where at most
    /// one of the two has a key, of the same org, kind and first name. What ended without a portal, under
    /// the key or lost, says nothing of one that came later; nor does what another name of the key was
    /// begun for and sent nothing, of whose a refused name is.
    fn last_of_same(&self, operation: &Operation) -> Option<&Entry> {
        let request = self.request;
        let rank = |entry: &Entry| {
            let is_lost = request.lost.as_ref() == Some(&entry.id);
            let is_under_key = self.is_under_key(entry);
            let has_other_key = entry.key.is_some() && request.key.is_some();
            let is_first = operation.is_same_as(&entry.operation);
            Some(if entry.id == request.id {
                0
            } else if is_lost && (entry.ending().is_none() || entry.may_be_own()) {
                1
            } else if is_under_key && (may_be_cause(entry) || entry.may_be_done(self.now)) {
                2
            } else if is_first && self.is_refused_under_key(entry) {
                3
            } else if is_under_key || is_first && !has_other_key && is_same_org(entry, request) {
                4
            } else {
                return None;
            })
        };
        let ranked = self.entries.iter().filter_map(|entry| Some((rank(entry)?, entry)));
        // The newest of those that come first.
        ranked.min_by_key(|(rank, _)| *rank).map(|(_, entry)| entry)
    }

    /// Rule 6: whether an entry of another operation has to be waited for at all.
    fn counts(&self, entry: &Entry, operation: &Operation) -> bool {
        has_common_name(entry, operation)
            || self.is_under_key(entry)
            || (!self.request.policy.allow_another && !is_other_org(entry, self.request))
    }

    /// Rule 5, for an entry that counts.
    fn wait_for(&self, entry: &Entry, operation: &Operation) -> Option<Wait> {
        // Its moments may be of a clock that no longer runs.
        if entry.is_settled {
            return None;
        }
        let times = entry.times.max(self.request.times());
        let has_name = has_common_name(entry, operation);
        // A rename frees a name that a copy of an attempt may still be about, also of one that
        // succeeded or was rejected.
        let is_freed = has_name && matches!(operation, Operation::Rename(_));
        let horizon = entry.horizon(self.now, times.processing_time);
        let horizon = horizon.map(|at| at.plus(times.list_lag));
        let (why, until, is_listed) = match &entry.state {
            State::Open(lease) if lease.holder.is_some() => {
                let until = later(horizon, lease.until.on(self.now, times.attempt_budget));
                (Why::OtherUnderWay, until, false)
            }
            State::Open(_) => (Why::Effect, horizon?, false),
            State::Ended { .. } if entry.attempts == 0 => return None,
            State::Ended { ending, at } => {
                let listed = at.on(self.now, Duration::ZERO).plus(times.list_lag);
                let copies = if is_freed { times.processing_time } else { Duration::ZERO };
                let is_unknown = ending.kind == EndingKind::Unknown;
                let doubt = horizon.filter(|_| is_unknown || has_name);
                let until = match ending.kind {
                    EndingKind::NotDone if !is_freed => doubt?,
                    _ => later(doubt, listed.plus(copies)),
                };
                // What the same rename did before, is what a list shows or not.
                let is_lagging = ending.kind.is_own()
                    && !operation.is_same_as(&entry.operation)
                    && !listed.is_at_or_before(self.now);
                (Why::Effect, until, !is_unknown && !is_lagging)
            }
        };
        let is_rename = matches!(entry.operation, Operation::Rename(_));
        let is_here = has_name && !is_other_org(entry, self.request);
        let why = if is_rename && is_here && !is_listed { Why::Rename } else { why };
        let is_past = until.is_at_or_before(self.now);
        (!is_past).then(|| Wait { why, entry: entry.id.clone(), until, receipts: Vec::new() })
    }

    /// Rule 3: the portal of an entry in doubt was there if this ledger renamed it later.
    fn renamed_since(&mut self, entry: &Entry) -> Option<Entry> {
        if !entry.is_in_doubt() {
            return None;
        }
        let is_done = |next: &&Entry| is_rename_of(entry, next) && !next.is_in_doubt();
        let rename = next_of_name(&self.entries, entry).filter(is_done)?;
        let portal = rename.portal_before().cloned();
        let id = portal.as_ref().and_then(|portal| portal.id.as_ref());
        let kind = match (entry.old_name(), entry.baseline(), id) {
            (None, Some(before), Some(id))
                if before.0.iter().all(|known| known.id.as_ref() != Some(id)) =>
            {
                EndingKind::Appeared
            }
            (Some(_), _, Some(id))
                if entry.portal_before().and_then(|known| known.id.as_ref()) == Some(id) =>
            {
                EndingKind::Renamed
            }
            // What may have been there before the first attempt is not its doing.
            _ => EndingKind::Present,
        };
        let name = Some(entry.name().to_owned());
        let ending = Ending { name, portal, ..Ending::new(kind) };
        let determined = ended(entry.clone(), ending, self.now.clone().into());
        self.write(&determined);
        Some(determined)
    }

    /// Rule 3: what is told of an entry that ended.
    fn told(&self, entry: &Entry) -> Refusal {
        let named = self.named_by_now(entry.clone());
        named.map_or_else(
            || Refusal::Blocked(conflict(Conflict::NameUncertain, entry)),
            |entry| Refusal::Ended(entry.into()),
        )
    }

    /// The same of a recovery: what was determined stays so, whatever the portal is called; and what was
    /// created, was created with the name of then.
    fn recovered(&self, entry: Entry) -> Refusal {
        let is_there = entry.ending().is_some_and(|ending| ending.kind != EndingKind::Created);
        let by_now = is_there.then(|| self.named_by_now(entry.clone())).flatten();
        Refusal::Ended(by_now.unwrap_or(entry).into())
    }

    /// An entry with the name that its portal has by now; `None` if nothing says what it is called.
    fn named_by_now(&self, mut entry: Entry) -> Option<Entry> {
        let last = last_of_name(&self.entries, &entry)?;
        let name = (last.id != entry.id).then(|| last.name().to_owned());
        if let (State::Ended { ending, .. }, Some(name)) = (&mut entry.state, name) {
            ending.name = Some(name);
        }
        Some(entry)
    }

    fn new_entry(&self, operation: &Operation) -> Entry {
        let request = self.request;
        Entry {
            id: request.id.clone(),
            order: 0,
            org: request.org.clone(),
            label: request.label.clone(),
            key: request.key.clone(),
            operation: operation.clone(),
            intent: None,
            attempts: 0,
            gone_on_after: None,
            state: State::Open(Lease {
                holder: None,
                until: self.now.clone().into(),
                is_attempting: false,
                newest: None,
                process: None,
            }),
            doubt_ended: None,
            is_settled: false,
            times: request.times(),
            about: request.about.clone(),
        }
    }

    fn grant(&mut self, mut entry: Entry) -> Grant {
        let receipts = self.receipts(Some(&entry.id));
        let has_rival = self.has_rival(&entry);
        // The attempt of a holder that went away ended with its lease at the latest.
        entry.doubt_ended = entry.last_doubtful_end().cloned();
        entry.times = entry.times.max(self.request.times());
        entry.is_settled = false;
        let may_be_of_name = |it: &&Entry| {
            it.operation.concerns(entry.name())
                || self.operation().is_some_and(|operation| has_common_name(it, operation))
        };
        let others = self.entries.iter().filter(may_be_of_name);
        let newest = others.map(|other| other.order).max().filter(|_| entry.attempts > 0);
        entry.state = State::Open(Lease {
            holder: Some(self.request.id.clone()),
            until: self.now.plus(entry.times.attempt_budget).into(),
            is_attempting: false,
            newest,
            process: self.request.process.clone(),
        });
        self.write(&entry);
        Grant { entry, receipts, has_rival }
    }

    /// Whether it is of the key of the request. What is of another org for certain is not done here.
    fn is_under_key(&self, entry: &Entry) -> bool {
        has_equal_key(entry, self.request) && !is_other_org(entry, self.request)
    }

    /// Rule 7: whether the key may have its portal by a copy of an attempt whose name was taken.
    fn is_refused_under_key(&self, entry: &Entry) -> bool {
        self.is_under_key(entry)
            && entry.ending().is_some_and(|ending| ending.kind == EndingKind::NameTaken)
    }

    /// Whether another create of its names began since: it waited until no attempt of this entry could
    /// take effect any more, so a portal that appears now is rather its doing.
    fn has_rival(&self, entry: &Entry) -> bool {
        let is_rival = |other: &Entry| {
            let is_held = matches!(&other.state, State::Open(lease) if lease.holder.is_some());
            is_create(&other.operation)
                && other.order > entry.order
                && (other.attempts > 0 || is_held)
                && self.operation().is_some_and(|operation| has_common_name(other, operation))
                && !is_other_org(other, self.request)
        };
        // A new entry is the last one.
        entry.order > 0 && self.entries.iter().any(is_rival)
    }

    fn under_way(&self, entry: &Entry, lease: &Lease) -> Refusal {
        let until = lease.until.on(self.now, entry.times.attempt_budget);
        let id = entry.id.clone();
        let receipts = self.receipts(Some(&id));
        let is_outcome = is_theirs_too(entry, self.request);
        let why = if is_outcome { Why::UnderWay } else { Why::SameUnderWay };
        Refusal::Wait(Wait { why, entry: id, until, receipts })
    }

    /// What this ledger created in the org, or a copy of an attempt under the key may have, apart from the entry
    /// `own`.
    fn receipts(&self, own: Option<&EntryId>) -> Vec<Receipt> {
        // While a rename is in doubt, the portal may have either name.
        let is_renamed = |entry: &Entry| {
            self.entries.iter().any(|next| may_be_cause(next) && is_rename_of(entry, next))
        };
        let is_here = |entry: &Entry| is_same_org(entry, self.request) && !is_renamed(entry);
        // The newest first: of several that created a portal of one name, it is the last one's. By its old name a
        // key still finds what a copy may have made.
        let others = self.entries.iter().filter(|entry| {
            own != Some(&entry.id) && (self.is_refused_under_key(entry) || is_here(entry))
        });
        let receipt = |entry: &Entry| {
            let portal = entry.ending().and_then(|ending| ending.portal.as_ref());
            let portal = portal.or_else(|| entry.portal_before());
            Some(Receipt {
                entry: entry.id.to_string(),
                name: entry.name().to_owned(),
                id: portal.and_then(|portal| portal.id.clone()),
                baseline: entry.baseline().cloned(),
                has_same_key: has_equal_key(entry, self.request),
                evidence: self.evidence(entry)?,
            })
        };
        others.filter_map(receipt).collect()
    }

    /// What is known of the portal of an entry, if it made one or may have.
    fn evidence(&self, entry: &Entry) -> Option<Evidence> {
        match &entry.state {
            State::Ended { ending, at } if ending.kind.is_own() => {
                // An age that is not known makes nothing present that a list does not show: who has to wait
                // for the list, does.
                let age = at.first_hand(self.now).and_then(|at| self.now.since(at));
                let age = age.unwrap_or(SETTLED_AFTER);
                Some(match entry.operation {
                    Operation::Create(_) => Evidence::Made { age },
                    Operation::Rename(_) => Evidence::Renamed { age },
                })
            }
            _ if self.is_refused_under_key(entry) => Some(Evidence::Refused),
            _ => None,
        }
    }
}

fn conflict(conflict: Conflict, entry: &Entry) -> Blocked {
    Blocked::Conflict { conflict, entry: Box::new(entry.clone()) }
}

/// What this ledger did last with the name of an entry's portal, or that entry; `None` if it perhaps renamed it,
/// or gave the name to another portal since: nothing says what the first one is called.
fn last_of_name<'a>(entries: &'a [Entry], entry: &'a Entry) -> Option<&'a Entry> {
    let mut last = entry;
    while let Some(next) = next_of_name(entries, last) {
        let is_done = next.ending().is_some_and(|ending| ending.kind.is_own());
        last = Some(next).filter(|next| is_rename_of(last, next) && is_done)?;
    }
    Some(last)
}

/// What this ledger did next with the name of an entry's portal: it took it from that, or gave it to another
/// one.
fn next_of_name<'a>(entries: &'a [Entry], entry: &Entry) -> Option<&'a Entry> {
    let is_about = |name: &str| is_same_name(name, entry.name());
    // Who attempts a create of the name did not see it in a list any more.
    let is_it = |next: &&Entry| {
        next.id != entry.id
            && next.org.origin() == entry.org.origin()
            && next.turn() >= entry.turn()
            && (next.may_be_own() && is_about(next.name())
                || may_be_cause(next) && next.old_name().is_some_and(is_about))
    };
    let later = entries.iter().filter(is_it).min_by_key(|next| next.turn());
    later.filter(|_| may_be_cause(entry))
}

impl Entry {
    /// The name that its portal has by now, as far as this ledger changed it, which has done no more than
    /// `entries` with portals of its names; `None` if that leaves open what it is called.
    pub fn name_by_now<'a>(&'a self, entries: &'a [Self]) -> Option<&'a str> {
        last_of_name(entries, self).map(Self::name)
    }
}

/// Whether `next` renamed, or may have renamed, the portal of an entry, which had its name until then.
fn is_rename_of(entry: &Entry, next: &Entry) -> bool {
    next.old_name().is_some_and(|old| is_same_name(old, entry.name()))
        && next.turn() > entry.turn()
        && next.org.compare(&entry.org) == SameOrg::Yes
}

fn is_same_org(entry: &Entry, request: &ClaimRequest) -> bool {
    entry.org.compare(&request.org) == SameOrg::Yes
}

pub fn is_other_org(entry: &Entry, request: &ClaimRequest) -> bool {
    match entry.org.compare(&request.org) {
        SameOrg::Yes => false,
        SameOrg::No => true,
        SameOrg::Unknown => request.distinct_from.contains(entry.org.fingerprint()),
    }
}

/// Whether the ending of the entry is the outcome of the request, and not the next list.
fn is_theirs_too(entry: &Entry, request: &ClaimRequest) -> bool {
    has_equal_key(entry, request) || request.lost.as_ref() == Some(&entry.id)
}

/// Whether its portal may be its doing: of one that was there after an attempt, the attempt may have been the
/// cause.
fn may_be_cause(entry: &Entry) -> bool {
    let is_there = |ending: &Ending| entry.attempts > 0 && ending.kind == EndingKind::Present;
    entry.may_be_own() || entry.ending().is_some_and(is_there)
}

/// Whether an entry of the same key is of what is wanted: by its first name, or by the one it got to.
pub(crate) fn is_same_wish(entry: &Entry, operation: &Operation) -> bool {
    let are_creates = is_create(operation) && is_create(&entry.operation);
    operation.is_same_as(&entry.operation) || are_creates && operation.concerns(entry.name())
}

const fn is_create(operation: &Operation) -> bool {
    matches!(operation, Operation::Create(_))
}

pub(crate) fn has_equal_key(entry: &Entry, request: &ClaimRequest) -> bool {
    entry.key.is_some() && entry.key == request.key
}

fn has_common_name(entry: &Entry, operation: &Operation) -> bool {
    operation.names().any(|name| entry.operation.concerns(name))
}

/// Makes the entry what it is for the clock of `now`, which may read it for the first time (rule 8): nothing
/// more is done by the holder of a process that is gone, and it is marked as past (`is_settled`) once nothing
/// waits for it any more, so that it is not read for every claim. Returns whether anything changed.
fn age(entry: &mut Entry, reader: &ClaimRequest, now: &Moment) -> bool {
    if entry.is_settled {
        return false;
    }
    let times = entry.times.max(reader.times());
    let mut is_changed = match &mut entry.state {
        State::Open(lease) => {
            let is_given_up = lease.give_up_if_gone();
            lease.until.read(now, times.attempt_budget) || is_given_up
        }
        State::Ended { at, .. } => at.read(now, Duration::ZERO),
    };
    if let Some(end) = &mut entry.doubt_ended {
        is_changed |= end.read(now, times.attempt_budget);
    }
    if let State::Ended { at, .. } = &entry.state {
        let needed = times.total().max(SETTLED_AFTER);
        let is_old = |mark: &Mark| {
            mark.reading(now).and_then(|at| now.since(at)).is_some_and(|age| age >= needed)
        };
        entry.is_settled = is_old(at) && entry.doubt_ended.as_ref().is_none_or(is_old);
    }
    is_changed || entry.is_settled
}

#[cfg(test)]
mod tests;
