//! What must hold in every state, and of every outcome, in terms of the service's own state.

use portal_model::Operation;
use portal_model::flow::NameTaken;

use super::machine::Machine;
use super::node::{Doing, Draw};
use super::replies::Meaning;
use super::service::{Deed, Maker, Service, Version, View};
use super::state::State;
use super::subject::{Ending, Reason, Summary, Whose, Why, index};
use super::witness::{Last, Process};
use super::world::{Driver, Violation, World, ensure, units};

/// What must hold of the service, whatever the flow does.
pub(super) fn of_service(service: &Service, world: &World) -> Result<(), Violation> {
    let made = service.made_by(Maker::Us).count();
    ensure(made <= 1, "two portals by one create")?;
    let machines = service.made_by(Maker::Machine).count();
    ensure(
        world.allow_another || made == 0 || machines == 0,
        "a second portal of this machine in the org",
    )
}

/// Whether a list showed a portal of this create under another name than the one that was sent.
pub(super) fn shows_ours_renamed(state: &State, view: View, world: &World) -> bool {
    !world.is_rename
        && state.service.slots.iter().zip(view.0).any(|(slot, shown)| {
            slot.maker == Some(Maker::Us)
                && shown.exists()
                && shown.renames() > 0
                && shown.name() != state.witness.name
        })
}

/// Checks an attempt, and takes note of it.
pub(super) fn send(state: &mut State, machine: &Machine, deed: Deed) -> Result<(), Violation> {
    let world = &machine.world;
    let service = &state.service;
    let witness = &mut state.witness;
    witness.begins(true);
    ensure(witness.process != Process::Recovering, "an attempt by a recovery")?;
    ensure(witness.cleared, "an attempt although no list clears the way")?;
    ensure(!witness.renamed_shown, "an attempt although a list showed the portal, renamed")?;
    ensure(!witness.other_name, "an attempt although the service reported a success")?;
    if let Deed::Create { name } = deed {
        ensure(name >= witness.name, "an attempt of a name that was given up")?;
        if name > witness.name {
            ensure(
                (witness.name..name).all(|before| service.is_foreign(before)),
                "a fallback although the name before is not another org's",
            )?;
            ensure(!may_be_done(service, world), "a fallback although there may be a portal")?;
            witness.name = name;
            witness.attempts = 0;
        }
    } else {
        ensure(witness.doubt.is_none(), "a rename is repeated in doubt")?;
    }
    ensure(
        u32::from(witness.attempts) < machine.policy.max_attempts,
        "more attempts than allowed",
    )?;
    witness.attempts += 1;
    witness.sent = true;
    ensure(witness.disk != 0, "an attempt whose intent is not durable")?;
    let node = machine.node(state.node);
    let verified = node.now + witness.late + units(machine.policy.time_for_an_attempt());
    ensure(verified <= units(machine.policy.deadline), "an attempt without time to verify it")?;
    let durable = machine.tables.intent(witness.disk);
    match &durable.operation {
        Operation::Create(create) => ensure(
            deed == Deed::Create { name: index(create.name.as_str()) },
            "the durable intent names another portal",
        )?,
        Operation::Rename(rename) => {
            ensure(index(&rename.old) == 0 && index(rename.new.as_str()) == 1, "another rename")?;
        }
    }
    let (attempts, has_baseline) = (durable.attempts, durable.baseline.is_some());
    ensure(attempts >= u32::from(witness.attempts), "the durable intent has too few attempts")?;
    ensure(has_baseline == witness.absent_seen, "the durable intent lacks what a list showed")
}

/// Whether something was done by this call, or may yet be done.
fn may_be_done(service: &Service, world: &World) -> bool {
    let deeds = [Deed::Create { name: 0 }, Deed::Create { name: 1 }];
    let deeds = if world.is_rename { &[Deed::Rename][..] } else { &deeds };
    is_done(service) || deeds.iter().any(|deed| service.is_pending(*deed, world.limited))
}

fn is_done(service: &Service) -> bool {
    service.made_by(Maker::Us).count() > 0
        || service.slots.iter().any(|slot| slot.current().is_some_and(Version::is_ours))
}

