//! Breadth first through all states, each once: what is found, is found by the shortest way.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use super::Map;
use super::machine::Machine;
use super::node::Doing;
use super::state::{State, Step};
use super::transitions::starts;
use super::witness::Process;
use super::world::Violation;

/// What was covered.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// States of the flow by itself.
    pub(super) flows: usize,
    /// Merges of flows that were checked.
    pub(super) compared: usize,
    /// How many states are outcomes of which kind.
    pub(super) outcomes: BTreeMap<&'static str, usize>,
}

/// An invariant that does not hold, and how it came to that.
pub(super) struct Found {
    pub(super) violation: Violation,
    pub(super) trace: Vec<(Step, Option<State>)>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.violation)?;
        for (step, state) in &self.trace {
            writeln!(f, "  {step:?}")?;
            if let Some(state) = state {
                writeln!(f, "      {:?} {:?}", state.service.slots, state.service.pending)?;
            }
        }
        Ok(())
    }
}

/// Visits every state that can be reached, or stops at the first in which something is wrong.
pub(super) fn explore(machine: &mut Machine) -> Result<Coverage, Box<Found>> {
    let mut coverage = Coverage::default();
    let mut visited: Map<State, u32> = Map::default();
    // With the step that led there, and from where.
    let mut states: Vec<(State, u32, Step)> = Vec::new();
    let mut open: VecDeque<u32> = VecDeque::new();
    let starts = starts(machine)
        .map_err(|violation| Found { violation, trace: vec![(Step::Start, None)] })?;
    let mut found: Vec<(Step, State)> = starts.into_iter().map(|it| (Step::Start, it)).collect();
    let mut from = u32::MAX;
    loop {
        for (step, state) in found.drain(..) {
            let next = u32::try_from(states.len()).unwrap();
            visited.entry(state).or_insert_with(|| {
                states.push((state, from, step));
                open.push_back(next);
                next
            });
        }
        let Some(current) = open.pop_front() else { break };
        from = current;
        let state = states[current as usize].0;
        if let Err((step, violation)) = state.successors(machine, &mut found) {
            let mut trace = vec![(step, None)];
            let mut at = current;
            while let Some((state, before, step)) = states.get(at as usize) {
                trace.push((*step, Some(*state)));
                at = *before;
            }
            trace.reverse();
            return Err(Box::new(Found { violation, trace }));
        }
        coverage.transitions += found.len();
        coverage.count(machine, state);
    }
    machine.ends().map_err(|violation| Found { violation, trace: Vec::new() })?;
    coverage.states = states.len();
    coverage.flows = machine.len();
    coverage.compared = machine.compared;
    Ok(coverage)
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, flows, compared, outcomes } = self;
        write!(f, "{states} states, {transitions} transitions, {flows} states of the flow alone")?;
        write!(f, ", {compared} merges compared; outcomes: {outcomes:?}")
    }
}

impl portal_proof::Coverage for Coverage {
    fn add(&mut self, other: &Self) {
        self.states += other.states;
        self.transitions += other.transitions;
        self.flows += other.flows;
        self.compared += other.compared;
        for (kind, count) in &other.outcomes {
            *self.outcomes.entry(kind).or_default() += count;
        }
    }
}

impl Coverage {
    fn count(&mut self, machine: &Machine, state: State) {
        if state.witness.process == Process::Dead {
            return;
        }
        let node = machine.node(state.node);
        if let (Doing::Done, Some(summary)) = (node.doing, node.summary) {
            *self.outcomes.entry(summary.end.kind()).or_default() += 1;
        }
    }
}
