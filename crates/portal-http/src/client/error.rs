//! [`ClientError`]: how a call fails.

use portal_model::flow::{NoResponse, NotSent, TokenError, TransportError};
use portal_model::{ApiError, ResponseError, Unreadable};

/// Why [`Client::call`](super::Client::call) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no access token, so nothing was sent.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The request certainly did not arrive.
    #[error(transparent)]
    NotSent(NotSent),
    /// The request may have arrived, but no complete response was received.
    #[error("no response")]
    NoResponse(#[source] NoResponse),
    /// The service rejected the request.
    #[error(transparent)]
    Api(ApiError),
    /// The response is not a valid response of the service.
    #[error(transparent)]
    Unreadable(Unreadable),
}

impl ClientError {
    /// Whether the request may have reached the service. If so, a create must not be sent again
    /// without a list: `SafeClient` does that.
    pub const fn may_have_been_sent(&self) -> bool {
        !matches!(self, Self::Token(_) | Self::NotSent(_))
    }

    /// Returns the service's error, if it sent one.
    pub const fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TransportError> for ClientError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(why) => Self::NotSent(why),
            TransportError::NoResponse(why) => Self::NoResponse(why),
            // What is not known to be unsent may have arrived.
            other => Self::NoResponse(NoResponse::Broken(other.to_string())),
        }
    }
}

impl From<ResponseError> for ClientError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::Api(error) => Self::Api(error),
            ResponseError::Unreadable(why) => Self::Unreadable(why),
            // `ResponseError` is non-exhaustive; a new kind would be added here with it.
            other => Self::NoResponse(NoResponse::Broken(other.to_string())),
        }
    }
}
