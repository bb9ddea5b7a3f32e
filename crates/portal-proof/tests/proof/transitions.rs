//! Where a state of the whole can go from there.

use super::invariants;
use super::machine::Machine;
use super::node::{Doing, Draw};
use super::replies::Meaning;
use super::service::{Deed, Service, View};
use super::state::{Fate, State, Step};
use super::witness::{Process, Witness};
use super::world::{Driver, Violation, World, absence_after, ensure, units};

/// Every state in which an exploration begins.
pub(super) fn starts(machine: &mut Machine) -> Result<Vec<State>, Violation> {
    let world = machine.world;
    let node = machine.start()?;
    let witness = Witness::new(Process::First, world.may_list);
    let start = |service| State { node, elapsed: 0, service, witness };
    Service::all(&world).into_iter().map(|service| start(service).arrived(machine)).collect()
}

impl State {
    /// All that can happen next, with what comes of it.
    pub(super) fn successors(
        self,
        machine: &mut Machine,
        go: &mut Vec<(Step, Self)>,
    ) -> Result<(), (Step, Violation)> {
        let world = machine.world;
        if self.witness.process == Process::Dead {
            return self.resumed(machine, go);
        }
        let node = machine.node(self.node);
        let (doing, written) = (node.doing, node.written);
        if doing == Doing::Done {
            // A caller that is told an unknown outcome has the intent.
            let disk = self.witness.disk;
            if world.kills && node.is_in_doubt && disk != 0 {
                let witness = self.witness.died(machine.tables.has_baseline(disk));
                go.push((Step::Kill, Self { node: 0, elapsed: 0, witness, ..self }));
            }
            return self.later(machine, go);
        }
        let longest = match doing {
            Doing::Done => 0,
            Doing::Record => world.slow_record,
            Doing::Authenticate { limit, .. }
            | Doing::List { limit }
            | Doing::Send { limit, .. } => limit,
            Doing::Wait { time } => time + 1,
        };
        if self.elapsed < longest {
            go.push((Step::Tick, self.ticked(machine).map_err(|it| (Step::Tick, it))?));
        }
        self.acts(machine, go)?;
        let exits = machine.exits(self.node).map_err(|it| (Step::Tick, it))?;
        for found in exits.iter().filter(|found| found.elapsed == self.elapsed) {
            for &fate in self.fates(doing, found.meaning, &world) {
                let step = Step::Event(found.meaning, found.label, fate, found.draw);
                let next = self.moved(machine, found.meaning, found.to, fate, found.draw);
                go.push((step, next.map_err(|violation| (step, violation))?));
            }
        }
        if matches!(doing, Doing::List { .. }) && self.witness.may_list {
            self.lists(machine, go)?;
        }
        if world.kills {
            self.killed(machine, doing, written, go);
        }
        Ok(())
    }

    /// After the outcome.
    fn later(self, machine: &Machine, go: &mut Vec<(Step, Self)>) -> Result<(), (Step, Violation)> {
        if !self.service.has_pending() {
            return Ok(());
        }
        go.push((Step::Tick, Self { service: self.service.ticked(), elapsed: 0, ..self }));
        for (act, service) in self.service.late_acts(&machine.world) {
            let service = service.without_impossible(&machine.world);
            let next = Self { service, elapsed: 0, ..self };
            let violation = |violation| (Step::Act(act), violation);
            invariants::of_service(&service, &machine.world).map_err(violation)?;
            invariants::check_later(&next, machine).map_err(violation)?;
            go.push((Step::Act(act), next));
        }
        Ok(())
    }

    fn ticked(mut self, machine: &Machine) -> Result<Self, Violation> {
        self.elapsed += 1;
        self.service = self.service.ticked();
        self.witness.doubt = self.witness.doubt.map(|left| left.saturating_sub(1));
        invariants::stop_here(&self, machine)?;
        Ok(self)
    }

    /// What others do, and what is processed late.
    fn acts(self, machine: &Machine, go: &mut Vec<(Step, Self)>) -> Result<(), (Step, Violation)> {
        for (act, service) in self.service.acts(&machine.world) {
            let service = service.without_impossible(&machine.world);
            let next = Self { service, ..self };
            let violation = |violation| (Step::Act(act), violation);
            invariants::of_service(&service, &machine.world).map_err(violation)?;
            if self.witness.process != Process::Dead {
                invariants::stop_here(&next, machine).map_err(violation)?;
            }
            go.push((Step::Act(act), next));
        }
        Ok(())
    }

