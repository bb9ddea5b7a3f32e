//! How a create ended: [`Outcome`], and the one table from outcome to exit status.

use std::fmt;
use std::time::Duration;

use crate::endpoint::Unreadable;
use crate::error::{ApiError, ErrorCode};
use crate::flow::{Intent, NoAnswer};
use crate::name::PortalName;
use crate::oauth::OAuthError;
use crate::portal::Portal;

/// How a create ended. Every variant but [`Unknown`](Self::Unknown) is certain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The service said that it created the portal.
    Created {
        /// Its name.
        name: PortalName,
    },
    /// The org has a portal of that name.
    Present {
        /// The portal.
        portal: Portal,
        /// Whether it was there before.
        origin: Origin,
    },
    /// The org has another portal; none was created.
    OrgHasPortal {
        /// The name that was asked for.
        name: PortalName,
        /// The portal that the org has.
        portal: Portal,
    },
    /// The name is taken; none was created.
    NameTaken {
        /// The name that was asked for last.
        name: PortalName,
        /// Whose it is.
        owner: Owner,
    },
    /// The service refused; none was created.
    Rejected {
        /// The name that was asked for.
        name: PortalName,
        /// Its words.
        error: ApiError,
    },
    /// None was created; it is safe to try again.
    NotCreated {
        /// The name that was asked for.
        name: PortalName,
        /// Why.
        reason: NotCreated,
    },
    /// The portal may or may not exist. [`CreateFlow::resume`](crate::CreateFlow::resume) with
    /// the intent settles it.
    Unknown {
        /// What is needed to settle it.
        intent: Intent,
        /// What put it in doubt.
        doubt: Doubt,
        /// Why the doubt could not be settled.
        unsettled: Unsettled,
    },
}

/// Whether a portal that is there was there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It was there before this create sent anything, or came from somebody else of this org.
    Preexisting,
    /// It was absent before, and there after an attempt in doubt.
    Appeared,
}

/// Who has a name that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Not this org, by a look at its portals.
    AnotherOrg,
    /// The token may not look.
    Undetermined,
}

/// Why nothing was created, for certain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotCreated {
    /// The service was not reached, or never gave an answer that could be read.
    #[error("{0}")]
    Unreachable(String),
    /// The service had too many calls until the end.
    #[error("the service is throttling{}", After(*retry_after))]
    Throttled {
        /// What it said about when to come back.
        retry_after: Option<Duration>,
    },
    /// There is no access token that the service accepts.
    #[error(transparent)]
    Auth(AuthFailure),
    /// The attempts or the time are spent.
    #[error("the attempts or the time are spent")]
    Exhausted,
    /// It went wrong on this side before anything was sent: the intent could not be written down.
    #[error("nothing was sent: {0}")]
    NotStarted(String),
    /// The caller stopped before anything was in doubt.
    #[error("stopped before anything was created")]
    Stopped,
}

/// `, it asks to come back in 7 s`
struct After(Option<Duration>);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |time| write!(f, "; it asks to come back in {} s", time.as_secs()))
    }
}

/// Why there is no access token that the service accepts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The accounts server refused to give one.
    #[error(transparent)]
    Refused(OAuthError),
    /// The service refused the token, and a new one too, or there is no way to a new one.
    #[error("the access token was refused: {0}")]
    TokenRejected(ApiError),
    /// The token could not be got for a reason on this side.
    #[error("no access token could be got: {0}")]
    Unavailable(String),
}

/// What put a create in doubt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Doubt {
    /// The request was handed out, and nothing has been said about it since.
    #[error("the request was under way")]
    UnderWay,
    /// No whole answer came.
    #[error("the answer was lost: {0}")]
    NoAnswer(NoAnswer),
    /// The service answered with a fault of its own, which says nothing about what it did.
    #[error("the service failed: {0}")]
    ServerError(ApiError),
    /// Something else answered.
    #[error("{0}")]
    Unreadable(Unreadable),
    /// An earlier process left the create in doubt.
    #[error("an earlier attempt was left in doubt")]
    Resumed,
}

/// Why a doubt could not be settled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unsettled {
    /// The time was up before a look-up could count.
    #[error("the time was up before a look could settle it")]
    Deadline,
    /// The service refuses the look-up.
    #[error("the org's portals can't be listed: {0}")]
    LookUpRefused(ApiError),
    /// There is no access token for the look-up.
    #[error("the org's portals can't be listed: {0}")]
    Auth(AuthFailure),
    /// The caller stopped.
    #[error("stopped before a look could settle it")]
    Stopped,
}

/// What an [`Outcome`] means for an exit status. The numbers are the statuses of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitClass {
    /// The portal is there, as wanted.
    Success = 0,
    /// The service refused the request.
    Rejected = 1,
    /// Wrong usage or an invalid name: nothing was sent.
    Invalid = 2,
    /// The service refused the caller: token, scope or permission.
    Forbidden = 3,
    /// The portal, another one of the org, or the name exists already.
    Exists = 4,
    /// May or may not have been created.
    Unknown = 5,
    /// Certainly not created; safe to run again.
    Unavailable = 6,
    /// Stopped by the caller, nothing in doubt.
    Stopped = 130,
}

impl Outcome {
    /// The outcome as one word of a report: `created`, `present`, `org_has_portal`, `name_taken`,
    /// `rejected`, `not_created` or `unknown`.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Created { .. } => "created",
            Self::Present { .. } => "present",
            Self::OrgHasPortal { .. } => "org_has_portal",
            Self::NameTaken { .. } => "name_taken",
            Self::Rejected { .. } => "rejected",
            Self::NotCreated { .. } => "not_created",
            Self::Unknown { .. } => "unknown",
        }
    }

    /// The name that it is about: what was created or is there, else what was asked for last.
    pub fn name(&self) -> &str {
        match self {
            Self::Present { portal, .. } => &portal.name,
            Self::Created { name }
            | Self::OrgHasPortal { name, .. }
            | Self::NameTaken { name, .. }
            | Self::Rejected { name, .. }
            | Self::NotCreated { name, .. } => name.as_str(),
            Self::Unknown { intent, .. } => intent.name.as_str(),
        }
    }

    /// Whether it is known for certain what happened.
    pub const fn is_certain(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    /// The exit class; with `ensure`, a portal of that name that was there before is a success.
    pub fn exit_class(&self, ensure: bool) -> ExitClass {
        match self {
            Self::Created { .. } | Self::Present { origin: Origin::Appeared, .. } => {
                ExitClass::Success
            }
            Self::Present { origin: Origin::Preexisting, .. } if ensure => ExitClass::Success,
            Self::Present { .. } | Self::OrgHasPortal { .. } | Self::NameTaken { .. } => {
                ExitClass::Exists
            }
            Self::Rejected { error, .. } => match error.code {
                ErrorCode::NoPermission | ErrorCode::OauthScopeMismatch => ExitClass::Forbidden,
                _ => ExitClass::Rejected,
            },
            Self::NotCreated { reason, .. } => match reason {
                NotCreated::Auth(_) => ExitClass::Forbidden,
                NotCreated::Stopped => ExitClass::Stopped,
                NotCreated::Unreachable(_)
                | NotCreated::Throttled { .. }
                | NotCreated::NotStarted(_)
                | NotCreated::Exhausted => ExitClass::Unavailable,
            },
            Self::Unknown { .. } => ExitClass::Unknown,
        }
    }
}
