//! Where a state can go: what a process does next, what happens to it, and what others do.

use portal_ledger::{Why, outcome};
use portal_model::outcome::{NotDone, Unverified};

use super::flows::{Doing, Happened};
use super::invariants::Violation;
use super::ledger::{Decided, Id, Last};
use super::machine::Machine;
use super::service::ROWS;
use super::state::{Phase, Process, Sent, State};
use super::world::{ATTEMPT, BUDGET, Broken, Deed, FREEZE, PROCESSES, PROCESSING, Reply, ago};

/// One thing that happens: to which process, and what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) process: Option<usize>,
    pub(super) what: &'static str,
}

/// How often a claim is asked again whose result was lost.
const MAX_CLAIMS: u8 = 3;
/// The ending of a row is not written, and the caller is told so.
const FAILS: &str = "fails to end";
/// How long a process waits before it claims again.
const ASK_AGAIN: u8 = 1;

/// Where the successors of a state are collected.
pub(super) struct Successors {
    pub(super) found: Vec<(Step, State)>,
}

type Outcome = Result<(), (Step, Violation)>;

impl Successors {
    fn add(&mut self, process: usize, what: &'static str, state: State) {
        self.found.push((Step { process: Some(process), what }, state));
    }

    pub(super) fn of(&mut self, machine: &mut Machine, state: &State) -> Outcome {
        for process in 0..machine.world.wishes.len() {
            self.of_process(machine, state, process)?;
        }
        self.effects(machine, state)?;
        for service in state.service.renamed() {
            let step = Step { process: None, what: "a colleague renames a portal" };
            self.found.push((step, State { service, ..*state }));
        }
        if state.processes.iter().all(|process| may_wait(machine, process)) {
            let mut after = *state;
            machine.ledger.tick(&mut after.rows);
            after.service.tick();
            let longest = machine.world.deadline + FREEZE;
            after
                .processes
                .iter_mut()
                .for_each(|process| process.tick(longest, machine.world.deadline));
            self.found.push((Step { process: None, what: "tick" }, after));
        }
        Ok(())
    }

    /// Attempts take effect, also late.
    fn effects(&mut self, machine: &Machine, state: &State) -> Outcome {
        for row in 0..6_u8 {
            let at = usize::from(row);
            let (open, denied) = (state.service.open[at], state.service.denied[at]);
            if open.max(denied) == 0 {
                continue;
            }
            let deed = machine.ledger.deed(&state.rows, row);
            if state.service.can(deed) {
                let step = Step { process: None, what: "a copy takes effect late" };
                let mut after = *state;
                let is_denied = denied > 0;
                machine.perform(&mut after, row, is_denied).map_err(|found| (step, found))?;
                self.found.push((step, after));
            }
        }
        for (process, it) in state.processes.iter().enumerate() {
            let Phase::Step { row, until, sent: Some(sent), .. } = it.phase else { continue };
            let is_late = until + PROCESSING.cast_signed() < 0;
            if is_late || !state.service.can(machine.ledger.deed(&state.rows, row)) {
                continue;
            }
            let step = Step { process: Some(process), what: "its attempt takes effect" };
            let mut after = *state;
            machine.perform(&mut after, row, sent.is_denied).map_err(|found| (step, found))?;
            if let Phase::Step { sent: Some(sent), .. } = &mut after.processes[process].phase {
                sent.is_done = true;
            }
            self.found.push((step, after));
        }
        Ok(())
    }

    fn of_process(&mut self, machine: &mut Machine, state: &State, process: usize) -> Outcome {
        let it = state.processes[process];
        if it.is_frozen {
            let mut after = *state;
            after.processes[process].is_frozen = false;
            self.add(process, "is woken", after);
            return Ok(());
        }
        match it.phase {
            Phase::Idle => {
                // Of two that want the same, the first begins first.
                let is_other = |it: &Process| it.phase == Phase::Idle;
                if machine.world.is_symmetric && state.processes[..process].iter().any(is_other) {
                    return Ok(());
                }
                self.begin(machine, *state, process, 0);
                return Ok(());
            }
            Phase::Done | Phase::Dead => {
                if state.left.restarts > 0 {
                    let mut after = *state;
                    after.left.restarts -= 1;
                    self.begin(machine, after, process, 0);
                    if machine.world.recovers {
                        let all = machine.ledger.all(&state.rows);
                        let in_doubt: Vec<u8> =
                            all.filter(|(_, it)| it.is_in_doubt()).map(|it| it.0).collect();
                        for row in in_doubt {
                            self.begin(machine, after, process, row + 1);
                        }
                    }
                }
                return Ok(());
            }
            Phase::Claim { .. } => self.claim(machine, state, process)?,
            Phase::Wait { id, .. } => {
                if it.since >= ASK_AGAIN {
                    let mut after = *state;
                    after.processes[process].enter(Phase::Claim { id, tries: 1 });
                    self.add(process, "claims again", after);
                }
            }
            Phase::Step { .. } => self.step(machine, state, process),
            Phase::End { .. } => self.end(machine, state, process)?,
        }
        self.mishaps(machine, state, process)
    }

