//! A state of the whole: the flow, the service, and what a witness remembers; and where it can go
//! from there.

use std::hash::{Hash, Hasher};

use super::invariants::{self, Violation, ensure};
use super::machine::{Doing, Draw, Machine, units};
use super::replies::{Meaning, Reply};
use super::sabotage::Flaw;
use super::service::{Act, Deed, Maker, Service, View};
use super::wish::Wish;
use super::witness::{Process, Witness};

/// What stays the same during an exploration.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "they are facts, each by itself")]
pub(super) struct World {
    pub(super) title: &'static str,
    pub(super) is_rename: bool,
    /// How many names the flow may try: one or two.
    pub(super) names: usize,
    pub(super) allow_another: bool,
    /// An org may have one portal only.
    pub(super) limited: bool,
    /// How long an attempt may take effect after its connection ended, and how long a list may lag
    /// behind it. Not more than the policy says.
    pub(super) processing: u8,
    pub(super) lag: u8,
    /// The names that a colleague may create and that another org may take, one bit each.
    pub(super) colleagues: u8,
    pub(super) others: u8,
    /// How often somebody may rename a portal of the org, and to which names.
    pub(super) renames: u8,
    pub(super) renames_to: u8,
    /// The names that the org may have before.
    pub(super) before: u8,
    /// This machine created the third name in the org just before, and its log says so.
    pub(super) receipt: bool,
    /// The first process has the scope READ, and so may later ones.
    pub(super) may_list: bool,
    pub(super) may_list_later: bool,
    /// Processes are killed, and others recover or take over.
    pub(super) kills: bool,
    /// Records of lists have a name only.
    pub(super) bare: bool,
    /// How long writing an intent may take.
    pub(super) slow_record: u8,
    pub(super) alphabet: Alphabet,
    /// Every so many merges of flows are checked.
    pub(super) compare_every: usize,
    /// What is broken on purpose, of the effect and of the driver.
    pub(super) flaw: Flaw,
    pub(super) driver: Driver,
}

/// How a driver does its duty, or fails to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Driver {
    Honest,
    /// It reports an intent as recorded that it did not write.
    RecordsNothing,
    /// It reads an intent without its attempts.
    ForgetsAttempts,
    /// It reports the time at which the record began.
    StopsClock,
    /// It lets a flow that goes on do the work of recovery.
    RecoverySends,
    /// It takes the end of the last attempt for long ago.
    EndLongAgo,
    /// It recovers in another org, where there is nothing.
    RecoversElsewhere,
    /// It lets other creates of this machine run at the same time.
    NoLock,
    /// It does not know what this machine created before.
    NoReceipts,
    /// It does not pass `Retry-After` on.
    DropsRetryAfter,
}

/// Which events there are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Alphabet {
    /// All of them.
    Whole,
    /// One of each meaning.
    Brief,
    /// The same, with tokens that are always accepted and requests that are always sent.
    Calm,
}

impl Alphabet {
    pub(super) fn of(self, replies: Vec<Reply>) -> Vec<Reply> {
        let mut kept: Vec<Reply> = Vec::new();
        for reply in replies {
            let is_new = kept.iter().all(|(meaning, ..)| *meaning != reply.0);
            let is_calm = !matches!(
                reply.0,
                Meaning::NoToken
                    | Meaning::NoTokenYet
                    | Meaning::NotSent
                    | Meaning::NeverSent
                    | Meaning::TokenRejected
                    | Meaning::Busy(_)
                    | Meaning::RateLimited { asked: None | Some(0), .. }
            );
            let keeps = match self {
                Self::Whole => true,
                Self::Brief => is_new,
                Self::Calm => is_new && is_calm,
            };
            if keeps {
                kept.push(reply);
            }
        }
        kept
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) node: u32,
    /// Since the step was handed out, or since the process died.
    pub(super) elapsed: u8,
    pub(super) service: Service,
    pub(super) witness: Witness,
}

