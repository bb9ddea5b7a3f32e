//! The flow by itself: every state in which a driver can meet it, and what each event makes of it.
//! Each is computed once, however many services and histories it meets.

use std::rc::Rc;

use portal_model::flow::{Activity, Event, Flow, NotSent, Policy, Step, TokenError};

use super::Map;
use super::canonical::{Key, Tables};
use super::inspect;
use super::node::{Doing, Draw, Move, Node};
use super::replies::{self, IN_USE, Meaning, Reply};
use super::service::{Deed, View};
use super::subject::{self, Summary};
use super::world::{Driver, Violation, World, at, ensure, units};

pub(super) struct Machine {
    /// What is promised, which is what the flows are given unless it is broken on purpose.
    pub(super) policy: Policy,
    given: Policy,
    pub(super) world: World,
    nodes: Vec<Node>,
    ids: Map<Key, u32>,
    /// From the node with the same number.
    exits: Vec<Option<Rc<Vec<Move>>>>,
    lists: Map<(u32, u8, Draw, View, bool), u32>,
    starts: Map<(u8, bool, u8), u32>,
    pub(super) tables: Tables,
    replies: [Vec<Reply>; 5],
    /// How often a flow was merged into one that is alike, and how many of these were compared.
    pub(super) merged: usize,
    pub(super) compared: usize,
}

