//! [`Host`]: what [`run`](crate::run) needs of a transport, a clock and a runtime.

use std::future::{Future, ready};
use std::time::Duration;

use portal_model::flow::{Activity, TokenError, TokenId, TransportError};
use portal_model::{Request, Response};

use crate::time::Moment;

/// What [`run`](crate::run) needs of a client of your own, a blocking one too. It reports facts; what they mean is decided elsewhere.
///
/// A host does what it is told once: it repeats no request, follows no redirect, and passes every
/// complete response on, with its headers. If the future of a request is dropped, its connection is
/// closed by then.
pub trait Host: Send {
    /// Reads a clock that counts suspended time, such as [`Clock`](crate::Clock).
    fn now(&self) -> Moment;

    /// Waits that long. The future is raced with others, so it must not block its thread; a host without
    /// a runtime has a timer of its own, such as the crate futures-timer.
    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send;

    /// Names the access token that [`send`](Self::send) uses from now on, within `timeout`. The one
    /// that is named in `rejected` was rejected by the service: get another one.
    ///
    /// # Errors
    /// [`TokenError`].
    fn token(
        &mut self,
        rejected: Option<TokenId>,
        timeout: Duration,
    ) -> impl Future<Output = Result<TokenId, TokenError>> + Send;

    /// Sends a request, with the token, and reads its response.
    ///
    /// # Errors
    /// [`TransportError`]: whether it may have arrived.
    fn send(
        &mut self,
        request: Request,
        terms: Terms,
    ) -> impl Future<Output = Result<Response, TransportError>> + Send;

    /// Waits, for at most `timeout`, until requests of this operation may begin: where a host limits
    /// how many do at once, those that have `begun` go first.
    fn admit(&mut self, begun: bool, timeout: Duration) -> impl Future<Output = ()> + Send {
        let _ = (begun, timeout);
        ready(())
    }

    /// The operation sends nothing for a while: others may.
    fn pause(&mut self) {}

    /// Random bits, so that many clients that wait for one thing spread out.
    fn random(&mut self) -> u32 {
        getrandom::u32().unwrap_or(u32::MAX)
    }

    /// Shows what is being done.
    fn show(&mut self, activity: &Activity) {
        let _ = activity;
    }
}

/// How to send a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terms {
    /// Give up after this long, from connecting to the last byte of the response.
    pub timeout: Duration,
    /// Set for an attempt, which can't be undone: its first byte leaves before this moment, or never.
    /// Check that right before, and report [`NotSent`](portal_model::flow::NotSent) otherwise. An
    /// attempt has a connection of its own, which is reset when it is given up.
    pub attempt: Option<Moment>,
}

impl Terms {
    /// The terms of a request that is not an attempt.
    pub const fn new(timeout: Duration) -> Self {
        Self { timeout, attempt: None }
    }
}
