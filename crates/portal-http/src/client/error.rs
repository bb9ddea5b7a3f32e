//! How a call fails: [`ClientError`].

use portal_model::flow::{NoAnswer, NotSent, TokenError};
use portal_model::{ApiError, ResponseError, Unreadable};

use super::transport::TransportError;

/// Why [`Client::call`](super::Client::call) has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// There is no access token, so nothing was sent.
    #[error("no access token: {0}")]
    Token(TokenError),
    /// The request certainly did not arrive.
    #[error("the request was not sent: {0}")]
    NotSent(NotSent),
    /// The request may have arrived, and no whole answer came.
    #[error("the answer was lost: {0}")]
    NoAnswer(NoAnswer),
    /// The service refused, in its own words.
    #[error(transparent)]
    Api(ApiError),
    /// What came is not the service's answer.
    #[error(transparent)]
    Unreadable(Unreadable),
}

impl ClientError {
    /// Whether the request may have reached the service. Only where it did not is it safe to send
    /// a create again without looking: that is what [`Client::create`](super::Client::create) does.
    pub const fn may_have_been_sent(&self) -> bool {
        !matches!(self, Self::Token(_) | Self::NotSent(_))
    }

    /// The service's own words, where it has said something.
    pub const fn api(&self) -> Option<&ApiError> {
        match self {
            Self::Api(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TokenError> for ClientError {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<TransportError> for ClientError {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::NotSent(why) => Self::NotSent(why),
            TransportError::NoAnswer(why) => Self::NoAnswer(why),
        }
    }
}

impl From<ResponseError> for ClientError {
    fn from(error: ResponseError) -> Self {
        match error {
            ResponseError::Api(error) => Self::Api(error),
            ResponseError::Unreadable(answer) => Self::Unreadable(answer),
            // `ResponseError` is non-exhaustive; a new kind would be added here with it.
            other => Self::NoAnswer(NoAnswer::Broken(other.to_string())),
        }
    }
}
