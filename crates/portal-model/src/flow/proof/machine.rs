//! The flow by itself: every state in which a driver can meet it, and what each report makes of
//! it. Each is computed once, however many services and histories it meets.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use crate::create::CreatePortal;
use crate::endpoint::ApiVersion;
use crate::error::{ApiError, ErrorCode};
use crate::flow::{
    Absent, CreateFlow, Intent, Jitter, Phase, Policy, Report, Step, TokenId, UnderWay,
};
use crate::name::PortalName;
use crate::outcome::{Doubt, NotCreated, Outcome, Unsettled};

use super::replies::{self, Said};
use super::server::{SPELLED, Server};
use super::truth;

/// What an invariant that does not hold says.
pub(super) type Lie = String;

pub(super) struct Machine {
    pub(super) policy: Policy,
    nodes: Vec<Node>,
    ids: HashMap<String, usize>,
    /// From the node with the same number.
    exits: Vec<Option<Rc<Exits>>>,
}

/// Everything that a driver can do at a node.
pub(super) struct Exits {
    pub(super) moves: Vec<Move>,
    /// The flow of another process, which resumes the intent.
    pub(super) resumed: Option<usize>,
}

/// A flow that has just been asked for its step.
pub(super) struct Node {
    pub(super) flow: CreateFlow,
    /// Since its start, in units, which are seconds.
    pub(super) now: u16,
    pub(super) doing: Doing,
    pub(super) intent: Option<Intent>,
    pub(super) abandoned: Outcome,
}

/// The flow's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Authenticate { renew: bool, limit: u16 },
    Post { name: usize, limit: u16 },
    LookUp { limit: u16 },
    Wait { time: u16 },
    Done,
}

/// What a driver does after `elapsed` units, and the node that it leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) elapsed: u16,
    pub(super) draw: Draw,
    pub(super) said: Said,
    pub(super) label: &'static str,
    pub(super) to: usize,
}

/// Of the back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Draw {
    None,
    Full,
}

impl Machine {
    pub(super) fn new(policy: Policy) -> Self {
        assert_eq!(policy.backoff_base, policy.backoff_max, "a node does not count retries");
        Self { policy, nodes: Vec::new(), ids: HashMap::new(), exits: Vec::new() }
    }

    pub(super) fn node(&self, id: usize) -> &Node {
        &self.nodes[id]
    }

    /// Also says how many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn start(&mut self, candidates: usize) -> Result<usize, Lie> {
        let flow = CreateFlow::new(name(0), self.policy.clone(), ApiVersion::V7);
        self.ask(flow.or((1..candidates).map(name)), 0)
    }

    pub(super) fn exits(&mut self, id: usize) -> Result<Rc<Exits>, Lie> {
        if let Some(Some(exits)) = self.exits.get(id) {
            return Ok(Rc::clone(exits));
        }
        let moves = self.find_moves(id)?;
        let resumed = match self.nodes[id].intent.clone() {
            Some(intent) => {
                let flow = CreateFlow::resume(intent, self.policy.clone(), ApiVersion::V7);
                Some(self.ask(flow, 0)?)
            }
            None => None,
        };
        let exits = Rc::new(Exits { moves, resumed });
        self.exits.resize(self.nodes.len(), None);
        self.exits[id] = Some(Rc::clone(&exits));
        Ok(exits)
    }

    /// Those that differ in when they are, what they say, or where they lead.
    fn find_moves(&mut self, id: usize) -> Result<Vec<Move>, Lie> {
        let Node { flow, now, doing, .. } = &self.nodes[id];
        let (flow, now) = (flow.clone(), *now);
        let (elapsed, inputs) = match *doing {
            Doing::Done => return Ok(Vec::new()),
            Doing::Authenticate { limit, .. } => {
                let token = (Said::Token, "a token", Report::Token(IN_USE));
                (0..=limit, replies::without_a_token().into_iter().chain([token]).collect())
            }
            Doing::LookUp { limit } => {
                let lists = (0..8).map(|shown| {
                    (Said::List(shown), "a list", Report::Answer(Server::list(shown)))
                });
                (0..=limit, replies::to_any_request().into_iter().chain(lists).collect())
            }
            Doing::Post { name, limit } => {
                let replies = replies::to_any_request().into_iter();
                (0..=limit, replies.chain(replies::to_a_post(name)).collect())
            }
            // A driver may oversleep.
            Doing::Wait { time } => (time..=time + 1, Vec::new()),
        };
        let mut moves: Vec<Move> = Vec::new();
        let mut add = |found: Move| {
            let alike = |known: &Move| {
                (known.elapsed, known.said, known.to) == (found.elapsed, found.said, found.to)
            };
            if !moves.iter().any(alike) {
                moves.push(found);
            }
        };
        for elapsed in elapsed {
            let now = now + elapsed;
            if inputs.is_empty() {
                let to = self.ask(flow.clone(), now)?;
                add(Move { elapsed, draw: Draw::Full, said: Said::Woken, label: "", to });
            }
            for (said, label, report) in &inputs {
                for (draw, jitter) in [(Draw::Full, Jitter::FULL), (Draw::None, Jitter::NONE)] {
                    let mut flow = flow.clone();
                    flow.report(at(now), jitter, report.clone())
                        .map_err(|unexpected| unexpected.to_string())?;
                    let to = self.ask(flow, now)?;
                    add(Move { elapsed, draw, said: *said, label, to });
                }
            }
        }
        Ok(moves)
    }

    fn ask(&mut self, mut flow: CreateFlow, now: u16) -> Result<usize, Lie> {
        let mut step = flow.step(at(now));
        let longest = self.policy.deadline;
        truth::ensure(at(now) <= longest, "it goes on past the deadline")?;
        if let Step::Authenticate { rejected: Some(id) } = step
            && let Some((rejected, _)) = &mut flow.token.rejected
        {
            truth::ensure(id == IN_USE || id == REFUSED, "a token refused that is not known")?;
            *rejected = REFUSED;
            step = flow.step(at(now));
        }
        let key = canonical(&flow, now);
        if let Some(&id) = self.ids.get(&key) {
            return Ok(id);
        }
        let limit = units(flow.time_limit(at(now)));
        let doing = match &step {
            Step::Authenticate { rejected } => {
                Doing::Authenticate { renew: rejected.is_some(), limit }
            }
            Step::Send(request) => {
                let sent = CreatePortal::parse(&request.body).map_err(|e| format!("{e:?}"))?;
                Doing::Post { name: index(sent.name.as_str()), limit }
            }
            Step::LookUp(_) => Doing::LookUp { limit },
            Step::Wait(time) => Doing::Wait { time: units(*time) },
            Step::Done(_) => Doing::Done,
        };
        let intent = flow.intent();
        let node = Node { now, doing, intent, abandoned: flow.clone().abandon(), flow };
        truth::inspect(&node, &self.policy, &step)?;
        self.nodes.push(node);
        self.ids.insert(key, self.nodes.len() - 1);
        Ok(self.nodes.len() - 1)
    }
}

