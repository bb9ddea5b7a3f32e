//! What a flow makes safe: an [`Effect`], one irreversible call that has no idempotency key, with the
//! list that verifies it.

use crate::create::CreatePortal;
use crate::endpoint::{ApiVersion, Endpoint as _, Request, Response};
use crate::error::ErrorCode;
use crate::intent::{Baseline, Intent};
use crate::name::PortalName;
use crate::operation::{CreateOperation, Operation};
use crate::outcome::{Origin, Outcome, Owner, Unverified};
use crate::portal::Portal;
use crate::rename::RenamePortal;

use super::create::{self, Create};
use super::evidence::{End, Finding, Obstacle, Receipt};
use super::policy::Policy;
use super::rename::{self, Rename};
use super::responses::{self, Reply};

/// The creation or the renaming of a portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Of a create with the name that is tried now, and those after it.
    pub(super) operation: Operation,
    /// Names that were tried before and belong to another org.
    pub(super) taken: Vec<PortalName>,
    /// What the same ledger has of other operations.
    pub(super) receipts: Vec<Receipt>,
}

impl Effect {
    pub(super) const fn new(operation: Operation) -> Self {
        Self { operation, taken: Vec::new(), receipts: Vec::new() }
    }

    /// What an intent left, with the names of `wanted` that were not tried yet.
    pub(super) fn of_intent(wanted: Operation, intent: Intent) -> Self {
        let operation = match (intent.operation, wanted) {
            (Operation::Create(tried), Operation::Create(wanted)) => {
                let left = create::names_left(&wanted, &tried.name, &intent.taken);
                tried.with_fallbacks(left).into()
            }
            (tried, _) => tried,
        };
        Self { taken: intent.taken, ..Self::new(operation) }
    }

    /// Whether an attempt may be repeated while an earlier one is in doubt. A name is unique over all of
    /// Zoho, so of several copies of a create one takes effect at most. The old name of a rename may be
    /// given to another portal meanwhile, which a repeat would rename.
    pub(super) const fn repeats_in_doubt(&self) -> bool {
        matches!(self.operation, Operation::Create(_))
    }

    /// The irreversible request.
    pub(super) fn request(&self, version: ApiVersion) -> Request {
        match &self.operation {
            Operation::Create(create) => CreatePortal::new(create.name.clone()).request(version),
            Operation::Rename(rename) => {
                RenamePortal::new(&*rename.old, rename.new.clone()).request(version)
            }
        }
    }

    /// What the response to an attempt means.
    pub(super) fn classify(&self, response: &Response) -> Reply {
        let suspects = match self.operation {
            Operation::Create(_) => &create::SUSPECTS,
            Operation::Rename(_) => &rename::SUSPECTS,
        };
        responses::classify(self.name(), response, suspects)
    }

    /// Compares what is there now with what was there before the first attempt, if that was seen.
    /// `attempted` is false for the baseline itself.
    pub(super) fn compare(
        &self,
        policy: &Policy,
        before: Option<&Baseline>,
        now: &[Portal],
        attempted: bool,
    ) -> Finding {
        let receipts = &self.receipts;
        match &self.operation {
            Operation::Create(wanted) => {
                Create { wanted, receipts, policy }.compare(before, now, attempted)
            }
            Operation::Rename(wanted) => {
                Rename { wanted, receipts }.compare(before, now, attempted)
            }
        }
    }

    /// Where the token may not list: what is certain without, or `None` if nothing may be sent. A create is only
    /// sent where other portals of the org are no reason against it.
    pub(super) fn unlisted(&self, policy: &Policy) -> Option<Finding> {
        match &self.operation {
            Operation::Create(_) => {
                let finding = self.compare(policy, None, &[], false);
                (finding != Finding::Absent || policy.allow_another).then_some(finding)
            }
            Operation::Rename(_) => Some(Finding::Absent),
        }
    }

    /// What recovery needs, once `attempts` may have been sent.
    pub(super) fn intent(&self, attempts: u32, baseline: Option<Baseline>) -> Intent {
        let intent = match &self.operation {
            Operation::Create(create) => Intent::create(create.name.clone()),
            rename @ Operation::Rename(_) => Intent::new(rename.clone()),
        };
        Intent { taken: self.taken.clone(), attempts, baseline, ..intent }
    }