/// Few and large pieces, since it is computed for every transition.
impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { node, elapsed, service, witness } = self;
        hasher.write_u64(u64::from(*node) << 8 | u64::from(*elapsed));
        service.hash(hasher);
        hasher.write_u64(witness.digest());
    }
}

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "a violation shows them by Debug")]
pub(super) enum Step {
    Start,
    Tick,
    Act(Act),
    Event(Meaning, &'static str, Fate, Draw),
    /// The process is killed or stopped.
    Kill,
    Resume {
        sends: bool,
        may_list: bool,
        since_end: u8,
    },
}

/// What the service did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Nothing,
    Processed,
    /// Processed later, or never.
    Pending,
}

impl World {
    /// Every service that the flow may find. A run after a certain outcome finds one of them too.
    pub(super) fn services(&self) -> Vec<Service> {
        let mut services = Vec::new();
        for foreign in (0..4).filter(|foreign| foreign & !self.others == 0) {
            services.push(Service::new(foreign, self.renames));
        }
        for name in 0..3 {
            let with: Vec<_> = services
                .iter()
                .filter(|service| {
                    self.before >> name & 1 != 0
                        && !service.is_foreign(name)
                        && (!self.limited || service.is_empty())
                })
                .flat_map(|service| {
                    let young = (1..=self.lag).map(|lag| service.with(Maker::Colleague, name, lag));
                    let young = young.filter(|_| self.colleagues >> name & 1 != 0);
                    young.chain([service.with(Maker::Before, name, 0)])
                })
                .collect();
            services.extend(with);
        }
        if self.is_rename {
            services.retain(|service| service.has(0) || service.foreign == 0);
        }
        if self.receipt {
            services.retain(|service| !service.shows(2));
            services = services
                .into_iter()
                .flat_map(|service| {
                    (0..=self.lag).map(move |lag| service.with(Maker::Machine, 2, lag))
                })
                .collect();
        }
        services
    }

    pub(super) fn starts<E: Wish>(
        &self,
        machine: &mut Machine<E>,
    ) -> Result<Vec<State>, Violation> {
        let node = machine.start()?;
        let witness = Witness::new(Process::First, self.may_list);
        let start = |service| State { node, elapsed: 0, service, witness };
        self.services().into_iter().map(|service| start(service).arrived(machine)).collect()
    }
}

impl State {
    /// All that can happen next, with what comes of it.
    pub(super) fn successors<E: Wish>(
        self,
        machine: &mut Machine<E>,
        go: &mut Vec<(Step, Self)>,
    ) -> Result<(), (Step, Violation)> {
        let world = machine.world;
        if self.witness.process == Process::Dead {
            return self.resumed(machine, go);
        }
        let node = machine.node(self.node);
        let (doing, intent) = (node.doing, node.intent);
        if doing == Doing::Done {
            // Whoever was told that it is unknown has the intent.
            if world.kills && intent != 0 {
                let witness = Witness { disk: intent, ..self.witness };
                let witness = witness.died(machine.has_baseline(intent));
                go.push((Step::Kill, Self { node: 0, elapsed: 0, witness, ..self }));
            }
            return Ok(());
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
            self.killed(machine, doing, intent, go);
        }
        Ok(())
    }

    fn ticked<E: Wish>(mut self, machine: &Machine<E>) -> Result<Self, Violation> {
        self.elapsed += 1;
        self.service = self.service.ticked();
        self.witness.doubt = self.witness.doubt.map(|left| left.saturating_sub(1));
        invariants::stop_here(&self, machine)?;
        Ok(self)
    }

