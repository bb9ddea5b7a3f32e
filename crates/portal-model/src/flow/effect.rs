//! What a flow makes safe: an [`Effect`], one irreversible call that has no idempotency key, with the
//! list that verifies it.

use crate::endpoint::{ApiVersion, Endpoint as _, Request, Response};
use crate::error::ErrorCode;
use crate::intent::{Baseline, Intent};
use crate::name::PortalName;
use crate::operation::Operation;
use crate::outcome::{Conflict, NotDone, Origin, Outcome, Owner, Unverified};
use crate::portal::Portal;

use super::create::Create;
use super::evidence::{End, Finding, Obstacle, Receipt};
use super::policy::Policy;
use super::rename::Rename;
use super::responses::{self, Reply};

/// The creation or the renaming of a portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    Create(Create),
    Rename(Rename),
}

impl Effect {
    pub(super) fn of(operation: Operation) -> Self {
        match operation {
            Operation::Create(create) => Self::Create(Create::new(create)),
            Operation::Rename(rename) => Self::Rename(Rename::new(rename)),
        }
    }

    /// What an intent left, with the names of `wanted` that were not tried yet.
    pub(super) fn of_intent(wanted: Operation, intent: Intent) -> Self {
        match intent.operation {
            Operation::Create(tried) => {
                Self::Create(Create::resumed(wanted, tried.name, intent.taken))
            }
            Operation::Rename(rename) => Self::Rename(Rename::new(rename)),
        }
    }

    pub(super) fn add_receipts(&mut self, receipts: impl IntoIterator<Item = Receipt>) {
        match self {
            Self::Create(create) => create.receipts.extend(receipts),
            Self::Rename(_) => {}
        }
    }

    /// Whether an attempt may be repeated while an earlier one is in doubt. A name is unique over all of
    /// Zoho, so of several copies of a create one takes effect at most. The old name of a rename may be
    /// given to another portal meanwhile, which a repeat would rename.
    pub(super) const fn repeats_in_doubt(&self) -> bool {
        matches!(self, Self::Create(_))
    }

    /// The irreversible request.
    pub(super) fn request(&self, version: ApiVersion) -> Request {
        match self {
            Self::Create(create) => create.endpoint().request(version),
            Self::Rename(rename) => rename.endpoint().request(version),
        }
    }

    /// What the response to an attempt means.
    pub(super) fn classify(&self, response: &Response) -> Reply {
        match self {
            Self::Create(create) => {
                responses::classify(&create.endpoint(), response, &Create::SUSPECTS)
            }
            Self::Rename(rename) => {
                responses::classify(&rename.endpoint(), response, &Rename::SUSPECTS)
            }
        }
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
        match self {
            Self::Create(create) => create.compare(policy, before, now, attempted),
            Self::Rename(rename) => rename.compare(before, now, attempted),
        }
    }

    /// What is certain without any list, where the token may not list.
    pub(super) fn known(&self, policy: &Policy) -> Finding {
        match self {
            Self::Create(create) => create.known(policy),
            Self::Rename(_) => Finding::Absent,
        }
    }

    /// What recovery needs, once `attempts` may have been sent.
    pub(super) fn intent(&self, attempts: u32, baseline: Option<Baseline>) -> Intent {
        let intent = match self {
            Self::Create(create) => {
                Intent { taken: create.taken.clone(), ..Intent::create(create.name.clone()) }
            }
            Self::Rename(rename) => Intent::rename(rename.old.clone(), rename.new.clone()),
        };
        Intent { attempts, baseline, ..intent }
    }

    /// The name that the portal is to have.
    fn name(&self) -> &PortalName {
        match self {
            Self::Create(create) => &create.name,
            Self::Rename(rename) => &rename.new,
        }
    }

    /// The outcome that an end means.
    pub(super) fn outcome(&self, end: End) -> Outcome {
        let name = self.name().clone();
        match (end, self) {
            (End::Done, Self::Create(create)) => {
                Outcome::Created { name, taken: create.taken.clone() }
            }
            (End::There { portal, origin }, Self::Create(create)) => {
                Outcome::Present { portal, origin, taken: create.taken.clone() }
            }
            (End::There { portal, origin: Origin::Preexisting }, Self::Rename(_)) => {
                Outcome::Unchanged { portal }
            }
            (End::Done | End::There { .. }, Self::Rename(rename)) => {
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
                _ if responses::is_name_taken(&error) => {
                    let changed = Owner::Undetermined(Unverified::Changed);
                    let owner = if is_unchanged { Owner::AnotherOrg } else { changed };
                    Outcome::NameTaken { name, owner }
                }
                _ => Outcome::Rejected { name, error },
            },
            (End::NotDone(why), Self::Create(_)) => Outcome::NotCreated { name, why },
            (End::NotDone(why), Self::Rename(rename)) => {
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
            Obstacle::InDoubt(other) => {
                let why = NotDone::Conflict { conflict: Conflict::InDoubt, name: other };
                Outcome::NotCreated { name, why }
            }
        }
    }

    fn has_fallback(&self) -> bool {
        matches!(self, Self::Create(create) if !create.fallbacks.is_empty())
    }

    /// The effect to try next after an outcome, if any.
    pub(super) fn fallback(&self, outcome: &Outcome) -> Option<Self> {
        match self {
            Self::Create(create) => create.fallback(outcome).map(Self::Create),
            Self::Rename(_) => None,
        }
    }
}

/// Whether a later list may show what this flow had no time or no token to see.
fn may_still_be_learned(why: &Unverified) -> bool {
    matches!(why, Unverified::Stopped | Unverified::Deadline | Unverified::Auth(_))
}
