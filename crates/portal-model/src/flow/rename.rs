//! What is specific to renaming a portal.

use crate::error::ErrorCode;
use crate::intent::{Baseline, KnownPortal};
use crate::name::is_same_name;
use crate::operation::RenameOperation;
use crate::outcome::{Origin, Unverified};
use crate::portal::Portal;

use super::evidence::{Finding, Obstacle, Receipt};

/// The codes under 400 that an earlier copy of the same request may have caused. The service rejects an
/// unknown old name with `INVALID_DATA`, and so the second copy of a request whose first copy took effect.
pub(super) const SUSPECTS: [ErrorCode; 2] = [ErrorCode::AlreadyUsed, ErrorCode::InvalidData];

/// The renaming of one portal, and what the ledger has of other operations.
///
/// The list before it finds the portal's id; after a lost response, the name of the portal with
/// that id is what counts.
pub(super) struct Rename<'a> {
    pub(super) wanted: &'a RenameOperation,
    pub(super) receipts: &'a [Receipt],
}

impl Rename<'_> {
    /// Letters in another case are another name where that is what the rename changes. Otherwise a service may
    /// keep its own.
    fn is_new(&self, name: &str) -> bool {
        let new = &self.wanted.new;
        name == new.as_str() || !self.is_old(new.as_str()) && new.is_same_as(name)
    }

    fn is_old(&self, name: &str) -> bool {
        is_same_name(&self.wanted.old, name)
    }

    /// Before the first attempt.
    fn compare_first(&self, now: &[Portal]) -> Finding {
        let Some(portal) = now.iter().find(|portal| self.is_old(&portal.name)) else {
            return match now.iter().find(|portal| self.was_renamed(portal)) {
                Some(portal) => has_name_already(portal),
                None => Finding::Blocked(Obstacle::NotFound { old: self.wanted.old.clone() }),
            };
        };
        if self.is_new(&portal.name) {
            return has_name_already(portal);
        }
        self.compare_others(portal, now)
    }

    /// Whether this ledger saw the portal under the old name, and it has the new one.
    fn was_renamed(&self, portal: &Portal) -> bool {
        let mut seen = self.receipts.iter().filter_map(|it| it.baseline.as_ref());
        let had_old_name = |known: &KnownPortal| {
            known.id.is_some() && known.id == portal.zaid && self.is_old(&known.name)
        };
        self.is_new(&portal.name) && seen.any(|before| before.0.iter().any(had_old_name))
    }

    /// `portal` does not have the new name; perhaps another one does.
    fn compare_others(&self, portal: &Portal, now: &[Portal]) -> Finding {
        let has_new = |other: &&Portal| self.wanted.new.is_same_as(&other.name) && *other != portal;
        match now.iter().find(has_new) {
            Some(_) => Finding::Blocked(Obstacle::NewNameInUse),
            None => Finding::Absent,
        }
    }

    /// After an attempt on the portal that was `known` before.
    fn compare_known(&self, known: &KnownPortal, now: &[Portal]) -> Finding {
        match now.iter().find(|portal| known.is_same_as(portal)) {
            Some(portal) if self.is_new(&portal.name) => has_new_name(portal),
            // Renamed, and by somebody else back again, it would look so too.
            Some(portal) if portal.name == known.name && is_modified_since(known, portal) => {
                Finding::Ambiguous(Unverified::Changed)
            }
            Some(portal) if portal.name == known.name => self.compare_others(portal, now),
            Some(portal) => Finding::Ambiguous(Unverified::RenamedElsewhere(portal.name.clone())),
            // Another portal of the new name is not the one.
            None => Finding::Ambiguous(Unverified::Gone),
        }
    }

    /// After an attempt on a portal of which only the name is known.
    fn compare_names(&self, before: Option<&Baseline>, now: &[Portal]) -> Finding {
        let find = |is_it: &dyn Fn(&str) -> bool| now.iter().find(|portal| is_it(&portal.name));
        // Otherwise the portal may have a third name by now, and another one the new name.
        let is_only_change = |portal: &Portal| {
            let mut others = now.iter().filter(|other| *other != portal);
            before.is_some_and(|before| {
                before.0.len() == now.len() && others.all(|other| before.contains(other))
            })
        };
        match (find(&|name| self.is_new(name)), find(&|name| self.is_old(name))) {
            // That the old name is gone, and no other, is the evidence.
            (Some(portal), None) if is_only_change(portal) => has_new_name(portal),
            (Some(portal), Some(old)) if portal == old => has_new_name(portal),
            (_, Some(old)) => self.compare_others(old, now),
            // Somebody else may have renamed it once more.
            (_, None) => Finding::Ambiguous(Unverified::Gone),
        }
    }

    pub(super) fn compare(
        &self,
        before: Option<&Baseline>,
        now: &[Portal],
        attempted: bool,
    ) -> Finding {
        if !attempted {
            return self.compare_first(now);
        }
        match before.and_then(|before| before.named(&self.wanted.old)) {
            Some(known) if known.id.is_some() => self.compare_known(known, now),
            _ => self.compare_names(before, now),
        }
    }
}

/// Before any attempt.
fn has_name_already(portal: &Portal) -> Finding {
    Finding::There { portal: portal.clone(), origin: Origin::Preexisting }
}

/// After an attempt.
fn has_new_name(portal: &Portal) -> Finding {
    Finding::There { portal: portal.clone(), origin: Origin::Appeared }
}

fn is_modified_since(known: &KnownPortal, portal: &Portal) -> bool {
    let times = known.modified_time.as_ref().zip(portal.modified_time.as_ref());
    times.is_some_and(|(before, now)| before != now)
}
