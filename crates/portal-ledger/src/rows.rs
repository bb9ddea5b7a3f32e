//! [`Rows`]: which entries a decision reads, and [`Lookup`]: what engines find them by.

use std::collections::BTreeSet;

use portal_model::identity::{OrgIdentity, SameOrg};
use portal_model::name::name_key;
use portal_model::{Operation, Org};

use crate::claim::{ClaimRequest, Wanted};
use crate::entry::{Entry, EntryId};

/// Which entries a decision reads, as its [`Lookup`] finds them. More do no harm.
#[derive(Clone, Debug)]
pub(crate) enum Rows {
    /// Those of an origin that may concern a claim.
    Claim { org: OrgIdentity, key: Option<String>, names: Vec<String>, ids: Vec<String> },
    /// The newest of a credential of which the org is known.
    OrgOf(OrgIdentity),
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

/// Which claims read an entry, beside those that name it by its id, its key or a name. Most entries are
/// read by no others, so that a claim takes no longer in an org of thousands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// None.
    Named = 0,
    /// Those of its org, if it is the newest such: that there is a portal is enough.
    Newest = 1,
    /// Those of its org: it tells whose a portal is, whatever its name is by now.
    Org = 2,
    /// Those of what may be its org: it may be waited for.
    MaybeOrg = 3,
}

impl Reach {
    pub(crate) fn of(entry: &Entry) -> Self {
        let Some(ending) = entry.ending().filter(|_| entry.is_settled) else {
            return Self::MaybeOrg;
        };
        let has_id = ending.portal.as_ref().is_some_and(|portal| portal.id.is_some());
        match entry.operation {
            Operation::Rename(_) if entry.may_be_own() => Self::Org,
            Operation::Create(_) if ending.kind.is_own() && has_id => Self::Org,
            Operation::Create(_) if ending.kind.is_own() => Self::Newest,
            Operation::Create(_) | Operation::Rename(_) => Self::Named,
        }
    }
}

impl Rows {
    /// Those of a claim about `operation`.
    pub(crate) fn of_claim(request: &ClaimRequest, operation: Option<&Operation>) -> Self {
        let names = operation.into_iter().flat_map(Operation::names).map(name_key).collect();
        let recovered = match &request.wanted {
            Wanted::Do(_) => None,
            Wanted::Recover(id) => Some(id),
        };
        let ids = std::iter::once(&request.id).chain(recovered).chain(&request.lost);
        let ids = ids.map(EntryId::to_string).collect();
        Self::Claim { org: request.org.clone(), key: request.key.clone(), names, ids }
    }

    /// Whether an entry is one of them, asked of each from the newest to the oldest.
    pub(crate) fn selects(&self) -> impl FnMut(&Entry) -> bool {
        let mut left = match self {
            Self::Filter(filter) => filter.limit.unwrap_or(usize::MAX),
            Self::OrgOf(_) => 1,
            Self::Claim { .. } | Self::Entry(_) => usize::MAX,
        };
        let mut has_newest = false;
        move |entry| {
            let is_selected = left > 0
                && match self {
                    Self::Claim { org, key, names, ids } if entry.org.origin() == org.origin() => {
                        let is_read = match (Reach::of(entry), entry.org.compare(org)) {
                            (Reach::MaybeOrg, same) => same != SameOrg::No,
                            (Reach::Org, same) => same == SameOrg::Yes,
                            (Reach::Newest, SameOrg::Yes) => {
                                !std::mem::replace(&mut has_newest, true)
                            }
                            (Reach::Newest | Reach::Named, _) => false,
                        };
                        is_read
                            || ids.iter().any(|id| entry.id.as_str() == id)
                            || key.is_some() && entry.key == *key
                            || names_of(entry).iter().any(|name| names.contains(name))
                    }
                    Self::Claim { .. } => false,
                    Self::OrgOf(identity) => {
                        entry.org.origin() == identity.origin()
                            && entry.org.fingerprint() == identity.fingerprint()
                            && entry.org.org().is_some()
                    }
                    Self::Entry(id) => entry.id == *id,
                    Self::Filter(filter) => filter.selects(entry),
                };
            left -= usize::from(is_selected);
            is_selected
        }
    }
}