    fn begin(&mut self, machine: &Machine, mut state: State, process: usize, recovers: u8) {
        let id = machine.free_id(&state, process);
        state.processes[process] =
            Process { recovers, ..Process::at(Phase::Claim { id, tries: 1 }) };
        self.add(process, if recovers > 0 { "begins to recover" } else { "begins" }, state);
    }

    /// It is killed, frozen or stopped.
    fn mishaps(&mut self, machine: &mut Machine, state: &State, process: usize) -> Outcome {
        let it = state.processes[process];
        if state.left.kills > 0 {
            let mut after = *state;
            after.left.kills -= 1;
            // The kernel of a dead process may go on sending.
            after.close(process, true);
            after.processes[process] = Process::at(Phase::Dead);
            self.add(process, "is killed", after);
            self.drop_permit(machine, state, process);
        }
        if state.left.freezes > 0 {
            let mut after = *state;
            after.left.freezes -= 1;
            let frozen = &mut after.processes[process];
            frozen.is_frozen = true;
            self.add(process, "is frozen", after);
            let calls_next = match it.phase {
                Phase::Claim { .. } | Phase::End { .. } => true,
                Phase::Step { node, .. } => machine.flows.node(node).doing == Doing::Record,
                _ => false,
            };
            if calls_next && machine.world.stale {
                after.processes[process].is_stale = true;
                self.add(process, "reads the clock and is frozen", after);
            }
        }
        if state.left.stops > 0 && !it.is_stopped {
            let mut after = *state;
            after.left.stops -= 1;
            after.processes[process].is_stopped = true;
            self.stop(machine, after, process)?;
        }
        Ok(())
    }

    /// It stops without a word, but gives up what it holds: its future is dropped.
    fn drop_permit(&mut self, machine: &mut Machine, state: &State, process: usize) {
        let (Phase::Step { id, row, last, .. } | Phase::End { id, row, last, .. }) =
            state.processes[process].phase
        else {
            return;
        };
        let mut after = *state;
        after.left.kills -= 1;
        after.close(process, false);
        let number = &mut after.rows[usize::from(row)];
        *number = machine.ledger.release(*number, id, last);
        after.processes[process] = Process::at(Phase::Dead);
        self.add(process, "is dropped", after);
    }

    fn stop(&mut self, machine: &mut Machine, mut state: State, process: usize) -> Outcome {
        const STOPPED: &str = "is stopped";
        match state.processes[process].phase {
            Phase::Wait { id, is_same: true } => {
                let recovers = state.processes[process].recovers;
                let request = machine.ledger.request(&state.rows, process, id, recovers);
                let ended = outcome::unknown(&request, Unverified::Elsewhere, None);
                let outcome = machine.flows.outcome_id(ended.outcome);
                self.tell(machine, state, process, (STOPPED, outcome, None))
            }
            Phase::Claim { id, .. } | Phase::Wait { id, .. } => {
                let outcome = machine.nothing_sent(&state, process, id, NotDone::Stopped);
                self.tell(machine, state, process, (STOPPED, outcome, None))
            }
            Phase::Step { id, row, node, until, last, sent } => {
                if machine.flows.node(node).doing == Doing::Record {
                    let at = usize::from(row);
                    let holds = (id, node, last);
                    if let Some(number) =
                        machine.ledger.record(&machine.flows, state.rows[at], holds, 0)
                    {
                        let mut after = state;
                        after.rows[at] = number;
                        let outcome = machine.flows.node(node).during;
                        let last = last.or(Some((0, false)));
                        after.processes[process].enter(Phase::End {
                            id,
                            row,
                            outcome,
                            last,
                            until,
                        });
                        self.add(process, "records and is stopped", after);
                    }
                }
                let node = machine.flows.node(node);
                let (outcome, last) = match sent {
                    Some(_) => (node.during, Some((0, true))),
                    None => (node.before, last),
                };
                state.close(process, false);
                state.processes[process].enter(Phase::End { id, row, outcome, last, until });
                self.add(process, STOPPED, state);
                Ok(())
            }
            Phase::End { .. } => {
                self.add(process, STOPPED, state);
                Ok(())
            }
            Phase::Idle | Phase::Done | Phase::Dead => Ok(()),
        }
    }

