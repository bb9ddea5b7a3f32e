//! How a create or a rename ended, for people and for machines: [`Report`].

use portal_model::outcome::{Origin, Owner};
use portal_model::{ErrorCode, InvalidPortalName, Outcome, PortalName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::cause::Subject;
use crate::report::context::ReportContext;
use crate::report::exit::ExitClass;
use crate::report::failure::{ErrorKind, ErrorReport, Failure};
use crate::report::invalid_name;

/// How a create or a rename ended: of one portal, or of a row of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("allOf" = [
    { "if": { "properties": { "outcome": { "const": "present" } } }, "then": { "required": ["origin"] } },
    { "if": { "properties": { "outcome": { "const": "name_taken" } } }, "then": { "required": ["owner"] } },
    {
        "if": { "properties": { "outcome": { "enum": ["created", "present", "renamed", "unchanged"] } } },
        "then": { "not": { "required": ["error"] } },
        "else": { "required": ["error"] }
    }
]))]
pub(crate) struct Report<S = CreateStatus> {
    /// The portal's name: with fallbacks the one that was tried last, of a rename the new one.
    pub(crate) name: String,
    /// Of a rename, unless the new name is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old_name: Option<String>,
    /// The profile whose org it is about; null without one.
    pub(crate) profile: Option<String>,
    pub(crate) outcome: S,
    /// Of a portal that is present. `preexisting`: it existed before the first request. `appeared`:
    /// it did not, and exists now, by this create or by somebody else at the same moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", extend("enum" = ["preexisting", "appeared", "undetermined"]))]
    pub(crate) origin: Option<Origin>,
    /// Of a name that is taken: whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<OwnerKind>,
    /// With fallbacks: the name that was wanted first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested: Option<String>,
    /// Names that were tried before, and belong to another organization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>", length(min = 1))]
    pub(crate) taken: Vec<PortalName>,
    /// Seconds that were waited to prove absence: a request that takes longer to take effect would
    /// disprove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorReport>,
    /// Kept apart by callers that store a report.
    #[serde(skip, default = "exit_not_kept")]
    pub(crate) exit: ExitClass,
    #[serde(skip)]
    pub(crate) text: String,
}

pub(crate) type CreateReport = Report<CreateStatus>;
pub(crate) type RenameReport = Report<RenameStatus>;

/// How a create ended. `unknown`: a request may have taken effect; `portal recover` determines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CreateStatus {
    Created,
    Present,
    OrgHasPortal,
    NameTaken,
    Rejected,
    NotCreated,
    Unknown,
    Invalid,
}

/// How a rename ended. `unchanged`: the portal had the new name already. `unknown`: a request may have
/// taken effect; `portal recover` determines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RenameStatus {
    Renamed,
    Unchanged,
    NotFound,
    NameTaken,
    Rejected,
    NotRenamed,
    Unknown,
    Invalid,
}

/// Whose a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(rename_all = "snake_case")]
enum OwnerKind {
    ThisOrg,
    AnotherOrg,
    Undetermined,
}

/// What creates and renames have in common.
pub(crate) trait Status: Copy {
    const NOT_DONE: Self;
    const UNKNOWN: Self;
    const INVALID: Self;
}

impl CreateStatus {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Present => "present",
            Self::OrgHasPortal => "org_has_portal",
            Self::NameTaken => "name_taken",
            Self::Rejected => "rejected",
            Self::NotCreated => "not_created",
            Self::Unknown => "unknown",
            Self::Invalid => "invalid",
        }
    }
}

impl Status for CreateStatus {
    const NOT_DONE: Self = Self::NotCreated;
    const UNKNOWN: Self = Self::Unknown;
    const INVALID: Self = Self::Invalid;
}

impl Status for RenameStatus {
    const NOT_DONE: Self = Self::NotRenamed;
    const UNKNOWN: Self = Self::Unknown;
    const INVALID: Self = Self::Invalid;
}

