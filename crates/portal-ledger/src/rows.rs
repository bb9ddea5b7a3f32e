//! [`Rows`]: which entries a decision reads.

use std::collections::BTreeSet;

use portal_model::identity::{OrgIdentity, SameOrg};
use portal_model::name::name_key;

use crate::claim::{ClaimRequest, Wanted};
use crate::entry::{Entry, EntryId};

/// Which entries a decision reads. More than these do no harm.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    /// Those of an origin that may concern a claim.
    Claim { org: OrgIdentity, key: Option<String>, names: Vec<String>, id: EntryId },
    /// One.
    Entry(EntryId),
    /// For people.
    Filter(Filter),
}

/// Which entries to return. The default is all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Of this origin only.
    pub origin: Option<String>,
    /// Of these labels only.
    pub labels: Option<BTreeSet<String>>,
    /// Only those that are open, or ended as unknown.
    pub is_unfinished: bool,
    /// At most this many, the newest.
    pub limit: Option<usize>,
}

impl Rows {
    pub(crate) fn of_claim(request: &ClaimRequest) -> Self {
        let (names, id) = match &request.wanted {
            Wanted::Do(operation) => (operation.names().map(name_key).collect(), &request.id),
            Wanted::Recover(id) => (Vec::new(), id),
        };
        Self::Claim { org: request.org.clone(), key: request.key.clone(), names, id: id.clone() }
    }
}

impl Rows {
    /// Whether a decision has to see `entry`.
    pub(crate) fn selects(&self, entry: &Entry) -> bool {
        match self {
            Self::Claim { org, key, names, id } => {
                let same = entry.org.compare(org);
                entry.org.origin() == org.origin()
                    && (!entry.is_settled && same != SameOrg::No
                        || same == SameOrg::Yes
                        || entry.id == *id
                        || key.is_some() && entry.key == *key
                        || names_of(entry).iter().any(|name| names.contains(name)))
            }
            Self::Entry(id) => entry.id == *id,
            Self::Filter(filter) => filter.selects(entry),
        }
    }

    pub(crate) fn limit(&self) -> usize {
        match self {
            Self::Claim { .. } | Self::Entry(_) => usize::MAX,
            Self::Filter(filter) => filter.limit.unwrap_or(usize::MAX),
        }
    }
}

/// The names that an entry is found by, as [`name_key`] has them.
pub(crate) fn names_of(entry: &Entry) -> Vec<String> {
    let mut names: Vec<String> = entry.operation.names().map(name_key).collect();
    names.push(name_key(entry.name()));
    names.sort_unstable();
    names.dedup();
    names
}

impl Filter {
    pub(crate) fn selects(&self, entry: &Entry) -> bool {
        self.origin.as_ref().is_none_or(|origin| entry.org.origin() == *origin)
            && self.labels.as_ref().is_none_or(|labels| {
                entry.label.as_ref().is_some_and(|label| labels.contains(label))
            })
            && (!self.is_unfinished || entry.is_unfinished())
    }
}
