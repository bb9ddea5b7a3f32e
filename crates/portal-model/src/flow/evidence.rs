//! What is known of an org's portals, and what follows from it for a flow.
//!
//! Only [`Receipt`] is public. [`Obstacle`] is `pub` for the exhaustive test's sake and can't be named
//! outside of `flow`.

use std::time::Duration;

use crate::error::ApiError;
use crate::intent::Baseline;
use crate::outcome::{Doubt, NotDone, Unverified};
use crate::portal::Portal;

/// The portals that a list shows.
///
/// Presence in any list counts, absence only in a complete one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    /// In the order of the service.
    pub(super) portals: Vec<Portal>,
    /// Whether absence from it means anything: not from a cache, and without further pages.
    pub(super) is_complete: bool,
}

/// What a list shows of the effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The effect is there: the portal that has the wanted name.
    There(Portal),
    /// It is not there.
    Absent,
    /// It is not there, and something is that forbids an attempt.
    Blocked(Obstacle),
    /// What is there may be the effect, changed by somebody else since.
    Ambiguous(Unverified),
}

/// What forbids an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The org has a portal of another name.
    OtherPortal(Portal),
    /// Another portal of the org has the new name.
    NewNameInUse,
    /// The org has no portal of the old name.
    NotFound { old: String },
}

/// How the kernel ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The service responded that the effect happened.
    Done,
    /// A list shows the effect.
    There {
        /// What it shows.
        portal: Portal,
        /// Whether it was there before the first attempt; `None` if no list was seen before.
        before: Option<bool>,
    },
    /// The effect did not happen, and something is there that forbids it.
    Blocked {
        /// What forbids it.
        by: Obstacle,
        /// The rejection that led there, if any.
        rejection: Option<ApiError>,
    },
    /// The service rejected the request, and it certainly did nothing.
    Rejected(ApiError),
    /// Nothing happened.
    NotDone(NotDone),
    /// It is not known whether the effect happened.
    Unknown {
        /// What put it in doubt.
        doubt: Doubt,
        /// Why that could not be resolved.
        why: Unverified,
        /// The rejection that an own copy may have caused, if no earlier attempt is in doubt beside it.
        suspect: Option<ApiError>,
    },
}

/// A portal that an earlier operation of the same ledger created in the org, or saw appear there.
///
/// A list may not show it yet. With receipts, a flow counts a young one as a portal of the org, and
/// never takes it for its own, renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entry of that operation.
    pub entry: String,
    /// The portal's name at the end of it.
    pub name: String,
    /// The portal's id, once a list showed it.
    pub id: Option<String>,
    /// The portals that the org had before that operation.
    pub baseline: Option<Baseline>,
    /// Whether that operation has the same key as this one.
    pub has_same_key: bool,
    /// How long ago it ended.
    pub age: Duration,
}
