//! Creating a portal, safely: the effect [`Create`] and its flow, [`CreateFlow`].

use crate::create::CreatePortal;
use crate::endpoint::ApiVersion;
use crate::error::ErrorCode;
use crate::intent::{Baseline, CreateIntent, Intent};
use crate::name::{PortalName, is_same_name};
use crate::outcome::{Origin, Outcome, Owner, Unverified};
use crate::portal::Portal;

use super::effect::{Effect, End, Finding, Listing, Receipt, Repeat, Rules};
use super::kernel::Flow;
use super::policy::Policy;
use super::responses;

/// The creation of one portal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Create {
    name: PortalName,
    fallbacks: Vec<PortalName>,
    /// Names that were tried before and belong to another org.
    taken: Vec<PortalName>,
    receipts: Vec<Receipt>,
}

/// A create, from the first list to its [`Outcome`]. See the [module](super) for its rules.
///
/// ```
/// use std::time::Duration;
/// use portal_model::flow::{CreateFlow, Event, Jitter, Policy, Step, TokenId};
/// use portal_model::{ApiVersion, Outcome, PortalName, Response};
///
/// let created = r#"{"portals":[{"code":"SUCCESS","details":{"name":"PortalsAPItest100"},
///     "message":"Portal created successfully with given name.","status":"success"}]}"#;
/// let name = PortalName::parse("PortalsAPItest100")?;
/// let mut flow = CreateFlow::new(name, Policy::default(), ApiVersion::V7);
/// let outcome = loop {
///     let now = Duration::ZERO; // since the driver's start
///     let event = match flow.step(now) {
///         Step::Authenticate { .. } => Event::Token(TokenId(1)),
///         Step::List { .. } => Event::Response(Response::new(204, "")),
///         Step::Record(_intent) => Event::Recorded, // … once it is on the disk
///         Step::Send { .. } => Event::Response(Response::new(200, created)),
///         Step::WaitUntil(_time) => continue, // … after sleeping until then
///         Step::Done(outcome) => break outcome,
///     };
///     flow.handle(now, Jitter::FULL, event)?;
/// };
/// assert!(matches!(*outcome, Outcome::Created { .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type CreateFlow = Flow<Create>;

impl CreateFlow {
    /// A create of `name`.
    pub fn new(name: PortalName, policy: Policy, version: ApiVersion) -> Self {
        Self::begin(Create::new(name, Vec::new()), policy, version)
    }

    /// Names to try in turn, each after the one before is proved to belong to another org.
    #[must_use]
    pub fn with_fallbacks(mut self, names: impl IntoIterator<Item = PortalName>) -> Self {
        self.effect.fallbacks.extend(names);
        self
    }

    /// Portals that this machine created in the org a short while ago; see [`Receipt`].
    #[must_use]
    pub fn with_receipts(mut self, receipts: impl IntoIterator<Item = Receipt>) -> Self {
        self.effect.receipts.extend(receipts);
        self
    }
}

impl Create {
    fn new(name: PortalName, taken: Vec<PortalName>) -> Self {
        Self { name, fallbacks: Vec::new(), taken, receipts: Vec::new() }
    }

    fn has_receipt(&self, portal: &Portal) -> bool {
        self.receipts.iter().any(|receipt| is_same_name(&receipt.name, &portal.name))
    }

    /// Portals that exist although the list may not show them yet.
    fn unlisted(&self, policy: &Policy) -> impl Iterator<Item = Portal> {
        let visible_after = policy.processing_time.saturating_add(policy.list_lag);
        let young = self.receipts.iter().filter(move |receipt| receipt.age < visible_after);
        young.map(|receipt| Portal::new(receipt.name.as_str()))
    }
}

impl Effect for Create {
    type Outcome = Outcome;
    type Intent = CreateIntent;
}

impl Rules<Outcome, CreateIntent> for Create {
    /// The portal that is there, or the other portal that the org has.
    type Fact = Portal;
    type Endpoint = CreatePortal;

    // A name is unique over all of Zoho, so of several copies one takes effect at most.
    const REPEAT: Repeat = Repeat::InDoubt;
    const SUSPECTS: &'static [ErrorCode] = &[ErrorCode::AlreadyUsed, ErrorCode::LimitReached];

    fn is_exclusive(&self, policy: &Policy) -> bool {
        !policy.allow_another
    }

