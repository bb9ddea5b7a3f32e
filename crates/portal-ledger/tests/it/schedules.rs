//! Processes that create, rename, freeze and die at random, over the ledger and a service that is
//! late: no operation ever gets two portals, and no negative outcome is untrue.
//!
//! The flow is a sketch of the real one; the ledger is the real one. Times are short: an attempt
//! takes 2 s and its record 1, effects 6, lists 2. All of it runs in virtual time.

use std::cell::{Cell, RefCell};
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::time::Duration;

use portal_ledger::{
    AttemptEnd, Claim, ClaimRequest, Ending, EndingKind, EntryId, Ledger, Moment, Permit,
    RecordError, Wanted,
};
use portal_model::flow::{Baseline, CreateIntent, Intent, RenameIntent};
use portal_model::operation::{CreateOperation, Operation, RenameOperation};
use portal_model::{Org, OrgIdentity};
use serde_json::json;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, timeout};

const RECORD: f64 = 1.0;
const ATTEMPT: f64 = 2.0;
const PROCESSING: f64 = 6.0;
const LAG: f64 = 2.0;
/// A list, at the longest.
const LIST: f64 = 0.5;
/// How long nobody else renames a portal after its creation.
const UNTOUCHED: f64 = LAG + LIST + RECORD + ATTEMPT + PROCESSING;
/// When every horizon is past.
const END: f64 = 600.0;

/// xorshift: the schedule of a seed is the same everywhere.
struct Random(Cell<u64>);

