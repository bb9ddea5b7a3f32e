//! [`Entry`]: one operation in the ledger, with all its attempts.

use std::fmt;
use std::time::Duration;

use portal_model::flow::{Baseline, Intent, KnownPortal};
use portal_model::{Operation, OrgIdentity, PortalName};
use serde::{Deserialize, Serialize};

use crate::error::LedgerError;
use crate::process::Process;
use crate::time::{Mark, Moment, Times};

/// Identifies an entry, and the claim that holds it. Made by the caller before it claims, so that a
/// claim whose result was lost can be made again.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryId(String);

/// One operation: what is wanted, in which org, what was attempted, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// Made by the caller.
    pub id: EntryId,
    /// Its place among all entries, from 1; 0 in a [`Permit`](crate::Permit) that was just granted.
    #[serde(skip)]
    pub order: u64,
    /// The API and the org, as far as that is known.
    pub org: OrgIdentity,
    /// The caller's word for where its credentials are, such as a profile or a tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The caller's own id of the operation, such as a sign-up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is wanted.
    pub operation: Operation,
    /// What the last attempt was to do, with the baseline of the first one; `None` before any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// How many attempts were recorded, and may have been sent.
    pub attempts: u32,
    /// The newest entry of its names that there was when it was last gone on from with another attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gone_on_after: Option<u64>,
    /// Whether it is open, or how it ended.
    pub state: State,
    /// The latest end of an attempt that was in doubt, whether it still is or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) doubt_ended: Option<Mark>,
    /// Whether nothing waits for it any more.
    #[serde(default)]
    pub(crate) is_settled: bool,
    /// The times that its attempts were made with.
    pub times: Times,
    /// Where it comes from, for people.
    pub about: About,
}

/// Whether an entry is open, or how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Somebody works on it, or did so and went away.
    Open(Lease),
    /// It ended.
    Ended {
        /// How.
        ending: Ending,
        /// When.
        at: Mark,
    },
}

/// Who may make the next attempt, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The claim that holds the entry; `None` if it was given up.
    pub(crate) holder: Option<EntryId>,
    /// From then on anybody may take it over. An attempt ends by then, too.
    pub(crate) until: Mark,
    /// Whether the holder recorded an attempt, and has not reported its end.
    pub(crate) is_attempting: bool,
    /// The newest entry of its names at the grant, until the holder records an attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) newest: Option<u64>,
    /// The holder's process, where others can tell whether it is gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<Process>,
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Ending {
    /// What is true.
    pub kind: EndingKind,
    /// The name that this is about, where it is not the operation's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The portal, as the list showed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<KnownPortal>,
    /// Why, for people: the last cause of a negative or an unknown ending.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Whether a recovery determined it: nobody who wants the operation was told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_recovered: bool,
}

/// What is true at the end of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EndingKind {
    /// The portal was created by this operation.
    Created,
    /// The portal was renamed by this operation.
    Renamed,
    /// An attempt was in doubt, and the portal is there now, which was not there before.
    Appeared,
    /// The portal is there, and not by this operation as far as anybody knows.
    Present,
    /// Nothing was done, for certain.
    NotDone,
    /// The name is taken, and whose it is was not verified, as requested: nothing was done, unless a copy
    /// of the attempt took the name, which a list shows one list lag later.
    NameTaken,
    /// An attempt is in doubt, or was when nobody was left to determine it.
    Unknown,
}

/// Where an entry comes from, for people. Nothing is decided by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The user of the operating system.
    pub user: Option<String>,
    /// The program and its version.
    pub program: Option<String>,
    /// The wall clock when it was begun, in seconds since 1970.
    pub wall_time: Option<u64>,
    /// The file that asked for it, such as that of a batch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

impl EntryId {
    /// A new id of 128 random bits.
    ///
    /// # Errors
    /// [`LedgerError::NotApplied`] if the system has no random bits.
    pub fn random() -> Result<Self, LedgerError> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(|error| {
            LedgerError::NotApplied(format!("no random bits for an id: {error}"))
        })?;
        Ok(Self(format!("{:032x}", u128::from_be_bytes(bits))))
    }

    /// An id of the caller's, which must never have been used for anything else.
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ending {
    /// An ending without particulars.
    pub fn new(kind: EndingKind) -> Self {
        Self { kind, name: None, portal: None, cause: None, is_recovered: false }
    }
}