    fn lists(
        self,
        machine: &mut Machine,
        go: &mut Vec<(Step, Self)>,
    ) -> Result<(), (Step, Violation)> {
        for is_complete in [true, false] {
            let elsewhere = match machine.world.driver {
                Driver::RecoversElsewhere => self.witness.process != Process::First,
                Driver::FollowsOrigin => self.witness.moved,
                _ => false,
            };
            let views =
                if elsewhere { vec![View::default()] } else { self.service.views(is_complete) };
            for view in views {
                let meaning = Meaning::List { view, is_complete };
                for draw in [Draw::Full, Draw::None] {
                    let step = Step::Event(meaning, "a list", Fate::Nothing, draw);
                    let next = machine
                        .after_list(self.node, self.elapsed, draw, view, is_complete)
                        .and_then(|to| self.moved(machine, meaning, to, Fate::Nothing, draw));
                    go.push((step, next.map_err(|violation| (step, violation))?));
                }
            }
        }
        Ok(())
    }

    fn killed(self, machine: &Machine, doing: Doing, written: u8, go: &mut Vec<(Step, Self)>) {
        // The write that was under way is durable or not.
        let written = (doing == Doing::Record).then_some(written);
        let world = &machine.world;
        for disk in [Some(self.witness.disk), written].into_iter().flatten() {
            if disk == 0 {
                continue;
            }
            let mut service = self.service.list_ended();
            if let Doing::Send { deed, .. } = doing {
                service = service.ended(deed, world.processing).without_impossible(world);
            }
            let witness = Witness { disk, ..self.witness }.died(machine.tables.has_baseline(disk));
            go.push((Step::Kill, Self { node: 0, elapsed: 0, service, witness }));
        }
    }