impl Random {
    fn new(seed: u64) -> Self {
        Self(Cell::new((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// From 0 to below 1.
    fn next(&self) -> f64 {
        let mut bits = self.0.get();
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        self.0.set(bits);
        f64::from(u32::try_from(bits >> 32).unwrap()) / f64::from(u32::MAX) * 0.999_999
    }

    fn below(&self, limit: f64) -> f64 {
        self.next() * limit
    }

    fn happens(&self, share: f64) -> bool {
        self.next() < share
    }
}

/// A portal with its names, each from when on lists show it.
struct Portal {
    created: f64,
    /// When the request was sent that created it.
    sent: f64,
    names: Vec<(f64, &'static str)>,
}

impl Portal {
    fn name(&self) -> &'static str {
        self.names.last().unwrap().1
    }
}

struct World {
    random: Random,
    begun: Instant,
    ledger: Ledger,
    portals: RefCell<Vec<Portal>>,
    /// Who said what of which name, and when.
    outcomes: RefCell<Vec<(f64, &'static str, &'static str)>>,
    ids: Cell<u64>,
    flaw: Option<Flaw>,
}

/// A rule that a process breaks; the ledger alone does not save it.
#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    /// An attempt is made however long the record took.
    NoTimer,
    /// The end of an attempt in doubt is reported as certain.
    DoubtForgotten,
    /// What another process adopted is attempted all the same.
    AdoptionIgnored,
}

impl World {
    fn now(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }

    fn moment(&self) -> Moment {
        moment(self.now())
    }

    /// Takes effect unless the name is taken.
    fn create(&self, name: &'static str, sent: f64) -> bool {
        let mut portals = self.portals.borrow_mut();
        let is_free = portals.iter().all(|portal| portal.name() != name);
        if is_free {
            let listed = self.now() + self.random.below(LAG);
            portals.push(Portal { created: self.now(), sent, names: vec![(listed, name)] });
        }
        is_free
    }

    fn rename(&self, old: &str, new: &'static str) -> bool {
        let mut portals = self.portals.borrow_mut();
        let is_free = portals.iter().all(|portal| portal.name() != new);
        let Some(portal) = portals.iter_mut().find(|portal| portal.name() == old) else {
            return false;
        };
        if is_free {
            portal.names.push((self.now() + self.random.below(LAG), new));
        }
        is_free
    }

    /// The portals that a list shows which began then: id and name.
    fn list(&self, at: f64) -> Vec<(usize, &'static str)> {
        let portals = self.portals.borrow();
        let listed = portals.iter().enumerate().filter_map(|(id, portal)| {
            let shown = portal.names.iter().rev().find(|(from, _)| *from <= at)?;
            Some((id, shown.1))
        });
        listed.collect()
    }

    fn say(&self, name: &'static str, outcome: &'static str) {
        self.outcomes.borrow_mut().push((self.now(), name, outcome));
    }

    fn id(&self) -> EntryId {
        self.ids.set(self.ids.get() + 1);
        EntryId::new(self.ids.get().to_string())
    }

    fn request(&self, operation: Operation, allow_another: bool) -> ClaimRequest {
        let org = OrgIdentity::new("https://api.example", "credential");
        let org = org.with_org(Some(Org::new("7")));
        let mut request = ClaimRequest::new(self.id(), org, Wanted::Do(operation));
        request.policy.allow_another = allow_another;
        request.policy.record_timeout = seconds(RECORD);
        request.policy.attempt_timeout = seconds(ATTEMPT);
        request.policy.processing_time = seconds(PROCESSING);
        request.policy.list_lag = seconds(LAG);
        request
    }
}

fn moment(second: f64) -> Moment {
    Moment::new("boot", seconds(second))
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds.max(0.0))
}

async fn pause(length: f64) {
    sleep(seconds(length)).await;
}

/// How an attempt goes: when it takes effect, if ever, and what comes back.
enum Fate {
    Responds(f64),
    /// The effect comes at some time up to the horizon, the response never.
    Lost(f64),
    Never,
    /// A gateway responds before the service has finished.
    Gateway(f64),
}

impl World {
    fn fate(&self, limit: f64) -> Fate {
        match self.random.next() {
            kind if kind < 0.35 => Fate::Responds(self.random.below(limit)),
            kind if kind < 0.6 => Fate::Lost(self.random.below(limit + PROCESSING)),
            kind if kind < 0.75 => Fate::Never,
            _ => Fate::Gateway(self.random.below(PROCESSING)),
        }
    }

    /// Sends a create once; whether the service said that it was done or refused, or nothing.
    async fn attempt(self: &Rc<Self>, name: &'static str, limit: f64) -> Option<bool> {
        let sent = self.now();
        let effect = |delay: f64| {
            let world = self.clone();
            let done = Rc::new(Cell::new(false));
            let seen = done.clone();
            spawn_local(async move {
                pause(delay).await;
                seen.set(world.create(name, sent));
            });
            done
        };
        match self.fate(limit) {
            Fate::Responds(delay) => {
                let done = effect(delay);
                pause(delay + 0.002).await;
                Some(done.get())
            }
            Fate::Lost(delay) => {
                effect(delay);
                pause(limit).await;
                None
            }
            Fate::Never => {
                pause(limit).await;
                None
            }
            Fate::Gateway(delay) => {
                effect(delay);
                pause(0.05).await;
                None
            }
        }
    }

    /// A process that wants a portal of this name, until it dies.
    async fn process(self: Rc<Self>, name: &'static str, allow_another: bool) {
        let begun = self.now();
        let wanted = create(name);
        let mut request = self.request(wanted, allow_another);
        // Where others rename portals, only a key says that a run is the same create again.
        request.key = allow_another.then(|| "row".to_owned());
        loop {
            let claim = self.ledger.claim(&request, &self.moment()).await.unwrap();
            let permit = match claim {
                Claim::Granted(permit) => permit,
                Claim::Ended(_) => return self.say(name, "created earlier"),
                Claim::Blocked(blocked) => panic!("{blocked}"),
                Claim::Wait(_) => {
                    pause(0.3).await;
                    let seen = self.list(self.now());
                    if seen.iter().any(|(_, shown)| *shown == name) {
                        return self.say(name, "present");
                    }
                    if self.now() - begun > 150.0 {
                        return self.say(name, "unknown");
                    }
                    continue;
                }
            };
            match self.flow(permit, name, allow_another).await {
                Some(outcome) => return self.say(name, outcome),
                // Somebody adopted the entry: wait for them, as somebody else.
                None => request.id = self.id(),
            }
        }
    }

    /// Lists, attempts and verifies until the outcome, or until somebody else adopts the entry.
    async fn flow(
        self: &Rc<Self>,
        mut permit: Permit,
        name: &'static str,
        allow_another: bool,
    ) -> Option<&'static str> {
        let random = &self.random;
        // A process may stand still between any two steps.
        let freeze = |share: f64| if random.happens(share) { random.below(40.0) } else { 0.1 };
        let left = permit.horizon().as_secs_f64();
        let mut horizon = if left > 0.0 { self.now() + left } else { 0.0 };
        let mut in_doubt = permit.entry().attempts > 0;
        let mut tries = 0;
        pause(freeze(0.04)).await;
        let (outcome, kind) = loop {
            let began = self.now();
            pause(random.below(LIST)).await;
            let seen = self.list(began);
            let first = permit.entry().intent.as_ref().and_then(|intent| intent.baseline());
            let baseline = first.cloned().unwrap_or_else(|| baseline(&seen));
            if seen.iter().any(|(_, shown)| *shown == name) {
                break ("present", EndingKind::Appeared);
            }
            let is_new =
                |id: usize| baseline.0.iter().all(|known| known.id != Some(id.to_string()));
            let is_renamed = |id: usize| self.portals.borrow()[id].names.len() > 1;
            if in_doubt && seen.iter().any(|(id, _)| is_new(*id) && is_renamed(*id)) {
                break ("unknown", EndingKind::Unknown);
            }
            if in_doubt {
                if began >= horizon + LAG {
                    if !seen.is_empty() && !allow_another {
                        break ("org has portal", EndingKind::NotDone);
                    }
                    if tries >= 2 {
                        break ("not created", EndingKind::NotDone);
                    }
                } else if tries >= 2 || random.happens(0.5) {
                    pause(1.0).await;
                    continue;
                }
            } else if !seen.is_empty() && !allow_another {
                break ("org has portal", EndingKind::NotDone);
            }
            // One timer from before the record to the end of the attempt.
            let timer = self.now();
            pause(freeze(0.04)).await;
            let mut intent = CreateIntent::new(name.parse().unwrap());
            intent.baseline = Some(baseline);
            match permit.record(&Intent::from(intent), &moment(timer)).await {
                Ok(()) => {}
                Err(RecordError::Adopted(_)) if self.flaw == Some(Flaw::AdoptionIgnored) => {}
                Err(RecordError::Adopted(_)) => return None,
                Err(error) => panic!("{error}"),
            }
            pause(freeze(0.05)).await;
            tries += 1;
            in_doubt = true;
            if self.now() - timer > RECORD && self.flaw != Some(Flaw::NoTimer) {
                horizon = self.now() + PROCESSING;
                permit.attempt_ended(AttemptEnd { at: self.moment(), in_doubt: false });
                continue;
            }
            let limit = ATTEMPT.min(timer + RECORD + ATTEMPT - self.now()).max(0.1);
            let response = self.attempt(name, limit).await;
            let is_lost = response.is_none();
            let is_told = is_lost && self.flaw != Some(Flaw::DoubtForgotten);
            permit.attempt_ended(AttemptEnd { at: self.moment(), in_doubt: is_told });
            if is_lost {
                horizon = horizon.max(self.now() + PROCESSING);
                continue;
            }
            if response == Some(true) {
                break ("created", EndingKind::Created);
            }
            pause(LAG).await;
            let seen = self.list(self.now());
            if seen.iter().any(|(_, shown)| *shown == name) {
                break ("present", EndingKind::Appeared);
            }
            // An own copy may have taken the name, and may have been renamed since.
            break ("unknown", EndingKind::Unknown);
        };
        pause(freeze(0.04)).await;
        match permit.end(&Ending::new(kind), &self.moment()).await {
            Ok(_) => Some(outcome),
            Err(RecordError::Adopted(_)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// `portal rename`, through the ledger.
    async fn renamer(self: Rc<Self>, old: &'static str, new: &'static str) {
        let operation = RenameOperation::new(old, new.parse().unwrap());
        let request = self.request(operation.into(), true);
        loop {
            match self.ledger.claim(&request, &self.moment()).await.unwrap() {
                Claim::Granted(mut permit) => {
                    if self.list(self.now()).iter().all(|(_, shown)| *shown != old) {
                        return;
                    }
                    let intent = Intent::from(RenameIntent::new(old, new.parse().unwrap()));
                    if permit.record(&intent, &self.moment()).await.is_err() {
                        return;
                    }
                    pause(0.05).await;
                    let is_done = self.rename(old, new);
                    permit.attempt_ended(AttemptEnd { at: self.moment(), in_doubt: false });
                    let kind = if is_done { EndingKind::Renamed } else { EndingKind::NotDone };
                    drop(permit.end(&Ending::new(kind), &self.moment()).await);
                    return;
                }
                Claim::Wait(_) if self.now() < 100.0 => pause(0.3).await,
                _ => return,
            }
        }
    }

    /// Renames in a browser, as assumed: nobody touches a portal that is too new.
    async fn colleague(self: Rc<Self>, old: &'static str, new: &'static str) {
        for _ in 0..60 {
            pause(1.0).await;
            let is_old =
                |portal: &Portal| portal.name() == old && self.now() >= portal.created + UNTOUCHED;
            let is_there = self.portals.borrow().iter().any(is_old);
            if is_there && self.random.happens(0.2) {
                self.rename(old, new);
                return;
            }
        }
    }
}

fn create(name: &str) -> Operation {
    CreateOperation::new(name.parse().unwrap()).into()
}

fn baseline(seen: &[(usize, &'static str)]) -> Baseline {
    let known = |(id, name): &(usize, &str)| json!({ "id": id.to_string(), "name": name });
    serde_json::from_value(seen.iter().map(known).collect()).unwrap()
}

const ALPHA: &str = "AlphaPortal";
const BETA: &str = "BetaPortal";
const GAMMA: &str = "GammaPortal";
const OMEGA: &str = "OmegaPortal";

/// Plays the schedule of a seed; what is wrong with its end, if anything.
fn play(seed: u64, flaw: Option<Flaw>) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        let world = Rc::new(World {
            random: Random::new(seed),
            begun: Instant::now(),
            ledger: Ledger::in_memory(),
            portals: RefCell::default(),
            outcomes: RefCell::default(),
            ids: Cell::new(0),
            flaw,
        });
        let random = &world.random;
        // Several portals are allowed only where one name is wanted: then renames matter.
        let allow_another = random.happens(0.5);
        let count = [1, 2, 3].into_iter().find(|_| random.happens(0.4)).unwrap_or(2);
        for index in 0..count {
            let is_second = !allow_another && (index + usize::from(random.happens(0.3))) % 2 == 1;
            let name = if is_second { BETA } else { ALPHA };
            let begin = random.below(25.0);
            let dies = random.happens(0.5).then(|| random.below(12.0));
            let process = world.clone().process(name, allow_another);
            spawn_local(async move {
                pause(begin).await;
                match dies {
                    // As a SIGKILL: nothing runs any more, a destructor neither.
                    Some(after) => killed(process, after).await,
                    None => process.await,
                }
            });
        }
        if allow_another && random.happens(0.5) {
            let (begin, renamer) = (random.below(20.0), world.clone().renamer(ALPHA, GAMMA));
            spawn_local(async move {
                pause(begin).await;
                renamer.await;
            });
        }
        if allow_another && random.happens(0.5) {
            spawn_local(world.clone().colleague(ALPHA, OMEGA));
        }
        pause(END).await;
        world.verdict()
    })
}

/// Runs a process until it is killed: it is forgotten rather than dropped.
async fn killed(process: impl Future<Output = ()> + 'static, after: f64) {
    let mut process = ManuallyDrop::new(Box::pin(process));
    // It may end before.
    let _ = timeout(seconds(after), process.as_mut()).await;
}

impl World {
    /// What is untrue once every horizon is past.
    fn verdict(&self) -> Option<String> {
        let portals = self.portals.borrow();
        if portals.len() > 1 {
            let names: Vec<_> = portals.iter().map(|one| (one.created, &one.names)).collect();
            return Some(format!("two portals: {names:?}"));
        }
        let outcomes = self.outcomes.borrow();
        let untrue = outcomes.iter().find(|(at, name, outcome)| {
            let is_negative = ["not created", "org has portal"].contains(outcome);
            let is_later = |portal: &Portal| portal.names[0].1 == *name && portal.sent <= *at;
            is_negative && portals.iter().any(is_later)
        });
        untrue.map(|said| format!("{said:?}, yet the portal was created"))
    }
}

fn broken(seeds: std::ops::Range<u64>, flaw: Option<Flaw>) -> Vec<(u64, String)> {
    seeds.filter_map(|seed| Some((seed, play(seed, flaw)?))).collect()
}

/// `PORTAL_LEDGER_SCHEDULES` chooses how many.
#[test]
fn no_schedule_makes_two_portals_or_untrue_outcome() {
    let count = std::env::var("PORTAL_LEDGER_SCHEDULES").map_or(3000, |text| text.parse().unwrap());
    let broken = broken(0..count, None);
    assert!(broken.is_empty(), "{} of {count}: {:?}", broken.len(), broken.first());
}

#[test]
fn each_flaw_of_process_is_found() {
    for flaw in [Flaw::NoTimer, Flaw::DoubtForgotten, Flaw::AdoptionIgnored] {
        let found =
            (0..20).any(|part| !broken(part * 500..(part + 1) * 500, Some(flaw)).is_empty());
        assert!(found, "10,000 schedules hold without it");
    }
}
