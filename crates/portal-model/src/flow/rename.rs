//! Renaming a portal, safely: the effect [`Rename`] and its flow, [`RenameFlow`].

use std::time::Duration;

use crate::endpoint::{ApiVersion, Endpoint as _, Request, Response};
use crate::intent::{Baseline, Intent, KnownPortal, RenameIntent};
use crate::name::{PortalName, is_same_name};
use crate::outcome::{NotDone, Owner, RenameOutcome, Unverified};
use crate::portal::Portal;
use crate::rename::RenamePortal;

use super::effect::{Effect, End, Finding, Listing, Repeat, Reply, Rules, Unusable};
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

    /// Determines the outcome of a rename that an earlier process left in doubt, and never sends
    /// anything but lists. [`NotDone::Absent`] means that it did not happen.
    ///
    /// `since_end` is how long ago the last attempt ended, at least: zero if that is not known.
    pub fn recover(
        intent: RenameIntent,
        since_end: Duration,
        policy: Policy,
        version: ApiVersion,
    ) -> Self {
        let flow = Self::take_over(intent, since_end, policy, version);
        flow.without_attempts(NotDone::Absent)
    }

    /// Continues a rename that an earlier process left in doubt: its attempts count.
    pub fn take_over(
        intent: RenameIntent,
        since_end: Duration,
        policy: Policy,
        version: ApiVersion,
    ) -> Self {
        let effect = Rename { old: intent.old, new: intent.new };
        Self::continue_from(effect, intent.attempts, intent.baseline, since_end, policy, version)
    }
}

impl Rename {
    fn endpoint(&self) -> RenamePortal {
        RenamePortal::new(self.old.clone(), self.new.clone())
    }

    fn is_old(&self, name: &str) -> bool {
        is_same_name(&self.old, name)
    }

    fn rename_intent(&self, attempts: u32, baseline: Option<&Baseline>) -> RenameIntent {
        RenameIntent {
            attempts,
            baseline: baseline.cloned(),
            ..RenameIntent::new(self.old.clone(), self.new.clone())
        }
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
}

impl Rules<RenameOutcome> for Rename {
    type Fact = RenameFact;

    // The old name may be given to another portal meanwhile, which a repeat would rename.
    const REPEAT: Repeat = Repeat::AfterProvedAbsence;

    fn is_exclusive(&self, _: &Policy) -> bool {
        false
    }

    fn request(&self, version: ApiVersion) -> Request {
        self.endpoint().request(version)
    }

    fn list(&self, version: ApiVersion) -> Request {
        responses::list_request(version)
    }

    fn evidence(&self, response: &Response) -> Result<Listing, Unusable> {
        responses::read_list(response)
    }

    fn classify(&self, response: &Response) -> Reply {
        use crate::error::ErrorCode::{AlreadyUsed, InvalidData};
        // The service rejects an unknown old name with INVALID_DATA, and so the second copy of a
        // request whose first copy took effect.
        responses::classify(&self.endpoint(), response, &[AlreadyUsed, InvalidData])
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

    fn intent(&self, attempts: u32, baseline: Option<&Baseline>) -> Intent {
        self.rename_intent(attempts, baseline).into()
    }

    fn outcome(&self, end: End<RenameFact>) -> RenameOutcome {
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
            End::Unknown { intent: Intent::Rename(intent), doubt, why, .. } => {
                RenameOutcome::Unknown { intent, doubt, why }
            }
            // The kernel ends with the intent that `intent` gave it.
            End::Unknown { doubt, why, .. } => {
                RenameOutcome::Unknown { intent: self.rename_intent(1, None), doubt, why }
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