    fn claim(&mut self, machine: &mut Machine, state: &State, process: usize) -> Outcome {
        let it = state.processes[process];
        let Phase::Claim { id, tries } = it.phase else { return Ok(()) };
        let claim = (process, id, it.recovers, it.granted.unwrap_or_default(), it.lost);
        let (rows, decided) =
            machine.ledger.claim(&mut machine.flows, &state.rows, claim, it.read_ago());
        let mut after = State { rows, ..*state };
        if let Decided::Granted { is_new: true, .. } = decided {
            machine.wish_again(&mut after, &machine.world.wishes[process]);
        }
        if state.left.kills > 0 && rows != state.rows {
            let mut after = after;
            after.left.kills -= 1;
            after.processes[process] = Process::at(Phase::Dead);
            self.add(process, "claims and is killed", after);
        }
        if state.left.lost > 0 {
            let mut after = after;
            after.left.lost -= 1;
            if tries == MAX_CLAIMS {
                let why = NotDone::NotRecorded("no response".to_owned());
                let outcome = machine.nothing_sent(&after, process, id, why);
                self.tell(machine, after, process, ("claims, no response", outcome, None))?;
            } else {
                after.processes[process].enter(Phase::Claim { id, tries: tries + 1 });
                self.add(process, "claims, no response", after);
            }
        }
        match decided {
            Decided::Granted { .. } => {
                self.granted(machine, after, process, decided);
                Ok(())
            }
            Decided::Ended { row, outcome } => {
                let what = "claims what has ended";
                let step = Step { process: Some(process), what };
                machine.tell_name(&after, process, row, outcome).map_err(|found| (step, found))?;
                self.tell(machine, after, process, (what, outcome, Some(row)))
            }
            Decided::Wait { why, look, pending } => {
                let is_same = matches!(why, Why::UnderWay | Why::SameUnderWay);
                let waits = Phase::Wait { id, is_same };
                let Some(look) = look else {
                    after.processes[process].enter(waits);
                    self.add(process, "has to wait", after);
                    return Ok(());
                };
                let deed = machine.world.wishes[process].deed;
                for view in state.service.views() {
                    let node = machine.flows.after(look, 0, Happened::Listed(view), deed);
                    let Doing::Done(outcome) = machine.flows.node(node).doing else {
                        panic!("a preview ends after its list");
                    };
                    let shown = machine.flows.outcome(outcome).clone();
                    if let Some(seen) = outcome::seen_meanwhile(shown, why, pending) {
                        let outcome = machine.flows.outcome_id(seen);
                        self.tell(machine, after, process, ("sees it", outcome, None))?;
                    } else {
                        let mut after = after;
                        after.processes[process].enter(waits);
                        self.add(process, "has to wait", after);
                    }
                }
                Ok(())
            }
            Decided::Blocked(outcome) => {
                self.tell(machine, after, process, ("is blocked", outcome, None))
            }
        }
    }

