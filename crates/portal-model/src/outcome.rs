//! How a flow ended: [`Outcome`].

mod cause;
mod json;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::endpoint::ResponseError;
use crate::error::{ApiError, with_sources};
use crate::name::PortalName;
use crate::operation::Operation;
use crate::portal::Portal;

pub use cause::{AuthFailure, Conflict, Doubt, Failure, NotDone, Unverified};

/// How a create or a rename ended. Every variant except [`Unknown`](Self::Unknown) is certain, within
/// what the [crate](crate#what-this-rests-on) assumes of the service.
///
/// `Display` is one sentence, without a full stop. In JSON it is an object: see the
/// [README](crate#outcomes).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The service responded that it created the portal.
    Created {
        /// Its name.
        name: PortalName,
        /// Names that were tried before and belong to another org.
        taken: Vec<PortalName>,
    },
    /// The org has a portal of that name.
    Present {
        /// The portal.
        portal: Portal,
        /// How that is known.
        origin: Origin,
        /// Names that were tried before and belong to another org.
        taken: Vec<PortalName>,
    },
    /// The org has a portal of another name; none was created.
    OrgHasPortal {
        /// The requested name.
        name: PortalName,
        /// The portal that the org has.
        portal: Portal,
    },
    /// The name is taken; nothing was created or renamed.
    NameTaken {
        /// The requested name, the last one of several.
        name: PortalName,
        /// Whose it is.
        owner: Owner,
    },
    /// The service rejected the request; nothing was created or renamed.
    Rejected {
        /// The requested name.
        name: PortalName,
        /// The service's response.
        error: ApiError,
    },
    /// No portal was created; trying again is safe.
    NotCreated {
        /// The requested name.
        name: PortalName,
        /// Why.
        why: NotDone,
    },
    /// It is not known whether the portal was created or renamed. The same operation again, on the
    /// same ledger, goes on from here; [`Flow::recover`](crate::Flow::recover) only determines it.
    Unknown {
        /// The name that the portal is to have.
        name: String,
        /// What put it in doubt.
        doubt: Doubt,
        /// Why the doubt could not be resolved.
        why: Unverified,
    },
    /// The portal has the new name: the service responded so, or a list shows it.
    Renamed {
        /// The name before.
        old: String,
        /// The name now.
        new: PortalName,
    },
    /// The portal had the new name already; nothing was sent.
    Unchanged {
        /// The portal.
        portal: Portal,
    },
    /// The org has no portal of the old name; nothing was sent.
    NotFound {
        /// The old name.
        old: String,
    },
    /// Nothing was renamed; trying again is safe.
    NotRenamed {
        /// The name before, and still.
        old: String,
        /// The requested name.
        new: PortalName,
        /// Why.
        why: NotDone,
    },
}

/// How it is known that a portal exists, and so who may have created it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// Its id is among those of before the first attempt, under whatever name.
    Preexisting,
    /// It was absent before the first attempt and exists now: created by this operation, or by
    /// somebody else at the same moment.
    Appeared,
    /// An earlier operation of the same ledger created it.
    CreatedEarlier {
        /// The entry of that operation.
        entry: String,
        /// Whether that operation has the same key as this one, and so is the same wish.
        is_own: bool,
    },
    /// It exists now; no list was seen before the first attempt, or it may be what an earlier operation
    /// created, renamed since.
    Undetermined,
}

/// Who owns a name that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Owner {
    /// Another portal of this org.
    ThisOrg,
    /// Another org: this org's list does not show it, at a time when it would.
    AnotherOrg,
    /// Not known. It may be this org, by a copy of this very request that something repeated: list
    /// again later before another name is used.
    Undetermined(Unverified),
}

/// [`OutcomeKind`], with its words in JSON.
macro_rules! kinds {
    ($($variant:ident = $word:literal,)+) => {
        /// The variants of an [`Outcome`], without what they carry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum OutcomeKind {
            $(
                #[doc = concat!("`", $word, "`: [`Outcome::", stringify!($variant), "`]")]
                $variant,
            )+
        }

        impl OutcomeKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// As in JSON.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl Outcome {
            /// The variant.
            pub const fn kind(&self) -> OutcomeKind {
                match self {
                    $(Self::$variant { .. } => OutcomeKind::$variant,)+
                }
            }
        }
    };
}

