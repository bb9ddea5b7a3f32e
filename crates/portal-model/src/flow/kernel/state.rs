//! What of a [`Flow`] decides anything later: [`State`], for the exhaustive test in portal-proof.

use std::time::Duration;

use super::{Flow, InFlight, Phase, Token, Tries};
use crate::error::ApiError;
use crate::flow::effect::Effect;
use crate::flow::evidence::Obstacle;
use crate::intent::Baseline;
use crate::outcome::{Doubt, NotDone, Unverified};

/// A flow without its step, its policy and its version.
#[derive(Debug)]
pub struct State<'a> {
    pub effect: &'a Effect,
    pub phase: &'a Phase,
    pub in_flight: Option<InFlight>,
    pub token: &'a Token,
    pub tries: Tries,
    pub last_failure: Option<&'a NotDone>,
    pub attempts: u32,
    pub baseline: Option<&'a Baseline>,
    pub doubt: Option<&'a Doubt>,
    pub absent_from: Duration,
    pub polls: u32,
    pub ambiguity: Option<&'a Unverified>,
    pub blocked: Option<&'a Obstacle>,
    pub list_rejected: Option<&'a ApiError>,
}

impl Flow {
    /// Not a part of the API: what the exhaustive test tells flows apart by.
    #[doc(hidden)]
    pub fn state(&self) -> State<'_> {
        State {
            effect: &self.effect,
            phase: &self.phase,
            in_flight: self.in_flight,
            token: &self.token,
            tries: self.tries,
            last_failure: self.last_failure.as_ref(),
            attempts: self.attempts,
            baseline: self.baseline.as_ref(),
            doubt: self.doubt.as_ref(),
            absent_from: self.absent_from,
            polls: self.polls,
            ambiguity: self.ambiguity.as_ref(),
            blocked: self.blocked.as_ref(),
            list_rejected: self.list_rejected.as_ref(),
        }
    }
}
