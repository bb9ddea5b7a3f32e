//! What the proof needs of an effect, and how it ended in words that are the proof's own.

use std::time::Duration;

use portal_model::endpoint::{ApiVersion, Request};
use portal_model::error::ApiError;
use portal_model::flow::{Create, CreateFlow, Effect, Flow, Policy, Receipt, Rename, RenameFlow};
use portal_model::intent::Intent;
use portal_model::name::PortalName;
use portal_model::outcome::{NotDone, Origin, Outcome, Owner, RenameOutcome, Unverified};

use super::replies::Code;
use super::service::{Deed, SPELLED};
use super::world::{Driver, World};

/// An effect whose flows are explored.
pub(super) trait Subject: Effect {
    /// The flow of the first process.
    fn start(world: &World, policy: &Policy) -> Flow<Self>;

    /// The flow of a later process, which continues if it `sends`, or only determines the outcome.
    fn resume(
        intent: &Intent,
        sends: bool,
        since_end: Duration,
        world: &World,
        policy: &Policy,
    ) -> Flow<Self>;

    /// What an attempt does, by its request.
    fn deed(request: &Request) -> Deed;

    fn summary(outcome: &Self::Outcome) -> Summary;
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
    Present(Origin),
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
    Stopped,
}

/// Why a doubt is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Why {
    Deadline,
    ListRejected,
    Auth,
    Renamed,
    Gone,
    EarlierAttempt,
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
            Self::Present(Origin::Preexisting) => "present, preexisting",
            Self::Present(Origin::Appeared) => "present, appeared",
            Self::Present(_) => "present, undetermined",
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
            NotDone::Exhausted => Self::Exhausted,
            NotDone::Deadline => Self::Deadline,
            NotDone::Absent => Self::Absent,
            NotDone::NotRecorded(_) => Self::NotRecorded,
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
            Unverified::EarlierAttempt => Self::EarlierAttempt,
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

/// A create of the first name, with the second as a fallback.
impl Subject for Create {
    fn start(world: &World, policy: &Policy) -> CreateFlow {
        let flow = CreateFlow::new(name(0), policy.clone(), ApiVersion::V7);
        let flow = flow.with_fallbacks((1..world.names).map(name));
        flow.with_receipts(receipts(world))
    }

    fn resume(
        intent: &Intent,
        sends: bool,
        since_end: Duration,
        world: &World,
        policy: &Policy,
    ) -> CreateFlow {
        let Intent::Create(intent) = intent else { panic!("{intent:?}") };
        // The command that takes over has the fallbacks that are left.
        let fallbacks = usize::from(index(intent.name.as_str())) + 1..world.names;
        let resume = if sends { CreateFlow::take_over } else { CreateFlow::recover };
        let flow = resume(intent.clone(), since_end, policy.clone(), ApiVersion::V7);
        flow.with_receipts(receipts(world)).with_fallbacks(fallbacks.map(name))
    }

    fn deed(request: &Request) -> Deed {
        let body = str::from_utf8(&request.body).unwrap();
        let requested = (0..2).find(|index| body.contains(name(*index).as_str())).unwrap();
        Deed::Create { name: u8::try_from(requested).unwrap() }
    }

    fn summary(outcome: &Outcome) -> Summary {
        let end = match outcome {
            Outcome::Created { .. } => Ending::Created,
            Outcome::Present { origin, .. } => Ending::Present(*origin),
            Outcome::OrgHasPortal { portal, .. } => Ending::OrgHas(index(&portal.name)),
            Outcome::NameTaken { owner: whose, .. } => Ending::Taken(owner(whose)),
            Outcome::Rejected { error, .. } => Ending::Rejected(code(error)),
            Outcome::NotCreated { reason, .. } => Ending::NotDone(Reason::of(reason)),
            Outcome::Unknown { why, .. } => Ending::Unknown(Why::of(why)),
            other => panic!("{other:?}"),
        };
        Summary { name: index(outcome.name()), taken: mask(outcome.taken()), end }
    }
}

/// The receipt of a portal that this machine created before, as young as it can be.
fn receipts(world: &World) -> Option<Receipt> {
    let age = Duration::ZERO;
    (world.receipt && world.driver != Driver::NoReceipts)
        .then(|| Receipt { name: SPELLED[2].to_owned(), age })
}

/// A rename of the first name to the second.
impl Subject for Rename {
    fn start(_: &World, policy: &Policy) -> RenameFlow {
        RenameFlow::new(name(0).as_str(), target(), policy.clone(), ApiVersion::V7)
    }

    fn resume(
        intent: &Intent,
        sends: bool,
        since_end: Duration,
        _: &World,
        policy: &Policy,
    ) -> RenameFlow {
        let Intent::Rename(intent) = intent else { panic!("{intent:?}") };
        let resume = if sends { RenameFlow::take_over } else { RenameFlow::recover };
        resume(intent.clone(), since_end, policy.clone(), ApiVersion::V7)
    }

    fn deed(_: &Request) -> Deed {
        Deed::Rename
    }

    fn summary(outcome: &RenameOutcome) -> Summary {
        let end = match outcome {
            RenameOutcome::Renamed { .. } => Ending::Renamed,
            RenameOutcome::Unchanged { .. } => Ending::Unchanged,
            RenameOutcome::NotFound { .. } => Ending::NotFound,
            RenameOutcome::NameTaken { owner: whose, .. } => Ending::Taken(owner(whose)),
            RenameOutcome::Rejected { error, .. } => Ending::Rejected(code(error)),
            RenameOutcome::NotRenamed { reason, .. } => Ending::NotDone(Reason::of(reason)),
            RenameOutcome::Unknown { why, .. } => Ending::Unknown(Why::of(why)),
            other => panic!("{other:?}"),
        };
        Summary { name: 1, taken: 0, end }
    }
}

/// Exactly as the service spells it: letters in another case are another name to a rename.
fn target() -> PortalName {
    PortalName::parse(SPELLED[1]).unwrap()
}
