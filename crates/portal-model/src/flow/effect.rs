//! What a flow makes safe: an [`Effect`], and in [`Rules`] what the kernel learns from it.
//!
//! An effect supplies the irreversible request, and what a list of the org's portals shows of it.
//!
//! Only [`Effect`] and [`Receipt`] are public. The rest is `pub` for the language's sake and can't be
//! named outside of `flow`.

use std::fmt::Debug;
use std::time::Duration;

use crate::endpoint::Endpoint;
use crate::error::{ApiError, ErrorCode};
use crate::intent::{Baseline, Intent};
use crate::outcome::{Doubt, NotDone, Unverified};
use crate::portal::Portal;

use super::policy::Policy;

/// One irreversible call that has no idempotency key, with the list that verifies it:
/// [`Create`](super::Create) or [`Rename`](super::Rename).
///
/// The trait is sealed: its rules are checked exhaustively for the effects of this crate.
pub trait Effect: Rules<<Self as Effect>::Outcome, <Self as Effect>::Intent> {
    /// How the flow ends.
    type Outcome: Clone + Debug + PartialEq + Send + Sync + 'static;

    /// What recovery needs.
    type Intent: Into<Intent>;
}

/// What the kernel needs of an effect that ends with `O`, and is recovered from `I`.
pub trait Rules<O, I>: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// What a list shows once the effect has happened, or what prevents it.
    type Fact: Clone + Debug + PartialEq + Send + Sync + 'static;

    /// The irreversible request.
    type Endpoint: Endpoint;

    /// When an attempt may be repeated.
    const REPEAT: Repeat;

    /// The codes under 400 that an earlier copy of the same request may have caused.
    const SUSPECTS: &'static [ErrorCode];

    /// Whether no other effect of the kind may be attempted in the org at the same time.
    fn is_exclusive(&self, policy: &Policy) -> bool;

    /// The irreversible request.
    fn endpoint(&self) -> Self::Endpoint;

    /// Compares what is there now with what was there before the first attempt, if that was seen.
    /// `attempted` is false for the baseline itself.
    fn compare(
        &self,
        policy: &Policy,
        before: Option<&Baseline>,
        now: &Listing,
        attempted: bool,
    ) -> Finding<Self::Fact>;

    /// What is certain without any list, where the token may not list.
    fn known(&self, policy: &Policy) -> Finding<Self::Fact>;

    /// What recovery needs, once `attempts` may have been sent.
    fn intent(&self, attempts: u32, baseline: Option<&Baseline>) -> I;

    /// The effect, the attempts and the baseline of an intent.
    fn of_intent(intent: I) -> (Self, u32, Option<Baseline>);

    /// The outcome that an end means.
    fn outcome(&self, end: End<Self::Fact, I>) -> O;

    /// What recovery needs after an outcome that is not certain.
    fn unresolved(&self, outcome: &O) -> Option<Intent>;

    /// The effect to try next after an outcome, if any.
    fn fallback(&self, outcome: &O) -> Option<Self>;
}

/// When an attempt may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// While an earlier one is in doubt: at most one of several copies can take effect.
    InDoubt,
    /// Only after a list proves that the earlier one did not take effect.
    AfterProvedAbsence,
}

/// The portals that a list shows.
///
/// Presence in any list counts, absence only in a complete one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// In the order of the service.
    pub portals: Vec<Portal>,
    /// Whether absence from it means anything: not from a cache, and without further pages.
    pub is_complete: bool,
}

/// Why a list shows nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// The service limits the rate of requests.
    RateLimited,
    /// The service rejected the token.
    TokenRejected(ApiError),
    /// The service does not let this token list: its scope does not cover it.
    ScopeMissing(ApiError),
    /// The service rejected the request for another reason.
    Rejected(ApiError),
    /// Anything else. Trying again may help.
    Failed(String),
}

/// What the response to an attempt means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The effect happened.
    Done,
    /// The service rejected the request, with a documented code under its documented status: it
    /// did nothing.
    Rejected(ApiError),
    /// A rejection that an earlier copy of this very request may have caused, if something between
    /// here and the service repeated it.
    Suspect(ApiError),
    /// An undocumented rejection by a service that has finished: nothing will happen any more,
    /// but something may have.
    Finished(ApiError),
    /// Too many requests. A gateway may respond so after the fact.
    RateLimited {
        /// Whether the response is in the service's own envelope, so that the service has
        /// finished.
        by_service: bool,
    },
    /// The access token was rejected, and nothing was done.
    TokenRejected(ApiError),
    /// It does not show what happened.
    Ambiguous(Doubt),
}

/// What a list shows of the effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding<F> {
    /// The effect is there.
    There(F),
    /// It is not there.
    Absent,
    /// It is not there, and something is that forbids an attempt.
    Blocked(F),
    /// What is there may be the effect, changed by somebody else since.
    Ambiguous(Unverified),
}

/// How the kernel ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End<F, I> {
    /// The service responded that the effect happened.
    Done,
    /// A list shows the effect.
    There {
        /// What it shows.
        fact: F,
        /// Whether it was there before the first attempt; `None` if no list was seen before.
        before: Option<bool>,
    },
    /// The effect did not happen, and something is there that forbids it.
    Blocked {
        /// What forbids it.
        fact: F,
        /// The rejection that led there, if any.
        rejection: Option<ApiError>,
    },
    /// The service rejected the request, and it certainly did nothing.
    Rejected(ApiError),
    /// Nothing happened.
    NotDone(NotDone),
    /// It is not known whether the effect happened.
    Unknown {
        /// What recovery needs.
        intent: I,
        /// What put it in doubt.
        doubt: Doubt,
        /// Why that could not be resolved.
        why: Unverified,
        /// The [`Reply::Suspect`] rejection, if no earlier attempt is in doubt beside it.
        suspect: Option<ApiError>,
    },
}

/// A portal that this machine created in the org, or saw appear there.
///
/// A list may not show it yet. With receipts, a flow counts one that is younger than the
/// processing time and the list lag as a portal of the org, and never takes it for its own,
/// renamed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Its name.
    pub name: String,
    /// How long ago its create ended.
    pub age: Duration,
}
