//! What of a flow decides anything later. Flows that differ in nothing else are one: in the words
//! of errors, in which token is which, in how long ago absence could be proved, in how many backoffs
//! there were where all are alike, and in the time once the flow has ended.
//!
//! The machine compares some of those that are merged with their representative.

use portal_model::error::ApiError;
use portal_model::flow::{Flow, IfAbsent, InFlight, Phase, Policy, Step};
use portal_model::intent::{Baseline, Intent};
use portal_model::outcome::Doubt;

use super::replies::Code;
use super::subject::{Reason, Summary, Why};
use super::world::{at, units};

/// What flows are made of, each once; its place in the table is its number.
pub(super) struct Tables {
    intents: Vec<Intent>,
    effects: Vec<String>,
    baselines: Vec<Baseline>,
    facts: Vec<String>,
    /// Whether every backoff of the policy is as long as the first.
    backoffs_are_alike: bool,
}

impl Tables {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            intents: Vec::new(),
            effects: Vec::new(),
            baselines: Vec::new(),
            facts: Vec::new(),
            backoffs_are_alike: policy.backoff_base == policy.backoff_max,
        }
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
        self.intent(intent).baseline.is_some()
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
    Ended(Summary),
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
    /// Whether the service itself rejected it.
    rejected_token: Option<bool>,
    token_replaced: bool,
    token_refused: bool,
    failures: u8,
    /// Zero where all backoffs are alike.
    backoffs: (u8, u8),
    tries_began: Option<u8>,
    last_failure: Option<Reason>,
    attempts: u8,
    baseline: Option<u8>,
    /// Whether an earlier process left it, or the service named another portal.
    doubt: Option<(bool, bool)>,
    absent_from: u8,
    ambiguity: Option<Why>,
    blocked: Option<u8>,
    list_rejected: bool,
}

/// The flow's phase, with what matters of the reason or the rejection that it carries.
type PhaseKey = (&'static str, Option<Reason>, Option<Code>);

impl Key {
    pub(super) fn of(flow: &Flow, step: &Step, now: u8, tables: &mut Tables) -> Self {
        let (in_flight, wake_at) = match step {
            Step::Done(outcome) => {
                return Self::Ended(Summary::of(outcome));
            }
            Step::WaitUntil(time) => (0, Some(units(*time))),
            Step::Authenticate { .. } => (1, None),
            Step::List { .. } => (2, None),
            Step::Record(_) => (3, None),
            Step::Send { .. } => (4, None),
        };
        let state = flow.state();
        let code = |error: &ApiError| Code::of(error.code.as_str());
        let began = match state.in_flight {
            Some(InFlight::List { began }) => units(began),
            _ => now,
        };
        let (phase, reason, rejection) = match state.phase {
            Phase::Baseline => ("baseline", None, None),
            Phase::Attempt { recorded: false } => ("attempt", None, None),
            Phase::Attempt { recorded: true } => ("recorded", None, None),
            Phase::Verify(IfAbsent::Repeat) => ("repeat", None, None),
            Phase::Verify(IfAbsent::NotDone(reason)) => ("not done", Some(reason), None),
            Phase::Verify(IfAbsent::Rejected(error)) => ("rejected", None, Some(error)),
            Phase::Verify(IfAbsent::Suspect { error, earlier: false }) => {
                ("suspect", None, Some(error))
            }
            Phase::Verify(IfAbsent::Suspect { error, earlier: true }) => {
                ("suspect in doubt", None, Some(error))
            }
            Phase::Ended(..) => ("ended", None, None),
        };
        let in_doubt = state.doubt.is_some();
        let rejected = state
            .token
            .rejected
            .as_ref()
            .map(|(_, error)| error.api().is_some_and(ApiError::is_token_rejected));
        let effect = number(&mut tables.effects, &format!("{:?}", state.effect));
        let baseline = state.baseline.map(|it| number(&mut tables.baselines, it));
        let blocked = state.blocked.map(|it| number(&mut tables.facts, &format!("{it:?}")));
        let byte = |number: usize| u8::try_from(number).unwrap();
        Self::Running(Running {
            now,
            effect: byte(effect),
            phase: (phase, reason.map(Reason::of), rejection.map(code)),
            in_flight,
            began,
            wake_at,
            has_token: state.token.current.is_some(),
            rejected_token: rejected.filter(|_| state.token.current.is_none()),
            token_replaced: state.token.replaced,
            token_refused: state.token.was_refused,
            // While in doubt, tries are not counted.
            failures: if in_doubt { 0 } else { byte(state.tries.failures as usize) },
            backoffs: if tables.backoffs_are_alike {
                (0, 0)
            } else {
                (byte(state.tries.backoffs as usize), byte(state.polls as usize))
            },
            tries_began: state.tries.began.filter(|_| !in_doubt).map(units),
            last_failure: state.last_failure.map(Reason::of),
            attempts: byte(state.attempts as usize),
            baseline: baseline.map(byte),
            doubt: state
                .doubt
                .map(|doubt| (*doubt == Doubt::Earlier, matches!(doubt, Doubt::OtherName(_)))),
            absent_from: if in_doubt { units(state.absent_from.max(at(began))) } else { 0 },
            ambiguity: state.ambiguity.map(Why::of),
            blocked: blocked.map(byte),
            list_rejected: state.list_rejected.is_some(),
        })
    }
}