/// Compares an outcome with the service and the witness.
pub(super) fn check_outcome(
    summary: Summary,
    state: &State,
    machine: &Machine,
    was_in_doubt: bool,
) -> Result<(), Violation> {
    let Summary { name, taken, end } = summary;
    let State { service, witness, .. } = state;
    let world = &machine.world;
    let in_doubt = was_in_doubt || witness.doubt.is_some();
    ensure(taken & !service.foreign == 0, "claims a name of another org, but it is not")?;
    match end {
        Ending::Created => {
            let made = service
                .made_by(Maker::Us)
                .any(|slot| slot.current().is_some_and(|version| version.name() == name));
            return ensure(made, "claims created, but it was not");
        }
        Ending::Renamed => {
            let is_there = service.shows(1);
            ensure(in_doubt || witness.sent, "claims renamed, with nothing sent")?;
            return ensure(is_there, "claims renamed, but nothing has the name");
        }
        Ending::Preexisting => {
            ensure(service.shows(name), "claims present, but it is not there")?;
            let is_first = !witness.sent && witness.process == Process::First;
            let was_there = service.made_by(Maker::Before).chain(service.made_by(Maker::Colleague));
            let mut was_there = was_there.flat_map(|slot| slot.versions());
            let is_older = was_there.any(|version| version.name() == name);
            return ensure(is_first || is_older, "claims preexisting, but it was not");
        }
        Ending::Appeared => {
            ensure(service.shows(name), "claims present, but it is not there")?;
            ensure(in_doubt, "claims appeared, with nothing in doubt")?;
            let new = service.slots.iter().filter(|slot| slot.maker != Some(Maker::Before));
            let mut new = new.flat_map(|slot| slot.versions()).filter(|it| it.renames() == 0);
            let is_new = world.bare || new.any(|version| version.name() == name);
            ensure(is_new, "claims appeared, but it was not created with that name")?;
            return ensure(witness.absent_seen, "claims appeared, but absence was not seen");
        }
        Ending::CreatedEarlier => {
            let mut made = service.made_by(Maker::Machine).flat_map(|slot| slot.versions());
            let is_there = made.any(|version| version.name() == name);
            return ensure(is_there, "claims created earlier, but it was not");
        }
        Ending::OfUnknownOrigin => {
            ensure(service.shows(name), "claims present, but it is not there")?;
            let is_unknown = !witness.absent_seen || service.renames < world.renames;
            return ensure(is_unknown, "of undetermined origin, but absence was seen");
        }
        Ending::Unknown(why) => {
            ensure(in_doubt, "claims unknown, with nothing in doubt")?;
            return avoidable(why, state, machine);
        }
        Ending::Taken(Whose::Undetermined(why)) => {
            let was_taken =
                service.is_taken(name) || service.shows(name) || service.renames < world.renames;
            ensure(was_taken, "claims taken, but it is not")?;
            ensure(witness.sent, "claims taken, with nothing sent")?;
            return avoidable(why, state, machine);
        }
        Ending::OrgHas(other) => {
            // A portal that a list showed may have another name by now.
            let is_there =
                service.shows(other) || service.renames < world.renames && !service.is_empty();
            ensure(is_there && other != name, "the org has no such portal")?;
        }
        Ending::Taken(Whose::AnotherOrg) => {
            let renamed_back = world.is_rename && service.renames < world.renames;
            let is_foreign = service.is_foreign(name) || renamed_back;
            ensure(is_foreign, "claims another org's, but it is not")?;
        }
        Ending::Taken(Whose::ThisOrg) => {
            ensure(service.shows(name), "claims this org's, but it is not")?;
        }
        Ending::Unchanged => {
            ensure(service.shows(1) && !witness.sent, "claims unchanged, but it was renamed")?;
        }
        Ending::NotFound => ensure(!witness.sent, "claims not found, after an attempt")?,
        Ending::Rejected(code) => {
            // What is taken for another code is found by what it hides.
            let is_misread = matches!(world.driver, Driver::TakesForCertain(_));
            let is_last = witness.rejection == Some(code);
            ensure(is_last || is_misread, "claims rejected, but not by that error")?;
        }
        Ending::NotDone(reason) => not_done(reason, state, was_in_doubt)?,
    }
    ensure(!witness.other_name, "claims nothing was done, but the service reported a success")?;
    ensure(!is_done(service), "claims nothing was done, but it was")?;
    ensure(!may_be_done(service, world), "claims nothing was done, but it may be yet")
}

/// The world runs on: what was told must stay true until no attempt can take effect any more.
pub(super) fn check_later(state: &State, machine: &Machine) -> Result<(), Violation> {
    let summary = machine.node(state.node).summary.expect("it ended");
    let is_negative = match summary.end {
        Ending::NotDone(_) | Ending::Rejected(_) | Ending::OrgHas(_) | Ending::NotFound => true,
        Ending::Taken(whose) => !matches!(whose, Whose::Undetermined(_)),
        Ending::Created
        | Ending::Renamed
        | Ending::Unchanged
        | Ending::Preexisting
        | Ending::Appeared
        | Ending::OfUnknownOrigin
        | Ending::CreatedEarlier
        | Ending::Unknown(_) => false,
    };
    ensure(!is_negative || !is_done(&state.service), "claims nothing was done, but it was later")
}

/// Why an outcome is not certain must be so, and no later list could have resolved it.
fn avoidable(why: Why, state: &State, machine: &Machine) -> Result<(), Violation> {
    let witness = &state.witness;
    let holds = match why {
        Why::Deadline => witness.hindered || !witness.may_list,
        Why::ListRejected => !witness.may_list || witness.last == Last::Other,
        Why::Auth => matches!(witness.last, Last::NoToken | Last::TokenRejected),
        // Without times, every new portal may have been renamed.
        Why::Renamed => state.service.renames < machine.world.renames || machine.world.bare,
        // Without a baseline, the portal may never have been there.
        Why::Gone => {
            machine.world.is_rename
                && (state.service.renames < machine.world.renames
                    || !machine.tables.has_baseline(witness.disk))
        }
        Why::Origin => witness.last == Last::Moved,
        // A portal that is not as it was.
        Why::Changed => {
            machine.world.colleagues != 0
                || machine.world.receipt
                || machine.world.bare
                || state.service.renames < machine.world.renames
                || !machine.tables.has_baseline(witness.disk)
        }
        Why::OtherName => witness.other_name,
        Why::AtOnce => machine.policy.name_taken == NameTaken::AtOnce,
        Why::Stopped => true,
    };
    ensure(holds, &format!("claims unknown because of {why:?}, which is not so"))
}

