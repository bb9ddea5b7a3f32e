//! What is specific to creating a portal.

use std::time::Duration;

use crate::create::CreatePortal;
use crate::error::ErrorCode;
use crate::intent::{Baseline, CreateIntent};
use crate::name::{PortalName, is_same_name};
use crate::operation::{CreateOperation, Operation};
use crate::outcome::{Outcome, Owner, Unverified};
use crate::portal::Portal;

use super::evidence::{Finding, Listing, Obstacle, Receipt};
use super::policy::Policy;

/// The creation of one portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    pub(super) name: PortalName,
    pub(super) fallbacks: Vec<PortalName>,
    /// Names that were tried before and belong to another org.
    pub(super) taken: Vec<PortalName>,
    pub(super) receipts: Vec<Receipt>,
}

impl Create {
    /// The codes under 400 that an earlier copy of the same request may have caused.
    pub(super) const SUSPECTS: [ErrorCode; 2] = [ErrorCode::AlreadyUsed, ErrorCode::LimitReached];

    pub(super) fn new(operation: CreateOperation) -> Self {
        let CreateOperation { name, fallbacks } = operation;
        Self { name, fallbacks, taken: Vec::new(), receipts: Vec::new() }
    }

    /// The create of an intent, with the names of `operation` that were not tried yet.
    pub(super) fn of_intent(operation: Operation, intent: CreateIntent) -> Self {
        let CreateIntent { name, taken, .. } = intent;
        let names: Vec<PortalName> = match operation {
            Operation::Create(create) => {
                std::iter::once(create.name).chain(create.fallbacks).collect()
            }
            Operation::Rename(_) => Vec::new(),
        };
        let tried = names.iter().position(|wanted| wanted.is_same_as(name.as_str()));
        let fallbacks = names.into_iter().skip(tried.map_or(0, |at| at + 1));
        let is_new = |wanted: &PortalName| {
            std::iter::once(&name).chain(&taken).all(|tried| !tried.is_same_as(wanted.as_str()))
        };
        let fallbacks = fallbacks.filter(is_new).collect();
        Self { name, fallbacks, taken, receipts: Vec::new() }
    }

    pub(super) fn endpoint(&self) -> CreatePortal {
        CreatePortal::new(self.name.clone())
    }

    fn has_receipt(&self, portal: &Portal) -> bool {
        self.receipts.iter().any(|receipt| is_same_name(&receipt.name, &portal.name))
    }

    /// Portals that exist although the list may not show them yet.
    fn unlisted(&self, policy: &Policy) -> impl Iterator<Item = Portal> {
        let visible_after: Duration = policy.processing_time.saturating_add(policy.list_lag);
        let young = self.receipts.iter().filter(move |receipt| receipt.age < visible_after);
        young.map(|receipt| Portal::new(receipt.name.as_str()))
    }

    pub(super) fn compare(
        &self,
        policy: &Policy,
        before: Option<&Baseline>,
        now: &Listing,
        attempted: bool,
    ) -> Finding {
        let now = &now.portals;
        // Before the first attempt any of the names fulfils the wish, the earliest first, and what
        // this machine just created counts. Afterwards only what was sent does.
        let fallbacks = if attempted { &[][..] } else { &self.fallbacks };
        // A receipt of the same name may be that of an attempt whose doubt this list resolves, or of a
        // portal that the list shows under the name that somebody gave it since.
        let shows_renamed =
            now.iter().any(|portal| may_be_renamed(portal) && !self.has_receipt(portal));
        let unlisted = self
            .unlisted(policy)
            .filter(|portal| !(attempted || shows_renamed) || !self.name.is_same_as(&portal.name));
        let portals: Vec<Portal> = now.iter().cloned().chain(unlisted).collect();
        let named = |name: &PortalName| portals.iter().find(|portal| name.is_same_as(&portal.name));
        if let Some(portal) = std::iter::once(&self.name).chain(fallbacks).find_map(named) {
            return Finding::There(portal.clone());
        }
        // Rule 7: with no baseline, every portal that was ever renamed may be the one.
        let is_new = |portal: &Portal| before.is_none_or(|before| !before.contains(portal));
        let renamed = now
            .iter()
            .find(|portal| is_new(portal) && may_be_renamed(portal) && !self.has_receipt(portal));
        match (renamed.filter(|_| attempted), portals.first()) {
            (Some(portal), _) => Finding::Ambiguous(Unverified::MayBeRenamed(portal.name.clone())),
            (None, Some(portal)) if !policy.allow_another => {
                Finding::Blocked(Obstacle::OtherPortal(portal.clone()))
            }
            (None, _) => Finding::Absent,
        }
    }

    pub(super) fn known(&self, policy: &Policy) -> Finding {
        let nothing = Listing { portals: Vec::new(), is_complete: false };
        match (self.compare(policy, None, &nothing, false), self.receipts.first()) {
            // Whatever its age and its name by now: a portal stays.
            (Finding::Absent, Some(receipt)) if !policy.allow_another => {
                Finding::Blocked(Obstacle::OtherPortal(Portal::new(receipt.name.as_str())))
            }
            (finding, _) => finding,
        }
    }

    pub(super) fn intent(&self, attempts: u32, baseline: Option<Baseline>) -> CreateIntent {
        let (name, taken) = (self.name.clone(), self.taken.clone());
        CreateIntent { name, taken, attempts, baseline }
    }

    pub(super) fn fallback(&self, outcome: &Outcome) -> Option<Self> {
        let Outcome::NameTaken { owner: Owner::AnotherOrg, .. } = outcome else { return None };
        let (name, fallbacks) = self.fallbacks.split_first()?;
        let mut next = self.clone();
        next.taken.push(std::mem::replace(&mut next.name, name.clone()));
        next.fallbacks = fallbacks.to_vec();
        Some(next)
    }
}

/// Whether somebody may have renamed the portal since it was created.
fn may_be_renamed(portal: &Portal) -> bool {
    match (&portal.created_time, &portal.modified_time) {
        (Some(created), Some(modified)) => created != modified,
        _ => true,
    }
}