    fn endpoint(&self) -> CreatePortal {
        CreatePortal::new(self.name.clone())
    }

    fn compare(
        &self,
        policy: &Policy,
        before: Option<&Baseline>,
        now: &Listing,
        attempted: bool,
    ) -> Finding<Portal> {
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
            (None, Some(portal)) if !policy.allow_another => Finding::Blocked(portal.clone()),
            (None, _) => Finding::Absent,
        }
    }

    fn known(&self, policy: &Policy) -> Finding<Portal> {
        let nothing = Listing { portals: Vec::new(), is_complete: false };
        match (self.compare(policy, None, &nothing, false), self.receipts.first()) {
            // Whatever its age and its name by now: a portal stays.
            (Finding::Absent, Some(receipt)) if !policy.allow_another => {
                Finding::Blocked(Portal::new(receipt.name.as_str()))
            }
            (finding, _) => finding,
        }
    }

    fn intent(&self, attempts: u32, baseline: Option<&Baseline>) -> CreateIntent {
        CreateIntent {
            name: self.name.clone(),
            taken: self.taken.clone(),
            attempts,
            baseline: baseline.cloned(),
        }
    }

    fn of_intent(intent: CreateIntent) -> (Self, u32, Option<Baseline>) {
        (Self::new(intent.name, intent.taken), intent.attempts, intent.baseline)
    }

    fn outcome(&self, end: End<Portal, CreateIntent>) -> Outcome {
        let (name, taken) = (self.name.clone(), self.taken.clone());
        match end {
            End::Done => Outcome::Created { name, taken },
            End::There { fact: portal, before } => {
                let origin = match before {
                    Some(true) => Origin::Preexisting,
                    Some(false) => Origin::Appeared,
                    None => Origin::Undetermined,
                };
                Outcome::Present { portal, origin, taken }
            }
            // Without a fallback, the taken name matters more to the caller than the other portal.
            End::Blocked { rejection: Some(error), .. }
                if responses::is_name_taken(&error) && self.fallbacks.is_empty() =>
            {
                Outcome::NameTaken { name, owner: Owner::AnotherOrg }
            }
            End::Blocked { rejection: Some(error), .. }
                if !responses::is_name_taken(&error) && error.code != ErrorCode::LimitReached =>
            {
                Outcome::Rejected { name, error }
            }
            End::Blocked { fact: portal, .. } => Outcome::OrgHasPortal { name, portal },
            End::Rejected(error) if responses::is_name_taken(&error) => {
                Outcome::NameTaken { name, owner: Owner::AnotherOrg }
            }
            End::Rejected(error) => Outcome::Rejected { name, error },
            End::NotDone(reason) => Outcome::NotCreated { name, reason },
            // Nothing more can be learned. A flow that was stopped leaves its intent instead, since
            // the list may still show that the name was taken by its own attempt.
            End::Unknown { why, suspect: Some(error), .. }
                if responses::is_name_taken(&error) && !may_still_be_learned(&why) =>
            {
                Outcome::NameTaken { name, owner: Owner::Undetermined(why) }
            }
            End::Unknown { intent, doubt, why, .. } => Outcome::Unknown { intent, doubt, why },
        }
    }

    fn unresolved(&self, outcome: &Outcome) -> Option<Intent> {
        let Outcome::Unknown { intent, .. } = outcome else { return None };
        Some(intent.clone().into())
    }

    fn fallback(&self, outcome: &Outcome) -> Option<Self> {
        let Outcome::NameTaken { owner: Owner::AnotherOrg, .. } = outcome else { return None };
        let (name, fallbacks) = self.fallbacks.split_first()?;
        let mut next = self.clone();
        next.taken.push(std::mem::replace(&mut next.name, name.clone()));
        next.fallbacks = fallbacks.to_vec();
        Some(next)
    }
}

/// Whether a later list may show what this flow had no time or no token to see.
fn may_still_be_learned(why: &Unverified) -> bool {
    matches!(why, Unverified::Stopped | Unverified::Deadline | Unverified::Auth(_))
}

/// Whether somebody may have renamed the portal since it was created.
fn may_be_renamed(portal: &Portal) -> bool {
    match (&portal.created_time, &portal.modified_time) {
        (Some(created), Some(modified)) => created != modified,
        _ => true,
    }
}
