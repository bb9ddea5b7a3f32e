//! Why an outcome is not a success: [`NotDone`] if nothing was done, [`Doubt`] and [`Unverified`] if that
//! is not known. Each keeps what came last as data.

use std::time::Duration;

use crate::endpoint::ResponseError;
use crate::error::ApiError;
use crate::oauth::{OAuthError, TokenError};
use crate::transport::{NoResponse, NotSent};

/// Why nothing was done, for certain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotDone {
    /// The service was not reached, or never sent a valid response.
    #[error(transparent)]
    Unreachable(Failure),
    /// The service limited the rate of requests until the end.
    #[error("rate limited{}", after(*retry_after))]
    RateLimited {
        /// The wait that the service requests.
        retry_after: Option<Duration>,
        /// Its last response.
        #[source]
        cause: Failure,
    },
    /// There is no access token that the service accepts.
    #[error(transparent)]
    Auth(AuthFailure),
    /// The credentials lead to another API now than when the flow began.
    #[error("the accounts server names another API: {0}")]
    Origin(String),
    /// The credential leads to another org than it should: which, and than which.
    #[error("the credential leads to {found}, not to {expected}")]
    OtherOrg {
        /// Where it should lead.
        expected: String,
        /// Where it leads.
        found: String,
    },
    /// Every attempt was made, and a list proves that none took effect.
    #[error("gave up: every attempt failed")]
    Exhausted {
        /// What became of the last one that was in doubt.
        #[source]
        last: Option<Doubt>,
    },
    /// No attempt fitted the deadline.
    #[error("gave up: deadline too close for an attempt")]
    Deadline {
        /// What became of the last attempt that was in doubt, if any was.
        #[source]
        last: Option<Doubt>,
    },
    /// A list proves that an earlier attempt did not take effect.
    #[error("an earlier attempt did not take effect")]
    Absent,
    /// No attempt was made of the operation that was to be determined.
    #[error("no attempt was made")]
    NotAttempted,
    /// The intent could not be written down, so the attempt was not made.
    #[error("cannot record the intent: {0}")]
    NotRecorded(String),
    /// What is in the ledger forbids the attempt.
    #[error("{conflict}: {name}")]
    Conflict {
        /// How.
        conflict: Conflict,
        /// The name that the ledger has.
        name: String,
    },
    /// This was a preview.
    #[error("only looked at, as requested")]
    Preview,
    /// The caller stopped the flow.
    #[error("stopped with nothing in doubt")]
    Stopped,
}

impl NotDone {
    /// The response that led to it, if one did.
    pub fn response(&self) -> Option<ResponseError> {
        match self {
            Self::Unreachable(failure) | Self::RateLimited { cause: failure, .. } => {
                match failure {
                    Failure::Response(error) => Some(error.clone()),
                    _ => None,
                }
            }
            Self::Auth(AuthFailure::TokenRejected(error)) => Some(error.clone()),
            Self::Exhausted { last } | Self::Deadline { last } => last.as_ref()?.response(),
            _ => None,
        }
    }
}

