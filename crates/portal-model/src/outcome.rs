//! How a flow ended: [`Outcome`] of a create, [`RenameOutcome`] of a rename.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::endpoint::Unreadable;
use crate::error::ApiError;
use crate::intent::{CreateIntent, RenameIntent};
use crate::name::PortalName;
use crate::oauth::OAuthError;
use crate::portal::Portal;
use crate::transport::NoResponse;

/// How a create ended. Every variant except [`Unknown`](Self::Unknown) is certain, within what the
/// [crate](crate#what-this-rests-on) assumes of the service.
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
    /// The name is taken.
    NameTaken {
        /// The requested name, the last one of several.
        name: PortalName,
        /// Whose it is.
        owner: Owner,
    },
    /// The service rejected the request; no portal was created.
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
        reason: NotDone,
    },
    /// The portal may or may not exist. [`CreateFlow::recover`](crate::CreateFlow::recover)
    /// determines it later from the intent.
    Unknown {
        /// What recovery needs.
        intent: CreateIntent,
        /// What put the create in doubt.
        doubt: Doubt,
        /// Why the doubt could not be resolved.
        why: Unverified,
    },
}

/// How a rename ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenameOutcome {
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
        /// The requested name.
        old: String,
    },
    /// Another portal has the new name; nothing was renamed.
    NameTaken {
        /// The requested name.
        new: PortalName,
        /// Whose it is.
        owner: Owner,
    },
    /// The service rejected the request; nothing was renamed.
    Rejected {
        /// The requested name.
        new: PortalName,
        /// The service's response.
        error: ApiError,
    },
    /// Nothing was renamed; trying again is safe.
    NotRenamed {
        /// The requested name.
        new: PortalName,
        /// Why.
        reason: NotDone,
    },
    /// The portal may have either name. [`RenameFlow::recover`](crate::RenameFlow::recover)
    /// determines it later from the intent.
    Unknown {
        /// What recovery needs.
        intent: RenameIntent,
        /// What put the rename in doubt.
        doubt: Doubt,
        /// Why the doubt could not be resolved.
        why: Unverified,
    },
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
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How it is known that a portal exists, and so who may have created it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Origin {
    /// It is in the list that came before the first attempt.
    Preexisting,
    /// It was absent before the first attempt and exists now: created by this call, or by somebody
    /// else at the same moment.
    Appeared,
    /// It exists now; no list was seen before the first attempt.
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

/// Why nothing was done, for certain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotDone {
    /// The service was not reached, or never sent a valid response to a read-only request.
    #[error("{0}")]
    Unreachable(String),
    /// The service limited the rate of requests until the end.
    #[error("rate limited by the service{}", after(*retry_after))]
    RateLimited {
        /// The wait that the service requests.
        retry_after: Option<Duration>,
    },
    /// There is no access token that the service accepts.
    #[error(transparent)]
    Auth(AuthFailure),
    /// Every attempt was made, and a list proves that none took effect.
    #[error("gave up: every attempt failed")]
    Exhausted,
    /// No attempt fitted the deadline.
    #[error("gave up: deadline too close for an attempt")]
    Deadline,
    /// A list proves that an earlier attempt did not take effect.
    #[error("an earlier attempt did not take effect")]
    Absent,
    /// The intent could not be written down, so the attempt was not made.
    #[error("cannot record the intent: {0}")]
    NotRecorded(String),
    /// The caller stopped the flow with nothing in doubt.
    #[error("stopped with nothing in doubt")]
    Stopped,
}

/// `; retry after 7s`
fn after(requested: Option<Duration>) -> String {
    let requested = requested.filter(|time| !time.is_zero());
    requested.map_or_else(String::new, |time| format!("; retry after {time:?}"))
}

/// Why there is no access token that the service accepts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The accounts server rejected the request for a token: the credentials are wrong, or too many
    /// tokens were requested.
    #[error(transparent)]
    Rejected(OAuthError),
    /// The service rejected the token, and the new one too if there was one.
    #[error("access token rejected")]
    TokenRejected(#[source] ApiError),
    /// The token could not be obtained for a local reason.
    #[error("no access token: {0}")]
    Unavailable(String),
}

/// What put an effect in doubt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// The request was under way.
    #[error("the request was under way")]
    InProgress,
    /// No complete response came back.
    #[error("response lost")]
    NoResponse(#[source] NoResponse),
    /// The service failed, which does not show what it did.
    #[error("the service failed")]
    ServerError(#[source] ApiError),
    /// The response is not the service's, or contradicts itself.
    #[error(transparent)]
    Unreadable(Unreadable),
    /// The service limited the rate of requests, which it may do after the fact.
    #[error("rate limited by the service")]
    RateLimited,
    /// A rejection that an earlier copy of the same request may have caused, or of a kind that
    /// is not known.
    #[error(transparent)]
    Rejected(ApiError),
    /// An earlier process left it in doubt.
    #[error("an earlier attempt was left in doubt")]
    Earlier,
}

/// Why a doubt could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unverified {
    /// No list proved it before the deadline.
    #[error("deadline exceeded before the outcome could be verified")]
    Deadline,
    /// The service does not let this token list the org's portals.
    #[error("cannot list the org's portals")]
    ListRejected(#[source] ApiError),
    /// There is no access token for the list.
    #[error("cannot list the org's portals")]
    Auth(#[source] AuthFailure),
    /// A new portal of another name shows signs of a rename: it may be the one in doubt.
    #[error("the new portal {0} may be this one, renamed")]
    MayBeRenamed(String),
    /// The portal has a third name: somebody renamed it before or after.
    #[error("the portal is now named {0}")]
    RenamedElsewhere(String),
    /// The list shows neither the old name nor the new one.
    #[error("the list shows neither the old name nor the new one")]
    Gone,
    /// An earlier attempt of this call was in doubt when the name turned out to be taken, and the
    /// org's list does not show it.
    #[error("an earlier attempt is in doubt and the org's list does not show the name")]
    EarlierAttempt,
    /// The policy is to end after the first list.
    #[error("not verified, as requested")]
    AtOnce,
    /// The caller stopped the flow.
    #[error("stopped before the outcome could be verified")]
    Stopped,
}

impl Outcome {
    /// The name it is about: of the portal that exists, else the name that was tried last.
    pub fn name(&self) -> &str {
        match self {
            Self::Present { portal, .. } => &portal.name,
            Self::Created { name, .. }
            | Self::OrgHasPortal { name, .. }
            | Self::NameTaken { name, .. }
            | Self::Rejected { name, .. }
            | Self::NotCreated { name, .. } => name.as_str(),
            Self::Unknown { intent, .. } => intent.name.as_str(),
        }
    }

    /// Whether nothing is left in doubt.
    pub const fn is_certain(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    /// Names that were tried before and belong to another org, as far as the outcome carries them.
    pub fn taken(&self) -> &[PortalName] {
        match self {
            Self::Created { taken, .. } | Self::Present { taken, .. } => taken,
            Self::Unknown { intent, .. } => &intent.taken,
            _ => &[],
        }
    }
}

impl RenameOutcome {
    /// Whether nothing is left in doubt.
    pub const fn is_certain(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcome_kind_is_same_word_in_json_and_display() {
        for kind in OutcomeKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
            assert_eq!(kind.to_string(), kind.as_str());
        }
    }
}
