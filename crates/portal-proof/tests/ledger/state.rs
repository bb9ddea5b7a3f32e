//! The product: processes, the rows of the ledger, the service, and what was told.

use super::ledger::{Id, Last, Rows};
use super::service::{ROWS, Service};
use super::world::{PROCESSES, PROCESSING, World};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) rows: Rows,
    pub(super) service: Service,
    pub(super) processes: [Process; PROCESSES],
    pub(super) left: Left,
    /// How many callers of each wish heard that the portal is theirs.
    pub(super) ours: [u8; PROCESSES],
}

/// How often something may yet go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Left {
    pub(super) kills: u8,
    pub(super) freezes: u8,
    pub(super) restarts: u8,
    pub(super) stops: u8,
    pub(super) lost: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts, each by itself")]
pub(super) struct Process {
    pub(super) phase: Phase,
    /// Since the phase or the step began.
    pub(super) since: u8,
    pub(super) is_frozen: bool,
    /// It was frozen after it read the clock, with a call of the ledger next.
    pub(super) is_stale: bool,
    pub(super) is_stopped: bool,
    /// The row that it determines, counted from 1; 0 if it does what it wishes.
    pub(super) recovers: u8,
    /// The row in which it attempted something and that somebody adopted, counted from 1, or 0.
    pub(super) lost: u8,
    /// Whether the row that it holds had an attempt, as far as it knows.
    pub(super) attempted: bool,
    /// How long ago it was granted something for the first time.
    pub(super) granted: Option<u8>,
}

/// What a process is at: the places where `run` waits for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Phase {
    Idle,
    Claim {
        id: Id,
        tries: u8,
    },
    Wait {
        id: Id,
        is_same: bool,
    },
    Step {
        id: Id,
        row: u8,
        node: u32,
        until: i8,
        last: Last,
        sent: Option<Sent>,
    },
    /// Until then, counted from now, nobody else can have adopted the entry.
    End {
        id: Id,
        row: u8,
        outcome: u16,
        last: Last,
        until: i8,
    },
    Done,
    Dead,
}

/// An attempt that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    /// When it is given up.
    pub(super) limit: u8,
    /// It took effect.
    pub(super) is_done: bool,
    /// Somebody was told that it did nothing.
    pub(super) is_denied: bool,
}

impl Process {
    pub(super) const fn at(phase: Phase) -> Self {
        Self {
            phase,
            since: 0,
            is_frozen: false,
            is_stale: false,
            is_stopped: false,
            recovers: 0,
            lost: 0,
            attempted: false,
            granted: None,
        }
    }

    pub(super) fn is_active(&self) -> bool {
        !matches!(self.phase, Phase::Idle | Phase::Done | Phase::Dead)
    }

    pub(super) fn id(&self) -> Option<Id> {
        match self.phase {
            Phase::Claim { id, .. }
            | Phase::Wait { id, .. }
            | Phase::Step { id, .. }
            | Phase::End { id, .. } => Some(id),
            Phase::Idle | Phase::Done | Phase::Dead => None,
        }
    }

    /// How long ago it read the clock for a call of the ledger.
    pub(super) fn read_ago(&self) -> u8 {
        if self.is_stale { self.since } else { 0 }
    }

    pub(super) fn tick(&mut self, longest: u8, deadline: u8) {
        if !self.is_active() {
            return;
        }
        self.granted = self.granted.map(|ago| (ago + 1).min(deadline));
        self.since = (self.since + 1).min(longest);
        let older = |last: Last| last.map(|(ago, in_doubt)| ((ago + 1).min(longest), in_doubt));
        match &mut self.phase {
            Phase::Step { until, last, .. } => {
                *until = (*until - 1).max(-1 - PROCESSING.cast_signed());
                *last = older(*last);
            }
            Phase::End { last, until, .. } => {
                *last = older(*last);
                *until = (*until - 1).max(-1 - PROCESSING.cast_signed());
            }
            Phase::Idle | Phase::Claim { .. } | Phase::Wait { .. } | Phase::Done | Phase::Dead => {}
        }
    }
}

impl State {
    pub(super) fn new(world: &World) -> Self {
        let idle =
            |wish| Process::at(if wish < world.wishes.len() { Phase::Idle } else { Phase::Dead });
        Self {
            rows: [0; ROWS],
            service: Service::new(world.before, world.renames, world.foreign),
            processes: [idle(0), idle(1), idle(2)],
            left: Left {
                kills: world.kills,
                freezes: world.freezes,
                restarts: world.restarts,
                stops: world.stops,
                lost: world.lost,
            },
            ours: [0; PROCESSES],
        }
    }
}