    /// It holds a row, and goes on from what is in it.
    fn granted(&mut self, machine: &mut Machine, mut after: State, process: usize, by: Decided) {
        let it = after.processes[process];
        let (Phase::Claim { id, .. }, Decided::Granted { row, horizon, flow, .. }) = (it.phase, by)
        else {
            return;
        };
        let rows = after.rows;
        let held = BUDGET.cast_signed() - it.read_ago().cast_signed();
        let held = held.max(-1 - PROCESSING.cast_signed());
        after.processes[process].granted.get_or_insert(0);
        after.processes[process].attempted = machine.ledger.entry(&rows, row).attempts > 0;
        let own = machine.world.broken == Broken::OwnBaseline
            && machine.ledger.entry(&rows, row).attempts > 0;
        if own {
            for list in after.service.views() {
                let flow = machine.ledger.with_own_baseline(
                    &mut machine.flows,
                    &rows,
                    (process, id, it.recovers, it.granted.unwrap_or_default(), it.lost),
                    (row, horizon),
                    list,
                );
                let node = flow.expect("something to determine");
                self.enter(machine, after, process, ("is granted", id, row, node, held, None));
            }
        } else if let Some(node) = flow {
            self.enter(machine, after, process, ("is granted", id, row, node, held, None));
        } else {
            let entry = machine.ledger.entry(&rows, row);
            let outcome = portal_model::Outcome::not_done(&entry.operation, NotDone::NotAttempted);
            let outcome = machine.flows.outcome_id(outcome);
            after.processes[process].enter(Phase::End {
                id,
                row,
                outcome,
                last: None,
                until: held,
            });
            self.add(process, "is granted nothing to do", after);
        }
    }

    fn step(&mut self, machine: &mut Machine, state: &State, process: usize) {
        let it = state.processes[process];
        let Phase::Step { id, row, node, until, last, sent } = it.phase else { return };
        let deed = machine.ledger.deed(&state.rows, row);
        let go = (id, row, node, until, last);
        match machine.flows.node(node).doing {
            Doing::Wait(time) if it.since >= time => {
                let to = machine.flows.after(node, it.since, Happened::Woken, deed);
                self.enter(machine, *state, process, ("goes on", id, row, to, until, last));
            }
            Doing::Wait(_) | Doing::Done(_) => {}
            Doing::List => {
                for view in state.service.views() {
                    let happened = Happened::Listed(view);
                    let to = machine.flows.after(node, it.since, happened, deed);
                    self.enter(machine, *state, process, ("lists", id, row, to, until, last));
                }
            }
            Doing::Record => self.record(machine, state, process, go),
            Doing::Send => match sent {
                None if until <= 0 && machine.world.broken != Broken::NoTimer => {
                    let to = machine.flows.after(node, it.since, Happened::NotSent, deed);
                    let last = Some((0, machine.flows.node(to).is_last_in_doubt));
                    self.enter(machine, *state, process, ("is too late", id, row, to, until, last));
                }
                None => {
                    let limit = match machine.world.broken {
                        Broken::NoTimer => ATTEMPT,
                        _ => ATTEMPT.min(until.unsigned_abs()),
                    };
                    let sent = Some(Sent { limit, is_done: false, is_denied: false });
                    let until = if machine.world.broken == Broken::NoTimer {
                        ATTEMPT.cast_signed()
                    } else {
                        until
                    };
                    let mut after = *state;
                    let under_way = Phase::Step { id, row, node, until, last, sent };
                    after.processes[process].phase = under_way;
                    after.processes[process].is_frozen = false;
                    self.add(process, "sends its attempt", after);
                }
                Some(sent) => self.respond(machine, state, process, sent),
            },
        }
    }

    fn record(
        &mut self,
        machine: &mut Machine,
        state: &State,
        process: usize,
        (id, row, node, until, last): (Id, u8, u32, i8, Last),
    ) {
        let it = state.processes[process];
        let at = usize::from(row);
        let deed = machine.ledger.deed(&state.rows, row);
        let holds = (id, node, last);
        let read_ago = it.read_ago();
        let recorded = machine.ledger.record(&machine.flows, state.rows[at], holds, read_ago);
        let Some(number) = recorded else {
            if machine.world.broken == Broken::NoFence {
                let to = machine.flows.after(node, it.since, Happened::Recorded, deed);
                let until = BUDGET.cast_signed();
                self.enter(
                    machine,
                    *state,
                    process,
                    ("records all the same", id, row, to, until, None),
                );
            } else {
                let mut after = *state;
                machine.adopted(&mut after, process, row);
                self.add(process, "may not record", after);
            }
            return;
        };
        let mut after = *state;
        after.rows[at] = number;
        if state.left.kills > 0 {
            let mut after = after;
            after.left.kills -= 1;
            after.processes[process] = Process::at(Phase::Dead);
            self.add(process, "records and is killed", after);
        }
        if state.left.lost > 0 {
            let mut after = after;
            after.left.lost -= 1;
            let to = machine.flows.after(node, it.since, Happened::NotRecorded, deed);
            // Whether it was recorded or not, it was not made.
            let last = last.or(Some((0, false)));
            self.enter(machine, after, process, ("records, no response", id, row, to, until, last));
            after.processes[process].phase = Phase::Step { id, row, node, until, last, sent: None };
            self.add(process, "records, no response, and asks again", after);
        }
        after.processes[process].attempted = true;
        let to = machine.flows.after(node, it.since, Happened::Recorded, deed);
        let until = BUDGET.cast_signed() - read_ago.cast_signed();
        let until = until.max(-1 - PROCESSING.cast_signed());
        self.enter(machine, after, process, ("records", id, row, to, until, None));
    }

