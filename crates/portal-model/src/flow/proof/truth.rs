//! What must hold in every state, and of every outcome.

use std::time::Duration;

use crate::endpoint::Response;
use crate::flow::{Jitter, NoAnswer, NotSent, Phase, Policy, Report, Step, TokenError, TokenId};
use crate::outcome::{NotCreated, Origin, Outcome, Owner, Unsettled};

use super::machine::{Doing, Lie, Machine, Node, at, index, units};
use super::server::{Holder, Server};
use super::state::State;

pub(super) fn ensure(holds: bool, lie: &str) -> Result<(), Lie> {
    if holds { Ok(()) } else { Err(lie.to_owned()) }
}

/// Holds an outcome against what the service knows. `certain` are the portals that the look-up
/// before it could not miss, if it was one.
pub(super) fn judge(
    outcome: &Outcome,
    server: &Server,
    in_doubt: bool,
    certain: Option<u8>,
) -> Result<(), Lie> {
    let (ours, made) = (server.ours(), server.made_by_us());
    let name = index(outcome.name());
    let one = 1_u8 << name;
    let holder = server.names[name];
    ensure(made.count_ones() <= 1, "two portals by one flow")?;
    match outcome {
        Outcome::Created { .. } => return ensure(made == one, "created, but it isn't there"),
        Outcome::Present { origin: Origin::Preexisting, .. } => {
            return ensure(ours & one != 0 && made == 0, "preexisting, but it isn't");
        }
        Outcome::Present { origin: Origin::Appeared, .. } => {
            ensure(in_doubt, "appeared, but nothing was in doubt")?;
            return ensure(ours & one != 0 && made & !one == 0, "appeared, but it isn't there");
        }
        Outcome::Unknown { .. } => {
            ensure(in_doubt, "unknown, but nothing was in doubt")?;
            return ensure(made & !one == 0, "in doubt about another name than the one made");
        }
        Outcome::OrgHasPortal { portal, .. } => {
            let other = index(&portal.name);
            ensure(ours & (1 << other) != 0 && other != name, "the org has no such portal")?;
        }
        Outcome::NameTaken { owner: Owner::AnotherOrg, .. } => {
            // The one caveat: without doubt the flow looks once, at once, so a portal that a
            // colleague created less than `settle` before may be missing from that list.
            let missable = certain.is_some_and(|certain| certain & one == 0);
            let missed = matches!(holder, Holder::Colleague { .. }) && missable && !in_doubt;
            ensure(holder == Holder::AnotherOrg || missed, "another org's, but it isn't")?;
        }
        Outcome::NameTaken { owner: Owner::Undetermined, .. } => {
            ensure(holder != Holder::Nobody, "taken, but it isn't")?;
        }
        Outcome::Rejected { .. } | Outcome::NotCreated { .. } => {}
    }
    ensure(made == 0, "nothing was created, it says, but it was")?;
    ensure(server.pending == [0; 2], "nothing was created, it says, but it may be yet")
}

/// Abandoned here, or killed with nothing written down.
pub(super) fn stop_here(state: &State, machine: &Machine) -> Result<(), Lie> {
    let node = machine.node(state.node);
    let posting = matches!(node.doing, Doing::Post { .. });
    let in_doubt = posting || state.memory.doubt.is_some();
    let made = state.server.made_by_us() != 0 || state.server.pending != [0; 2];
    match &node.intent {
        Some(_) => ensure(in_doubt, "an intent, but nothing in doubt"),
        None if node.doing == Doing::Done => Ok(()),
        None => ensure(!made && !posting, "a POST of ours, but no intent"),
    }
}

/// What must hold of a flow, whatever the service does.
pub(super) fn inspect(node: &Node, policy: &Policy, step: &Step) -> Result<(), Lie> {
    let deadline = units(policy.deadline);
    match node.doing {
        Doing::Wait { time } => {
            ensure(time > 0 && node.now + time < deadline, "a wait of no use")?;
        }
        Doing::Authenticate { limit, .. } | Doing::LookUp { limit } => {
            let longest = units(policy.attempt_timeout).min(deadline - node.now);
            ensure(limit > 0 && limit <= longest, "a request without time for it")?;
        }
        Doing::Post { name, limit } => {
            let needed = units(policy.time_for_a_post());
            ensure(node.now + needed <= deadline, "a POST without time to settle it")?;
            ensure(limit == units(policy.attempt_timeout), "a POST of another length")?;
            let intended = node.intent.as_ref().map(|intent| index(intent.name.as_str()));
            ensure(intended == Some(name), "a POST without its intent")?;
        }
        Doing::Done => {}
    }
    stop_anywhere(node)?;
    ask_again(node, step)?;
    report_nonsense(node)
}

/// What it says when it is abandoned is certain if and only if there is no intent.
fn stop_anywhere(node: &Node) -> Result<(), Lie> {
    let honest = match (&node.flow.phase, &node.abandoned) {
        (Phase::Over(outcome), abandoned) => {
            outcome.as_ref() == abandoned && outcome.is_certain() == node.intent.is_none()
        }
        (_, Outcome::NotCreated { reason: NotCreated::Stopped, .. }) => node.intent.is_none(),
        (_, Outcome::Unknown { unsettled: Unsettled::Stopped, intent, .. }) => {
            node.intent.as_ref() == Some(intent)
        }
        _ => false,
    };
    ensure(honest, "abandoned, and not honest about it")
}

/// Asking once more changes nothing, and a wait goes on for what is left of it.
fn ask_again(node: &Node, step: &Step) -> Result<(), Lie> {
    let mut again = node.flow.clone();
    ensure(again.step(at(node.now)) == *step, "another step when it is asked again")?;
    if let Step::Wait(time) = step {
        let soon = at(node.now) + time.saturating_sub(Duration::from_millis(1));
        let rest = Step::Wait(Duration::from_millis(1));
        ensure(again.step(soon) == rest, "a wait that changes its mind")?;
    }
    ensure(again == node.flow, "asking again changed the flow")
}

/// A report that does not fit is refused and changes nothing.
fn report_nonsense(node: &Node) -> Result<(), Lie> {
    let of_token = matches!(node.doing, Doing::Authenticate { .. });
    let of_answer = matches!(node.doing, Doing::Post { .. } | Doing::LookUp { .. });
    for (fits, report) in [
        (of_token, Report::Token(TokenId(7))),
        (of_token, Report::NoToken(TokenError::NotRenewable)),
        (of_answer, Report::Answer(Response::new(204, ""))),
        (of_answer, Report::NotSent(NotSent::ConnectTimedOut)),
        (of_answer, Report::NoAnswer(NoAnswer::TimedOut)),
    ] {
        if !fits {
            let mut flow = node.flow.clone();
            let refused = flow.report(at(node.now), Jitter::FULL, report).is_err();
            ensure(refused && flow == node.flow, "it took a report that doesn't fit")?;
        }
    }
    Ok(())
}