impl Machine {
    pub(super) fn new(policy: Policy, given: Policy, world: World) -> Self {
        let filtered = |replies: Vec<Reply>| world.alphabet.of(replies);
        let replies = [
            filtered(replies::to_authenticate()),
            replies::to_record(),
            filtered(replies::to_list()),
            filtered(replies::to_attempt(0)),
            filtered(replies::to_attempt(1)),
        ];
        Self {
            policy,
            world,
            nodes: Vec::new(),
            ids: Map::default(),
            exits: Vec::new(),
            lists: Map::default(),
            starts: Map::default(),
            tables: Tables::new(&given),
            given,
            replies,
            merged: 0,
            compared: 0,
        }
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn start(&mut self) -> Result<u32, Violation> {
        let flow = subject::start(&self.world, &self.given);
        self.enter(flow, 0)
    }

    /// The flow of another process, while an attempt may take effect for `horizon` yet.
    pub(super) fn resume(
        &mut self,
        intent: u8,
        sends: bool,
        horizon: u8,
    ) -> Result<u32, Violation> {
        if let Some(&id) = self.starts.get(&(intent, sends, horizon)) {
            return Ok(id);
        }
        let driver = self.world.driver;
        let mut stored = self.tables.intent(intent).clone();
        match driver {
            Driver::ForgetsAttempts => stored.attempts = 0,
            Driver::InventsBaseline => {
                stored.baseline.get_or_insert_default();
            }
            _ => {}
        }
        let flow = subject::resume(
            &stored,
            sends || driver == Driver::RecoverySends,
            at(if driver == Driver::EndLongAgo { 0 } else { horizon }),
            &self.world,
            &self.given,
        );
        let id = self.enter(flow, 0)?;
        self.starts.insert((intent, sends, horizon), id);
        Ok(id)
    }

    /// The number of the intent that the driver writes.
    fn written(&mut self, number: u8) -> u8 {
        if number == 0 {
            return 0;
        }
        let mut intent = self.tables.intent(number).clone();
        match self.world.driver {
            Driver::RecordsNoAttempts => intent.attempts = 0,
            Driver::RecordsNoBaseline => intent.baseline = None,
            _ => return number,
        }
        self.tables.number_of(Some(intent))
    }

    /// Everything but lists that can happen at a node.
    pub(super) fn exits(&mut self, id: u32) -> Result<Rc<Vec<Move>>, Violation> {
        if let Some(Some(exits)) = self.exits.get(id as usize) {
            return Ok(Rc::clone(exits));
        }
        let node = self.node(id);
        let flow = node.flow.clone();
        let moves = Rc::new(self.moves(&flow, node.now, node.doing)?);
        self.exits.resize(self.nodes.len(), None);
        self.exits[id as usize] = Some(Rc::clone(&moves));
        Ok(moves)
    }

    /// Those that differ in when they are, what they mean, or where they lead.
    fn moves(&mut self, flow: &Flow, now: u8, doing: Doing) -> Result<Vec<Move>, Violation> {
        let mut moves: Vec<Move> = Vec::new();
        let (times, replies) = match doing {
            Doing::Done => return Ok(moves),
            // A driver may oversleep.
            Doing::Wait { time } => (time..=time + 1, 5),
            Doing::Authenticate { limit, .. } => (0..=limit, 0),
            Doing::Record => (0..=self.world.slow_record, 1),
            Doing::List { limit } => (0..=limit, 2),
            Doing::Send { deed, limit } => {
                (0..=limit, if deed == (Deed::Create { name: 0 }) { 3 } else { 4 })
            }
        };
        let mut add = |found: Move| {
            let alike = |known: &Move| {
                (known.elapsed, known.meaning, known.to) == (found.elapsed, found.meaning, found.to)
            };
            if !moves.iter().any(alike) {
                moves.push(found);
            }
        };
        for elapsed in times {
            if replies == 5 {
                let to = self.enter(flow.clone(), now + elapsed)?;
                let meaning = Meaning::Woken;
                add(Move { elapsed, draw: Draw::Full, meaning, label: "", to });
                continue;
            }
            for index in 0..self.replies[replies].len() {
                let (meaning, label, event) = self.replies[replies][index].clone();
                let event = self.reported(doing, label, event);
                let stops = self.world.driver == Driver::StopsClock && doing == Doing::Record;
                let passed = if stops { 0 } else { elapsed };
                for draw in [Draw::Full, Draw::None] {
                    let to = self.after(flow, now + passed, draw, event.clone())?;
                    add(Move { elapsed, draw, meaning, label, to });
                }
            }
        }
        Ok(moves)
    }

    /// What the driver makes of an event.
    fn reported(&self, doing: Doing, label: &'static str, mut event: Event) -> Event {
        let is_attempt = matches!(doing, Doing::Send { .. });
        match (self.world.driver, &mut event) {
            (Driver::DropsRetryAfter, Event::Response(response)) => response.retry_after = None,
            (Driver::FollowsOrigin, Event::NoToken(TokenError::OtherOrigin(_))) => {
                return Event::Token(IN_USE);
            }
            (Driver::NeverInDoubt, Event::NoResponse(_)) if is_attempt => {
                return Event::NotSent(NotSent::ConnectTimedOut);
            }
            (Driver::TakesForCertain(taken), _) if is_attempt && taken == label => {
                return replies::certain_rejection();
            }
            _ => {}
        }
        event
    }

    /// The list that the driver reports.
    fn reported_list(&self, flow: &Flow, view: View, is_complete: bool) -> Event {
        let bare = self.world.bare;
        match self.world.driver {
            Driver::DropsAge => replies::list(view, true, bare),
            Driver::SkipsFirstList if flow.activity() == Activity::ListingFirst => {
                replies::list(View::default(), true, bare)
            }
            Driver::HidesRenames => {
                replies::list(view.without_renames(self.world.is_rename), is_complete, bare)
            }
            _ => replies::list(view, is_complete, bare),
        }
    }

    fn after(&mut self, flow: &Flow, now: u8, draw: Draw, event: Event) -> Result<u32, Violation> {
        let mut flow = flow.clone();
        let is_recorded = event == Event::Recorded;
        flow.handle(at(now), draw.jitter(), event).map_err(|unexpected| unexpected.to_string())?;
        if is_recorded {
            // Rule 2: stopping between the record and the step after it.
            let stopped = Summary::of(&flow.clone().abandon());
            let was_in_doubt = flow.state().doubt.is_some();
            inspect::stopped_before_sending(stopped, was_in_doubt)?;
        }
        self.enter(flow, now)
    }

    /// Where a list leads.
    pub(super) fn after_list(
        &mut self,
        id: u32,
        elapsed: u8,
        draw: Draw,
        view: View,
        is_complete: bool,
    ) -> Result<u32, Violation> {
        if let Some(&to) = self.lists.get(&(id, elapsed, draw, view, is_complete)) {
            return Ok(to);
        }
        let node = self.node(id);
        let (flow, now) = (node.flow.clone(), node.now + elapsed);
        let event = self.reported_list(&flow, view, is_complete);
        let to = self.after(&flow, now, draw, event)?;
        self.lists.insert((id, elapsed, draw, view, is_complete), to);
        Ok(to)
    }

    fn enter(&mut self, mut flow: Flow, now: u8) -> Result<u32, Violation> {
        let step = flow.step(at(now));
        if let Step::Authenticate { rejected: Some(id), .. } = step {
            ensure(id == IN_USE, "an unknown token is named as rejected")?;
        }
        let key = Key::of(&flow, &step, now, &mut self.tables);
        if let Some(&id) = self.ids.get(&key) {
            self.merged += 1;
            if self.merged.is_multiple_of(self.world.compare_every) {
                self.compare(&flow, now, id)?;
            }
            return Ok(id);
        }
        let doing = match &step {
            Step::Authenticate { rejected, timeout } => {
                Doing::Authenticate { renew: rejected.is_some(), limit: units(*timeout) }
            }
            Step::List { timeout, .. } => Doing::List { limit: units(*timeout) },
            Step::Record(_) => Doing::Record,
            Step::Send { request, timeout } => {
                Doing::Send { deed: subject::deed(request), limit: units(*timeout) }
            }
            Step::WaitUntil(time) => Doing::Wait { time: units(time.saturating_sub(at(now))) },
            Step::Done(_) => Doing::Done,
        };
        let summary = match &step {
            Step::Done(outcome) => Some(Summary::of(outcome)),
            _ => None,
        };
        let intent = match &step {
            Step::Record(intent) => Some(intent.clone()),
            _ => None,
        };
        let intent = self.tables.number_of(intent);
        let abandoned = Summary::of(&flow.clone().abandon());
        let written = self.written(intent);
        let is_in_doubt = flow.is_in_doubt();
        let node = Node { flow, now, doing, written, is_in_doubt, abandoned, summary };
        inspect::inspect(&node, &self.policy, &step)?;
        let id = u32::try_from(self.nodes.len()).unwrap();
        self.nodes.push(node);
        self.ids.insert(key, id);
        Ok(id)
    }

    /// Rule 13: no flow goes round in circles, however short a backoff is drawn and however fast
    /// everybody responds. Later nodes lie later in time or in a fixed order.
    pub(super) fn ends(&self) -> Result<(), Violation> {
        let mut edges: Vec<Vec<u32>> = vec![Vec::new(); self.nodes.len()];
        for (from, exits) in self.exits.iter().enumerate() {
            let exits = exits.iter().flat_map(|exits| exits.iter());
            edges[from].extend(exits.map(|found| found.to));
        }
        for ((from, ..), to) in &self.lists {
            edges[*from as usize].push(*to);
        }
        let mut entries = vec![0_u32; edges.len()];
        for to in edges.iter().flatten() {
            entries[*to as usize] += 1;
        }
        let mut first: Vec<usize> = (0..edges.len()).filter(|id| entries[*id] == 0).collect();
        let mut ordered = 0;
        while let Some(id) = first.pop() {
            ordered += 1;
            for to in &edges[id] {
                let to = *to as usize;
                entries[to] -= 1;
                if entries[to] == 0 {
                    first.push(to);
                }
            }
        }
        ensure(ordered == edges.len(), "it goes round in circles")
    }

    /// The quotient is sound if flows that are merged stay alike, whatever happens.
    fn compare(&mut self, flow: &Flow, now: u8, id: u32) -> Result<(), Violation> {
        self.compared += 1;
        let doing = self.node(id).doing;
        let (one, other) = (self.moves(flow, now, doing)?, self.exits(id)?);
        ensure(one == *other, "merged flows that differ in what they do next")?;
        if let Doing::List { limit } = doing {
            let view = View::default();
            for is_complete in [true, false] {
                let event = self.reported_list(flow, view, is_complete);
                let one = self.after(flow, now + limit, Draw::Full, event)?;
                let other = self.after_list(id, limit, Draw::Full, view, is_complete)?;
                ensure(one == other, "merged flows that differ in what they read from a list")?;
            }
        }
        Ok(())
    }
}
