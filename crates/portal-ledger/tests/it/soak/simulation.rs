//! Runs a [`Schedule`] in virtual time. Times are milliseconds.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portal_ledger::{
    ClaimRequest, Ended, Entry, EntryId, Filter, Host, Ledger, Moment, Terms, Wanted, run,
};
use portal_model::flow::{NameTaken, NoResponse, NotSent, TokenError, TokenId, TransportError};
use portal_model::operation::{CreateOperation, Operation, RenameOperation};
use portal_model::server::rejections;
use portal_model::{ApiVersion, Method, Org, OrgIdentity, Request, Response};

use super::Flaw;
use super::schedule::{Act, Credential, Fate, NAMES, Reply, Run, Schedule, Wish};
use super::service::{Attempt, Listed, Noise, PROCESSING, Service, What, org_of, refused};

/// When every horizon of every attempt is past.
const END: u64 = 3_600_000;

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// A copy of the attempt of that number is processed.
    Effect(usize),
    /// The same, and its response comes back.
    Reply(usize),
    Act(usize),
    Restart,
    Kill(usize),
    /// The process of that number begins, or goes on.
    Process(usize),
}

/// What the processes share with the world around them.
struct World {
    now: u64,
    /// By time, then in the order of their making.
    due: BinaryHeap<Reverse<(u64, u64, Due)>>,
    made: u64,
    service: Service,
    fates: std::vec::IntoIter<Fate>,
    ledger: Ledger,
    boots: u64,
    /// How many attempts each entry has, as last seen, and who recorded the last one.
    recorded: BTreeMap<EntryId, u32>,
    /// When the first attempt of each entry was recorded.
    begun: BTreeMap<EntryId, u64>,
    /// The entry that the process of that number recorded an attempt in last.
    entries: Vec<Option<EntryId>>,
    tokens: u64,
    /// What the service said of the attempt of that number.
    said: BTreeMap<usize, Response>,
    /// By when the attempt of that number takes effect, or never: its connection is closed.
    latest: BTreeMap<usize, u64>,
    noise: Noise,
    log: Vec<String>,
    /// How often the processes read their clock: without end, if one does not wait.
    reads: u32,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn at(&mut self, time: u64, due: Due) {
        self.made += 1;
        self.due.push(Reverse((time, self.made, due)));
    }

    /// A copy of an attempt is processed, and its response comes back if that is a reply.
    fn process(&mut self, attempt: usize, is_reply: bool) {
        if self.latest.get(&attempt).is_some_and(|latest| *latest < self.now) {
            return;
        }
        let response = self.service.process(attempt, self.now);
        self.log.push(format!("{:>8} attempt {attempt} processed: {}", self.now, response.status));
        if is_reply {
            self.said.insert(attempt, response);
        }
    }

    fn act(&mut self, number: usize, act: &Act) {
        let (now, service) = (self.now, &mut self.service);
        let again = match *act {
            Act::Rename { portal, name, .. } => service.rename(portal, NAMES[name], now),
            Act::TakeName { name, .. } => {
                service.take_name(NAMES[name], now);
                None
            }
            Act::FreeName { name, .. } => service.free_name(NAMES[name], now),
        };
        if let Some(at) = again {
            self.at(at, Due::Act(number));
        }
    }

    /// Notes in which entry the process recorded an attempt since this was last called.
    fn notice(&mut self, run: usize) {
        for entry in entries(&self.ledger) {
            let known = self.recorded.insert(entry.id.clone(), entry.attempts).unwrap_or_default();
            if entry.attempts > known {
                self.begun.entry(entry.id.clone()).or_insert(self.now);
                self.entries[run] = Some(entry.id);
            }
        }
    }
}

/// The ledger in memory never waits.
fn entries(ledger: &Ledger) -> Vec<Entry> {
    let filter = Filter::default();
    let read = pin!(ledger.entries(&filter));
    match read.poll(&mut Context::from_waker(Waker::noop())) {
        // Those of a process that was killed are none.
        Poll::Ready(entries) => entries.unwrap_or_default(),
        Poll::Pending => panic!("it waits"),
    }
}

struct Process {
    future: Option<Pin<Box<dyn Future<Output = Ended>>>>,
    ended: Option<(u64, Ended)>,
    is_killed: bool,
}