impl CreateReport {
    pub(crate) fn new(outcome: &Outcome, context: &ReportContext) -> Self {
        let (name, org) = (outcome.name(), &context.org);
        let subject = Subject {
            name,
            recover: name,
            done: "created",
            purpose: &format!("create the portal {name}"),
            absent: "the org's list does not show it",
            command: &format!("portal create {name}{org}"),
            context,
        };
        let done = |status, exit, text| Self { text, ..Self::ended(name, context, status, exit) };
        let failed = |status, failure| Self::failed(name, context, status, failure);
        let report = match outcome {
            Outcome::Created { .. } => {
                done(CreateStatus::Created, ExitClass::Success, format!("{name} was created"))
            }
            Outcome::Present { origin, .. } => {
                let is_success = context.ensure || *origin == Origin::Appeared;
                let exit = if is_success { ExitClass::Success } else { ExitClass::Exists };
                let text = present(name, origin, context);
                Self { origin: Some(origin.clone()), ..done(CreateStatus::Present, exit, text) }
            }
            Outcome::OrgHasPortal { portal, .. } => {
                failed(CreateStatus::OrgHasPortal, subject.org_has_portal(portal))
            }
            Outcome::NameTaken { owner, .. } => {
                let failure = subject.taken(owner).hint(match owner {
                    Owner::Undetermined(why) => subject.unknown_owner_hint(why),
                    _ => "choose another name, or pass `--fallback NAME` to try one if the first \
                          is taken"
                        .to_owned(),
                });
                Self { owner: Some(owner.into()), ..failed(CreateStatus::NameTaken, failure) }
            }
            Outcome::Rejected { error, .. } => {
                failed(CreateStatus::Rejected, subject.rejected(error))
            }
            Outcome::NotCreated { why: reason, .. } => Self {
                verified_after: context.verified_after(reason),
                ..failed(CreateStatus::NotCreated, subject.stopped_by(reason))
            },
            Outcome::Unknown { doubt, why, .. } => {
                failed(CreateStatus::Unknown, subject.in_doubt(doubt, why))
            }
            _ => failed(CreateStatus::Unknown, subject.unknown_variant()),
        };
        let taken = outcome.taken().to_vec();
        let text = match names_taken(&taken) {
            Some(names) if report.error.is_none() => format!("{}; {names}", report.text),
            _ => report.text,
        };
        Self { taken, text, ..report }
    }

    /// Whether nothing shows that this create made the portal.
    pub(crate) fn is_preexisting(&self) -> bool {
        self.outcome == CreateStatus::Present && self.origin != Some(Origin::Appeared)
    }
}

impl RenameReport {
    /// Of a rename of `old` to `new`.
    pub(crate) fn renamed(
        outcome: &Outcome,
        old: &str,
        new: &PortalName,
        context: &ReportContext,
    ) -> Self {
        let (new, org) = (new.as_str(), &context.org);
        let subject = Subject {
            name: old,
            recover: new,
            done: "renamed",
            purpose: &format!("rename the portal {old} to {new}"),
            absent: "it still has the old name",
            command: &format!("portal rename {old} {new}{org}"),
            context,
        };
        let done =
            |status, text| Self { text, ..Self::ended(new, context, status, ExitClass::Success) };
        let failed = |status, failure| Self::failed(new, context, status, failure);
        let list = || format!("run `portal list{org}` to see the org's portals");
        let report = match outcome {
            Outcome::Renamed { .. } => {
                done(RenameStatus::Renamed, format!("{old} is named {new} now"))
            }
            Outcome::Unchanged { .. } => {
                done(RenameStatus::Unchanged, format!("{new} already has that name"))
            }
            Outcome::NotFound { .. } => {
                let why = "the org has no portal of that name";
                let failure = subject.not_done(ErrorKind::NotFound, why).hint(list());
                failed(RenameStatus::NotFound, failure)
            }
            Outcome::NameTaken { owner, .. } => {
                let failure = subject.taken(owner).hint("choose another name");
                Self { owner: Some(owner.into()), ..failed(RenameStatus::NameTaken, failure) }
            }
            // The service's code for a missing portal of the old name, too.
            Outcome::Rejected { error, .. } if error.code == ErrorCode::InvalidData => {
                failed(RenameStatus::Rejected, subject.rejected(error).hint(list()))
            }
            Outcome::Rejected { error, .. } => {
                failed(RenameStatus::Rejected, subject.rejected(error))
            }
            Outcome::NotRenamed { why: reason, .. } => Self {
                verified_after: context.verified_after(reason),
                ..failed(RenameStatus::NotRenamed, subject.stopped_by(reason))
            },
            Outcome::Unknown { doubt, why, .. } => {
                failed(RenameStatus::Unknown, subject.in_doubt(doubt, why))
            }
            _ => failed(RenameStatus::Unknown, subject.unknown_variant()),
        };
        report.of(old)
    }

