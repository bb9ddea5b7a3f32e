//! What a flow makes safe: an [`Effect`], one irreversible call that has no idempotency key, with the
//! list that verifies it.

use crate::create::CreatePortal;
use crate::endpoint::{ApiVersion, Endpoint as _, Request, Response};
use crate::error::{ApiError, ErrorCode};
use crate::intent::{Baseline, Intent};
use crate::name::PortalName;
use crate::operation::{CreateOperation, Operation, RenameOperation};
use crate::outcome::{Doubt, NotDone, Origin, Outcome, Owner, Unverified};
use crate::portal::Portal;
use crate::rename::RenamePortal;

use super::create::{self, Create};
use super::evidence::{Finding, Obstacle, Receipt};
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

    /// The irreversible request. A rename names the portal as the list `before` it does: what somebody typed
    /// may have other letters, and blanks around it.
    pub(super) fn request(&self, version: ApiVersion, before: Option<&Baseline>) -> Request {
        match &self.operation {
            Operation::Create(create) => CreatePortal::new(create.name.clone()).request(version),
            Operation::Rename(RenameOperation { old, new }) => {
                let known = before.and_then(|before| before.named(old));
                let old = known.map_or(old, |known| &known.name);
                RenamePortal::new(&**old, new.clone()).request(version)
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

    /// The service responded that the effect happened.
    pub(super) fn done(&self) -> Outcome {
        let name = self.name().clone();
        match &self.operation {
            Operation::Create(_) => Outcome::Created { name, taken: self.taken.clone() },
            Operation::Rename(rename) => Outcome::Renamed { old: rename.old.clone(), new: name },
        }
    }

    /// A list shows the effect.
    pub(super) fn there(&self, portal: Portal, origin: Origin) -> Outcome {
        match &self.operation {
            Operation::Create(_) => Outcome::Present { portal, origin, taken: self.taken.clone() },
            Operation::Rename(_) if origin == Origin::Preexisting => Outcome::Unchanged { portal },
            Operation::Rename(_) => self.done(),
        }
    }

    /// The effect did not happen, and something is there that forbids it.
    pub(super) fn blocked(&self, by: Obstacle) -> Outcome {
        let name = self.name().clone();
        match by {
            Obstacle::OtherPortal(portal) => Outcome::OrgHasPortal { name, portal },
            Obstacle::NewNameInUse => Outcome::NameTaken { name, owner: Owner::ThisOrg },
            Obstacle::NotFound { old } => Outcome::NotFound { old },
        }
    }

    /// The service rejected the request, and it certainly did nothing. `by` is what a list showed since, if
    /// that forbids an attempt; and whether that list equals the baseline, so that whatever refused the name
    /// is not of this org (rule 4).
    pub(super) fn rejected(
        &self,
        error: ApiError,
        by: Option<Obstacle>,
        is_unchanged: bool,
    ) -> Outcome {
        let name = self.name().clone();
        let is_taken = responses::is_name_taken(&error);
        match by {
            Some(by @ Obstacle::NewNameInUse) if is_taken => self.blocked(by),
            // A fallback would be beside the other portal, too. Without one, the taken name matters
            // more to the caller.
            Some(by @ Obstacle::OtherPortal(_))
                if error.code == ErrorCode::LimitReached || is_taken && self.has_fallback() =>
            {
                self.blocked(by)
            }
            // The portal itself has the name, in other letters.
            _ if self.has_name_in_other_letters() => Outcome::Rejected { name, error },
            _ if is_taken && is_unchanged => Outcome::NameTaken { name, owner: Owner::AnotherOrg },
            _ if is_taken => {
                Outcome::NameTaken { name, owner: Owner::Undetermined(Unverified::Changed) }
            }
            _ => Outcome::Rejected { name, error },
        }
    }

    /// Nothing happened.
    pub(super) fn not_done(&self, why: NotDone) -> Outcome {
        Outcome::not_done(&self.operation, why)
    }

    /// It is not known whether the effect happened. `suspect` is the rejection that an own copy may have
    /// caused, if no earlier attempt is in doubt beside it.
    pub(super) fn unknown(
        &self,
        doubt: Doubt,
        why: Unverified,
        suspect: Option<&ApiError>,
    ) -> Outcome {
        let name = self.name().clone();
        // Nothing more can be learned. A flow that was stopped is unknown instead, since the list may
        // still show that the name was taken by its own attempt.
        if suspect.is_some_and(responses::is_name_taken) && !may_still_be_learned(&why) {
            return Outcome::NameTaken { name, owner: Owner::Undetermined(why) };
        }
        Outcome::Unknown { name: name.into(), doubt, why }
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
