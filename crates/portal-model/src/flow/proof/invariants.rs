//! What must hold in every state, and of every outcome, in terms of the service's own state.

use std::time::Duration;

use crate::endpoint::Response;
use crate::flow::{Event, Intent, Jitter, NoResponse, NotSent, Step, TokenError, TokenId};
use crate::outcome::Origin;

use super::machine::{Doing, Draw, Machine, Node, at, units};
use super::replies::Meaning;
use super::service::{Deed, Maker, Service, Version, View};
use super::state::{State, World};
use super::wish::{Ending, Reason, Verdict, Whose, Why, Wish, index};
use super::witness::{Last, Process};

/// What an invariant that does not hold says.
pub(super) type Violation = String;

pub(super) fn ensure(holds: bool, violation: &str) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(violation.to_owned()) }
}

/// What must hold of the service, whatever the flow knows.
pub(super) fn of_service(service: &Service, world: &World) -> Result<(), Violation> {
    let made = service.made_by(Maker::Us).count();
    // Whoever renames a portal before any list shows it frees its name for the next copy.
    let renamed = service.renames < world.renames;
    ensure(made <= 1 || renamed, "two portals by one wish")?;
    let machines = service.made_by(Maker::Machine).count();
    ensure(
        world.allow_another || made == 0 || machines == 0,
        "a second portal of this machine in the org",
    )
}

/// Whether a list showed a portal of this wish under another name than the one that was sent.
pub(super) fn shows_ours_renamed(state: &State, view: View, world: &World) -> bool {
    !world.is_rename
        && state.service.slots.iter().zip(view.0).any(|(slot, shown)| {
            slot.maker == Some(Maker::Us)
                && shown.exists()
                && shown.is_renamed()
                && shown.name() != state.witness.name
        })
}

/// Checks an attempt, and takes note of it.
pub(super) fn send<E: Wish>(
    state: &mut State,
    machine: &Machine<E>,
    deed: Deed,
) -> Result<(), Violation> {
    let world = &machine.world;
    let service = &state.service;
    let witness = &mut state.witness;
    witness.asks_for(true);
    ensure(witness.process != Process::Recovering, "an attempt by a recovery")?;
    ensure(witness.cleared, "an attempt although no list clears the way")?;
    ensure(!witness.renamed_shown, "an attempt although a list showed the portal, renamed")?;
    if let Deed::Create { name } = deed {
        ensure(name >= witness.name, "an attempt of a name that was given up")?;
        if name > witness.name {
            ensure(
                (witness.name..name).all(|before| service.is_foreign(before)),
                "a fallback although the name before is not another org's",
            )?;
            ensure(!may_be_done(service, world), "a fallback although there may be a portal")?;
            witness.name = name;
            witness.posts = 0;
        }
    } else {
        ensure(witness.doubt.is_none(), "a rename is repeated in doubt")?;
    }
    ensure(u32::from(witness.posts) < machine.policy.max_attempts, "more attempts than allowed")?;
    witness.posts += 1;
    witness.sent = true;
    ensure(witness.disk != 0, "an attempt whose intent is not durable")?;
    let node = machine.node(state.node);
    let verified = node.now + witness.late + units(machine.policy.time_for_an_attempt());
    ensure(verified <= units(machine.policy.deadline), "an attempt without time to verify it")?;
    let durable = &machine.intents[usize::from(witness.disk) - 1];
    let (attempts, has_baseline) = match durable {
        Intent::Create(intent) => {
            ensure(
                deed == Deed::Create { name: index(intent.name.as_str()) },
                "the durable intent names another portal",
            )?;
            (intent.attempts, intent.baseline.is_some())
        }
        Intent::Rename(intent) => {
            ensure(index(&intent.old) == 0 && index(intent.new.as_str()) == 1, "another rename")?;
            (intent.attempts, intent.baseline.is_some())
        }
    };
    ensure(attempts >= u32::from(witness.posts), "the durable intent has too few attempts")?;
    ensure(has_baseline == witness.absent_seen, "the durable intent lacks what a list showed")?;
    ensure(witness.disk == node.intent, "the durable intent is not the flow's")
}

