//! Flows, each of their states once, and what each event makes of it. The flow is portal-model's own.

use portal_ledger::outcome::beside_rival;
use portal_model::endpoint::Response;
use portal_model::flow::{Event, Flow, Jitter, NotSent, Step, TokenId};
use portal_model::intent::Intent;
use portal_model::outcome::Outcome;
use portal_model::transport::NoResponse;

use super::Map;
use super::service::{View, response};
use super::world::{Deed, NAMES, Reply, World, at, units};

/// A flow with the step that it was asked for.
pub(super) struct Node {
    flow: Flow,
    /// Whose it is: flows of different policies are different.
    whose: Whose,
    /// Since it was started.
    elapsed: u8,
    pub(super) doing: Doing,
    /// What is to be recorded.
    pub(super) intent: Option<Intent>,
    /// Whether the attempt whose event was handled last may yet take effect.
    pub(super) is_last_in_doubt: bool,
    /// The outcome of stopping before the step, and while it is under way.
    pub(super) before: u16,
    pub(super) during: u16,
}

/// Of which wish a flow is, whether it only looks, how much of its time was spent before, and whether the
/// entry has a rival.
pub(super) type Whose = (usize, bool, u8, bool);

/// A step, without what does not differ here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    List,
    Record,
    Send,
    Wait(u8),
    Done(u16),
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Happened {
    Woken,
    Listed(View),
    Recorded,
    NotRecorded,
    NotSent,
    Replied(Reply),
}

pub(super) struct Flows {
    nodes: Vec<Node>,
    ids: Map<String, u32>,
    after: Map<(u32, u8, Happened), u32>,
    outcomes: Vec<Outcome>,
    outcome_ids: Map<String, u16>,
    /// No flow differs any more after that time.
    longest: u8,
}

impl Flows {
    pub(super) fn new(world: &World) -> Self {
        Self {
            nodes: Vec::new(),
            ids: Map::default(),
            after: Map::default(),
            outcomes: Vec::new(),
            outcome_ids: Map::default(),
            longest: world.deadline + 2,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn node(&self, id: u32) -> &Node {
        &self.nodes[id as usize]
    }

    pub(super) fn outcome(&self, id: u16) -> &Outcome {
        &self.outcomes[usize::from(id)]
    }

    pub(super) fn outcome_id(&mut self, outcome: Outcome) -> u16 {
        let next = u16::try_from(self.outcomes.len()).unwrap();
        let outcomes = &mut self.outcomes;
        *self.outcome_ids.entry(format!("{outcome:?}")).or_insert_with(|| {
            outcomes.push(outcome);
            next
        })
    }

    /// A flow that begins now. Tokens are there at once.
    pub(super) fn start(&mut self, flow: Flow, whose: Whose) -> u32 {
        self.enter(flow, whose, 0)
    }

    /// What `happened`, so long after the step was taken, makes of a node.
    pub(super) fn after(&mut self, id: u32, later: u8, happened: Happened, deed: Deed) -> u32 {
        if let Some(to) = self.after.get(&(id, later, happened)) {
            return *to;
        }
        let node = self.node(id);
        let (mut flow, whose) = (node.flow.clone(), node.whose);
        let elapsed = node.elapsed.saturating_add(later).min(self.longest);
        if let Some(event) = event(happened, deed) {
            flow.handle(at(elapsed), Jitter::FULL, event).expect("an event that fits the step");
        }
        let to = self.enter(flow, whose, elapsed);
        self.after.insert((id, later, happened), to);
        to
    }

    fn enter(&mut self, mut flow: Flow, whose: Whose, elapsed: u8) -> u32 {
        let now = at(elapsed);
        let (before, step) = loop {
            let before = flow.clone();
            match flow.step(now) {
                Step::Authenticate { .. } => {
                    flow.handle(now, Jitter::FULL, Event::Token(TokenId(1))).expect("a token");
                }
                step => break (before, step),
            }
        };
        let (doing, intent) = match step {
            Step::Authenticate { .. } | Step::List { .. } => (Doing::List, None),
            Step::Record(intent) => (Doing::Record, Some(intent)),
            Step::Send { .. } => (Doing::Send, None),
            Step::WaitUntil(time) => (Doing::Wait(units(time.saturating_sub(now))), None),
            Step::Done(outcome) => {
                let outcome = if whose.3 { beside_rival(*outcome) } else { *outcome };
                (Doing::Done(self.outcome_id(outcome)), None)
            }
        };
        let is_last_in_doubt = flow.is_last_in_doubt();
        let before = self.outcome_id(before.abandon());
        let during = self.outcome_id(flow.clone().abandon());
        let key = match doing {
            Doing::Done(outcome) => format!("{outcome} {is_last_in_doubt}"),
            _ => format!(
                "{whose:?} {elapsed} {doing:?} {is_last_in_doubt} {before} {during} {:?}",
                flow.state()
            ),
        };
        let next = u32::try_from(self.nodes.len()).unwrap();
        let nodes = &mut self.nodes;
        *self.ids.entry(key).or_insert_with(|| {
            nodes.push(Node {
                flow,
                whose,
                elapsed,
                doing,
                intent,
                is_last_in_doubt,
                before,
                during,
            });
            next
        })
    }
}

fn event(happened: Happened, deed: Deed) -> Option<Event> {
    Some(match happened {
        Happened::Woken => return None,
        Happened::Listed(view) => Event::Response(response(view)),
        Happened::Recorded => Event::Recorded,
        Happened::NotRecorded => Event::NotRecorded("no response".to_owned()),
        Happened::NotSent => Event::NotSent(NotSent::NotStarted("too late".to_owned())),
        Happened::Replied(reply) => return Some(replied(reply, deed)),
    })
}

/// The reply to an attempt, in literal bytes.
fn replied(reply: Reply, deed: Deed) -> Event {
    let (Deed::Create(name) | Deed::Rename(_, name)) = deed;
    let name = NAMES[usize::from(name)];
    let (status, body) = match reply {
        Reply::Lost => return Event::NoResponse(NoResponse::TimedOut),
        Reply::Success => (
            200,
            format!(
                r#"{{"portals":[{{"code":"SUCCESS","details":{{"name":"{name}"}},"message":"Portal created successfully with given name.","status":"success"}}]}}"#
            ),
        ),
        Reply::Limited => (429, error("TOO_MANY_REQUESTS")),
        Reply::NewCode => (400, error("NEW_CODE")),
        Reply::Missing => (400, error("INVALID_DATA")),
        Reply::Used => (400, item_error("ALREADY_USED")),
        Reply::Rejected => (400, item_error("PATTERN_NOT_MATCHED")),
    };
    Event::Response(Response::new(status, body))
}

fn error(code: &str) -> String {
    format!(r#"{{"code":"{code}","details":{{}},"message":"","status":"error"}}"#)
}

fn item_error(code: &str) -> String {
    format!(r#"{{"portals":[{}]}}"#, error(code))
}
