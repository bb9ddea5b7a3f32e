//! A state of the whole: the flow, the service, and what a witness remembers; and where it can go
//! from there.

use std::hash::Hash;

use super::machine::{Doing, Draw, Lie, Machine, Move, units};
use super::memory::{Look, Memory, byte};
use super::replies::Said;
use super::server::{Act, Fate, Holder, Server};
use super::truth::{self, ensure};
use crate::flow::Phase;
use crate::outcome::{Outcome, Unsettled};

/// What stays the same during an exploration.
#[derive(Clone, Copy, Debug)]
pub(super) struct World {
    /// How many names the flow may try: one or two.
    pub(super) candidates: usize,
    pub(super) allow_another: bool,
    /// Or else the token has the scope CREATE alone.
    pub(super) may_list: bool,
    /// An org may have one portal only.
    pub(super) limited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct State {
    pub(super) node: usize,
    /// Since the step was handed out.
    pub(super) elapsed: u16,
    pub(super) server: Server,
    pub(super) memory: Memory,
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "a violation shows them by Debug")]
pub(super) enum Event {
    Start,
    Tick,
    Act(Act),
    Move(Said, &'static str, Fate, Draw),
    /// The process is killed, and another one resumes what it wrote down.
    Kill(Fate),
}

impl Event {
    /// Whether going round in circles with it takes no time only by a choice of the surroundings:
    /// never any back-off, or killed again and again.
    pub(super) const fn is_unfair(self) -> bool {
        matches!(self, Self::Move(_, _, _, Draw::None) | Self::Kill(_))
    }
}

impl World {
    /// Every service that the flow may find. A run after a certain outcome finds one of them too.
    pub(super) fn starts(self, machine: &mut Machine) -> Vec<Result<State, Lie>> {
        let settle = units(machine.policy.settle);
        let colleague = (0..=settle).map(|hidden| Holder::Colleague { hidden });
        let holders: Vec<_> =
            [Holder::Nobody, Holder::AnotherOrg].into_iter().chain(colleague).collect();
        let mut starts = Vec::new();
        for &first in &holders {
            for &second in &holders {
                for &another in &holders {
                    let names = [first, second, another];
                    let server = Server { names, limited: self.limited, pending: [0; 2] };
                    if (self.candidates == 2 || second == Holder::AnotherOrg)
                        && another != Holder::AnotherOrg
                        && (!self.limited || server.ours().count_ones() <= 1)
                    {
                        starts.push(self.start(machine, server));
                    }
                }
            }
        }
        starts
    }

    fn start(self, machine: &mut Machine, server: Server) -> Result<State, Lie> {
        let wanted = (1 << self.candidates) - 1;
        let forbidding = if self.allow_another { wanted } else { 0b111 };
        let forbidden = self.may_list && server.certain() & forbidding != 0;
        let memory = Memory { forbidden, ..Memory::new(false, 0, None) };
        let node = machine.start(self.candidates)?;
        State { node, elapsed: 0, server, memory }.arrived(machine, self, memory)
    }
}

impl State {
    /// All that can happen next, with what comes of it.
    pub(super) fn successors(
        self,
        machine: &mut Machine,
        world: World,
        go: &mut impl FnMut(Event, Result<Self, Lie>),
    ) -> Result<(), Lie> {
        let settle = units(machine.policy.settle);
        let doing = machine.node(self.node).doing;
        let longest = match doing {
            Doing::Done => return Ok(()),
            Doing::Authenticate { limit, .. }
            | Doing::LookUp { limit }
            | Doing::Post { limit, .. } => limit,
            Doing::Wait { time } => time + 1,
        };
        if self.elapsed < longest {
            go(Event::Tick, Ok(self.ticked()));
        }
        for (act, server) in self.server.acts(settle) {
            go(Event::Act(act), Ok(Self { server, ..self }));
        }
        let exits = machine.exits(self.node)?;
        for found in exits.moves.iter().filter(|found| found.elapsed == self.elapsed) {
            if self.is_possible(doing, found.said, world) {
                for &fate in possible_fates(doing, found.said) {
                    if let Some(server) = self.suffer(doing, fate, settle) {
                        let event = Event::Move(found.said, found.label, fate, found.draw);
                        go(event, self.moved(machine, world, found, server));
                    }
                }
            }
        }
        if let Some(node) = exits.resumed {
            for &fate in possible_fates(doing, Said::Nothing) {
                if let Some(server) = self.suffer(doing, fate, settle) {
                    let memory = Memory::new(true, self.memory.name, Some(settle));
                    let next = Self { node, elapsed: 0, server, memory };
                    go(Event::Kill(fate), next.arrived(machine, world, memory));
                }
            }
        }
        Ok(())
    }

    fn ticked(mut self) -> Self {
        self.elapsed += 1;
        self.server = self.server.pass(1);
        self.memory.doubt = self.memory.doubt.map(|left| left.saturating_sub(1));
        self
    }