/// Whether something was done by this wish, or may yet be done.
fn may_be_done(service: &Service, world: &World) -> bool {
    let deeds = [Deed::Create { name: 0 }, Deed::Create { name: 1 }];
    let deeds = if world.is_rename { &[Deed::Rename][..] } else { &deeds };
    is_done(service) || deeds.iter().any(|deed| service.is_pending(*deed, world.limited))
}

/// Somebody who gives a portal its old name back undoes a rename.
fn is_done(service: &Service) -> bool {
    service.made_by(Maker::Us).count() > 0
        || service.slots.iter().any(|slot| slot.current().is_some_and(Version::is_ours))
}

/// Holds an outcome against what the service and the witness know.
pub(super) fn judge<E: Wish>(
    verdict: Verdict,
    state: &State,
    machine: &Machine<E>,
    was_in_doubt: bool,
) -> Result<(), Violation> {
    let Verdict { name, taken, end } = verdict;
    let State { service, witness, .. } = state;
    let world = &machine.world;
    let in_doubt = was_in_doubt || witness.doubt.is_some();
    ensure(taken & !service.foreign == 0, "a name is said to be another org's, and is not")?;
    match end {
        Ending::Created => {
            let made = service
                .made_by(Maker::Us)
                .any(|slot| slot.current().is_some_and(|version| version.name() == name));
            return ensure(made, "created, it says, but it was not");
        }
        Ending::Renamed => {
            let is_there = service.shows(1);
            ensure(in_doubt || witness.sent, "renamed, it says, with nothing sent")?;
            return ensure(is_there, "renamed, it says, but nothing has the name");
        }
        Ending::Present(origin) => {
            ensure(service.shows(name), "present, it says, but it is not there")?;
            return match origin {
                Origin::Preexisting => ensure(
                    !witness.sent && witness.process == Process::First,
                    "preexisting, it says, after an attempt",
                ),
                Origin::Appeared => {
                    ensure(in_doubt, "appeared, it says, with nothing in doubt")?;
                    ensure(witness.absent_seen, "appeared, it says, but absence was not seen")
                }
                Origin::Undetermined => {
                    ensure(!witness.absent_seen, "of undetermined origin, but absence was seen")
                }
            };
        }
        Ending::Unknown(why) => {
            ensure(in_doubt, "unknown, it says, with nothing in doubt")?;
            return avoidable(why, state, machine);
        }
        Ending::Taken(Whose::Undetermined(why)) => {
            let was_taken =
                service.is_taken(name) || service.shows(name) || service.renames < world.renames;
            ensure(was_taken, "taken, it says, but it is not")?;
            ensure(witness.sent, "taken, it says, with nothing sent")?;
            return avoidable(why, state, machine);
        }
        Ending::OrgHas(other) => {
            // A portal that a list showed may have another name by now.
            let is_there =
                service.shows(other) || service.renames < world.renames && !service.is_empty();
            ensure(is_there && other != name, "the org has no such portal")?;
        }
        Ending::Taken(Whose::AnotherOrg) => {
            ensure(
                !witness.used_in_doubt,
                "another org's, it says, but an own attempt is in doubt",
            )?;
            let renamed_back = world.is_rename && service.renames < world.renames;
            let is_foreign = service.is_foreign(name) || renamed_back;
            ensure(is_foreign, "another org's, it says, but it is not")?;
        }
        Ending::Taken(Whose::ThisOrg) => {
            ensure(service.shows(name), "this org's, it says, but it is not")?;
        }
        Ending::Unchanged => {
            ensure(service.shows(1) && !witness.sent, "unchanged, it says, but it was renamed")?;
        }
        Ending::NotFound => ensure(!witness.sent, "not found, it says, after an attempt")?,
        Ending::Rejected(code) => {
            ensure(witness.rejection == Some(code), "rejected, it says, but not by that error")?;
        }
        Ending::NotDone(reason) => not_done(reason, state, was_in_doubt)?,
    }
    ensure(!is_done(service), "nothing was done, it says, but it was")?;
    ensure(!may_be_done(service, world), "nothing was done, it says, but it may be yet")
}