    /// Adds the name before.
    #[must_use]
    pub(crate) fn of(self, old: &str) -> Self {
        Self { old_name: Some(old.to_owned()), ..self }
    }
}

impl<S: Status> Report<S> {
    /// Of something that the user did not confirm.
    pub(crate) fn cancelled(name: &PortalName, context: &ReportContext) -> Self {
        let failure = Failure::new(ErrorKind::Cancelled, "cancelled; nothing was sent");
        Self::failed(name.as_str(), context, S::NOT_DONE, failure)
    }

    /// Of something that was not begun, and why: another process may be at work on the same one.
    pub(crate) fn withheld(name: &str, failure: Failure, context: &ReportContext) -> Self {
        let status = match failure.exit {
            ExitClass::Unknown => S::UNKNOWN,
            _ => S::NOT_DONE,
        };
        Self::failed(name, context, status, failure)
    }

    /// Of an invalid name: nothing was sent.
    pub(crate) fn invalid(
        name: &str,
        invalid: &InvalidPortalName,
        context: &ReportContext,
    ) -> Self {
        Self::failed(name, context, S::INVALID, invalid_name::failure(invalid))
    }
}

impl<S> Report<S> {
    fn failed(name: &str, context: &ReportContext, outcome: S, failure: Failure) -> Self {
        Self { error: Some(*failure.report), ..Self::ended(name, context, outcome, failure.exit) }
    }

    fn ended(name: &str, context: &ReportContext, outcome: S, exit: ExitClass) -> Self {
        Self {
            name: name.to_owned(),
            old_name: None,
            profile: context.profile.clone(),
            outcome,
            origin: None,
            owner: None,
            requested: context.requested.clone(),
            taken: Vec::new(),
            verified_after: None,
            error: None,
            exit,
            text: String::new(),
        }
    }
}

impl From<&Owner> for OwnerKind {
    fn from(owner: &Owner) -> Self {
        match owner {
            Owner::ThisOrg => Self::ThisOrg,
            Owner::AnotherOrg => Self::AnotherOrg,
            // What this version does not know it does not claim.
            Owner::Undetermined(_) | _ => Self::Undetermined,
        }
    }
}

fn exit_not_kept() -> ExitClass {
    ExitClass::Rejected
}

/// That a portal exists, in one clause that claims no more than is known (rule 6).
fn present(name: &str, origin: &Origin, context: &ReportContext) -> String {
    match (origin, &context.profile) {
        (Origin::Preexisting, Some(profile)) => {
            format!("{name} already exists in the org of profile {profile}")
        }
        (Origin::Preexisting, None) => format!("{name} already exists in the org"),
        (Origin::Appeared, _) => format!(
            "{name} exists now; no response confirmed it (created by this call, or by somebody else \
             at the same moment)"
        ),
        // An origin that this version does not know is not determined either.
        _ => {
            format!("{name} exists; whether this call created it is not known")
        }
    }
}

/// `FirstName belongs to another organization`. Which names are taken only the outcome can tell: a
/// name that was asked for first may never have been sent.
fn names_taken(names: &[PortalName]) -> Option<String> {
    let names: Vec<&str> = names.iter().map(PortalName::as_str).collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("{one} belongs to another organization")),
        [first @ .., last] => {
            Some(format!("{} and {last} belong to other organizations", first.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests;