impl Lease {
    /// Gives the entry up if the holder's process is gone. Its attempt still ends with the lease: the
    /// kernel of a dead process may go on sending.
    pub(crate) fn give_up_if_gone(&mut self) -> bool {
        let is_held = self.holder.is_some();
        if self.process.as_ref().is_some_and(Process::is_gone) {
            self.holder = None;
        }
        is_held && self.holder.is_none()
    }

    pub(crate) fn is_held_at(&self, now: &Moment) -> bool {
        self.holder.is_some() && !self.until.is_past(now)
    }
}

impl EndingKind {
    /// Whether the operation had an effect, as far as anybody knows.
    pub const fn is_own(self) -> bool {
        match self {
            Self::Created | Self::Renamed | Self::Appeared => true,
            Self::Present | Self::NotDone | Self::NameTaken | Self::Unknown => false,
        }
    }
}

impl Entry {
    /// How it ended, if it did.
    pub fn ending(&self) -> Option<&Ending> {
        match &self.state {
            State::Open(_) => None,
            State::Ended { ending, .. } => Some(ending),
        }
    }

    /// Whether it is not known what came of it: it is open with an attempt, or ended as unknown.
    pub fn is_in_doubt(&self) -> bool {
        match &self.state {
            State::Open(_) => self.attempts > 0,
            State::Ended { ending, .. } => ending.kind == EndingKind::Unknown,
        }
    }

    /// Whether its portal may be its doing, rather than one that was there before.
    pub fn may_be_own(&self) -> bool {
        self.is_in_doubt() || self.ending().is_some_and(|ending| ending.kind.is_own())
    }

    pub(crate) fn is_held_by(&self, holder: &EntryId) -> bool {
        matches!(&self.state, State::Open(lease) if lease.holder.as_ref() == Some(holder))
    }

    /// Whether somebody works on it at `now`, as far as others can tell.
    pub fn is_under_way(&self, now: &Moment) -> bool {
        let State::Open(lease) = &self.state else { return false };
        let mut lease = lease.clone();
        lease.give_up_if_gone();
        lease.is_held_at(now)
    }

    /// Whether it is open, or ended as unknown.
    pub fn is_unfinished(&self) -> bool {
        matches!(self.state, State::Open(_)) || self.is_in_doubt()
    }

    /// Whether something may be done by it yet: it is in doubt, or somebody works on it.
    #[doc(hidden)]
    pub fn may_be_done(&self, now: &Moment) -> bool {
        self.is_in_doubt() || self.is_under_way(now)
    }

    /// The name that it is about now: that of its ending or its last attempt, else the first.
    pub fn name(&self) -> &str {
        let ending = self.ending().and_then(|ending| ending.name.as_deref());
        let intent = self.intent.as_ref().map(|intent| intent.name().as_str());
        ending.or(intent).or(self.operation.names().next()).unwrap_or_default()
    }

    /// The names that were tried before the last one, and belong to other orgs.
    pub fn taken(&self) -> &[PortalName] {
        self.intent.as_ref().map_or(&[], |intent| &intent.taken)
    }

    /// When its last attempts were made, among those of others: what two entries have in common was done in
    /// this order. Two that were gone on from after the same one are equal.
    pub(crate) fn turn(&self) -> (u64, bool) {
        self.gone_on_after.map_or((self.order, false), |newest| (newest, true))
    }

    /// What the org had before the first attempt, if that was seen.
    pub(crate) fn baseline(&self) -> Option<&Baseline> {
        self.intent.as_ref()?.baseline.as_ref()
    }

    /// The portal of a rename, as it was before the first attempt.
    pub(crate) fn portal_before(&self) -> Option<&KnownPortal> {
        self.baseline()?.named(self.old_name()?)
    }

    /// The name that a rename took from a portal.
    pub(crate) fn old_name(&self) -> Option<&str> {
        match &self.operation {
            Operation::Create(_) => None,
            Operation::Rename(rename) => Some(&rename.old),
        }
    }

    /// The latest end of an attempt that may still take effect, known or bounded.
    pub(crate) fn last_doubtful_end(&self) -> Option<&Mark> {
        match &self.state {
            // Its holder may be dead: nothing but the lease bounds its attempt.
            State::Open(lease) if lease.is_attempting => Some(&lease.until),
            _ => self.doubt_ended.as_ref(),
        }
    }

    /// When an attempt of it that was ever in doubt can no longer take effect, on the clock of `now`.
    #[doc(hidden)]
    pub fn horizon(&self, now: &Moment, processing_time: Duration) -> Option<Moment> {
        let end = self.last_doubtful_end()?.on(now, self.times.attempt_budget);
        Some(end.plus(processing_time))
    }
}