/// The reason is what happened last. In doubt, lists came after it.
fn not_done(reason: Reason, state: &State, was_in_doubt: bool) -> Result<(), Violation> {
    let last = state.witness.last;
    let holds = match reason {
        // A driver that goes elsewhere is found otherwise.
        _ if was_in_doubt || (state.witness.moved && reason != Reason::Origin) => {
            reason != Reason::Stopped
        }
        Reason::Unreachable => matches!(last, Last::Unreachable | Last::TokenRejected),
        Reason::RateLimited => matches!(last, Last::RateLimited | Last::TokenRejected),
        Reason::Auth => matches!(last, Last::NoToken | Last::TokenRejected),
        Reason::Origin => last == Last::Moved,
        Reason::NotRecorded => last == Last::NotRecorded,
        Reason::Exhausted => state.witness.sent,
        Reason::Deadline => true,
        Reason::Absent => state.witness.process == Process::Recovering,
        Reason::Stopped => false,
    };
    ensure(holds, &format!("claims not done because of {reason:?}, but last was {last:?}"))
}

/// Stopped or killed here, at any moment: the outcome is true, and what needs an intent has one.
pub(super) fn stop_here(state: &State, machine: &Machine) -> Result<(), Violation> {
    let node = machine.node(state.node);
    let State { service, witness, .. } = state;
    let may_be_done = may_be_done(service, &machine.world);
    let sending = matches!(node.doing, Doing::Send { .. });
    if node.doing == Doing::Done {
        return Ok(());
    }
    match node.abandoned.end {
        Ending::NotDone(Reason::Stopped) => {
            ensure(!may_be_done && !sending, "claims stopped with nothing done, but it may be")?;
        }
        Ending::Unknown(_) => {
            ensure(sending || witness.doubt.is_some(), "claims stopped in doubt, with none")?;
        }
        Ending::Taken(Whose::Undetermined(_)) => {}
        _ => return Err("stopped, and certain of more than that".to_owned()),
    }
    ensure(witness.disk != 0 || !(may_be_done || sending), "something of ours, but no intent")?;
    let may_be_unknown = witness.disk != 0 || !sending;
    ensure(may_be_unknown, "sending without an intent")
}

/// Rule 12, and no request right after the same one failed.
pub(super) fn check_backoff(
    machine: &Machine,
    before: &State,
    doing: Doing,
    meaning: Meaning,
    to: u32,
    draw: Draw,
) -> Result<(), Violation> {
    let (failed_read, retry_after) = match (doing, meaning) {
        (_, Meaning::RateLimited { retry_after, .. }) => (true, retry_after.unwrap_or(0)),
        // An attempt may be verified as soon as the service allows.
        (Doing::Send { .. }, Meaning::Busy(0)) => return Ok(()),
        (_, Meaning::Busy(retry_after)) => (true, retry_after),
        (Doing::Send { .. } | Doing::Done | Doing::Wait { .. }, _) => return Ok(()),
        (
            _,
            Meaning::NotSent
            | Meaning::NeverSent
            | Meaning::NoTokenYet
            | Meaning::Refused
            | Meaning::Nothing,
        ) => (true, 0),
        // A driver that reports it as complete is found otherwise.
        (_, Meaning::List { is_complete: false, .. }) => {
            let is_hidden =
                matches!(machine.world.driver, Driver::DropsAge | Driver::SkipsFirstList);
            (!is_hidden, 0)
        }
        _ => return Ok(()),
    };
    let now = machine.node(before.node).now + before.elapsed;
    let node = machine.node(to);
    let last_list = units(machine.policy.deadline) - units(machine.policy.read_timeout);
    let backoff = match draw {
        Draw::None => units(machine.policy.backoff_base / 2),
        Draw::Full => units(machine.policy.backoff_base),
    };
    let until = now.saturating_add(retry_after.max(backoff));
    // With the jitter that is added to `Retry-After`.
    let wakes_at = now.saturating_add(retry_after + backoff).max(until);
    let waits = match node.doing {
        Doing::Done => true,
        Doing::Wait { time } => {
            let waits_until = node.now + time;
            waits_until >= until || waits_until == last_list || until > last_list
        }
        // A list although `Retry-After` is beyond the last one.
        Doing::List { .. } | Doing::Authenticate { .. } => wakes_at > last_list,
        Doing::Record | Doing::Send { .. } => false,
    };
    ensure(waits || !failed_read, "a try sooner than the service and the backoff allow")
}
