//! What of a [`Flow`] decides anything later: [`State`], for the exhaustive test in portal-proof.

use std::fmt::Debug;
use std::time::Duration;

use super::{Flow, IfAbsent, InFlight, Phase};
use crate::error::ApiError;
use crate::flow::effect::Effect;
use crate::flow::step::TokenId;
use crate::intent::Baseline;
use crate::outcome::{Doubt, NotDone, Unverified};

/// A flow without its step, its policy and its version, in plain values.
#[derive(Debug)]
pub struct State<'a, E> {
    pub effect: &'a E,
    pub phase: &'static str,
    /// The rejection or the reason that the phase carries.
    pub error: Option<&'a ApiError>,
    pub reason: Option<&'a NotDone>,
    /// When the list under way began.
    pub list_began: Option<Duration>,
    pub token: Option<TokenId>,
    pub rejected_token: Option<TokenId>,
    pub token_replaced: bool,
    pub failures: u32,
    pub backoffs: u32,
    pub tries_began: Option<Duration>,
    pub last_failure: Option<&'a NotDone>,
    pub attempts: u32,
    pub baseline: Option<&'a Baseline>,
    pub doubt: Option<&'a Doubt>,
    pub absent_from: Duration,
    pub polls: u32,
    pub ambiguity: Option<&'a Unverified>,
    pub blocked: Option<&'a dyn Debug>,
    pub list_rejected: Option<&'a ApiError>,
}

impl<E: Effect> Flow<E> {
    /// Not a part of the API: what the exhaustive test tells flows apart by.
    #[doc(hidden)]
    pub fn state(&self) -> State<'_, E> {
        let (phase, error, reason) = match &self.phase {
            Phase::Baseline => ("baseline", None, None),
            Phase::Attempt { recorded: false } => ("attempt", None, None),
            Phase::Attempt { recorded: true } => ("recorded", None, None),
            Phase::Verify(IfAbsent::Repeat) => ("repeat", None, None),
            Phase::Verify(IfAbsent::NotDone(reason)) => ("not done", None, Some(reason)),
            Phase::Verify(IfAbsent::Rejected(error)) => ("rejected", Some(error), None),
            Phase::Verify(IfAbsent::Suspect { error, earlier: false }) => {
                ("suspect", Some(error), None)
            }
            Phase::Verify(IfAbsent::Suspect { error, earlier: true }) => {
                ("suspect in doubt", Some(error), None)
            }
            Phase::Ended(..) => ("ended", None, None),
        };
        State {
            effect: &self.effect,
            phase,
            error,
            reason,
            list_began: match self.in_flight {
                Some(InFlight::List { began }) => Some(began),
                _ => None,
            },
            token: self.token.current,
            rejected_token: self.token.rejected.as_ref().map(|(id, _)| *id),
            token_replaced: self.token.replaced,
            failures: self.tries.failures,
            backoffs: self.tries.backoffs,
            tries_began: self.tries.began,
            last_failure: self.last_failure.as_ref(),
            attempts: self.attempts,
            baseline: self.baseline.as_ref(),
            doubt: self.doubt.as_ref(),
            absent_from: self.absent_from,
            polls: self.polls,
            ambiguity: self.ambiguity.as_ref(),
            blocked: self.blocked.as_ref().map(|fact| fact as &dyn Debug),
            list_rejected: self.list_rejected.as_ref(),
        }
    }
}
