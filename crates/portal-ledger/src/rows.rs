//! [`Rows`]: which entries a transaction reads, and what an [`Engine`] finds them by.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use portal_model::identity::OrgIdentity;
use portal_model::name::name_key;
use portal_model::{Operation, Org};

use crate::claim::{ClaimRequest, Wanted};
use crate::entry::{Entry, EntryId};
use crate::error::LedgerError;
use crate::time::Moment;

/// What keeps entries.
pub(crate) trait Engine: Debug + Send + Sync {
    /// Reads rows, lets `decide` run, and writes rows, in one transaction; it goes on if the future is
    /// dropped.
    fn submit(&self, rows: Rows, decide: Decide) -> Submitted;

    /// The same entries as a process finds them that starts now, if that differs.
    fn after_restart(&self) -> Option<Arc<dyn Engine>> {
        None
    }

    /// Its file, if it has one.
    fn path(&self) -> Option<&Path> {
        None
    }
}

/// The result of a transaction.
pub(crate) type Submitted = Pin<Box<dyn Future<Output = Result<(), LedgerError>> + Send>>;

/// Takes what was read, the newest first, and returns what to write. An engine of several machines has a
/// clock of its own, which was read after the rows; moments of its rows are of that.
pub(crate) type Decide = Box<dyn FnOnce(Vec<Entry>, Option<&Moment>) -> Vec<Entry> + Send>;

/// Which entries a transaction reads: by an id, or by a term that each of them has; all of them for a
/// [`Filter`] that names no term.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// The origin of a claim, whose entries nobody else changes meanwhile.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "others lock all entries"))]
    pub(crate) origin: Option<String>,
    /// Those of these ids.
    pub(crate) ids: Vec<String>,
    /// Those that have one of these terms.
    pub(crate) terms: Vec<String>,
    /// For each of these terms, the newest that has it.
    pub(crate) newest: Vec<String>,
    /// Of those, what people want to see, who write nothing.
    pub(crate) filter: Option<Filter>,
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
enum Reach {
    /// None.
    Named,
    /// Those of its org: it tells whose a portal is, whatever its name is by now.
    Org,
    /// Those of what may be its org: it may be waited for.
    MaybeOrg,
}

impl Reach {
    fn of(entry: &Entry) -> Self {
        let Some(ending) = entry.ending().filter(|_| entry.is_settled) else {
            return Self::MaybeOrg;
        };
        let has_id = ending.portal.as_ref().is_some_and(|portal| portal.id.is_some());
        match entry.operation {
            Operation::Rename(_) if entry.may_be_own() => Self::Org,
            Operation::Create(_) if ending.kind.is_own() && has_id => Self::Org,
            Operation::Create(_) | Operation::Rename(_) => Self::Named,
        }
    }
}

impl Rows {
    /// What a claim reads that turns on these names.
    pub(crate) fn of_claim(request: &ClaimRequest, names: &BTreeSet<String>) -> Self {
        let origin = request.org.origin();
        let own = Self::of_names(request, names);
        let mut terms = same_org("org", &request.org);
        // What may be of the org, too.
        let maybe = if request.org.org().is_some() { "unknown" } else { "any" };
        terms.push(format!("open {origin} {maybe}"));
        terms.extend(own.terms);
        Self { origin: Some(origin.to_owned()), terms, ..own }
    }

    /// Of that, what has its ids, its key or one of these names.
    pub(crate) fn of_names(request: &ClaimRequest, names: &BTreeSet<String>) -> Self {
        let origin = request.org.origin();
        let recovered = match &request.wanted {
            Wanted::Do(_) => None,
            Wanted::Recover(id) => Some(id),
        };
        let ids = std::iter::once(&request.id).chain(recovered).chain(&request.lost);
        let ids = ids.map(EntryId::to_string).collect();
        let key = request.key.iter().map(|key| format!("key {origin} {key}"));
        let names = names.iter().map(|name| format!("name {name}"));
        Self { ids, terms: key.chain(names).collect(), ..Self::default() }
    }

    /// The newest entry of a credential that the service told the org of.
    pub(crate) fn org_of(org: &OrgIdentity) -> Self {
        let newest = vec![format!("known {} {}", org.origin(), org.fingerprint())];
        Self { newest, ..Self::default() }
    }

    /// One entry.
    pub(crate) fn entry(id: &EntryId) -> Self {
        Self { ids: vec![id.to_string()], ..Self::default() }
    }

    /// What people want to see.
    pub(crate) fn seen(filter: Filter) -> Self {
        let terms = filter.is_unfinished.then(|| UNFINISHED.to_owned());
        Self { terms: terms.into_iter().collect(), filter: Some(filter), ..Self::default() }
    }

    /// Whether an engine looks through all of them.
    pub(crate) fn is_all(&self) -> bool {
        self.filter.is_some() && self.terms.is_empty()
    }

    /// Whether an entry that an engine found is one of them.
    pub(crate) fn selects(&self, entry: &Entry) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.selects(entry))
    }

    /// How many there are at most: the newest.
    pub(crate) fn limit(&self) -> usize {
        self.filter.as_ref().and_then(|filter| filter.limit).unwrap_or(usize::MAX)
    }
}

const UNFINISHED: &str = "unfinished";

/// The terms by which an entry is looked up.
pub(crate) fn terms(entry: &Entry) -> Vec<String> {
    let (org, origin, credential) = (&entry.org, entry.org.origin(), entry.org.fingerprint());
    let of_org = |kind| [org_term(kind, org), format!("{kind} {origin} any {credential}")];
    let mut terms = Vec::new();
    match Reach::of(entry) {
        Reach::Named => {}
        Reach::Org => terms.extend(of_org("org")),
        Reach::MaybeOrg => {
            terms.extend(of_org("org"));
            terms.push(format!("open {origin} any"));
            terms.extend(org.org().is_none().then(|| format!("open {origin} unknown")));
        }
    }
    terms.extend(org.told_org().map(|_| format!("known {origin} {credential}")));
    terms.extend(entry.is_unfinished().then(|| UNFINISHED.to_owned()));
    terms.extend(entry.key.iter().map(|key| format!("key {origin} {key}")));
    terms.extend(name_terms(entry));
    terms.sort_unstable();
    terms.dedup();
    terms
}

/// The terms of entries that are about a name of this one.
pub(crate) fn name_terms(entry: &Entry) -> impl Iterator<Item = String> {
    let names = entry.operation.names().chain([entry.name()]);
    names.map(|name| format!("name {}", name_key(name)))
}

/// The terms of entries that are certainly of the same org: of the same id, or of the same credential
/// where either id is not known.
fn same_org(kind: &str, org: &OrgIdentity) -> Vec<String> {
    let (origin, credential) = (org.origin(), org.fingerprint());
    match org.org() {
        Some(_) => vec![org_term(kind, org), format!("{kind} {origin} unknown {credential}")],
        None => vec![format!("{kind} {origin} any {credential}")],
    }
}

fn org_term(kind: &str, org: &OrgIdentity) -> String {
    let origin = org.origin();
    match org.org() {
        Some(Org { id, .. }) => format!("{kind} {origin} id {id}"),
        None => format!("{kind} {origin} unknown {}", org.fingerprint()),
    }
}

/// An entry as an engine stores it.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn to_row(entry: &Entry) -> serde_json::Result<String> {
    serde_json::to_string(entry)
}

/// The entry of a row, at this place among all.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
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
