//! How a create or a rename ended, for people and for machines: [`Report`].

use portal_model::outcome::{Origin, OutcomeKind, Owner, RenameOutcomeKind};
use portal_model::{InvalidPortalName, Outcome, PortalName, RenameOutcome};
use serde::{Deserialize, Serialize};

use crate::report::asked::Asked;
use crate::report::exit::{self, ExitClass};
use crate::report::failure::{ErrorReport, Failure};
use crate::report::{cause, invalid_name};

/// How something ended. Serialized it is the object of `--output json`; `K` is what its `outcome`
/// can be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report<K = OutcomeKind> {
    pub(crate) name: String,
    /// Of a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    old_name: Option<String>,
    pub(crate) profile: Option<String>,
    pub(crate) outcome: K,
    /// Of a portal that exists: how it came to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    /// Of a name that is taken: whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    owner: Option<OwnerKind>,
    /// With fallbacks: the name that was wanted first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested: Option<String>,
    /// Names that were tried before and are proved to belong to another organization.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) taken: Vec<PortalName>,
    /// In seconds, if absence was proved by waiting: a request that takes longer to take effect
    /// would disprove it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verified_after: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<ErrorReport>,
    /// Kept apart by callers that store a report.
    #[serde(skip, default = "exit_not_kept")]
    exit: ExitClass,
    #[serde(skip)]
    pub(crate) text: String,
}

/// The variants of an [`Owner`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OwnerKind {
    ThisOrg,
    AnotherOrg,
    Undetermined,
}

/// The `outcome` of a name that breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Never {
    Invalid,
}

impl Report {
    pub(crate) fn new(outcome: &Outcome, asked: &Asked) -> Self {
        Self {
            origin: match outcome {
                Outcome::Present { origin, .. } => Some(*origin),
                _ => None,
            },
            owner: match outcome {
                Outcome::NameTaken { owner, .. } => Some(owner.into()),
                _ => None,
            },
            requested: asked.requested.clone(),
            taken: outcome.taken().to_vec(),
            verified_after: match outcome {
                Outcome::NotCreated { reason, .. } => asked.verified_after(reason),
                _ => None,
            },
            error: cause::of_create(outcome, asked),
            text: text(outcome, asked),
            ..Self::bare(
                outcome.name(),
                asked,
                outcome.kind(),
                exit::of_create(outcome, asked.ensure),
            )
        }
    }

    /// Of a create that the user did not confirm.
    pub(crate) fn cancelled(name: &PortalName, asked: &Asked) -> Self {
        Self {
            requested: asked.requested.clone(),
            error: Some(ErrorReport::new("cancelled", "cancelled; nothing was sent")),
            ..Self::bare(name.as_str(), asked, OutcomeKind::NotCreated, ExitClass::Stopped)
        }
    }

    /// Of a create that was not begun, and why: another process may be at work on the same one.
    pub(crate) fn withheld(name: &str, failure: Failure, asked: &Asked) -> Self {
        let kind = match failure.exit {
            ExitClass::Unknown => OutcomeKind::Unknown,
            _ => OutcomeKind::NotCreated,
        };
        Self {
            requested: asked.requested.clone(),
            error: Some(*failure.report),
            ..Self::bare(name, asked, kind, failure.exit)
        }
    }

    /// Whether nothing shows that the portal is of this create's making.
    pub(crate) fn is_preexisting(&self) -> bool {
        self.outcome == OutcomeKind::Present && self.origin != Some(Origin::Appeared)
    }

    pub(crate) fn origin(&self) -> Option<Origin> {
        self.origin
    }
}

impl Report<Never> {
    /// Of an invalid name: nothing was sent.
    pub(crate) fn invalid(name: &str, invalid: &InvalidPortalName, asked: &Asked) -> Self {
        Self {
            requested: asked.requested.clone(),
            error: Some(invalid_name::report(invalid)),
            ..Self::bare(name, asked, Never::Invalid, ExitClass::Invalid)
        }
    }
}

impl Report<RenameOutcomeKind> {
    /// Of a rename of `old` to `new`.
    pub(crate) fn renamed(
        outcome: &RenameOutcome,
        old: &str,
        new: &PortalName,
        asked: &Asked,
    ) -> Self {
        Self {
            old_name: Some(old.to_owned()),
            owner: match outcome {
                RenameOutcome::NameTaken { owner, .. } => Some(owner.into()),
                _ => None,
            },
            verified_after: match outcome {
                RenameOutcome::NotRenamed { reason, .. } => asked.verified_after(reason),
                _ => None,
            },
            error: cause::of_rename(outcome, old, new, asked),
            text: match outcome {
                RenameOutcome::Renamed { .. } => format!("{old} is named {new} now"),
                RenameOutcome::Unchanged { .. } => format!("{new} already has that name"),
                _ => String::new(),
            },
            ..Self::bare(new.as_str(), asked, outcome.kind(), exit::of_rename(outcome))
        }
    }

    /// Of a rename that the user did not confirm.
    pub(crate) fn rename_cancelled(old: &str, new: &PortalName, asked: &Asked) -> Self {
        Self {
            old_name: Some(old.to_owned()),
            error: Some(ErrorReport::new("cancelled", "cancelled; nothing was sent")),
            ..Self::bare(new.as_str(), asked, RenameOutcomeKind::NotRenamed, ExitClass::Stopped)
        }
    }

    /// Of a rename that was not begun, and why.
    pub(crate) fn not_begun(old: &str, new: &PortalName, failure: Failure, asked: &Asked) -> Self {
        let kind = match failure.exit {
            ExitClass::Unknown => RenameOutcomeKind::Unknown,
            _ => RenameOutcomeKind::NotRenamed,
        };
        Self {
            old_name: Some(old.to_owned()),
            error: Some(*failure.report),
            ..Self::bare(new.as_str(), asked, kind, failure.exit)
        }
    }
}

impl<K> Report<K> {
    pub(crate) fn exit(&self) -> ExitClass {
        self.exit
    }

    fn bare(name: &str, asked: &Asked, outcome: K, exit: ExitClass) -> Self {
        Self {
            name: name.to_owned(),
            old_name: None,
            profile: asked.profile.clone(),
            outcome,
            origin: None,
            owner: None,
            requested: None,
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

/// What exists, in one clause that claims no more than is known (rule 6).
fn text(outcome: &Outcome, asked: &Asked) -> String {
    let name = outcome.name();
    let text = match outcome {
        Outcome::Created { .. } => format!("{name} was created"),
        Outcome::Present { origin: Origin::Preexisting, .. } => match &asked.profile {
            Some(profile) => format!("{name} already exists in the org of profile {profile}"),
            None => format!("{name} already exists in the org"),
        },
        Outcome::Present { origin: Origin::Appeared, .. } => format!(
            "{name} exists now; no response confirmed it (created by this call, or by somebody else \
             at the same moment)"
        ),
        Outcome::Present { origin: Origin::Undetermined, .. } => {
            format!("{name} exists; whether this call created it is not known")
        }
        _ => return String::new(),
    };
    match taken(outcome.taken()) {
        Some(taken) => format!("{text}; {taken}"),
        None => text,
    }
}

/// `FirstName belongs to another organization`. Which names are taken only the outcome can tell: a
/// name that was asked for first may never have been sent.
fn taken(names: &[PortalName]) -> Option<String> {
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
