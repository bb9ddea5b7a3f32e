//! Whole operations, over a scripted service and a ledger in memory, in virtual time.

mod ends;
mod failing_lists;
mod keys;
mod names;
mod previews;
mod renames;

use std::collections::VecDeque;
use std::future::pending;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portal_ledger::{
    ClaimRequest, Ended, EntryId, Filter, Host, Ledger, Moment, Terms, Wanted, end_unclaimed,
    preview, previews, run,
};
use portal_model::flow::{NameTaken, NoResponse, NotSent, TokenError, TokenId, TransportError};
use portal_model::operation::{CreateOperation, Operation, RenameOperation};
use portal_model::outcome::{NotDone, Origin, Owner};
use portal_model::{
    ApiVersion, Endpoint as _, ListPortals, Method, Org, OrgIdentity, Outcome, Request, Response,
};
use tokio::time::{Instant, sleep, timeout};

const SUCCESS: &str = "SUCCESS";
/// The service creates a portal of another name, and says so.
const OTHER_NAME: &str = "OTHER_NAME";

/// An org, and what the service does with the next attempts.
#[derive(Clone)]
struct Service(Arc<Mutex<State>>);

struct State {
    started: Instant,
    /// Each with its names, and since when it has them.
    portals: Vec<Vec<(Duration, String)>>,
    lag: Duration,
    script: VecDeque<Act>,
    /// What a list gets instead of the portals.
    list: Option<(u16, &'static str)>,
    /// What was sent, and when.
    seen: Vec<(Duration, &'static str)>,
    /// What the clock that counts suspension is ahead by.
    suspended: Duration,
    ids: u32,
}

/// What becomes of an attempt: when it takes effect, and what comes back.
#[derive(Clone, Copy, Debug)]
struct Act {
    effect: Option<Duration>,
    reply: Option<(u16, &'static str)>,
    after: Duration,
}

const AT_ONCE: Duration = Duration::ZERO;

/// It takes effect, and the response says so.
const CREATED: Act = Act { effect: Some(AT_ONCE), reply: Some((200, SUCCESS)), after: AT_ONCE };
/// The same, and no response comes back.
const LOST: Act = Act { reply: None, ..CREATED };

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn late(seconds: u64, act: Act) -> Act {
    Act { effect: Some(secs(seconds)), ..act }
}

fn responds(status: u16, code: &'static str) -> Act {
    Act { effect: None, reply: Some((status, code)), after: AT_ONCE }
}

impl Service {
    fn new(script: impl IntoIterator<Item = Act>) -> Self {
        Self(Arc::new(Mutex::new(State {
            started: Instant::now(),
            portals: Vec::new(),
            lag: AT_ONCE,
            script: script.into_iter().collect(),
            list: None,
            seen: Vec::new(),
            suspended: AT_ONCE,
            ids: 0,
        })))
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.0.lock().unwrap())
    }

    fn now(&self) -> Duration {
        self.with(|state| state.started.elapsed())
    }

    fn add(&self, name: &str) {
        let now = self.now();
        self.with(|state| state.portals.push(vec![(now, name.to_owned())]));
    }

    /// What a colleague does.
    fn rename(&self, old: &str, new: &str) {
        let now = self.now();
        self.with(|state| {
            let portal = state.portals.iter_mut().find(|it| it.last().unwrap().1 == old);
            portal.unwrap().push((now, new.to_owned()));
        });
    }

    fn names(&self) -> Vec<String> {
        self.with(|state| state.portals.iter().map(|it| it.last().unwrap().1.clone()).collect())
    }

    fn seen(&self, what: &str) -> usize {
        self.with(|state| state.seen.iter().filter(|(_, seen)| *seen == what).count())
    }

    fn list(&self) -> Response {
        let now = self.now();
        if let Some((status, code)) = self.with(|state| state.list) {
            return body(status, code, &create("AcmePortal"));
        }
        self.with(|state| {
            let shown = state.portals.iter().enumerate().filter_map(|(id, names)| {
                let seen = |(since, _): &&(Duration, String)| *since + state.lag <= now;
                let (_, name) = names.iter().rev().find(seen)?;
                let modified = if names.len() > 1 { "16:14:02" } else { "16:13:33" };
                Some(format!(
                    r#"{{"name":"{name}","zaid":"10{id}","created_time":"2021-11-25T16:13:33+05:30","modified_time":"2021-11-25T{modified}+05:30"}}"#
                ))
            });
            let shown: Vec<_> = shown.collect();
            if shown.is_empty() {
                return Response::new(204, "");
            }
            Response::new(200, format!(r#"{{"portals":[{}]}}"#, shown.join(",")))
        })
    }

    /// What an attempt does when it is processed.
    fn process(&self, operation: &Operation) {
        let (old, new) = match operation {
            Operation::Create(create) => (None, create.name.as_str()),
            Operation::Rename(rename) => (Some(rename.old.as_str()), rename.new.as_str()),
        };
        let names = self.names();
        match old {
            _ if names.iter().any(|name| name == new) => {}
            None => self.add(new),
            Some(old) if names.iter().any(|name| name == old) => self.rename(old, new),
            Some(_) => {}
        }
    }

    fn request(&self, operation: Operation) -> ClaimRequest {
        let id = self.with(|state| {
            state.ids += 1;
            EntryId::new(state.ids.to_string())
        });
        let org = OrgIdentity::new("https://api.example", "credential");
        ClaimRequest::new(id, org.with_org(Some(Org::new("7"))), Wanted::Do(operation))
    }

    async fn run(&self, ledger: &Ledger, request: ClaimRequest) -> Ended {
        let mut host = Client(self.clone());
        run(ledger, request, ApiVersion::default(), &mut host, pending()).await
    }

    /// That of many at once, among which it is, is the same.
    async fn preview(&self, ledger: &Ledger, request: ClaimRequest) -> Outcome {
        let mut host = Client(self.clone());
        let alone = preview(ledger, request.clone(), ApiVersion::default(), &mut host).await;
        let alone = alone.unwrap().outcome;
        if let Ok(portals) = ListPortals.decode(&self.list()) {
            let others = ["OtherOne", "OtherTwo"].map(|name| self.request(create(name)));
            let [first, second] = others.map(|other| (other, None));
            let many = [first, (request, Some(&portals[..])), second];
            let many = previews(ledger, &many, &host.now()).await.unwrap();
            assert_eq!((many.len(), &many[1].outcome), (3, &alone));
        }
        alone
    }

    async fn create(&self, ledger: &Ledger, name: &str) -> Outcome {
        self.run(ledger, self.request(create(name))).await.outcome
    }

    /// Killed after that long.
    async fn killed(&self, ledger: &Ledger, name: &str, after: Duration) -> Ledger {
        let run = self.create(ledger, name);
        assert!(timeout(after, run).await.is_err(), "it has ended before");
        ledger.after_restart()
    }
}

fn create(name: &str) -> Operation {
    CreateOperation::new(name.parse().unwrap()).into()
}

fn rename(old: &str, new: &str) -> Operation {
    RenameOperation::new(old, new.parse().unwrap()).into()
}

struct Client(Service);

impl Host for Client {
    fn now(&self) -> Moment {
        let suspended = self.0.with(|state| state.suspended);
        Moment::new("boot", self.0.now() + suspended)
    }

    async fn sleep(&self, time: Duration) {
        sleep(time).await;
    }

    async fn token(&mut self, _: Option<TokenId>, _: Duration) -> Result<TokenId, TokenError> {
        Ok(TokenId(1))
    }

    async fn send(&mut self, request: Request, terms: Terms) -> Result<Response, TransportError> {
        let now = self.0.now();
        if let Some(until) = &terms.attempt
            && until.since(&self.now()).is_none()
        {
            return Err(NotSent::NotStarted("too late".to_owned()).into());
        }
        let kind = if request.method == Method::Get { "list" } else { "attempt" };
        self.0.with(|state| state.seen.push((now, kind)));
        if kind == "list" {
            return Ok(self.0.list());
        }
        assert!(terms.attempt.is_some(), "an attempt without a bound");
        let operation = operation(&request);
        let act = self.0.with(|state| state.script.pop_front()).unwrap_or(CREATED);
        let is_taken = self.0.names().contains(&operation.names().last().unwrap().to_owned());
        match act.effect {
            Some(AT_ONCE) => self.0.process(&operation),
            Some(after) => {
                let (service, operation) = (self.0.clone(), operation.clone());
                tokio::spawn(async move {
                    sleep(after).await;
                    service.process(&operation);
                });
            }
            None => {}
        }
        sleep(act.after).await;
        match act.reply {
            Some((status, OTHER_NAME)) => {
                let other = create(&format!("{}1", operation.names().last().unwrap()));
                self.0.process(&other);
                Ok(body(status, SUCCESS, &other))
            }
            Some((200, SUCCESS)) if is_taken => Ok(body(400, "ALREADY_USED", &operation)),
            Some((status, code)) => Ok(body(status, code, &operation)),
            None => Err(NoResponse::TimedOut.into()),
        }
    }
}

fn operation(request: &Request) -> Operation {
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    let name = body["portals"][0]["name"].as_str().unwrap();
    match request.method {
        Method::Post => create(name),
        _ => rename(request.path.rsplit('/').next().unwrap(), name),
    }
}

fn body(status: u16, code: &str, operation: &Operation) -> Response {
    let name = operation.names().last().unwrap();
    let (details, word) = match code {
        SUCCESS => (format!(r#"{{"name":"{name}"}}"#), "success"),
        _ => ("{}".to_owned(), "error"),
    };
    let body = format!(
        r#"{{"portals":[{{"code":"{code}","details":{details},"message":"","status":"{word}"}}]}}"#
    );
    Response::new(status, body)
}

async fn entries(ledger: &Ledger) -> usize {
    ledger.entries(&Filter::default()).await.unwrap().len()
}

#[tokio::test(start_paused = true)]
async fn undisturbed_create_lists_and_creates() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    let outcome = service.create(&ledger, "AcmePortal").await;
    assert!(matches!(outcome, Outcome::Created { .. }), "{outcome}");
    assert_eq!([service.seen("list"), service.seen("attempt")], [1, 1]);
    assert_eq!(service.now(), AT_ONCE, "nothing waits");
}

#[tokio::test(start_paused = true)]
async fn lost_response_is_resolved_by_list() {
    let (service, ledger) = (Service::new([LOST]), Ledger::in_memory());
    let outcome = service.create(&ledger, "AcmePortal").await;
    assert!(matches!(outcome, Outcome::Present { origin: Origin::Appeared, .. }), "{outcome}");
    assert!(outcome.is_ours() && service.now() <= secs(1));
}

/// What a gateway's second copy is told while the first one is at work.
#[tokio::test(start_paused = true)]
async fn rejection_of_second_copy_says_nothing_of_first() {
    for (status, code) in [
        (429, "TOO_MANY_REQUESTS"),
        (423, "RESOURCE_LOCKED"),
        (400, "REQUEST_IN_PROGRESS"),
        (400, "ALREADY_USED"),
        (400, "LIMIT_REACHED"),
    ] {
        let first = late(6, responds(status, code));
        let taken = responds(400, "ALREADY_USED");
        let (service, ledger) = (Service::new([first, taken, taken]), Ledger::in_memory());
        let outcome = service.create(&ledger, "AcmePortal").await;
        sleep(secs(300)).await;
        assert_eq!(service.names(), ["AcmePortal"]);
        let is_untrue = match &outcome {
            Outcome::NameTaken { owner, .. } => *owner == Owner::AnotherOrg,
            outcome => !outcome.exists() && outcome.is_certain(),
        };
        assert!(!is_untrue, "{status} {code}: {outcome}");
    }
}

/// Two credentials of an org whose id neither can read, and a colleague who created another portal.
#[tokio::test(start_paused = true)]
async fn other_portal_is_no_answer_while_same_name_is_in_doubt() {
    let slow = Act { effect: Some(secs(5)), reply: None, after: secs(15) };
    let (service, ledger) = (Service::new([slow]), Ledger::in_memory());
    let request = |credential| {
        let mut request = service.request(create("AcmePortal"));
        request.org = OrgIdentity::new("https://api.example", credential);
        request
    };
    let first = service.run(&ledger, request("first"));
    assert!(timeout(secs(1), first).await.is_err());
    let ledger = ledger.after_restart();
    service.add("AcmeHelp");
    let outcome = service.run(&ledger, request("second")).await.outcome;
    sleep(secs(300)).await;
    assert_eq!(service.names(), ["AcmeHelp", "AcmePortal"]);
    assert!(outcome.exists(), "{outcome}");
}

/// What no list shows is in the ledger for the next holder.
#[tokio::test(start_paused = true)]
async fn success_of_other_name_is_remembered() {
    let (service, ledger) = (Service::new([responds(200, OTHER_NAME)]), Ledger::in_memory());
    let run = || async {
        let mut request = service.request(create("AcmePortal"));
        request.policy.allow_another = true;
        service.run(&ledger, request).await
    };
    let first = run().await;
    assert!(!first.outcome.is_certain(), "{}", first.outcome);
    let again = run().await;
    assert_eq!(service.names(), ["AcmePortal1"], "{}", again.outcome);
    let mut request = service.request(create("AcmePortal"));
    request.wanted = Wanted::Recover(first.entry.unwrap());
    let recovered = service.run(&ledger, request).await;
    assert!(!recovered.outcome.is_certain(), "{}", recovered.outcome);
    // What the hint says helps.
    service.rename("AcmePortal1", "AcmePortal");
    let outcome = run().await.outcome;
    assert!(outcome.exists(), "{outcome}");
    assert_eq!(service.seen("attempt"), 1);
}

/// Also if the process is killed before it ends, while the list does not show the portal yet.
#[tokio::test(start_paused = true)]
async fn success_of_other_name_is_written_at_once() {
    let (service, ledger) = (Service::new([responds(200, OTHER_NAME)]), Ledger::in_memory());
    service.with(|state| state.lag = secs(8));
    let ledger = service.killed(&ledger, "AcmePortal", secs(1)).await;
    let mut request = service.request(create("AcmePortal"));
    request.policy.allow_another = true;
    let outcome = service.run(&ledger, request).await.outcome;
    assert!(!outcome.is_certain(), "{outcome}");
    assert!(outcome.to_string().contains("AcmePortal1"), "{outcome}");
    assert_eq!(service.names(), ["AcmePortal1"]);
}

#[tokio::test(start_paused = true)]
async fn rejection_settles_own_attempt_only() {
    let first = late(20, Act { reply: Some((504, "INTERNAL_ERROR")), ..LOST });
    for (status, code) in
        [(403, "NO_PERMISSION"), (404, "INVALID_URL_PATTERN"), (400, "LIMIT_REACHED")]
    {
        let script = [first, responds(status, code), responds(status, code)];
        let (service, ledger) = (Service::new(script), Ledger::in_memory());
        let outcome = service.create(&ledger, "AcmePortal").await;
        assert!(outcome.exists(), "{status} {code}: {outcome}");
    }
}

#[tokio::test(start_paused = true)]
async fn killed_create_is_resolved_by_next_run() {
    let slow = Act { effect: Some(AT_ONCE), reply: None, after: secs(15) };
    let (service, ledger) = (Service::new([slow]), Ledger::in_memory());
    let ledger = service.killed(&ledger, "AcmePortal", secs(1)).await;
    let outcome = service.create(&ledger, "AcmePortal").await;
    assert!(matches!(outcome, Outcome::Present { .. }), "{outcome}");
    assert!(service.now() <= secs(2), "presence counts at once");
    assert_eq!(service.names(), ["AcmePortal"]);
}

/// The baseline is that of before the first attempt, whatever process makes the next one.
#[tokio::test(start_paused = true)]
async fn first_baseline_is_kept_over_adoption() {
    let slow = Act { effect: Some(AT_ONCE), reply: None, after: secs(15) };
    let (service, ledger) = (Service::new([slow]), Ledger::in_memory());
    let ledger = service.killed(&ledger, "AcmePortal", secs(1)).await;
    sleep(secs(119)).await;
    service.rename("AcmePortal", "AcmeHelp");
    sleep(secs(40)).await;
    let outcome = service.create(&ledger, "AcmePortal").await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome}");
    assert_eq!(service.names(), ["AcmeHelp"]);
}

#[tokio::test(start_paused = true)]
async fn second_create_of_other_name_sees_first_while_lists_are_behind() {
    let (service, ledger) = (Service::new([]), Ledger::in_memory());
    service.with(|state| state.lag = secs(5));
    assert!(service.create(&ledger, "AcmePortal").await.is_ours());
    let outcome = service.create(&ledger, "BetaPortal").await;
    assert!(matches!(outcome, Outcome::OrgHasPortal { .. }), "{outcome}");
    assert_eq!(service.names(), ["AcmePortal"]);
}

#[test]
fn undetermined_owner_of_taken_name_is_no_negative_ending() {
    let ending = |why| {
        let owner = Owner::Undetermined(why);
        let name = "AcmePortal".parse().unwrap();
        portal_ledger::Ending::of(&Outcome::NameTaken { name, owner }).kind
    };
    assert_eq!(
        ending(portal_model::outcome::Unverified::Changed),
        portal_ledger::EndingKind::Unknown
    );
    assert_eq!(
        ending(portal_model::outcome::Unverified::AtOnce),
        portal_ledger::EndingKind::NameTaken
    );
}