    /// What comes back from an attempt, or nothing.
    fn respond(&mut self, machine: &mut Machine, state: &State, process: usize, sent: Sent) {
        let it = state.processes[process];
        let Phase::Step { id, row, node, until, .. } = it.phase else { return };
        let deed = machine.ledger.deed(&state.rows, row);
        let service = &state.service;
        for reply in [Reply::Success, Reply::Lost].iter().chain(machine.world.replies) {
            let (may_be, what) = match reply {
                Reply::Success => (sent.is_done, "reads SUCCESS"),
                Reply::Lost => (true, "reads no response"),
                Reply::Limited => (true, "reads TOO_MANY_REQUESTS"),
                Reply::NewCode => (true, "reads NEW_CODE"),
                Reply::Used => {
                    let (Deed::Create(name) | Deed::Rename(_, name)) = deed;
                    (service.is_taken(name), "reads ALREADY_USED")
                }
                Reply::Missing => {
                    let Deed::Rename(old, _) = deed else { continue };
                    (service.made().all(|portal| portal.name() != old), "reads INVALID_DATA")
                }
                Reply::Rejected => (!sent.is_done, "reads PATTERN_NOT_MATCHED"),
            };
            if !may_be {
                continue;
            }
            let mut after = *state;
            match reply {
                Reply::Rejected => {}
                _ => after.close(process, false),
            }
            let to = machine.flows.after(node, it.since, Happened::Replied(*reply), deed);
            let last = Some((0, machine.flows.node(to).is_last_in_doubt));
            self.enter(machine, after, process, (what, id, row, to, until, last));
        }
    }

    fn end(&mut self, machine: &mut Machine, state: &State, process: usize) -> Outcome {
        let it = state.processes[process];
        let Phase::End { id, row, outcome, last, until } = it.phase else { return Ok(()) };
        let at = usize::from(row);
        let ends = (id, outcome, last, it.recovers > 0);
        let ended = machine.ledger.end(&machine.flows, state.rows[at], ends, it.read_ago());
        if state.left.lost > 0 {
            let mut after = *state;
            after.left.lost -= 1;
            // The end of the attempt went with the call; the permit that is dropped has none.
            after.rows[at] = machine.ledger.release(state.rows[at], id, None);
            let told = machine.flows.outcome(outcome);
            let is_negative = told.is_certain() && !told.exists();
            let outcome = if is_negative && until <= 0 {
                let request = machine.ledger.request(&state.rows, process, id, it.recovers);
                let why = Unverified::Ledger("no response".to_owned());
                machine.flows.outcome_id(outcome::unknown(&request, why, None).outcome)
            } else {
                outcome
            };
            self.tell(machine, after, process, (FAILS, outcome, Some(row)))?;
        }
        let Some(number) = ended else {
            let mut after = *state;
            let is_negative = !machine.flows.outcome(outcome).exists();
            if machine.world.broken == Broken::LostHolderTells && is_negative {
                return self.tell(
                    machine,
                    after,
                    process,
                    ("ends all the same", outcome, Some(row)),
                );
            }
            if it.is_stopped {
                let request = machine.ledger.request(&state.rows, process, id, it.recovers);
                let ended = outcome::unknown(&request, Unverified::Elsewhere, None);
                let outcome = machine.flows.outcome_id(ended.outcome);
                return self.tell(machine, after, process, ("may not end", outcome, Some(row)));
            }
            machine.adopted(&mut after, process, row);
            self.add(process, "may not end", after);
            return Ok(());
        };
        let mut after = *state;
        after.rows[at] = number;
        if state.left.kills > 0 {
            let mut after = after;
            after.left.kills -= 1;
            after.processes[process] = Process::at(Phase::Dead);
            self.add(process, "ends and is killed", after);
        }
        self.tell(machine, after, process, ("ends", outcome, Some(row)))
    }

