//! Renaming a portal, safely: the effect [`Rename`] and its flow, [`RenameFlow`].

use crate::endpoint::ApiVersion;
use crate::error::ErrorCode;
use crate::intent::{Baseline, Intent, KnownPortal, RenameIntent};
use crate::name::{PortalName, is_same_name};
use crate::outcome::{Owner, RenameOutcome, Unverified};
use crate::portal::Portal;
use crate::rename::RenamePortal;

use super::effect::{Effect, End, Finding, Listing, Repeat, Rules};
use super::kernel::Flow;
use super::policy::Policy;
use super::responses;

/// The renaming of one portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rename {
    old: String,
    new: PortalName,
}

/// A rename, from the first list to its [`RenameOutcome`]. See the [module](super) for its rules.
///
/// The list before it finds the portal's id; after a lost response, the name of the portal with
/// that id is what counts.
pub type RenameFlow = Flow<Rename>;

/// What a list shows of a rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RenameFact {
    /// The portal has the new name.
    Named(Portal),
    /// Another portal of the org has the new name.
    NewNameInUse(Portal),
    /// The org has no portal of the old name.
    NotFound,
}

impl RenameFlow {
    /// A rename of the portal `old`.
    pub fn new(
        old: impl Into<String>,
        new: PortalName,
        policy: Policy,
        version: ApiVersion,
    ) -> Self {
        Self::begin(Rename { old: old.into(), new }, policy, version)
    }
}

impl Rename {
    fn is_old(&self, name: &str) -> bool {
        is_same_name(&self.old, name)
    }

    /// Before the first attempt.
    fn compare_first(&self, now: &[Portal]) -> Finding<RenameFact> {
        let Some(portal) = now.iter().find(|portal| self.is_old(&portal.name)) else {
            return Finding::Blocked(RenameFact::NotFound);
        };
        // Letters in another case are another name here: exact bytes.
        if portal.name == self.new.as_str() {
            return Finding::There(RenameFact::Named(portal.clone()));
        }
        self.compare_others(portal, now)
    }

    /// `portal` does not have the new name; perhaps another one does.
    fn compare_others(&self, portal: &Portal, now: &[Portal]) -> Finding<RenameFact> {
        let has_new = |other: &&Portal| self.new.is_same_as(&other.name) && *other != portal;
        match now.iter().find(has_new) {
            Some(other) => Finding::Blocked(RenameFact::NewNameInUse(other.clone())),
            None => Finding::Absent,
        }
    }

    /// After an attempt on the portal that was `known` before.
    fn compare_known(&self, known: &KnownPortal, now: &Listing) -> Finding<RenameFact> {
        match now.portals.iter().find(|portal| known.is_same_as(portal)) {
            Some(portal) if portal.name == self.new.as_str() => {
                Finding::There(RenameFact::Named(portal.clone()))
            }
            Some(portal) if portal.name == known.name => self.compare_others(portal, &now.portals),
            Some(portal) => Finding::Ambiguous(Unverified::RenamedElsewhere(portal.name.clone())),
            // Another portal of the new name is not the one.
            None if now.portals.iter().all(|portal| portal.zaid.is_some()) => {
                Finding::Ambiguous(Unverified::Gone)
            }
            None => self.compare_names(now),
        }
    }

    /// After an attempt on a portal of which only the name is known.
    fn compare_names(&self, now: &Listing) -> Finding<RenameFact> {
        let find =
            |is_it: &dyn Fn(&str) -> bool| now.portals.iter().find(|portal| is_it(&portal.name));
        match (find(&|name| name == self.new.as_str()), find(&|name| self.is_old(name))) {
            // That the old name is gone is the evidence, so the list must be complete.
            (Some(portal), None) if now.is_complete => {
                Finding::There(RenameFact::Named(portal.clone()))
            }
            (Some(portal), Some(old)) if portal == old => {
                Finding::There(RenameFact::Named(portal.clone()))
            }
            (_, Some(old)) => self.compare_others(old, &now.portals),
            // Somebody else may have renamed it once more.
            (_, None) => Finding::Ambiguous(Unverified::Gone),
        }
    }
}

impl Effect for Rename {
    type Outcome = RenameOutcome;
    type Intent = RenameIntent;
}

impl Rules<RenameOutcome, RenameIntent> for Rename {
    type Fact = RenameFact;
    type Endpoint = RenamePortal;

    // The old name may be given to another portal meanwhile, which a repeat would rename.
    const REPEAT: Repeat = Repeat::AfterProvedAbsence;

    // The service rejects an unknown old name with INVALID_DATA, and so the second copy of a request
    // whose first copy took effect.
    const SUSPECTS: &'static [ErrorCode] = &[ErrorCode::AlreadyUsed, ErrorCode::InvalidData];

    fn is_exclusive(&self, _: &Policy) -> bool {
        false
    }

    fn endpoint(&self) -> RenamePortal {
        RenamePortal::new(self.old.clone(), self.new.clone())
    }

    fn compare(
        &self,
        _: &Policy,
        before: Option<&Baseline>,
        now: &Listing,
        attempted: bool,
    ) -> Finding<RenameFact> {
        if !attempted {
            return self.compare_first(&now.portals);
        }
        let known =
            before.and_then(|before| before.0.iter().find(|known| self.is_old(&known.name)));
        match known {
            Some(known) if known.id.is_some() => self.compare_known(known, now),
            _ => self.compare_names(now),
        }
    }

    fn known(&self, _: &Policy) -> Finding<RenameFact> {
        Finding::Absent
    }

    fn intent(&self, attempts: u32, baseline: Option<&Baseline>) -> RenameIntent {
        RenameIntent {
            attempts,
            baseline: baseline.cloned(),
            ..RenameIntent::new(self.old.clone(), self.new.clone())
        }
    }

    fn of_intent(intent: RenameIntent) -> (Self, u32, Option<Baseline>) {
        (Self { old: intent.old, new: intent.new }, intent.attempts, intent.baseline)
    }

    fn outcome(&self, end: End<RenameFact, RenameIntent>) -> RenameOutcome {
        let (old, new) = (self.old.clone(), self.new.clone());
        match end {
            End::There { fact: RenameFact::Named(portal), before: Some(true) } => {
                RenameOutcome::Unchanged { portal }
            }
            End::Done | End::There { .. } => RenameOutcome::Renamed { old, new },
            End::Blocked { rejection: Some(error), .. } if !responses::is_name_taken(&error) => {
                RenameOutcome::Rejected { new, error }
            }
            End::Blocked { fact: RenameFact::NewNameInUse(_), .. } => {
                RenameOutcome::NameTaken { new, owner: Owner::ThisOrg }
            }
            End::Blocked { .. } => RenameOutcome::NotFound { old },
            End::Rejected(error) if responses::is_name_taken(&error) => {
                RenameOutcome::NameTaken { new, owner: Owner::AnotherOrg }
            }
            End::Rejected(error) => RenameOutcome::Rejected { new, error },
            End::NotDone(reason) => RenameOutcome::NotRenamed { new, reason },
            End::Unknown { intent, doubt, why, .. } => {
                RenameOutcome::Unknown { intent, doubt, why }
            }
        }
    }

    fn unresolved(&self, outcome: &RenameOutcome) -> Option<Intent> {
        let RenameOutcome::Unknown { intent, .. } = outcome else { return None };
        Some(intent.clone().into())
    }

    fn fallback(&self, _: &RenameOutcome) -> Option<Self> {
        None
    }
}