/// Why an outcome is not certain must be so, and no later list could have settled it.
fn avoidable<E: Wish>(why: Why, state: &State, machine: &Machine<E>) -> Result<(), Violation> {
    let witness = &state.witness;
    let holds = match why {
        Why::Deadline => witness.hindered || !witness.may_list,
        Why::ListRejected => !witness.may_list || witness.last == Last::Other,
        Why::Auth => matches!(witness.last, Last::NoToken | Last::TokenRejected),
        // Without times, every new portal may have been renamed.
        Why::Renamed => state.service.renames < machine.world.renames || machine.world.bare,
        // Without a list from before, nobody knows that the portal ever was there.
        Why::Gone => {
            machine.world.is_rename
                && (state.service.renames < machine.world.renames
                    || !machine.has_baseline(witness.disk))
        }
        Why::EarlierAttempt => witness.sent,
        Why::AtOnce => machine.policy.name_taken == crate::flow::NameTaken::AtOnce,
        Why::Stopped => true,
    };
    ensure(holds, &format!("unknown because of {why:?}, it says, which is not so"))
}

/// The reason is what happened last. In doubt, lists came after it.
fn not_done(reason: Reason, state: &State, was_in_doubt: bool) -> Result<(), Violation> {
    let last = state.witness.last;
    let holds = match reason {
        _ if was_in_doubt => reason != Reason::Stopped,
        Reason::Unreachable => matches!(last, Last::Unreachable | Last::TokenRejected),
        Reason::RateLimited => matches!(last, Last::RateLimited | Last::TokenRejected),
        Reason::Auth => matches!(last, Last::NoToken | Last::TokenRejected),
        Reason::NotRecorded => last == Last::NotRecorded,
        Reason::Exhausted => state.witness.sent,
        Reason::Deadline => true,
        Reason::Absent => state.witness.process == Process::Recovering,
        Reason::Stopped => false,
    };
    ensure(holds, &format!("not done because of {reason:?}, it says, but last was {last:?}"))
}

/// Stopped or killed here, at any moment: what it says is true, and what needs an intent has one.
pub(super) fn stop_here<E: Wish>(state: &State, machine: &Machine<E>) -> Result<(), Violation> {
    let node = machine.node(state.node);
    let State { service, witness, .. } = state;
    let may_be_done = may_be_done(service, &machine.world);
    let sending = matches!(node.doing, Doing::Send { .. });
    if node.doing == Doing::Done {
        return Ok(());
    }
    match node.abandoned.end {
        Ending::NotDone(Reason::Stopped) => {
            ensure(!may_be_done && !sending, "stopped with nothing done, it says, but it may be")?;
        }
        Ending::Unknown(_) => {
            ensure(sending || witness.doubt.is_some(), "stopped in doubt, it says, with none")?;
        }
        Ending::Taken(Whose::Undetermined(_)) => {}
        _ => return Err("stopped, and certain of more than that".to_owned()),
    }
    ensure(witness.disk != 0 || !(may_be_done || sending), "something of ours, but no intent")?;
    let may_be_unknown = witness.disk != 0 || !sending;
    ensure(may_be_unknown, "sending without an intent")
}

/// Stopped after the intent was written and before the attempt.
pub(super) fn stopped_before_sending(stopped: Verdict, in_doubt: bool) -> Result<(), Violation> {
    let honest = match stopped.end {
        Ending::NotDone(Reason::Stopped) => !in_doubt,
        Ending::Unknown(_) => in_doubt,
        _ => false,
    };
    ensure(honest, "stopped before an attempt, and not honest about it")
}