/// What came of a schedule.
pub(super) struct Story {
    pub(super) schedule: Schedule,
    pub(super) service: Service,
    /// When the processes ended, and how; `None` if they were killed.
    pub(super) ended: Vec<Option<(u64, Ended)>>,
    pub(super) is_killed: Vec<bool>,
    /// When the first attempt of each entry was recorded.
    pub(super) begun: BTreeMap<EntryId, u64>,
    log: Vec<String>,
}

impl Story {
    pub(super) fn told(&self) -> String {
        let ended = self.ended.iter().enumerate().map(|(number, ended)| match ended {
            Some((at, ended)) => format!("{at:>8} process {number}: {ended:?}"),
            None => format!("         process {number} has no outcome"),
        });
        let portals = self.service.portals.iter().map(|portal| format!("{portal:?}"));
        let lines = self.log.iter().cloned().chain(ended).chain(portals);
        lines.collect::<Vec<_>>().join("\n")
    }
}

pub(super) fn simulate(schedule: &Schedule, flaw: Flaw) -> Story {
    let world = Shared(Arc::new(Mutex::new(World {
        now: 0,
        due: BinaryHeap::new(),
        made: 0,
        service: Service::new(schedule.is_limited, schedule.noise, flaw),
        fates: schedule.fates.clone().into_iter(),
        ledger: Ledger::in_memory(),
        boots: 0,
        recorded: BTreeMap::new(),
        begun: BTreeMap::new(),
        entries: vec![None; schedule.runs.len()],
        tokens: 0,
        said: BTreeMap::new(),
        latest: BTreeMap::new(),
        noise: Noise(schedule.noise),
        log: Vec::new(),
        reads: 0,
    })));
    let processes =
        schedule.runs.iter().map(|_| Process { future: None, ended: None, is_killed: false });
    let mut processes: Vec<_> = processes.collect();
    {
        let mut world = world.lock();
        for (number, run) in schedule.runs.iter().enumerate() {
            world.at(run.begins, Due::Process(number));
            if let Some(after) = run.killed {
                world.at(run.begins + after, Due::Kill(number));
            }
        }
        for (number, act) in schedule.acts.iter().enumerate() {
            let (Act::Rename { at, .. } | Act::TakeName { at, .. } | Act::FreeName { at, .. }) =
                act;
            world.at(*at, Due::Act(number));
        }
        if let Some(at) = schedule.restart {
            world.at(at, Due::Restart);
        }
    }
    loop {
        let due = {
            let mut world = world.lock();
            let Some(Reverse((time, _, due))) = world.due.pop() else { break };
            if time > END {
                break;
            }
            world.now = time;
            due
        };
        match due {
            Due::Process(number) => step(&world, schedule, flaw, &mut processes, number),
            Due::Kill(number) => kill(&world, &mut processes[number], number),
            Due::Restart => {
                for (number, process) in processes.iter_mut().enumerate() {
                    if process.future.is_some() {
                        kill(&world, process, number);
                    }
                }
                let mut world = world.lock();
                world.ledger = world.ledger.after_restart();
                world.boots += 1;
            }
            Due::Effect(attempt) | Due::Reply(attempt) => {
                world.lock().process(attempt, matches!(due, Due::Reply(_)));
            }
            Due::Act(number) => world.lock().act(number, &schedule.acts[number]),
        }
    }
    let is_killed = processes.iter().map(|process| process.is_killed).collect();
    let ended = processes.into_iter().map(|process| {
        std::mem::forget(process.future);
        process.ended
    });
    let ended = ended.collect();
    let mut world = world.lock();
    let service = std::mem::replace(&mut world.service, Service::new(false, 0, flaw));
    let log = std::mem::take(&mut world.log);
    let begun = std::mem::take(&mut world.begun);
    Story { schedule: schedule.clone(), service, ended, is_killed, begun, log }
}

/// As a SIGKILL: nothing of it runs any more, a destructor neither.
fn kill(world: &Shared, process: &mut Process, number: usize) {
    if process.ended.is_none() {
        process.is_killed = true;
        std::mem::forget(process.future.take());
        let mut world = world.lock();
        let line = format!("{:>8} process {number} killed", world.now);
        world.log.push(line);
    }
}

