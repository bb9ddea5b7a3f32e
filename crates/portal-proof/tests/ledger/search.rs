//! Breadth first through all states, each once: what is found, is found by the shortest way.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::hash::BuildHasher as _;

use rustc_hash::FxBuildHasher;

use super::Map;
use super::flows::Doing;
use super::machine::Machine;
use super::state::{Phase, State};
use super::transitions::{Step, Successors};
use super::world::World;

/// What was covered.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    pub(super) states: usize,
    pub(super) transitions: usize,
    pub(super) flows: usize,
    pub(super) rows: usize,
}

/// An invariant that does not hold, and how it came to that.
pub(super) struct Found {
    pub(super) violation: String,
    schedule: String,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.violation, self.schedule)
    }
}

/// Visits every state that can be reached, or stops at the first in which something is wrong.
pub(super) fn explore(world: World) -> Result<Coverage, Box<Found>> {
    let mut machine = Machine::new(world);
    // By the hash of the state, or the next number that is free.
    let mut visited: Map<u64, u32> = Map::default();
    // With the step that led there, and from where.
    let mut states: Vec<(State, u32, Option<Step>)> = Vec::new();
    let mut open: VecDeque<u32> = VecDeque::new();
    let mut coverage = Coverage::default();
    let first = State::new(&world);
    visited.insert(FxBuildHasher.hash_one(first), 0);
    states.push((first, 0, None));
    open.push_back(0);
    let mut successors = Successors { found: Vec::new() };
    while let Some(current) = open.pop_front() {
        let state = states[current as usize].0;
        if let Err((step, violation)) = successors.of(&mut machine, &state) {
            let mut schedule = Vec::new();
            let mut at = current;
            while let (state, before, Some(step)) = states[at as usize] {
                schedule.push((step, Some(state)));
                at = before;
            }
            schedule.reverse();
            schedule.push((step, None));
            let schedule = described(&machine, &schedule);
            return Err(Box::new(Found { violation, schedule }));
        }
        coverage.transitions += successors.found.len();
        for (step, state) in successors.found.drain(..) {
            let next = u32::try_from(states.len()).unwrap();
            let mut hash = FxBuildHasher.hash_one(state);
            let is_new = loop {
                match visited.get(&hash) {
                    None => break true,
                    Some(known) if states[*known as usize].0 == state => break false,
                    Some(_) => hash = hash.wrapping_add(1),
                }
            };
            if is_new {
                visited.insert(hash, next);
                states.push((state, current, Some(step)));
                open.push_back(next);
            }
        }
    }
    coverage.states = states.len();
    coverage.flows = machine.flows.len();
    coverage.rows = machine.ledger.len();
    Ok(coverage)
}

fn described(machine: &Machine, schedule: &[(Step, Option<State>)]) -> String {
    let (mut text, mut now) = (String::new(), 0);
    for (step, state) in schedule {
        if step.what == "tick" {
            now += 1;
            continue;
        }
        let who = step.process.map_or_else(String::new, |process| format!("process {process} "));
        let _ = writeln!(text, "  at {now}: {who}{}", step.what);
        let Some(state) = state else { continue };
        if let Some(process) = step.process {
            let _ = writeln!(text, "        {}", phase(machine, &state.processes[process].phase));
        }
        for portal in state.service.made() {
            let _ = writeln!(text, "        {portal:?}");
        }
        let windows = (&state.service.open, &state.service.denied);
        let _ = writeln!(text, "        late until {windows:?}");
        for (row, entry) in machine.ledger.all(&state.rows) {
            let _ = writeln!(
                text,
                "        row {row}: {} attempts {} {:?} {}",
                entry.name(),
                entry.attempts,
                entry.state,
                serde_json::to_value(entry).unwrap()["doubt_ended"]
            );
        }
    }
    text
}

fn phase(machine: &Machine, phase: &Phase) -> String {
    match phase {
        Phase::Step { node, .. } => match machine.flows.node(*node).doing {
            Doing::Done(outcome) => format!("{:?}", machine.flows.outcome(outcome)),
            doing => format!("{phase:?} {doing:?}"),
        },
        Phase::End { outcome, .. } => format!("{:?}", machine.flows.outcome(*outcome)),
        phase => format!("{phase:?}"),
    }
}

impl portal_proof::Coverage for Coverage {
    fn add(&mut self, other: &Self) {
        self.states += other.states;
        self.transitions += other.transitions;
        self.flows += other.flows;
        self.rows += other.rows;
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, flows, rows } = self;
        write!(f, "{states} states, {transitions} transitions, {flows} flows, {rows} rows")
    }
}