/// What an engine finds rows by: their ids, or [`terms`] that each row has.
#[derive(Default)]
pub(crate) struct Lookup {
    pub(crate) ids: Vec<String>,
    /// Every row that has one of these.
    pub(crate) terms: Vec<String>,
    /// Of each of these, the newest row that has it.
    pub(crate) newest: Vec<String>,
}

impl Rows {
    /// `None` for those that are looked through.
    pub(crate) fn lookup(&self) -> Option<Lookup> {
        match self {
            Self::Claim { org, key, names, ids } => {
                let origin = org.origin();
                let mut terms = with_org("org", org).1;
                // What may be of the org, too.
                terms.push(format!("open {origin} {}", if org.org().is_some() { "?" } else { "" }));
                terms.extend(key.iter().map(|key| format!("key {origin} {key}")));
                terms.extend(names.iter().map(|name| format!("name {origin} {name}")));
                Some(Lookup { ids: ids.clone(), terms, newest: with_org("newest", org).1 })
            }
            Self::OrgOf(org) => {
                let newest = vec![format!("known {} {}", org.origin(), org.fingerprint())];
                Some(Lookup { newest, ..Lookup::default() })
            }
            Self::Entry(id) => Some(Lookup { ids: vec![id.to_string()], ..Lookup::default() }),
            Self::Filter(filter) => filter
                .is_unfinished
                .then(|| Lookup { terms: vec!["unfinished".to_owned()], ..Lookup::default() }),
        }
    }
}

/// The terms by which a [`Lookup`] finds an entry.
pub(crate) fn terms(entry: &Entry) -> Vec<String> {
    let (org, origin) = (&entry.org, entry.org.origin());
    let mut terms = match Reach::of(entry) {
        Reach::Named => Vec::new(),
        Reach::Newest => with_org("newest", org).0,
        Reach::Org | Reach::MaybeOrg => with_org("org", org).0,
    };
    if Reach::of(entry) == Reach::MaybeOrg {
        terms.push(format!("open {origin} "));
        terms.extend(org.org().is_none().then(|| format!("open {origin} ?")));
    }
    terms.extend(org.org().map(|_| format!("known {origin} {}", org.fingerprint())));
    terms.extend(entry.is_unfinished().then(|| "unfinished".to_owned()));
    terms.extend(entry.key.iter().map(|key| format!("key {origin} {key}")));
    terms.extend(names_of(entry).iter().map(|name| format!("name {origin} {name}")));
    terms
}

/// The terms of an entry of this org, and those of a lookup of all that is certainly of it: of the same id,
/// or of the same credential where either id is not known.
fn with_org(kind: &str, org: &OrgIdentity) -> (Vec<String>, Vec<String>) {
    let (origin, credential) = (org.origin(), org.fingerprint());
    let any = format!("{kind} {origin} credential {credential}");
    let unknown = format!("{kind} {origin} unknown {credential}");
    match org.org() {
        Some(Org { id, .. }) => {
            let known = format!("{kind} {origin} id {id}");
            (vec![known.clone(), any], vec![known, unknown])
        }
        None => (vec![unknown, any.clone()], vec![any]),
    }
}

/// The names that an entry is found by, as [`name_key`] has them.
fn names_of(entry: &Entry) -> Vec<String> {
    let mut names: Vec<String> = entry.operation.names().map(name_key).collect();
    names.push(name_key(entry.name()));
    names.sort_unstable();
    names.dedup();
    names
}

/// An entry as an engine stores it.
pub(crate) fn to_row(entry: &Entry) -> serde_json::Result<String> {
    serde_json::to_string(entry)
}

/// The entry of a row, at this place among all.
pub(crate) fn from_row(position: i64, row: &str) -> serde_json::Result<Entry> {
    Ok(Entry { order: position.unsigned_abs(), ..serde_json::from_str(row)? })
}

impl Filter {
    fn selects(&self, entry: &Entry) -> bool {
        self.origin.as_ref().is_none_or(|origin| entry.org.origin() == *origin)
            && self.labels.as_ref().is_none_or(|labels| {
                entry.label.as_ref().is_some_and(|label| labels.contains(label))
            })
            && (!self.is_unfinished || entry.is_unfinished())
    }
}
