//! What must hold of a flow in every state of its own, whatever the service does.

use std::time::Duration;

use portal_model::endpoint::Response;
use portal_model::flow::{Event, Step, TokenError, TokenId};
use portal_model::flow::{Jitter, Policy};
use portal_model::transport::{NoResponse, NotSent};

use super::node::{Doing, Node};
use super::subject::{Ending, Reason, Summary, Whose};
use super::world::{Violation, at, ensure, units};

/// What must hold of a flow, whatever the service does.
pub(super) fn inspect(node: &Node, policy: &Policy, step: &Step) -> Result<(), Violation> {
    let deadline = units(policy.deadline);
    ensure(node.doing == Doing::Done || node.now <= deadline, "it continues past the deadline")?;
    match node.doing {
        Doing::Wait { time } => {
            ensure(time > 0 && node.now + time < deadline, "a wait of no use")?;
        }
        Doing::Authenticate { limit, .. } | Doing::List { limit } => {
            let longest = units(policy.read_timeout).min(deadline - node.now);
            ensure(limit > 0 && limit <= longest, "a request without time for it")?;
        }
        Doing::Send { limit, .. } => {
            let needed = units(policy.time_for_an_attempt());
            ensure(node.now + needed <= deadline, "an attempt without time to verify it")?;
            ensure(limit == units(policy.attempt_timeout), "an attempt of another length")?;
        }
        Doing::Record | Doing::Done => {}
    }
    stop_anywhere(node)?;
    step_again(node, step)?;
    handle_unexpected(node)
}

/// The outcome of abandoning is certain if and only if nothing is in doubt. A taken name is taken,
/// whatever process has it.
fn stop_anywhere(node: &Node) -> Result<(), Violation> {
    let honest = match (node.summary, node.abandoned.end) {
        (Some(summary), _) => {
            let is_certain = !matches!(summary.end, Ending::Unknown(_));
            summary == node.abandoned && is_certain != node.is_in_doubt
        }
        (None, Ending::NotDone(Reason::Stopped)) => !node.is_in_doubt,
        (None, Ending::Unknown(_) | Ending::Taken(Whose::Undetermined(_))) => node.is_in_doubt,
        _ => false,
    };
    ensure(honest, "abandoned, and not honest about it")
}

/// A second call changes nothing, and a wait continues for the rest of its time.
fn step_again(node: &Node, step: &Step) -> Result<(), Violation> {
    let mut again = node.flow.clone();
    ensure(again.step(at(node.now)) == *step, "another step when called again")?;
    if let Step::WaitUntil(time) = step {
        let soon = time.saturating_sub(Duration::from_millis(1));
        ensure(again.step(soon) == *step, "a wait that changes")?;
    }
    ensure(again == node.flow, "a second call changed the flow")
}

/// An event that does not fit is refused and changes nothing.
fn handle_unexpected(node: &Node) -> Result<(), Violation> {
    let of_token = matches!(node.doing, Doing::Authenticate { .. });
    let of_record = node.doing == Doing::Record;
    let of_request = matches!(node.doing, Doing::Send { .. } | Doing::List { .. });
    for (fits, event) in [
        (of_token, Event::Token(TokenId(7))),
        (of_token, Event::NoToken(TokenError::NotRenewable)),
        (of_record, Event::Recorded),
        (of_record, Event::NotRecorded(String::new())),
        (of_request, Event::Response(Response::new(204, ""))),
        (of_request, Event::NotSent(NotSent::ConnectTimedOut)),
        (of_request, Event::NoResponse(NoResponse::TimedOut)),
    ] {
        if !fits {
            let mut flow = node.flow.clone();
            let refused = flow.handle(at(node.now), Jitter::FULL, event).is_err();
            ensure(refused && flow == node.flow, "it took an event that does not fit")?;
        }
    }
    Ok(())
}

/// Stopped after the intent was written and before the attempt.
pub(super) fn stopped_before_sending(stopped: Summary, in_doubt: bool) -> Result<(), Violation> {
    let honest = match stopped.end {
        Ending::NotDone(Reason::Stopped) => !in_doubt,
        Ending::Unknown(_) => in_doubt,
        _ => false,
    };
    ensure(honest, "stopped before an attempt, and not honest about it")
}
