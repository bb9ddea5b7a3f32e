//! [`ClaimRequest`]: asking for the next attempt, and what stands in the way.

use std::collections::BTreeSet;
use std::sync::Arc;

use portal_model::flow::{Policy, Receipt};
use portal_model::outcome::Conflict;
use portal_model::{Operation, OrgIdentity};

use crate::entry::{About, Entry, EntryId};
use crate::process::Process;
use crate::time::{Moment, Times};

/// An operation that somebody wants, in one org.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClaimRequest {
    /// The id of the entry, if a new one is made, and of the holder in any case. A request is run once at a time:
    /// two runs of one id would be one holder.
    pub id: EntryId,
    /// The API and the org, as far as that is known.
    pub org: OrgIdentity,
    /// The caller's word for where its credentials are.
    pub label: Option<String>,
    /// The caller's own id of the operation. Two requests of one key are one operation, so it has to be
    /// unique over all orgs of the ledger: where an org's id is not known, nothing else tells two apart.
    pub key: Option<String>,
    /// What is wanted.
    pub wanted: Wanted,
    /// How long attempts and their effects take, and whether the org may get the portal beside another
    /// one: then only entries of the same names are waited for.
    pub policy: Policy,
    /// Fingerprints of credentials that lead to other orgs than this one, as the caller states: without
    /// that, orgs of which no id is known may be one.
    pub distinct_from: Arc<BTreeSet<String>>,
    /// Where it comes from, for people.
    pub about: About,
    /// Who asks, where others can tell whether it is gone.
    pub(crate) process: Option<Process>,
    /// The entry that this operation attempted something in, and lost to somebody who adopted it.
    #[doc(hidden)]
    pub lost: Option<EntryId>,
    /// The entry that this operation began, and lost to somebody who adopted it.
    #[doc(hidden)]
    pub began: Option<EntryId>,
}

/// What a claim is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To do this.
    Do(Operation),
    /// To determine what came of this entry, without another attempt.
    Recover(EntryId),
}

/// Why a claim is not granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The operation ended earlier: this is its entry.
    Ended(Box<Entry>),
    /// Something else has to end first. List meanwhile: presence ends the wait, only absence needs
    /// it. Claim again at `until`, or every few seconds.
    Wait(Wait),
    /// It can't be granted, however long one waits.
    Blocked(Blocked),
}

/// What a claim waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// Why.
    pub why: Why,
    /// The entry that it waits for longest.
    pub entry: EntryId,
    /// When the claim can be granted, if nothing happens to that entry meanwhile.
    pub until: Moment,
    /// The portals that this ledger created in what may be the org, for a list meanwhile.
    pub receipts: Vec<Receipt>,
}

/// Why a claim has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The same operation is under way elsewhere, under the same key: its ending is the outcome.
    UnderWay,
    /// The same operation is under way elsewhere.
    SameUnderWay,
    /// Another operation is under way in what may be the same org, or about the same name.
    OtherUnderWay,
    /// An attempt of another operation may still take effect, or is not listed yet.
    Effect,
    /// The same of a rename from or to one of the names: a list may show the portal by the wrong one.
    Rename,
    /// One of the last three, while an attempt of this operation is in doubt: a list says that there is a
    /// portal of the name, but only the entry whose it is.
    InDoubt,
}

/// Why a claim can't be granted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Blocked {
    /// An entry that is in doubt, or exists, contradicts what is wanted. [`Conflict::LabelMoved`] is also said
    /// of an entry to recover that may be of another org than the credential, whose lists say nothing of it.
    #[error("{conflict}: {}", .entry.name())]
    Conflict {
        /// How.
        conflict: Conflict,
        /// Which.
        entry: Box<Entry>,
    },
    /// There is no such entry to recover.
    #[error("no entry {0}")]
    NoEntry(EntryId),
}

impl Blocked {
    pub(crate) fn is_of(&self, conflict: Conflict) -> bool {
        matches!(self, Self::Conflict { conflict: found, .. } if *found == conflict)
    }
}

impl ClaimRequest {
    /// A request with the default policy, without label and key.
    pub fn new(id: EntryId, org: OrgIdentity, wanted: Wanted) -> Self {
        Self {
            id,
            org,
            label: None,
            key: None,
            wanted,
            policy: Policy::default(),
            distinct_from: Arc::default(),
            about: About::default(),
            process: None,
            lost: None,
            began: None,
        }
    }

    pub(crate) fn times(&self) -> Times {
        Times::from(&self.policy)
    }
}
