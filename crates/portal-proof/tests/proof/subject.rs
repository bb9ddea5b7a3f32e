//! The flows that are explored, and how they ended in words that are the proof's own.

use std::time::Duration;

use portal_model::endpoint::{ApiVersion, Method, Request};
use portal_model::error::ApiError;
use portal_model::flow::{Evidence, Flow, Policy, Receipt};
use portal_model::intent::{Baseline, Intent};
use portal_model::name::PortalName;
use portal_model::operation::{CreateOperation, Operation, RenameOperation};
use portal_model::outcome::{Doubt, NotDone, Origin, Outcome, Owner, Unverified};

use super::replies::Code;
use super::service::{Deed, SPELLED};
use super::world::{Driver, World};

/// The flow of the first process.
pub(super) fn start(world: &World, policy: &Policy) -> Flow {
    let flow = Flow::new(operation(world), policy.clone(), ApiVersion::V7);
    flow.with_receipts(receipts(world))
}

/// The flow of a later process, which goes on if it `sends`, or only determines the outcome.
pub(super) fn resume(
    intent: &Intent,
    sends: bool,
    horizon: Duration,
    world: &World,
    policy: &Policy,
) -> Flow {
    let resume = if sends { Flow::resume } else { Flow::recover };
    let (wanted, intent) = (operation(world), intent.clone());
    let flow = resume(wanted, intent, horizon, policy.clone(), ApiVersion::V7);
    flow.with_receipts(receipts(world))
}

/// A create of the first name, with the second as a fallback; or a rename of the first to the second.
fn operation(world: &World) -> Operation {
    if world.is_rename {
        // Exactly as the service spells it: letters in another case are another name to a rename.
        let target = PortalName::parse(SPELLED[1]).unwrap();
        return RenameOperation::new(name(0).as_str(), target).into();
    }
    CreateOperation::new(name(0)).with_fallbacks((1..world.names).map(name)).into()
}

/// What an attempt does, by its request.
pub(super) fn deed(request: &Request) -> Deed {
    if request.method == Method::Put {
        return Deed::Rename;
    }
    let body = str::from_utf8(&request.body).unwrap();
    let requested = (0..2).find(|index| body.contains(name(*index).as_str())).unwrap();
    Deed::Create { name: u8::try_from(requested).unwrap() }
}

/// How a flow ended, without words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Summary {
    /// The name that was tried last, or is there.
    pub(super) name: u8,
    /// The names that are claimed to be another org's, one bit each.
    pub(super) taken: u8,
    pub(super) end: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    Created,
    Renamed,
    Unchanged,
    NotFound,
    Preexisting,
    Appeared,
    OfUnknownOrigin,
    CreatedEarlier,
    OrgHas(u8),
    Taken(Whose),
    Rejected(Code),
    NotDone(Reason),
    Unknown(Why),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Whose {
    ThisOrg,
    AnotherOrg,
    Undetermined(Why),
}

/// Why nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    Unreachable,
    RateLimited,
    Auth,
    Exhausted,
    Deadline,
    Absent,
    NotRecorded,
    Origin,
    Stopped,
}

/// Why a doubt is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Why {
    Deadline,
    ListRejected,
    Auth,
    Renamed,
    OtherName,
    Gone,
    Changed,
    Origin,
    AtOnce,
    Stopped,
}

