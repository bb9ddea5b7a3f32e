//! What a [`CreateFlow`](super::CreateFlow) and its driver say to each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::endpoint::{Request, Response, Unreadable};
use crate::name::PortalName;
use crate::oauth::OAuthError;
use crate::outcome::Outcome;

/// What to do next. Perform it once, then report, or ask again after a [`Wait`](Self::Wait).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Get an access token; report [`Report::Token`] or [`Report::NoToken`].
    Authenticate {
        /// The token that the service refused: where the caller has a newer one by now, that one
        /// is the answer, and twenty flows with one dead token cause one refresh.
        rejected: Option<TokenId>,
    },
    /// Write the [`intent`](super::CreateFlow::intent) down, then send the POST.
    Send(Request),
    /// Send a request that changes nothing.
    LookUp(Request),
    /// Do nothing for so long, then ask again.
    Wait(Duration),
    /// It is over.
    Done(Box<Outcome>),
}

/// What happened: facts only, it is the flow that judges them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// This token is to be used from now on.
    Token(TokenId),
    /// There is none.
    NoToken(TokenError),
    /// An answer came, whole: any answer.
    Answer(Response),
    /// No byte of the request left: it certainly did not arrive.
    NotSent(NotSent),
    /// The request may have arrived, and no whole answer came.
    NoAnswer(NoAnswer),
}

/// Tells the caller's access tokens apart; a new token has a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenId(pub u64);

/// Why there is no access token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The accounts server refused. Asking again would not help.
    #[error(transparent)]
    Refused(OAuthError),
    /// The accounts server was not reached, or gave no whole answer. Worth another try.
    #[error("the accounts server could not be reached: {0}")]
    Unreachable(String),
    /// Something else answered. Worth another try.
    #[error("the accounts server gave no token: {0}")]
    Unreadable(Unreadable),
    /// The token that was refused is the only one there is.
    #[error("the access token can't be renewed")]
    NotRenewable,
    /// It went wrong on this side, such as a token cache that can't be written.
    #[error("{0}")]
    Local(String),
}

/// Why a request certainly did not arrive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotSent {
    /// There was no connection: the text is the transport's own.
    #[error("no connection: {0}")]
    Connect(String),
    /// There was no connection in time.
    #[error("no connection within the time-out")]
    ConnectTimedOut,
    /// This side did not start it.
    #[error("not started: {0}")]
    NotStarted(String),
}

/// Why it is not known what became of a request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// No whole answer came in time.
    #[error("no answer within the time-out")]
    TimedOut,
    /// The connection broke: the text is the transport's own.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The answer was longer than the transport takes.
    #[error("the answer has more than {limit} bytes")]
    TooLarge {
        /// In bytes.
        limit: usize,
    },
}

/// What settles a create in doubt later, by any process: see
/// [`CreateFlow::resume`](super::CreateFlow::resume).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Intent {
    /// The name whose POST is, or was, under way.
    pub name: PortalName,
    /// The name that was wanted first, where `name` is an alternative to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested: Option<PortalName>,
    /// How many POSTs of `name` were handed out.
    pub posts: u32,
}

/// What a flow is doing, for people who wait.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// Getting an access token.
    Authenticating,
    /// Looking which portals the org has, before anything is sent.
    LookingFirst,
    /// The POST is under way, for the so-many-th time.
    Sending {
        /// Counted from 1.
        attempt: u32,
    },
    /// Looking whether the portal is there.
    LookingUp,
    /// In doubt, and waiting until a look-up can count.
    Settling {
        /// What put it in doubt, in words.
        cause: String,
    },
    /// Waiting to try again.
    BackingOff {
        /// What went wrong, in words.
        cause: String,
    },
    /// It is over.
    Done,
}

/// A report that does not fit the step: the driver has a fault. The flow stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the report {report} does not fit the step: expected {expected}")]
#[non_exhaustive]
pub struct UnexpectedReport {
    /// What was reported.
    pub report: &'static str,
    /// What would have fitted.
    pub expected: &'static str,
}

impl Report {
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "Token",
            Self::NoToken(_) => "NoToken",
            Self::Answer(_) => "Answer",
            Self::NotSent(_) => "NotSent",
            Self::NoAnswer(_) => "NoAnswer",
        }
    }
}