/// Up to symmetry there are no more tokens: a new one is called as the refused one was before.
const REFUSED: TokenId = TokenId(0);
const IN_USE: TokenId = TokenId(1);

/// The same for flows that differ in nothing that decides anything later: in the words of errors,
/// in what a token was refused for before the one in use, in how long ago an attempt settled, in
/// the number of retries where each backs off alike, and in the time once all is over.
fn canonical(flow: &CreateFlow, now: u16) -> String {
    let mut flow = flow.clone();
    if let Phase::Over(outcome) = &flow.phase {
        return match outcome.as_ref() {
            Outcome::Rejected { name, .. } => format!("rejected {name:?}"),
            Outcome::NotCreated { name, .. } => format!("not created {name:?}"),
            Outcome::Unknown { intent: Intent { name, requested, .. }, unsettled, .. } => {
                format!("{name:?} {requested:?} {}", *unsettled == Unsettled::Deadline)
            }
            certain => format!("{certain:?}"),
        };
    }
    flow.retries = 0;
    let began = match flow.under_way {
        Some(UnderWay::LookUp { began }) => began,
        _ => at(now),
    };
    let may_have_to_settle = flow.doubt.is_some()
        || flow.candidates.len() > 1 && matches!(flow.phase, Phase::LookUp(Absent::Refused(_)));
    flow.last_attempt_ended =
        if may_have_to_settle { flow.settled_at().max(began) } else { Duration::ZERO };
    flow.doubt = flow.doubt.map(|_| Doubt::UnderWay);
    flow.setback = match flow.setback {
        Some(NotCreated::Throttled { retry_after: Some(_) }) if flow.wake_at > Some(at(now)) => {
            Some(NotCreated::Throttled { retry_after: Some(Duration::ZERO) })
        }
        _ => None,
    };
    if let (None, Some((_, error))) = (flow.token.current, &mut flow.token.rejected) {
        *error = unsaid();
    } else {
        flow.token.rejected = None;
    }
    if let Phase::LookUp(absent) = &mut flow.phase {
        match absent {
            Absent::Refused(error) => {
                let decides =
                    matches!(error.code, ErrorCode::AlreadyUsed | ErrorCode::LimitReached);
                *error = ApiError { code: error.code.clone(), ..unsaid() };
                if !decides {
                    *error = unsaid();
                }
            }
            Absent::TokenRejected(error) => *error = unsaid(),
            Absent::SendAgain | Absent::Report => {}
        }
        if *absent != Absent::SendAgain {
            flow.posts = 0;
        }
    }
    format!("{now} {flow:?}")
}

fn unsaid() -> ApiError {
    ApiError::new(0, "".into(), "")
}

pub(super) fn at(units: u16) -> Duration {
    Duration::from_secs(units.into())
}

pub(super) fn units(time: Duration) -> u16 {
    u16::try_from(time.as_secs()).unwrap_or(u16::MAX)
}

/// The name with that index, in other letters than the service spells it.
pub(super) fn name(index: usize) -> PortalName {
    let spelled = SPELLED[index];
    PortalName::parse(&(spelled[..1].to_owned() + &spelled[1..].to_lowercase())).unwrap()
}

/// The index of a name in any letters.
pub(super) fn index(name: &str) -> usize {
    SPELLED.iter().position(|spelled| spelled.eq_ignore_ascii_case(name)).unwrap()
}