    /// What others do, and what is processed late.
    fn acts<E: Wish>(
        self,
        machine: &Machine<E>,
        go: &mut Vec<(Step, Self)>,
    ) -> Result<(), (Step, Violation)> {
        for (act, service) in self.service.acts(&machine.world) {
            let service = service.without_the_hopeless(&machine.world);
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

    fn lists<E: Wish>(
        self,
        machine: &mut Machine<E>,
        go: &mut Vec<(Step, Self)>,
    ) -> Result<(), (Step, Violation)> {
        for is_complete in [true, false] {
            let elsewhere = machine.world.driver == Driver::RecoversElsewhere
                && self.witness.process != Process::First;
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

    fn killed<E: Wish>(
        self,
        machine: &Machine<E>,
        doing: Doing,
        intent: u8,
        go: &mut Vec<(Step, Self)>,
    ) {
        // The write that was under way is durable or not.
        let written = (doing == Doing::Record).then_some(intent);
        let world = &machine.world;
        for disk in [Some(self.witness.disk), written].into_iter().flatten() {
            if disk == 0 {
                continue;
            }
            let mut service = self.service.list_ended();
            if let Doing::Send { deed, .. } = doing {
                service = service.ended(deed, world.processing).without_the_hopeless(world);
            }
            let witness = Witness { disk, ..self.witness }.died(machine.has_baseline(disk));
            go.push((Step::Kill, Self { node: 0, elapsed: 0, service, witness }));
        }
    }

    /// After the process is dead: time passes, and another one resumes.
    fn resumed<E: Wish>(
        self,
        machine: &mut Machine<E>,
        go: &mut Vec<(Step, Self)>,
    ) -> Result<(), (Step, Violation)> {
        let world = machine.world;
        let lost = units(machine.policy.absence_after(false));
        if self.elapsed < lost {
            let service = self.service.ticked();
            go.push((Step::Tick, Self { elapsed: self.elapsed + 1, service, ..self }));
        }
        self.acts(machine, go)?;
        let scopes = [Some(world.may_list), world.may_list_later.then_some(true)];
        for may_list in scopes.into_iter().flatten() {
            for sends in [true, false] {
                for since_end in [0, self.elapsed] {
                    let step = Step::Resume { sends, may_list, since_end };
                    let process = if sends { Process::Later } else { Process::Recovering };
                    let witness = Witness {
                        process,
                        may_list,
                        doubt: Some(lost - since_end),
                        posts: if sends { self.witness.posts } else { 0 },
                        ..self.witness
                    };
                    let next =
                        machine.resume(self.witness.disk, sends, since_end).and_then(|node| {
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
            Meaning::Finished(_) | Meaning::RateLimited { by_service: true, .. } => {
                if can {
                    EITHER
                } else {
                    NOTHING
                }
            }
            Meaning::Nothing
            | Meaning::Busy(_)
            | Meaning::RateLimited { by_service: false, .. } => match (world.processing, can) {
                (0, true) => EITHER,
                (0, false) => NOTHING,
                (_, _) => PENDING,
            },
            _ => NOTHING,
        }
    }

    fn moved<E: Wish>(
        self,
        machine: &Machine<E>,
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
            service = service.without_the_hopeless(world);
            invariants::of_service(&service, world)?;
        }
        let mut witness = self.witness;
        let (finished, lost) =
            (units(machine.policy.absence_after(true)), units(machine.policy.absence_after(false)));
        witness.note(doing, meaning, finished, lost);
        match (doing, meaning) {
            (Doing::List { .. }, Meaning::List { view, is_complete }) => {
                witness.read(view, is_complete, world);
                witness.renamed_shown |= invariants::shows_ours_renamed(&self, view, world);
            }
            // Rule 1: a token that may not list creates without a baseline.
            (Doing::List { .. }, Meaning::ScopeMissing) if !witness.sent => witness.cleared = true,
            (Doing::Record, Meaning::Recorded) if world.driver != Driver::RecordsNothing => {
                witness.disk = machine.node(self.node).intent;
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
        invariants::patience(machine, &self, doing, meaning, to, draw)?;
        let was_in_doubt = self.witness.doubt.is_some();
        Self { node: to, elapsed: 0, service, witness }.arrived_after(machine, was_in_doubt)
    }

    fn arrived<E: Wish>(self, machine: &Machine<E>) -> Result<Self, Violation> {
        self.arrived_after(machine, false)
    }

    /// Checks that the step that is handed out now may be handed out.
    fn arrived_after<E: Wish>(
        mut self,
        machine: &Machine<E>,
        was_in_doubt: bool,
    ) -> Result<Self, Violation> {
        let node = machine.node(self.node);
        match node.doing {
            Doing::Authenticate { renew, .. } => {
                ensure(renew == self.witness.had_token, "the rejected token is not named")?;
                ensure(self.witness.token_rejected < 2, "a second new token for one request")?;
            }
            Doing::List { limit } => {
                self.witness.asks_for(false);
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
                let verdict = node.verdict.expect("it ended");
                invariants::judge(verdict, &self, machine, was_in_doubt)?;
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

impl Default for View {
    fn default() -> Self {
        Self([super::service::Version::default(); super::service::SLOTS])
    }
}
