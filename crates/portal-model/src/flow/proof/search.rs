//! Depth first through all states, each once.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use super::machine::{Lie, Machine};
use super::state::{Event, State, World};
use crate::flow::Phase;

/// What was covered.
#[derive(Debug, Default)]
pub(super) struct Coverage {
    pub(super) states: usize,
    pub(super) transitions: usize,
    /// States of the flow by itself.
    pub(super) flows: usize,
    /// How many transitions ended with which outcome.
    pub(super) outcomes: BTreeMap<&'static str, usize>,
}

/// An invariant that does not hold, and how it came to that.
pub(super) struct Violation {
    pub(super) lie: String,
    pub(super) events: Vec<Event>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.lie)?;
        self.events.iter().try_for_each(|event| writeln!(f, "  {event:?}"))
    }
}

/// A state whose successors are being explored.
struct Frame {
    event: Event,
    state: State,
    successors: Vec<(Event, Result<State, Lie>)>,
}

/// The states that were met, and whether each is on the path at hand.
type Visited = HashMap<State, bool, BuildHasherDefault<Mix>>;

/// A hash for a few small numbers that nobody chose to collide.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u8(byte);
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.unsigned_abs() as u64);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}

/// Visits every state that can be reached, or stops at the first in which something is wrong.
pub(super) fn explore(machine: &mut Machine, world: World) -> Result<Coverage, Violation> {
    let mut coverage = Coverage::default();
    let mut visited = Visited::default();
    for start in world.starts(machine) {
        explore_from(machine, world, start, &mut visited, &mut coverage)?;
    }
    coverage.flows = machine.len();
    Ok(coverage)
}

fn explore_from(
    machine: &mut Machine,
    world: World,
    start: Result<State, Lie>,
    visited: &mut Visited,
    coverage: &mut Coverage,
) -> Result<(), Violation> {
    let mut path: Vec<Frame> = Vec::new();
    let mut next = Some((Event::Start, start));
    while let Some((event, state)) = next.take() {
        let violation = |lie| Violation {
            lie,
            events: path.iter().map(|frame| frame.event).chain([event]).collect(),
        };
        let state = state.map_err(violation)?;
        let on_path = visited.get(&state).copied();
        if coverage.ends(machine, state) {
            // Nothing follows.
        } else if on_path.is_none() {
            let mut successors = Vec::new();
            state
                .successors(machine, world, &mut |event, next| successors.push((event, next)))
                .map_err(violation)?;
            coverage.states += 1;
            coverage.transitions += successors.len();
            visited.insert(state, true);
            path.push(Frame { event, state, successors });
        } else if on_path == Some(true) {
            let circle = path.iter().rev().take_while(|frame| frame.state != state);
            if !circle.map(|frame| frame.event).chain([event]).any(Event::is_unfair) {
                return Err(violation("it goes round in circles".to_owned()));
            }
        }
        while next.is_none()
            && let Some(frame) = path.last_mut()
        {
            next = frame.successors.pop();
            if next.is_none() {
                visited.insert(frame.state, false);
                path.pop();
            }
        }
    }
    Ok(())
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, transitions, flows, outcomes } = self;
        write!(f, "{states} states, {transitions} transitions, {flows} states of the flow alone")?;
        write!(f, "; transitions into outcomes: {outcomes:?}")
    }
}

impl Coverage {
    pub(super) fn add(&mut self, other: &Self) {
        self.states += other.states;
        self.transitions += other.transitions;
        self.flows += other.flows;
        for (kind, count) in &other.outcomes {
            *self.outcomes.entry(kind).or_default() += count;
        }
    }

    fn ends(&mut self, machine: &Machine, state: State) -> bool {
        let Phase::Over(outcome) = &machine.node(state.node).flow.phase else { return false };
        *self.outcomes.entry(outcome.kind()).or_default() += 1;
        true
    }
}
