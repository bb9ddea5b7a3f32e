//! The JSON form of an [`Outcome`].

use serde::{Serialize, Serializer};

use super::{NotDone, Origin, Outcome, OutcomeKind, Owner};
use crate::endpoint::ResponseError;
use crate::error::{Details, ErrorCode};
use crate::name::PortalName;
use crate::portal::Portal;

/// An outcome as an object. What does not apply is missing.
#[derive(Serialize)]
struct Object<'a> {
    name: &'a str,
    outcome: OutcomeKind,
    /// Of a rename.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'static str>,
    /// The entry of the earlier operation that created the portal.
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    portal: Option<&'a Portal>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    taken: &'a [PortalName],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorObject>,
}

#[derive(Serialize)]
struct ErrorObject {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<ErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    http_status: Option<u16>,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
}

impl Serialize for Outcome {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Object {
            name: self.name(),
            outcome: self.kind(),
            old_name: match self {
                Self::Renamed { old, .. } | Self::NotRenamed { old, .. } => Some(old),
                _ => None,
            },
            origin: self.origin().map(Origin::as_str),
            entry: match self.origin() {
                Some(Origin::CreatedEarlier { entry, .. }) => Some(entry),
                _ => None,
            },
            owner: match self {
                Self::NameTaken { owner, .. } => Some(owner.as_str()),
                _ => None,
            },
            portal: match self {
                Self::Present { portal, .. }
                | Self::OrgHasPortal { portal, .. }
                | Self::Unchanged { portal } => Some(portal),
                _ => None,
            },
            taken: self.taken(),
            error: self.error(),
        }
        .serialize(serializer)
    }
}

impl Outcome {
    fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Present { origin, .. } => Some(origin),
            _ => None,
        }
    }

    fn error(&self) -> Option<ErrorObject> {
        let kind = self.error_kind()?;
        let (api, http_status) = match self.response() {
            Some(ResponseError::Api(error)) => (Some(error.clone()), Some(error.http_status)),
            Some(ResponseError::Unreadable(page)) => (None, Some(page.http_status)),
            None => (None, None),
        };
        let (code, details) = api.map(|error| (error.code, error.details)).unzip();
        Some(ErrorObject {
            kind,
            code,
            http_status,
            message: self.to_string(),
            details: details.filter(|details| !details.is_empty()),
        })
    }

    /// A word for programs; `None` if the portal exists.
    pub const fn error_kind(&self) -> Option<&'static str> {
        Some(match self {
            Self::Created { .. }
            | Self::Present { .. }
            | Self::Renamed { .. }
            | Self::Unchanged { .. } => return None,
            Self::OrgHasPortal { .. } => "org_has_portal",
            Self::NameTaken { .. } => "name_taken",
            Self::Rejected { .. } => "rejected",
            Self::NotFound { .. } => "not_found",
            Self::Unknown { .. } => "in_doubt",
            Self::NotCreated { why, .. } | Self::NotRenamed { why, .. } => match why {
                NotDone::Unreachable(_) => "unreachable",
                NotDone::RateLimited { .. } => "rate_limited",
                NotDone::Auth(_) => "auth",
                NotDone::Origin(_) | NotDone::OtherOrg { .. } => "another_org",
                NotDone::Exhausted { .. } | NotDone::Deadline { .. } => "exhausted",
                NotDone::Absent | NotDone::NotAttempted => "absent",
                NotDone::NotRecorded(_) => "not_recorded",
                NotDone::Conflict { .. } => "conflict",
                NotDone::Preview => "preview",
                NotDone::Stopped => "stopped",
            },
        })
    }
}

impl Origin {
    /// As in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Preexisting => "preexisting",
            Self::Appeared => "appeared",
            Self::CreatedEarlier { .. } => "created_earlier",
            Self::Undetermined => "undetermined",
        }
    }
}

impl Owner {
    /// As in JSON.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::ThisOrg => "this_org",
            Self::AnotherOrg => "another_org",
            Self::Undetermined(_) => "undetermined",
        }
    }
}