/// Begins a process, or lets it go on, unless it is frozen.
fn step(world: &Shared, schedule: &Schedule, flaw: Flaw, processes: &mut [Process], number: usize) {
    let (process, run) = (&mut processes[number], &schedule.runs[number]);
    if process.is_killed || process.ended.is_some() {
        return;
    }
    if let Some((after, length)) = run.frozen {
        let (from, to) = (run.begins + after, run.begins + after + length);
        let mut world = world.lock();
        if (from..to).contains(&world.now) {
            world.at(to, Due::Process(number));
            return;
        }
    }
    let future = process.future.get_or_insert_with(|| {
        Box::pin(perform(world.clone(), number, run.clone(), schedule.allow_another, flaw))
    });
    let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let mut world = world.lock();
    world.notice(number);
    if let Poll::Ready(ended) = polled {
        let line = format!("{:>8} process {number}: {}", world.now, ended.outcome);
        world.log.push(line);
        process.ended = Some((world.now, ended));
        process.future = None;
    }
}

async fn perform(
    world: Shared,
    number: usize,
    process: Run,
    allow_another: bool,
    flaw: Flaw,
) -> Ended {
    let (ledger, boot) = {
        let world = world.lock();
        (world.ledger.clone(), world.boots)
    };
    let name = |name: usize| NAMES[name].parse().unwrap();
    let wanted = match process.wish {
        Wish::Create { name: first, fallback } => {
            let create = CreateOperation::new(name(first));
            let fallbacks = fallback.filter(|fallback| *fallback != first).map(name);
            Wanted::Do(Operation::from(create.with_fallbacks(fallbacks)))
        }
        Wish::Rename { old, new } => Wanted::Do(RenameOperation::new(NAMES[old], name(new)).into()),
        Wish::Recover(other) => Wanted::Recover(EntryId::new(other.to_string())),
    };
    let identity = |credential| OrgIdentity::new("https://api.example", credential);
    let org = match process.credential {
        Credential::One => identity("one").with_org(Some(Org::new("7"))),
        Credential::Other => identity("other").with_org(Some(Org::new("7"))),
        Credential::Blind => identity("blind"),
        Credential::Elsewhere => identity("elsewhere").with_org(Some(Org::new("8"))),
    };
    let mut request = ClaimRequest::new(EntryId::new(number.to_string()), org, wanted);
    // A key is one operation, so it is of one org.
    request.key = process.key.map(|key| format!("{} {key}", org_of(process.credential)));
    request.policy.attempt_timeout = Duration::from_secs(20);
    request.policy.allow_another = allow_another;
    if process.at_once {
        request.policy.name_taken = NameTaken::AtOnce;
    }
    let clock = if process.has_own_clock { Some(number) } else { None };
    let mut host =
        Client { world: world.clone(), number, org: org_of(process.credential), boot, clock, flaw };
    let stop = async {
        match process.stopped {
            Some(after) => sleep(&world, number, after).await,
            None => pending().await,
        }
    };
    run(&ledger, request, ApiVersion::default(), &mut host, stop).await
}