/// `; retry after 7s`
fn after(requested: Option<Duration>) -> String {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    match requested {
        None | Some(Duration::ZERO) => String::new(),
        // Whatever the number, nobody waits for its last second.
        Some(time) if time > DAY => "; retry after more than a day".to_owned(),
        Some(time) => format!("; retry after {time:?}"),
    }
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// It was not sent.
    #[error(transparent)]
    NotSent(NotSent),
    /// No complete response came back.
    #[error("response lost")]
    NoResponse(#[source] NoResponse),
    /// The response is an error, or not the service's.
    #[error(transparent)]
    Response(ResponseError),
    /// The response is a list that proves nothing.
    #[error("incomplete list: {0}")]
    IncompleteList(&'static str),
    /// There was no access token yet.
    #[error(transparent)]
    Token(TokenError),
}

/// Why there is no access token that the service accepts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthFailure {
    /// The accounts server rejected the request for a token: the credentials are wrong.
    #[error(transparent)]
    Rejected(OAuthError),
    /// The service rejected the token, and the new one too if there was one.
    #[error("access token rejected")]
    TokenRejected(#[source] ResponseError),
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
    /// The response is not the service's, or contradicts itself; or it is a rejection that an earlier copy of
    /// the same request may have caused, or of a kind that is not known.
    #[error(transparent)]
    Response(#[from] ResponseError),
    /// The service reported success for another name.
    #[error("the service reported success for another name: {0}")]
    OtherName(String),
    /// The service limited the rate of requests, which it may do after the fact.
    #[error("rate limited")]
    RateLimited(#[source] ResponseError),
    /// An earlier process left it in doubt.
    #[error("an earlier attempt was left in doubt")]
    Earlier,
    /// An earlier operation of the same ledger did it, and nothing shows whether it is still so. Nothing was
    /// sent.
    #[error("entry {0} of the ledger did it earlier")]
    Done(String),
}

impl Doubt {
    /// The response that led to it, if one did.
    pub fn response(&self) -> Option<ResponseError> {
        match self {
            Self::ServerError(error) => Some(ResponseError::Api(error.clone())),
            Self::Response(error) | Self::RateLimited(error) => Some(error.clone()),
            Self::InProgress
            | Self::NoResponse(_)
            | Self::OtherName(_)
            | Self::Earlier
            | Self::Done(_) => None,
        }
    }
}

/// Why a doubt could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unverified {
    /// The ledger can't be read, so anything that it holds may be in doubt; the text is its own.
    #[error("{0}")]
    Ledger(String),
    /// The service was not reached, or sent no list.
    #[error(transparent)]
    Unreachable(Failure),
    /// No list proved it before the deadline.
    #[error("deadline exceeded before the outcome could be verified")]
    Deadline,
    /// The service does not let this token list the org's portals.
    #[error("cannot list the org's portals")]
    ListRejected(#[source] ApiError),
    /// There is no access token for the list.
    #[error("cannot list the org's portals")]
    Auth(#[source] AuthFailure),
    /// The credentials lead to another API now than when the flow began.
    #[error("the accounts server names another API: {0}")]
    Origin(String),
    /// The credential leads to another org than the one that this is about.
    #[error("the credential leads to {found}, not to {expected}")]
    OtherOrg {
        /// Where it should lead.
        expected: String,
        /// Where it leads.
        found: String,
    },
    /// A new portal of another name may be the one in doubt.
    #[error("the portal {0} may be this one, under another name")]
    MayBeRenamed(String),
    /// The portal has a third name: somebody renamed it before or after.
    #[error("the portal is now named {0}")]
    RenamedElsewhere(String),
    /// The list shows neither the old name nor the new one.
    #[error("the list shows neither the old name nor the new one")]
    Gone,
    /// Somebody changed the org's portals meanwhile: one of them may have had the name that is taken, or
    /// the one to rename may have been renamed, and back again.
    #[error("somebody changed the org's portals meanwhile")]
    Changed,
    /// The policy is to end after the first list.
    #[error("not verified, as requested")]
    AtOnce,
    /// The same operation is under way elsewhere.
    #[error("the operation is under way elsewhere")]
    Elsewhere,
    /// What is in the ledger forbids to go on.
    #[error(transparent)]
    Conflict(Conflict),
    /// The caller stopped the flow.
    #[error("stopped before the outcome could be verified")]
    Stopped,
}

/// How the ledger contradicts what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Conflict {
    /// The key belongs to another operation.
    #[error("the key belongs to another operation")]
    KeyOfAnother,
    /// The operation is in doubt or done under a name that is no longer wanted.
    #[error("the operation is in doubt or done under a name that is no longer wanted")]
    NameDropped,
    /// It was created, and since then another portal got its name, or it was perhaps renamed.
    #[error("its portal may have another name by now")]
    NameUncertain,
    /// The label led to another org when the operation was begun.
    #[error("the label led to another org when the operation was begun")]
    LabelMoved,
}