/// Rule 12, and no request right after the same one failed.
pub(super) fn patience<E: Wish>(
    machine: &Machine<E>,
    before: &State,
    doing: Doing,
    meaning: Meaning,
    to: u32,
    draw: Draw,
) -> Result<(), Violation> {
    let (failed_read, asked) = match (doing, meaning) {
        (_, Meaning::RateLimited { asked, .. }) => (true, asked.unwrap_or(0)),
        // What came of an attempt may be asked for as soon as the service allows.
        (Doing::Send { .. }, Meaning::Busy(0)) => return Ok(()),
        (_, Meaning::Busy(asked)) => (true, asked),
        (Doing::Send { .. } | Doing::Done | Doing::Wait { .. }, _) => return Ok(()),
        (_, Meaning::NotSent | Meaning::NeverSent | Meaning::NoTokenYet | Meaning::Nothing) => {
            (true, 0)
        }
        (_, Meaning::List { is_complete: false, .. }) => (false, 0),
        _ => return Ok(()),
    };
    let now = machine.node(before.node).now + before.elapsed;
    let node = machine.node(to);
    let last_list = units(machine.policy.deadline) - units(machine.policy.read_timeout);
    let backoff = match draw {
        Draw::None => units(machine.policy.backoff_base / 2),
        Draw::Full => units(machine.policy.backoff_base),
    };
    let until = now.saturating_add(asked.max(backoff));
    // With the jitter that is added to what the service asks for.
    let wakes_at = now.saturating_add(asked + backoff).max(until);
    let patient = match node.doing {
        Doing::Done => true,
        Doing::Wait { time } => {
            let waits_until = node.now + time;
            waits_until >= until || waits_until == last_list || until > last_list
        }
        // A list although the service asks to wait beyond the last one.
        Doing::List { .. } | Doing::Authenticate { .. } => wakes_at > last_list,
        Doing::Record | Doing::Send { .. } => false,
    };
    ensure(patient || !failed_read, "not as patient as the service asked for")
}

/// What must hold of a flow, whatever the service does.
pub(super) fn inspect<E: Wish>(
    node: &Node<E>,
    machine: &Machine<E>,
    step: &Step<E::Outcome>,
) -> Result<(), Violation> {
    let policy = &machine.policy;
    let deadline = units(policy.deadline);
    ensure(node.doing == Doing::Done || node.now <= deadline, "it goes on past the deadline")?;
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
            ensure(node.intent != 0, "an attempt without its intent")?;
        }
        Doing::Record => {
            let Step::Record(intent) = step else { unreachable!() };
            let kept = &machine.intents[usize::from(node.intent) - 1];
            ensure(kept == intent, "an intent to record that is not the flow's")?;
        }
        Doing::Done => {}
    }
    stop_anywhere(node)?;
    ask_again(node, step)?;
    report_nonsense(node)
}

/// What it says when it is abandoned is certain if and only if there is no intent. A name that is
/// taken by somebody is that, whoever it is.
fn stop_anywhere<E: Wish>(node: &Node<E>) -> Result<(), Violation> {
    let honest = match (node.verdict, node.abandoned.end) {
        (Some(verdict), _) => {
            let is_certain = !matches!(verdict.end, Ending::Unknown(_));
            verdict == node.abandoned && is_certain == (node.intent == 0)
        }
        // Recorded, but not sent.
        (None, Ending::NotDone(Reason::Stopped)) => node.intent == 0 || node.doing == Doing::Record,
        (None, Ending::Unknown(_) | Ending::Taken(Whose::Undetermined(_))) => node.intent != 0,
        _ => false,
    };
    ensure(honest, "abandoned, and not honest about it")
}

/// Asking once more changes nothing, and a wait goes on for what is left of it.
fn ask_again<E: Wish>(node: &Node<E>, step: &Step<E::Outcome>) -> Result<(), Violation> {
    let mut again = node.flow.clone();
    ensure(again.step(at(node.now)) == *step, "another step when it is asked again")?;
    if let Step::WaitUntil(time) = step {
        let soon = time.saturating_sub(Duration::from_millis(1));
        ensure(again.step(soon) == *step, "a wait that changes its mind")?;
    }
    ensure(again == node.flow, "asking again changed the flow")
}

/// An event that does not fit is refused and changes nothing.
fn report_nonsense<E: Wish>(node: &Node<E>) -> Result<(), Violation> {
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