    fn tell(
        &mut self,
        machine: &Machine,
        mut state: State,
        process: usize,
        (what, outcome, row): (&'static str, u16, Option<u8>),
    ) -> Outcome {
        let step = Step { process: Some(process), what };
        machine
            .tell(&mut state, process, (outcome, row), what == FAILS)
            .map_err(|found| (step, format!("{found}: {:?}", machine.flows.outcome(outcome))))?;
        state.processes[process] = Process::at(Phase::Done);
        self.found.push((step, state));
        Ok(())
    }

    /// It takes the next step of its flow.
    fn enter(
        &mut self,
        machine: &Machine,
        mut state: State,
        process: usize,
        (what, id, row, node, until, last): (&'static str, Id, u8, u32, i8, Last),
    ) {
        let phase = match machine.flows.node(node).doing {
            Doing::Done(outcome) => Phase::End { id, row, outcome, last, until },
            _ => Phase::Step { id, row, node, until, last, sent: None },
        };
        state.processes[process].enter(phase);
        self.add(process, what, state);
    }
}

/// Whether time may pass for a process.
fn may_wait(machine: &Machine, process: &Process) -> bool {
    if process.is_frozen {
        return process.since < FREEZE;
    }
    match process.phase {
        Phase::Idle | Phase::Done | Phase::Dead => true,
        Phase::Claim { .. } | Phase::End { .. } => false,
        Phase::Wait { .. } => process.since < ASK_AGAIN,
        Phase::Step { node, sent, .. } => match (machine.flows.node(node).doing, sent) {
            (Doing::Wait(time), _) => process.since < time,
            (Doing::Send, Some(sent)) => process.since < sent.limit,
            _ => false,
        },
    }
}

impl Process {
    fn enter(&mut self, phase: Phase) {
        (self.phase, self.since) = (phase, 0);
        (self.is_frozen, self.is_stale) = (false, false);
    }
}

impl State {
    /// The connection of an attempt is closed: until the end of the processing time it may take effect.
    /// That of a process that was frozen ended when its time was over, and so does that of a dead one.
    fn close(&mut self, process: usize, is_dead: bool) {
        let Phase::Step { row, until, sent: Some(sent), .. } = self.processes[process].phase else {
            return;
        };
        let until = if is_dead { until } else { until.min(0) };
        let left = PROCESSING.cast_signed() + 1 + until;
        let left = left.max(0).unsigned_abs();
        let windows =
            if sent.is_denied { &mut self.service.denied } else { &mut self.service.open };
        let window = &mut windows[usize::from(row)];
        *window = left.max(*window);
    }
}

impl Machine {
    /// An id that nobody has.
    fn free_id(&self, state: &State, process: usize) -> Id {
        let held = state.processes.iter().filter_map(Process::id);
        let used = held.fold(self.ledger.ids(&state.rows), |used, id| used | 1 << id);
        let mut own = (process..16).step_by(PROCESSES).filter(|id| used & 1 << id == 0);
        Id::try_from(own.next().expect("an id")).unwrap()
    }

    /// It becomes a waiter, under an id of its own.
    fn adopted(&self, state: &mut State, process: usize, row: u8) {
        let id = self.free_id(state, process);
        let waiter = &mut state.processes[process];
        waiter.lost = if waiter.attempted { row + 1 } else { 0 };
        waiter.attempted = false;
        waiter.enter(Phase::Claim { id, tries: 1 });
    }

    fn nothing_sent(&mut self, state: &State, process: usize, id: Id, why: NotDone) -> u16 {
        let recovers = state.processes[process].recovers;
        let request = self.ledger.request(&state.rows, process, id, recovers);
        let rows = if self.world.broken == Broken::NobodyAsked { [0; ROWS] } else { state.rows };
        let look = self.ledger.look(&rows, &request);
        self.flows.outcome_id(outcome::nothing_sent(&request, why, &look, &ago(0)).outcome)
    }
}
