//! What of a flow decides anything later. Flows that differ in nothing else are one: in the words
//! of errors, in which token is which, in how long ago absence could be proved, in how many backoffs
//! there were where all are alike, and in the time once the flow has ended.
//!
//! The machine compares some of those that are merged with their representative.

use crate::flow::kernel::{Flow, IfAbsent, InFlight, Phase};
use crate::intent::{Baseline, Intent};
use crate::outcome::{Doubt, NotDone};

use super::node::{at, units};
use super::replies::Code;
use super::subject::{Reason, Subject, Summary, Why};

/// What flows are made of, each once; its place in the table is its number.
pub(super) struct Tables<E: Subject> {
    intents: Vec<Intent>,
    effects: Vec<E>,
    baselines: Vec<Baseline>,
    facts: Vec<E::Fact>,
}

impl<E: Subject> Tables<E> {
    pub(super) const fn new() -> Self {
        Self { intents: Vec::new(), effects: Vec::new(), baselines: Vec::new(), facts: Vec::new() }
    }

    /// The intent with that number.
    pub(super) fn intent(&self, number: u8) -> &Intent {
        &self.intents[usize::from(number) - 1]
    }

    /// Numbers of intents count from 1; 0 is none.
    pub(super) fn number_of(&mut self, intent: Option<Intent>) -> u8 {
        let Some(intent) = intent else { return 0 };
        let number = number(&mut self.intents, &intent) + 1;
        u8::try_from(number).unwrap()
    }

    /// Whether the intent with that number has a list from before the first attempt.
    pub(super) fn has_baseline(&self, intent: u8) -> bool {
        match self.intent(intent) {
            Intent::Create(intent) => intent.baseline.is_some(),
            Intent::Rename(intent) => intent.baseline.is_some(),
        }
    }
}

/// The place of `value` in `all`, where it is put if it is new.
fn number<T: PartialEq + Clone>(all: &mut Vec<T>, value: &T) -> usize {
    all.iter().position(|known| known == value).unwrap_or_else(|| {
        all.push(value.clone());
        all.len() - 1
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Ended(Summary, u8),
    Running(Running),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts, each by itself")]
pub(super) struct Running {
    now: u8,
    effect: u8,
    phase: PhaseKey,
    in_flight: u8,
    began: u8,
    wake_at: Option<u8>,
    has_token: bool,
    has_rejected_token: bool,
    token_replaced: bool,
    failures: u8,
    /// Zero where all backoffs are alike.
    backoffs: (u8, u8),
    tries_began: Option<u8>,
    last_failure: Option<Reason>,
    attempts: u8,
    baseline: Option<u8>,
    /// Whether an earlier process left it.
    doubt: Option<bool>,
    absent_from: u8,
    ambiguity: Option<Why>,
    blocked: Option<u8>,
    list_rejected: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PhaseKey {
    Baseline,
    Attempt { recorded: bool },
    Repeat,
    NotDone(Reason),
    Rejected(Code),
    Suspect(Code, bool),
}

impl Key {
    pub(super) fn of<E: Subject>(flow: &Flow<E>, now: u8, tables: &mut Tables<E>) -> Self {
        let code = |error: &crate::error::ApiError| Code::of(error.code.as_str());
        let phase = match &flow.phase {
            Phase::Ended(outcome, left) => {
                return Self::Ended(E::summary(outcome), tables.number_of(left.clone()));
            }
            Phase::Baseline => PhaseKey::Baseline,
            Phase::Attempt { recorded } => PhaseKey::Attempt { recorded: *recorded },
            Phase::Verify(IfAbsent::Repeat) => PhaseKey::Repeat,
            Phase::Verify(IfAbsent::NotDone(reason)) => PhaseKey::NotDone(Reason::of(reason)),
            Phase::Verify(IfAbsent::Rejected(error)) => PhaseKey::Rejected(code(error)),
            Phase::Verify(IfAbsent::Suspect { error, earlier }) => {
                PhaseKey::Suspect(code(error), *earlier)
            }
        };
        let (in_flight, began) = match flow.in_flight {
            None => (0, now),
            Some(InFlight::Token) => (1, now),
            Some(InFlight::List { began }) => (2, units(began)),
            Some(InFlight::Record) => (3, now),
            Some(InFlight::Send) => (4, now),
        };
        let in_doubt = flow.doubt.is_some();
        let effect = number(&mut tables.effects, &flow.effect);
        let baseline = flow.baseline.as_ref().map(|it| number(&mut tables.baselines, it));
        let byte = |number: usize| u8::try_from(number).unwrap();
        let has_token = flow.token.current.is_some();
        Self::Running(Running {
            now,
            effect: byte(effect),
            phase,
            in_flight,
            began,
            wake_at: flow.wake_at.map(units),
            has_token,
            has_rejected_token: !has_token && flow.token.rejected.is_some(),
            token_replaced: flow.token.replaced,
            // While in doubt, tries are not counted.
            failures: if in_doubt { 0 } else { byte(flow.tries.failures as usize) },
            backoffs: if flow.policy.backoff_base == flow.policy.backoff_max {
                (0, 0)
            } else {
                (byte(flow.tries.backoffs as usize), byte(flow.polls as usize))
            },
            tries_began: flow.tries.began.filter(|_| !in_doubt).map(units),
            last_failure: flow.last_failure.as_ref().map(|last_failure| match last_failure {
                NotDone::RateLimited { .. } => Reason::RateLimited,
                other => Reason::of(other),
            }),
            attempts: byte(flow.attempts as usize),
            baseline: baseline.map(byte),
            doubt: flow.doubt.as_ref().map(|doubt| *doubt == Doubt::Earlier),
            absent_from: if in_doubt { units(flow.absent_from.max(at(began))) } else { 0 },
            ambiguity: flow.ambiguity.as_ref().map(Why::of),
            blocked: flow.blocked.as_ref().map(|fact| byte(number(&mut tables.facts, fact))),
            list_rejected: flow.list_rejected.is_some(),
        })
    }
}