    /// After the process is dead: time passes, and another one resumes.
    fn resumed(
        self,
        machine: &mut Machine,
        go: &mut Vec<(Step, Self)>,
    ) -> Result<(), (Step, Violation)> {
        let world = machine.world;
        let lost = absence_after(&machine.policy, false);
        let longest = if self.service.renames > 0 { lost.max(world.young) } else { lost };
        if self.elapsed < longest {
            let service = self.service.ticked();
            go.push((Step::Tick, Self { elapsed: self.elapsed + 1, service, ..self }));
        }
        self.acts(machine, go)?;
        let scopes = [Some(world.may_list), world.may_list_later.then_some(true)];
        for may_list in scopes.into_iter().flatten() {
            for sends in [true, false] {
                for since_end in [0, self.elapsed] {
                    let horizon = units(machine.policy.processing_time).saturating_sub(since_end);
                    let step = Step::Resume { sends, may_list, horizon };
                    let process = if sends { Process::Later } else { Process::Recovering };
                    let witness = Witness {
                        process,
                        may_list,
                        doubt: Some(horizon + absence_after(&machine.policy, true)),
                        attempts: if sends { self.witness.attempts } else { 0 },
                        ..self.witness
                    };
                    let next = machine.resume(self.witness.disk, sends, horizon).and_then(|node| {
                        Self { node, elapsed: 0, witness, ..self }.arrived(machine)
                    });
                    go.push((step, next.map_err(|violation| (step, violation))?));
                    if self.elapsed == 0 {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// What the service may have done with a request when this comes of it; nothing if it can't.
    fn fates(&self, doing: Doing, meaning: Meaning, world: &World) -> &'static [Fate] {
        const NEVER: &[Fate] = &[];
        const NOTHING: &[Fate] = &[Fate::Nothing];
        const PROCESSED: &[Fate] = &[Fate::Processed];
        const EITHER: &[Fate] = &[Fate::Nothing, Fate::Processed];
        const PENDING: &[Fate] = &[Fate::Pending];
        let Doing::Send { deed, .. } = doing else {
            let is_possible = match meaning {
                Meaning::ScopeMissing => !self.witness.may_list,
                _ => true,
            };
            return if is_possible { NOTHING } else { NEVER };
        };
        let can = self.service.can(deed, world.limited);
        // Of two copies, the second one is rejected because of the first.
        let copied = |is_true: bool| match (is_true, can) {
            (true, _) => NOTHING,
            (false, true) => PROCESSED,
            (false, false) => NEVER,
        };
        match meaning {
            Meaning::Success => {
                if can {
                    PROCESSED
                } else {
                    NEVER
                }
            }
            Meaning::Used => copied(match deed {
                Deed::Create { name } => self.service.is_taken(name),
                Deed::Rename => self.service.is_taken(1),
            }),
            Meaning::Full if !world.limited => NEVER,
            Meaning::Full => copied(!self.service.is_empty()),
            Meaning::Missing if world.is_rename => copied(!self.service.has(0)),
            // Something was done, if not what was asked for.
            Meaning::OtherName if can => EITHER,
            // Whatever is responded, a copy may be at work.
            Meaning::Nothing
            | Meaning::Unknown(_)
            | Meaning::Refused
            | Meaning::Unauthorized
            | Meaning::Busy(_)
            | Meaning::RateLimited { .. } => match (world.processing, can) {
                (0, true) => EITHER,
                (0, false) => NOTHING,
                (_, _) => PENDING,
            },
            _ => NOTHING,
        }
    }

    fn moved(
        self,
        machine: &Machine,
        meaning: Meaning,
        to: u32,
        fate: Fate,
        draw: Draw,
    ) -> Result<Self, Violation> {
        let world = &machine.world;
        let doing = machine.node(self.node).doing;
        let mut service = self.service;
        if let Doing::Send { deed, .. } = doing {
            service = match fate {
                Fate::Nothing => service,
                Fate::Processed => service.process(deed, world.lag),
                Fate::Pending => service.ended(deed, world.processing),
            };
            service = service.without_impossible(world);
            invariants::of_service(&service, world)?;
        }
        let mut witness = self.witness;
        let (finished, lost) =
            (absence_after(&machine.policy, true), absence_after(&machine.policy, false));
        witness.note(doing, meaning, finished, lost);
        match (doing, meaning) {
            (Doing::List { .. }, Meaning::List { view, is_complete }) => {
                witness.read(view, is_complete, world);
                witness.renamed_shown |=
                    is_complete && invariants::shows_ours_renamed(&self, view, world);
            }
            // Rule 1: a token that may not list creates without a baseline.
            (Doing::List { .. }, Meaning::ScopeMissing) if !witness.sent => witness.cleared = true,
            (Doing::Record, Meaning::Recorded) if world.driver != Driver::RecordsNothing => {
                witness.disk = machine.node(self.node).written;
                if world.driver == Driver::StopsClock {
                    witness.late += self.elapsed;
                }
            }
            (Doing::Wait { time }, _) => witness.hindered |= self.elapsed > time,
            _ => {}
        }
        if matches!(doing, Doing::List { .. }) {
            witness.list_counts = false;
        }
        invariants::check_backoff(machine, &self, doing, meaning, to, draw)?;
        let was_in_doubt = self.witness.doubt.is_some();
        Self { node: to, elapsed: 0, service, witness }.arrived_after(machine, was_in_doubt)
    }

    fn arrived(self, machine: &Machine) -> Result<Self, Violation> {
        self.arrived_after(machine, false)
    }

    /// Checks that the step that is handed out now may be handed out.
    fn arrived_after(mut self, machine: &Machine, was_in_doubt: bool) -> Result<Self, Violation> {
        let node = machine.node(self.node);
        match node.doing {
            Doing::Authenticate { renew, .. } => {
                ensure(renew == self.witness.had_token, "the rejected token is not named")?;
                ensure(self.witness.token_rejected < 2, "a second new token for one request")?;
            }
            Doing::List { limit } => {
                self.witness.begins(false);
                self.service = self.service.list_ended().list_begun();
                let witness = &mut self.witness;
                witness.list_counts = witness.doubt.is_none_or(|left| left == 0);
                let matters = witness.doubt == Some(0) && !witness.hindered;
                ensure(
                    !matters || limit == units(machine.policy.read_timeout),
                    "no time is left for the list that counts",
                )?;
            }
            Doing::Send { deed, .. } => invariants::send(&mut self, machine, deed)?,
            Doing::Record | Doing::Wait { .. } => {}
            Doing::Done => {
                let summary = node.summary.expect("it ended");
                invariants::check_outcome(summary, &self, machine, was_in_doubt)?;
            }
        }
        if !matches!(node.doing, Doing::List { .. }) {
            self.service = self.service.list_ended();
        }
        invariants::stop_here(&self, machine)?;
        // What matters for a doubt only is forgotten with it.
        self.witness.hindered &= self.witness.doubt.is_some();
        Ok(self)
    }
}