    /// The name that the portal is to have.
    fn name(&self) -> &PortalName {
        self.operation.target()
    }

    /// The outcome that an end means.
    pub(super) fn outcome(&self, end: End) -> Outcome {
        let name = self.name().clone();
        let taken = || self.taken.clone();
        match (end, &self.operation) {
            (End::Done, Operation::Create(_)) => Outcome::Created { name, taken: taken() },
            (End::There { portal, origin }, Operation::Create(_)) => {
                Outcome::Present { portal, origin, taken: taken() }
            }
            (End::There { portal, origin: Origin::Preexisting }, Operation::Rename(_)) => {
                Outcome::Unchanged { portal }
            }
            (End::Done | End::There { .. }, Operation::Rename(rename)) => {
                Outcome::Renamed { old: rename.old.clone(), new: name }
            }
            (End::Blocked(by), _) => Self::blocked(name, by),
            (End::Rejected { error, by, is_unchanged }, _) => match by {
                Some(by @ Obstacle::NewNameInUse) if responses::is_name_taken(&error) => {
                    Self::blocked(name, by)
                }
                // A fallback would be beside the other portal, too. Without one, the taken name matters
                // more to the caller.
                Some(by @ Obstacle::OtherPortal(_))
                    if error.code == ErrorCode::LimitReached
                        || responses::is_name_taken(&error) && self.has_fallback() =>
                {
                    Self::blocked(name, by)
                }
                // The portal itself has the name, in other letters.
                _ if responses::is_name_taken(&error) && !self.has_name_in_other_letters() => {
                    let changed = Owner::Undetermined(Unverified::Changed);
                    let owner = if is_unchanged { Owner::AnotherOrg } else { changed };
                    Outcome::NameTaken { name, owner }
                }
                _ => Outcome::Rejected { name, error },
            },
            (End::NotDone(why), Operation::Create(_)) => Outcome::NotCreated { name, why },
            (End::NotDone(why), Operation::Rename(rename)) => {
                Outcome::NotRenamed { old: rename.old.clone(), new: name, why }
            }
            // Nothing more can be learned. A flow that was stopped is unknown instead, since the list may
            // still show that the name was taken by its own attempt.
            (End::Unknown { why, suspect: Some(error), .. }, _)
                if responses::is_name_taken(&error) && !may_still_be_learned(&why) =>
            {
                Outcome::NameTaken { name, owner: Owner::Undetermined(why) }
            }
            (End::Unknown { doubt, why, .. }, _) => {
                Outcome::Unknown { name: name.into(), doubt, why }
            }
        }
    }

    fn blocked(name: PortalName, by: Obstacle) -> Outcome {
        match by {
            Obstacle::OtherPortal(portal) => Outcome::OrgHasPortal { name, portal },
            Obstacle::NewNameInUse => Outcome::NameTaken { name, owner: Owner::ThisOrg },
            Obstacle::NotFound { old } => Outcome::NotFound { old },
        }
    }

    fn has_name_in_other_letters(&self) -> bool {
        matches!(&self.operation, Operation::Rename(rename) if rename.new.is_same_as(&rename.old))
    }

    fn has_fallback(&self) -> bool {
        matches!(&self.operation, Operation::Create(create) if !create.fallbacks.is_empty())
    }

    /// The effect to try next after an outcome, if any.
    pub(super) fn fallback(&self, outcome: &Outcome) -> Option<Self> {
        let (Outcome::NameTaken { owner: Owner::AnotherOrg, .. }, Operation::Create(create)) =
            (outcome, &self.operation)
        else {
            return None;
        };
        let (name, fallbacks) = create.fallbacks.split_first()?;
        let mut next = self.clone();
        next.taken.push(create.name.clone());
        let create = CreateOperation::new(name.clone()).with_fallbacks(fallbacks.iter().cloned());
        next.operation = create.into();
        Some(next)
    }
}

/// Whether a later list may show what this flow had no time or no token to see.
fn may_still_be_learned(why: &Unverified) -> bool {
    matches!(why, Unverified::Stopped | Unverified::Deadline | Unverified::Auth(_))
}