impl Ending {
    pub(super) const fn kind(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Renamed => "renamed",
            Self::Unchanged => "unchanged",
            Self::NotFound => "not found",
            Self::Preexisting => "present, preexisting",
            Self::Appeared => "present, appeared",
            Self::CreatedEarlier => "present, created earlier",
            Self::OfUnknownOrigin => "present, undetermined",
            Self::OrgHas(_) => "org has portal",
            Self::Taken(Whose::ThisOrg) => "taken by this org",
            Self::Taken(Whose::AnotherOrg) => "taken by another org",
            Self::Taken(Whose::Undetermined(_)) => "taken, undetermined",
            Self::Rejected(_) => "rejected",
            Self::NotDone(_) => "not done",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl Reason {
    pub(super) fn of(reason: &NotDone) -> Self {
        match reason {
            NotDone::Unreachable(_) => Self::Unreachable,
            NotDone::RateLimited { .. } => Self::RateLimited,
            NotDone::Auth(_) => Self::Auth,
            NotDone::Exhausted { .. } => Self::Exhausted,
            NotDone::Deadline { .. } => Self::Deadline,
            NotDone::Absent => Self::Absent,
            NotDone::NotRecorded(_) => Self::NotRecorded,
            NotDone::Origin(_) => Self::Origin,
            NotDone::Stopped => Self::Stopped,
            other => panic!("{other:?}"),
        }
    }
}

impl Why {
    pub(super) fn of(why: &Unverified) -> Self {
        match why {
            Unverified::Deadline => Self::Deadline,
            Unverified::ListRejected(_) => Self::ListRejected,
            Unverified::Auth(_) => Self::Auth,
            Unverified::MayBeRenamed(_) | Unverified::RenamedElsewhere(_) => Self::Renamed,
            Unverified::Gone => Self::Gone,
            Unverified::Changed => Self::Changed,
            Unverified::Origin(_) => Self::Origin,
            Unverified::AtOnce => Self::AtOnce,
            Unverified::Stopped => Self::Stopped,
            other => panic!("{other:?}"),
        }
    }
}

fn code(error: &ApiError) -> Code {
    Code::of(error.code.as_str())
}

/// The name with that index, in other letters than the service spells it.
pub(super) fn name(index: usize) -> PortalName {
    let spelled = SPELLED[index];
    PortalName::parse(&(spelled[..1].to_owned() + &spelled[1..].to_lowercase())).unwrap()
}

/// The index of a name in any letters.
pub(super) fn index(name: &str) -> u8 {
    let index = SPELLED.iter().position(|spelled| spelled.eq_ignore_ascii_case(name));
    u8::try_from(index.unwrap()).unwrap()
}

pub(super) fn mask(names: &[PortalName]) -> u8 {
    names.iter().map(|name| 1 << index(name.as_str())).sum()
}

fn owner(owner: &Owner) -> Whose {
    match owner {
        Owner::ThisOrg => Whose::ThisOrg,
        Owner::AnotherOrg => Whose::AnotherOrg,
        Owner::Undetermined(why) => Whose::Undetermined(Why::of(why)),
        other => panic!("{other:?}"),
    }
}

/// The receipt of a portal that this machine created before, as young as it can be.
fn receipts(world: &World) -> Option<Receipt> {
    let receipt = Receipt {
        entry: "other".to_owned(),
        name: SPELLED[2].to_owned(),
        id: None,
        baseline: Some(Baseline::default()),
        has_same_key: false,
        evidence: Evidence::Made { age: Duration::ZERO },
    };
    (world.receipt && world.driver != Driver::NoReceipts).then_some(receipt)
}

impl Summary {
    pub(super) fn of(outcome: &Outcome) -> Self {
        let end = match outcome {
            Outcome::Created { .. } => Ending::Created,
            Outcome::Present { origin: Origin::Preexisting, .. } => Ending::Preexisting,
            Outcome::Present { origin: Origin::Appeared, .. } => Ending::Appeared,
            Outcome::Present { origin: Origin::Undetermined, .. } => Ending::OfUnknownOrigin,
            Outcome::Present { origin: Origin::CreatedEarlier { .. }, .. } => {
                Ending::CreatedEarlier
            }
            Outcome::OrgHasPortal { portal, .. } => Ending::OrgHas(index(&portal.name)),
            Outcome::NameTaken { owner: whose, .. } => Ending::Taken(owner(whose)),
            Outcome::Rejected { error, .. } => Ending::Rejected(code(error)),
            Outcome::NotCreated { why, .. } | Outcome::NotRenamed { why, .. } => {
                Ending::NotDone(Reason::of(why))
            }
            Outcome::Unknown {
                doubt: Doubt::OtherName(_),
                why: Unverified::MayBeRenamed(_),
                ..
            } => Ending::Unknown(Why::OtherName),
            Outcome::Unknown { why, .. } => Ending::Unknown(Why::of(why)),
            Outcome::Renamed { .. } => Ending::Renamed,
            Outcome::Unchanged { .. } => Ending::Unchanged,
            Outcome::NotFound { .. } => Ending::NotFound,
            other => panic!("{other:?}"),
        };
        Self { name: index(outcome.name()), taken: mask(outcome.taken()), end }
    }
}