    /// Whether the service can say this now.
    fn is_possible(&self, doing: Doing, said: Said, world: World) -> bool {
        match (doing, said) {
            (_, Said::List(shown)) => {
                let certain = self.memory.look.map_or(0, |look| look.certain);
                world.may_list && shown & certain == certain && shown & !self.server.ours() == 0
            }
            // A token may lose a scope on the way.
            (Doing::LookUp { .. }, Said::ScopeMismatch) => !world.may_list || self.memory.posts > 0,
            (Doing::Post { name, .. }, Said::AlreadyUsed) => {
                self.server.names[name] != Holder::Nobody
            }
            (Doing::Post { .. }, Said::LimitReached) => self.server.is_full(),
            _ => true,
        }
    }

    /// The service after that fate of the request, if it can meet it.
    fn suffer(&self, doing: Doing, fate: Fate, settle: u16) -> Option<Server> {
        match doing {
            Doing::Post { name, .. } => self.server.post(name, fate, settle),
            _ => Some(self.server),
        }
    }

    fn moved(
        self,
        machine: &Machine,
        world: World,
        found: &Move,
        server: Server,
    ) -> Result<Self, Lie> {
        let here = machine.node(self.node);
        let mut memory = self.memory;
        memory.note(here.doing, found.said, units(machine.policy.settle));
        if let Doing::Wait { time } = here.doing {
            memory.hindered |= found.elapsed > time;
        }
        let there = machine.node(found.to);
        if let Said::Throttled(Some(after)) = found.said {
            let patient = match there.doing {
                Doing::Done => true,
                Doing::Wait { time } => time >= units(after),
                _ => false,
            };
            ensure(patient, "not as patient as the service asked for")?;
        }
        Self { node: found.to, elapsed: 0, server, memory }.arrived(machine, world, self.memory)
    }

    /// Checks that what is over may have ended so.
    fn judge(&self, machine: &Machine, world: World, before: Memory) -> Result<(), Lie> {
        let Phase::Over(outcome) = &machine.node(self.node).flow.phase else { unreachable!() };
        if let Outcome::Unknown { unsettled: Unsettled::Deadline, .. } = outcome.as_ref() {
            ensure(
                self.memory.hindered || !world.may_list,
                "unknown, although a look-up would have settled it",
            )?;
        }
        let in_doubt = before.doubt.is_some() || self.memory.doubt.is_some();
        truth::judge(outcome, &self.server, in_doubt, before.look.map(|look| look.certain))
    }

    /// Checks that the step that is handed out now may be handed out.
    fn arrived(mut self, machine: &Machine, world: World, before: Memory) -> Result<Self, Lie> {
        let policy = &machine.policy;
        let memory = &mut self.memory;
        memory.look = None;
        match machine.node(self.node).doing {
            Doing::Authenticate { renew, .. } => {
                ensure(renew == memory.had_a_token, "the refused token is not named")?;
                ensure(memory.refused < 2, "a second authentication for one request")?;
            }
            Doing::LookUp { limit } => {
                memory.asks_for(false);
                let settled = memory.doubt.is_none_or(|left| left == 0);
                memory.look = Some(Look { certain: self.server.certain(), settled });
                let counts = memory.doubt == Some(0) && !memory.hindered;
                ensure(
                    !counts || limit == units(policy.attempt_timeout),
                    "no time was kept for the look-up that counts",
                )?;
            }
            Doing::Post { name, .. } => {
                memory.asks_for(true);
                ensure(!memory.resumed, "a POST by a flow that only settles")?;
                ensure(!memory.forbidden, "a POST although the org had a portal already")?;
                ensure(byte(name) >= memory.name, "a POST of a name that was given up")?;
                if byte(name) > memory.name {
                    memory.name = byte(name);
                    memory.posts = 0;
                    ensure(
                        self.server.pending == [0; 2] && self.server.made_by_us() == 0,
                        "another name although the one before may be ours",
                    )?;
                    ensure(
                        self.server.names[name - 1] == Holder::AnotherOrg,
                        "another name although the one before is not another org's",
                    )?;
                }
                ensure(u32::from(memory.posts) < policy.max_posts, "more POSTs than allowed")?;
                memory.posts += 1;
            }
            Doing::Wait { .. } => {}
            Doing::Done => self.judge(machine, world, before)?,
        }
        truth::stop_here(&self, machine)?;
        // What matters for a doubt only is forgotten with it.
        self.memory.hindered &= self.memory.doubt.is_some();
        Ok(self)
    }
}

/// What the service may have done with a request when it says this.
fn possible_fates(doing: Doing, said: Said) -> &'static [Fate] {
    match (doing, said) {
        (Doing::Post { .. }, Said::Nothing) => &Fate::ALL,
        (Doing::Post { .. }, Said::Success) => &[Fate::Applied],
        _ => &[Fate::Ignored],
    }
}
