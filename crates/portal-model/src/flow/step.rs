//! What a [`Flow`](super::Flow) and its driver exchange: steps in one direction, events in the
//! other.

use std::fmt::Display;
use std::time::Duration;

use crate::endpoint::{Request, Response};
use crate::intent::Intent;
use crate::oauth::TokenError;
use crate::outcome::{Doubt, Outcome};
use crate::transport::{NoResponse, NotSent, TransportError};

/// What to do next. Perform it once, then report the [`Event`]; after a
/// [`WaitUntil`](Self::WaitUntil), call [`Flow::step`](super::Flow::step) again.
///
/// Everything the driver must honor is in the step. Times are durations on the clock whose
/// readings the driver passes to the flow.
///
/// The enum is exhaustive on purpose: a driver that skips a step it does not know is not safe, so a
/// new one must fail to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Get an access token, then report [`Event::Token`] or [`Event::NoToken`].
    Authenticate {
        /// The token that the service rejected. If the caller has a newer one by now, report that
        /// one: twenty flows with one expired token cause one refresh.
        rejected: Option<TokenId>,
        /// Give up after this long.
        timeout: Duration,
    },
    /// Send a read-only request, then report [`Event::Response`], [`Event::NotSent`] or
    /// [`Event::NoResponse`].
    List {
        /// The request, without its token.
        request: Request,
        /// Give up after this long.
        timeout: Duration,
    },
    /// Write the intent to durable storage, then report [`Event::Recorded`] or
    /// [`Event::NotRecorded`].
    ///
    /// This is a step of its own because it can take long: the flow decides *afterwards*, at the
    /// time of the event, whether the attempt still fits the deadline.
    Record(Intent),
    /// Send the irreversible request, exactly once, then report [`Event::Response`],
    /// [`Event::NotSent`] or [`Event::NoResponse`].
    Send {
        /// The request, without its token.
        request: Request,
        /// Give up after this long.
        timeout: Duration,
    },
    /// Do nothing until this time, then call [`Flow::step`](super::Flow::step) again.
    WaitUntil(Duration),
    /// The flow has ended.
    Done(Box<Outcome>),
}

/// What happened. An event states facts; only the flow classifies them.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// This access token is used from now on.
    Token(TokenId),
    /// There is no access token.
    NoToken(TokenError),
    /// The intent is durable.
    Recorded,
    /// The intent could not be written; the text is the storage's own.
    NotRecorded(String),
    /// A complete response arrived: any response.
    Response(Response),
    /// No byte of the request left this machine.
    NotSent(NotSent),
    /// The request may have arrived, and no complete response came back.
    NoResponse(NoResponse),
}

/// Identifies one of the caller's access tokens; a new token has a new id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenId(pub u64);

/// What a flow is doing, for progress displays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activity {
    /// Getting an access token.
    Authenticating,
    /// Listing the org's portals before the first attempt.
    ListingFirst,
    /// Writing the intent down.
    Recording,
    /// The irreversible request is under way.
    Sending {
        /// Which attempt this is, counted from 1.
        attempt: u32,
    },
    /// Listing the org's portals to determine the outcome.
    Verifying,
    /// In doubt, and waiting for the next list.
    WaitingToVerify {
        /// What put the effect in doubt.
        doubt: Doubt,
        /// When the outcome is certain at the latest, provided the service responds.
        until: Duration,
    },
    /// Waiting before another try.
    BackingOff {
        /// What went wrong.
        cause: String,
        /// When the next try begins.
        until: Duration,
    },
    /// Waiting for other operations of the org, or for the same one elsewhere.
    WaitingForOthers,
    /// The flow has ended.
    Done,
}

/// An event that does not fit the step: a bug in the driver. The flow is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unexpected event {event}: expected {expected}")]
#[non_exhaustive]
pub struct UnexpectedEvent {
    /// The event.
    pub event: &'static str,
    /// What fits the step.
    pub expected: &'static str,
}

impl Event {
    /// The event of a write: [`Recorded`](Self::Recorded) or [`NotRecorded`](Self::NotRecorded).
    pub fn recorded(result: Result<(), impl Display>) -> Self {
        result.map_or_else(|error| Self::NotRecorded(error.to_string()), |()| Self::Recorded)
    }

    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "Token",
            Self::NoToken(_) => "NoToken",
            Self::Recorded => "Recorded",
            Self::NotRecorded(_) => "NotRecorded",
            Self::Response(_) => "Response",
            Self::NotSent(_) => "NotSent",
            Self::NoResponse(_) => "NoResponse",
        }
    }
}

impl From<Result<Response, TransportError>> for Event {
    fn from(result: Result<Response, TransportError>) -> Self {
        match result {
            Ok(response) => Self::Response(response),
            Err(TransportError::NotSent(why)) => Self::NotSent(why),
            Err(TransportError::NoResponse(why)) => Self::NoResponse(why),
        }
    }
}

impl From<Result<TokenId, TokenError>> for Event {
    fn from(result: Result<TokenId, TokenError>) -> Self {
        result.map_or_else(Self::NoToken, Self::Token)
    }
}
