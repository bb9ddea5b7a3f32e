//! What is known of an org's portals, and what follows from it for a flow.
//!
//! Only [`Receipt`] and [`Evidence`] are public. [`Obstacle`] is `pub` for the exhaustive test's sake and can't be named
//! outside of `flow`.

use std::time::Duration;

use crate::intent::Baseline;
use crate::outcome::{Origin, Unverified};
use crate::portal::Portal;

/// What a list shows of the effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Finding {
    /// The effect is there.
    There {
        /// The portal that has the wanted name.
        portal: Portal,
        /// How it came to be there.
        origin: Origin,
    },
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

/// What the same ledger has of another operation in the org: a portal that it made, or may have made.
///
/// With receipts, a flow knows portals that a list may not show yet, says of a portal that this ledger
/// made it (rule 6), takes none of them for its own, renamed (rule 7), and makes no other portal beside one
/// that there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The entry of that operation.
    pub entry: String,
    /// The portal's name at the end of it.
    pub name: String,
    /// The portal's id. The success of a create has none: the first later list that shows the name gives it.
    pub id: Option<String>,
    /// The portals that the org had before that operation.
    pub baseline: Option<Baseline>,
    /// Whether that operation has the same key as this one.
    pub has_same_key: bool,
    /// What the ledger knows of it.
    pub evidence: Evidence,
}

/// What a ledger knows of the portal of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It was created, or seen to appear.
    Made {
        /// How long ago that operation ended.
        age: Duration,
    },
    /// It was there, and got its name by a rename.
    Renamed {
        /// How long ago that operation ended.
        age: Duration,
    },
    /// Its name was refused as taken, and it was not verified by whom: perhaps by a copy of its own attempt.
    /// Only those of the same key are of interest.
    Refused,
}

impl Receipt {
    /// Whether it was made, or got its name, less than `limit` ago.
    pub(super) fn is_younger_than(&self, limit: Duration) -> bool {
        match self.evidence {
            Evidence::Made { age } | Evidence::Renamed { age } => age < limit,
            Evidence::Refused => false,
        }
    }

    /// Whether `portal` was not there before that operation, as far as it knows that.
    pub(super) fn is_new(&self, portal: &Portal) -> bool {
        self.baseline.as_ref().is_none_or(|before| !before.contains(portal))
    }
}