kinds! {
    Created = "created",
    Present = "present",
    OrgHasPortal = "org_has_portal",
    NameTaken = "name_taken",
    Rejected = "rejected",
    NotCreated = "not_created",
    Unknown = "unknown",
    Renamed = "renamed",
    Unchanged = "unchanged",
    NotFound = "not_found",
    NotRenamed = "not_renamed",
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Outcome {
    /// Nothing was done of an operation.
    pub fn not_done(operation: &Operation, why: NotDone) -> Self {
        match operation {
            Operation::Create(create) => Self::NotCreated { name: create.name.clone(), why },
            Operation::Rename(rename) => {
                Self::NotRenamed { old: rename.old.clone(), new: rename.new.clone(), why }
            }
        }
    }

    /// The name it is about: of the portal that exists, else the name that was tried last; of a rename
    /// the new one, or the old one if nothing has it.
    pub fn name(&self) -> &str {
        match self {
            Self::Present { portal, .. } | Self::Unchanged { portal } => &portal.name,
            Self::Created { name, .. }
            | Self::OrgHasPortal { name, .. }
            | Self::NameTaken { name, .. }
            | Self::Rejected { name, .. }
            | Self::NotCreated { name, .. }
            | Self::Renamed { new: name, .. }
            | Self::NotRenamed { new: name, .. } => name.as_str(),
            Self::Unknown { name, .. } | Self::NotFound { old: name } => name,
        }
    }

    /// Whether nothing is left in doubt.
    pub const fn is_certain(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    /// Whether the org has a portal of the wanted name.
    pub const fn exists(&self) -> bool {
        self.error_kind().is_none()
    }

    /// Whether it is this operation that created or renamed the portal, as far as can be known.
    pub const fn is_ours(&self) -> bool {
        match self {
            Self::Created { .. } | Self::Renamed { .. } => true,
            Self::Present { origin, .. } => match origin {
                Origin::Appeared => true,
                Origin::CreatedEarlier { is_own, .. } => *is_own,
                Origin::Preexisting | Origin::Undetermined => false,
            },
            _ => false,
        }
    }

    /// Names that were tried before and belong to another org, as far as the outcome carries them.
    pub fn taken(&self) -> &[PortalName] {
        match self {
            Self::Created { taken, .. } | Self::Present { taken, .. } => taken,
            _ => &[],
        }
    }

    /// The response that led to it, if one did that is not a success: a code, a status, a quote.
    pub fn response(&self) -> Option<ResponseError> {
        match self {
            Self::Rejected { error, .. } => Some(ResponseError::Api(error.clone())),
            Self::NotCreated { why, .. } | Self::NotRenamed { why, .. } => why.response(),
            Self::Unknown { doubt, .. } => doubt.response(),
            Self::Created { .. }
            | Self::Present { .. }
            | Self::OrgHasPortal { .. }
            | Self::NameTaken { .. }
            | Self::Renamed { .. }
            | Self::Unchanged { .. }
            | Self::NotFound { .. } => None,
        }
    }

    /// The outcome if the portal [exists](Self::exists).
    ///
    /// # Errors
    /// [`OutcomeError`] if it does not, or if that is not known.
    pub fn into_result(self) -> Result<Self, OutcomeError> {
        if self.exists() { Ok(self) } else { Err(OutcomeError(Box::new(self))) }
    }
}

/// An outcome without a portal, as an error. Its text is that of the outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct OutcomeError(pub Box<Outcome>);

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Created { name, .. } => write!(f, "{name} was created")?,
            Self::Present { portal, origin, .. } => {
                let name = &portal.name;
                match origin {
                    Origin::Preexisting => write!(f, "{name} already existed in the org")?,
                    Origin::Appeared => write!(
                        f,
                        "{name} exists now (created by this call, or by somebody else at the same \
                         moment)"
                    )?,
                    Origin::CreatedEarlier { .. } => {
                        write!(f, "{name} was created by an earlier call")?;
                    }
                    Origin::Undetermined => {
                        write!(f, "{name} exists; who created it is not known")?;
                    }
                }
            }
            Self::OrgHasPortal { name, portal } => {
                write!(f, "{name} was not created: the org has the portal {}", portal.name)?;
            }
            Self::NameTaken { name, owner } => match owner {
                Owner::ThisOrg => write!(f, "another portal of the org has the name {name}")?,
                Owner::AnotherOrg => write!(f, "the name {name} belongs to another organization")?,
                Owner::Undetermined(why) => {
                    let why = with_sources(why);
                    write!(f, "the name {name} is taken; by which org is not known: {why}")?;
                }
            },
            Self::Rejected { name, error } => write!(f, "{name} was rejected: {error}")?,
            Self::NotCreated { name, why } => {
                write!(f, "{name} was not created: {}", with_sources(why))?;
            }
            Self::Unknown { name, doubt, why } => {
                let (doubt, why) = (with_sources(doubt), with_sources(why));
                write!(f, "it is not known whether the org has {name}: {doubt}; {why}")?;
            }
            Self::Renamed { old, new } => write!(f, "{old} was renamed to {new}")?,
            Self::Unchanged { portal } => write!(f, "{} already has that name", portal.name)?,
            Self::NotFound { old } => write!(f, "the org's list shows no portal named {old}")?,
            Self::NotRenamed { old, new, why } => {
                write!(f, "{old} was not renamed to {new}: {}", with_sources(why))?;
            }
        }
        self.taken()
            .iter()
            .try_for_each(|name| write!(f, "; {name} was taken by another organization"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::endpoint::{Response, Unreadable, UnreadableReason};
    use crate::error::ErrorCode;

    #[test]
    fn outcome_kind_is_same_word_in_json_and_display() {
        for kind in OutcomeKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.to_string(), kind.as_str());
        }
    }

    fn name() -> PortalName {
        PortalName::parse("AcmePortal").unwrap()
    }

    #[test]
    fn outcome_is_sentence_and_object() {
        let portal = || Portal::new("AcmePortal");
        let page = Unreadable::new(&Response::new(502, "<html>"), UnreadableReason::NotJson);
        let taken_before = vec![PortalName::parse("AcmeFirst").unwrap()];
        let error = ApiError::new(403, ErrorCode::NoPermission, "no").with("permissions", "p");
        let earlier = Origin::CreatedEarlier { entry: "e1".to_owned(), is_own: true };
        for (outcome, text, json) in [
            (
                Outcome::Created { name: name(), taken: taken_before },
                "AcmePortal was created; AcmeFirst was taken by another organization",
                json!({"name": "AcmePortal", "outcome": "created", "taken": ["AcmeFirst"]}),
            ),
            (
                Outcome::Present { portal: portal(), origin: earlier, taken: Vec::new() },
                "AcmePortal was created by an earlier call",
                json!({
                    "name": "AcmePortal", "outcome": "present", "origin": "created_earlier",
                    "entry": "e1", "portal": {"name": "AcmePortal"},
                }),
            ),
            (
                Outcome::NameTaken { name: name(), owner: Owner::Undetermined(Unverified::AtOnce) },
                "the name AcmePortal is taken; by which org is not known: not verified, as requested",
                json!({
                    "name": "AcmePortal", "outcome": "name_taken", "owner": "undetermined",
                    "error": {
                        "kind": "name_taken",
                        "message": "the name AcmePortal is taken; by which org is not known: not \
                            verified, as requested",
                    },
                }),
            ),
            (
                Outcome::Rejected { name: name(), error },
                "AcmePortal was rejected: HTTP 403 NO_PERMISSION: no {\"permissions\":\"p\"}",
                json!({
                    "name": "AcmePortal", "outcome": "rejected",
                    "error": {
                        "kind": "rejected", "code": "NO_PERMISSION", "http_status": 403,
                        "message": "AcmePortal was rejected: HTTP 403 NO_PERMISSION: no \
                            {\"permissions\":\"p\"}",
                        "details": {"permissions": "p"},
                    },
                }),
            ),
            (
                Outcome::NotRenamed {
                    old: "Acme".to_owned(),
                    new: name(),
                    why: NotDone::Exhausted { last: Some(ResponseError::Unreadable(page).into()) },
                },
                "Acme was not renamed to AcmePortal: gave up: every attempt failed: invalid response \
                 (HTTP 502): not JSON: <html>",
                json!({
                    "name": "AcmePortal", "old_name": "Acme", "outcome": "not_renamed",
                    "error": {
                        "kind": "exhausted", "http_status": 502,
                        "message": "Acme was not renamed to AcmePortal: gave up: every attempt \
                            failed: invalid response (HTTP 502): not JSON: <html>",
                    },
                }),
            ),
        ] {
            assert_eq!(outcome.to_string(), text);
            assert_eq!(serde_json::to_value(&outcome).unwrap(), json);
            let is_error = json.get("error").is_some();
            assert_eq!(outcome.exists(), !is_error, "{text}");
            match outcome.into_result() {
                Ok(outcome) => assert!(outcome.is_ours()),
                Err(error) => assert_eq!((error.to_string().as_str(), is_error), (text, true)),
            }
        }
    }
}