async fn sleep(world: &Shared, number: usize, time: u64) {
    let until = world.lock().now + time;
    let mut is_due = false;
    poll_fn(|_| {
        let mut world = world.lock();
        if world.now >= until {
            return Poll::Ready(());
        }
        if !is_due {
            is_due = true;
            world.at(until, Due::Process(number));
        }
        Poll::Pending
    })
    .await;
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

struct Client {
    world: Shared,
    number: usize,
    org: usize,
    boot: u64,
    clock: Option<usize>,
    flaw: Flaw,
}

impl Client {
    async fn sleep(&self, time: u64) {
        sleep(&self.world, self.number, time).await;
    }

    /// Sends an attempt, and reports what comes back within `limit`.
    async fn attempt(&self, what: What, limit: u64) -> Result<Response, TransportError> {
        let (number, fate) = {
            let world = &mut *self.world.lock();
            world.notice(self.number);
            let prompt = Fate { first: Some(0), second: None, reply: Reply::Service, after: 0 };
            let fate = world.fates.next().unwrap_or(prompt);
            let entry = world.entries[self.number].clone().expect("an attempt is recorded");
            let line =
                format!("{:>8} process {}: {what:?} {entry} {fate:?}", world.now, self.number);
            world.log.push(line);
            let (run, sent, org) = (self.number, world.now, self.org);
            world.service.attempts.push(Attempt { run, entry, sent, org, what });
            (world.service.attempts.len() - 1, fate)
        };
        let share = |share: u8, of: u64| of * u64::from(share) / 255;
        let processing = if self.flaw == Flaw::LateEffects { 2 * PROCESSING } else { PROCESSING };
        let _connection = Connection { world: self.world.clone(), number, processing };
        let after = share(fate.after, limit);
        // Copies are at work until then.
        let until = match fate.reply {
            Reply::Lost => limit + processing,
            _ => after + processing,
        };
        let effects = |copies: &[Option<u8>]| {
            let mut world = self.world.lock();
            for copy in copies.iter().flatten() {
                let at = world.now + share(*copy, until);
                world.at(at, Due::Effect(number));
            }
        };
        // What the service says of the copy that is processed after that time.
        let processed = async || {
            {
                let mut world = self.world.lock();
                let at = world.now + after;
                world.at(at, Due::Reply(number));
            }
            self.sleep(after + 1).await;
            Ok(self.world.lock().said[&number].clone())
        };
        match fate.reply {
            Reply::NotSent => Err(NotSent::Connect("connection refused".to_owned()).into()),
            Reply::Forbidden | Reply::TokenExpired => {
                self.sleep(after).await;
                let error = match fate.reply {
                    Reply::Forbidden => rejections::no_permission(["Crm_Implied_Create_Portal"]),
                    _ => rejections::invalid_token(),
                };
                Ok(refused(&error))
            }
            Reply::Service => processed().await,
            Reply::OfSecond => {
                effects(&[fate.first]);
                processed().await
            }
            Reply::Status(status) => {
                effects(&[fate.first, fate.second]);
                self.sleep(after).await;
                Ok(Response::new(status, "<html>"))
            }
            Reply::Broken => {
                effects(&[fate.first, fate.second]);
                self.sleep(after).await;
                Err(NoResponse::Broken("connection reset".to_owned()).into())
            }
            Reply::Lost => {
                effects(&[fate.first, fate.second]);
                self.sleep(limit).await;
                Err(NoResponse::TimedOut.into())
            }
        }
    }
}

/// Of an attempt. Closed when it is dropped, which a process that is killed does not.
struct Connection {
    world: Shared,
    number: usize,
    processing: u64,
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut world = self.world.lock();
        let latest = world.now + self.processing;
        world.latest.insert(self.number, latest);
    }
}

impl Host for Client {
    fn now(&self) -> Moment {
        let mut world = self.world.lock();
        world.reads += 1;
        assert!(
            world.reads < 100_000,
            "process {} does not wait:\n{}",
            self.number,
            world.log.join("\n")
        );
        let now = Duration::from_millis(world.now);
        match self.clock {
            // A namespace whose clock is ahead.
            Some(number) => {
                Moment::new(format!("namespace {number}"), now + Duration::from_secs(5000))
            }
            None => Moment::new(format!("boot {}", self.boot), now),
        }
    }

    async fn sleep(&self, time: Duration) {
        // Never too short.
        Client::sleep(self, millis(time + Duration::from_nanos(999_999))).await;
    }

    async fn token(&mut self, _: Option<TokenId>, _: Duration) -> Result<TokenId, TokenError> {
        let mut world = self.world.lock();
        world.tokens += 1;
        Ok(TokenId(world.tokens))
    }

    fn random(&mut self) -> u32 {
        u32::try_from(self.world.lock().noise.below(1 << 32)).unwrap()
    }

    async fn send(&mut self, request: Request, terms: Terms) -> Result<Response, TransportError> {
        if request.method == Method::Get {
            let timeout = millis(terms.timeout);
            let (takes, listed) = {
                let world = &mut *self.world.lock();
                world.service.list(self.org, world.now, timeout)
            };
            Client::sleep(self, takes.min(timeout)).await;
            return match listed {
                Listed::Response(response) if takes < timeout => Ok(response),
                Listed::Response(_) | Listed::Lost => Err(NoResponse::TimedOut.into()),
            };
        }
        // It takes a while to connect, and a process may freeze before the last look at the time.
        let pause = {
            let world = &mut *self.world.lock();
            if world.noise.below(4) == 1 { world.noise.below(4000) } else { 0 }
        };
        Client::sleep(self, pause).await;
        let until = terms.attempt.expect("an attempt has a bound");
        let Some(left) = until.since(&self.now()).filter(|left| !left.is_zero()) else {
            if self.flaw == Flaw::NoTimer {
                return self.attempt(What::of(&request), millis(terms.timeout)).await;
            }
            return Err(NotSent::NotStarted("too late".to_owned()).into());
        };
        self.attempt(What::of(&request), millis(terms.timeout.min(left))).await
    }
}
