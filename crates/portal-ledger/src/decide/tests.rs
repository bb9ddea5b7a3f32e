//! The decisions, as a table. Times are seconds; it is 100, an attempt takes 3 at most, its effect 6
//! more, and a list lags by 2.

use std::sync::Arc;
use std::time::Duration;

use portal_model::flow::{Baseline, CreateIntent, Intent, KnownPortal, Policy, RenameIntent};
use portal_model::operation::{CreateOperation, RenameOperation};
use portal_model::{Org, OrgIdentity, Portal};

use super::*;
use crate::entry::About;

const NOW: u64 = 100;

fn at(second: u64) -> Moment {
    Moment::new("this", Duration::from_secs(second))
}

fn times() -> Times {
    let seconds = Duration::from_secs;
    Times { attempt_budget: seconds(3), processing_time: seconds(6), list_lag: seconds(2) }
}

fn create(name: &str) -> Operation {
    CreateOperation::new(name.parse().unwrap()).into()
}

fn with_fallback(name: &str, fallback: &str) -> Operation {
    let create = CreateOperation::new(name.parse().unwrap());
    create.with_fallbacks([fallback.parse().unwrap()]).into()
}

fn rename(old: &str, new: &str) -> Operation {
    RenameOperation::new(old, new.parse().unwrap()).into()
}

fn org(id: &str) -> OrgIdentity {
    unknown(&format!("credential of {id}")).with_org(Some(Org::new(id)))
}

fn unknown(credential: &str) -> OrgIdentity {
    OrgIdentity::new("https://api.example", credential)
}

/// An entry of org 7 in the ledger, open and without attempts.
fn entry(operation: Operation) -> Entry {
    Entry {
        id: EntryId::new("earlier"),
        order: 1,
        org: org("7"),
        label: None,
        key: None,
        operation,
        intent: None,
        attempts: 0,
        state: open(103),
        doubt_ended: None,
        doubt_elsewhere: Vec::new(),
        sightings: Vec::new(),
        is_settled: false,
        times: times(),
        about: About::default(),
    }
}

fn open(until: u64) -> State {
    let holder = Some(EntryId::new("earlier"));
    State::Open(Lease { holder, until: at(until), is_attempting: false, process: None })
}

fn attempting(until: u64) -> State {
    let holder = Some(EntryId::new("earlier"));
    State::Open(Lease { holder, until: at(until), is_attempting: true, process: None })
}

fn given_up(until: u64) -> State {
    State::Open(Lease { holder: None, until: at(until), is_attempting: false, process: None })
}

fn ended(kind: EndingKind, second: u64) -> State {
    State::Ended { ending: Ending::new(kind), at: at(second) }
}

impl Entry {
    fn attempted(self, state: State) -> Self {
        Self { attempts: 1, state, ..self }
    }

    fn doubt(self, second: u64) -> Self {
        Self { doubt_ended: Some(at(second)), ..self }
    }

    fn of(self, org: OrgIdentity) -> Self {
        Self { org, ..self }
    }

    fn key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    fn label(self, label: &str) -> Self {
        Self { label: Some(label.to_owned()), ..self }
    }
}

/// A claim of org 7.
fn wants(operation: Operation) -> ClaimRequest {
    let wanted = Wanted::Do(operation);
    let request = ClaimRequest::new(EntryId::new("new"), org("7"), wanted);
    ClaimRequest { policy: policy(times()), ..request }
}

fn policy(times: Times) -> Policy {
    let mut policy = Policy::default();
    policy.record_timeout = Duration::ZERO;
    policy.attempt_timeout = times.attempt_budget;
    policy.processing_time = times.processing_time;
    policy.list_lag = times.list_lag;
    policy
}

impl ClaimRequest {
    fn of(self, org: OrgIdentity) -> Self {
        Self { org, ..self }
    }

    fn key(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    fn label(self, label: &str) -> Self {
        Self { label: Some(label.to_owned()), ..self }
    }

    fn distinct_from(self, credential: &str) -> Self {
        Self { distinct_from: Arc::new([credential.to_owned()].into()), ..self }
    }

    fn allow_another(mut self) -> Self {
        self.policy.allow_another = true;
        self
    }
}

/// `new`, `adopts`, `waits until 109: effect`, `ended created`, `blocked: …`.
fn decided(rows: Vec<Entry>, request: &ClaimRequest) -> String {
    match claim(rows, request, &at(NOW)).1 {
        Decision::Granted(grant) if grant.entry.id == request.id => "new".to_owned(),
        Decision::Granted(_) => "adopts".to_owned(),
        Decision::Ended(entry) => format!("ended {:?}", entry.ending().unwrap().kind),
        Decision::Wait(Wait { why, until, .. }) => {
            let second = until.since(&at(0)).unwrap().as_secs();
            format!("waits until {second}: {why:?}")
        }
        Decision::Blocked(Blocked::KeyOfAnother(_)) => "blocked: key of another".to_owned(),
        Decision::Blocked(Blocked::NameDropped(_)) => "blocked: name dropped".to_owned(),
        Decision::Blocked(Blocked::LabelMoved(_)) => "blocked: label moved".to_owned(),
        Decision::Blocked(Blocked::NoEntry(_)) => "blocked: no entry".to_owned(),
    }
}

#[test]
fn decisions_are_as_in_table() {
    use EndingKind::{Appeared, Created, NameTaken, NotDone, Present, Renamed, Unknown};
    let acme = || entry(create("AcmeCo"));
    let other = || entry(create("Others"));
    let renamed = || entry(rename("AcmeCo", "BetaCo")).attempted(ended(Renamed, 99));
    #[rustfmt::skip]
    let table = vec![
        // What is in the ledger                            who asks                                    what it gets
        // The same operation.
        (None,                                              wants(create("AcmeCo")),                      "new"),
        (Some(acme()),                                      wants(create("AcmeCo")),                      "waits until 103: SameUnderWay"),
        (Some(acme()),                                      wants(create("ACMECO")),                     "waits until 103: SameUnderWay"),
        (Some(entry(create("AcmeCo")).attempted(open(100))),  wants(create("AcmeCo")),                      "adopts"),
        (Some(acme().attempted(attempting(100))),           wants(create("AcmeCo")),                      "adopts"),
        (Some(acme().attempted(attempting(100))),           wants(with_fallback("AcmeCo", "Others")),      "adopts"),
        (Some(acme().attempted(ended(Unknown, 99))),        wants(create("AcmeCo")),                      "adopts"),
        (Some(acme().attempted(ended(Unknown, 1))),         wants(create("AcmeCo")),                      "adopts"),
        (Some(acme().attempted(ended(NotDone, 99))),        wants(create("AcmeCo")),                      "new"),
        (Some(acme().attempted(ended(NotDone, 99)).doubt(95)), wants(create("AcmeCo")),                   "waits until 103: Effect"),
        (Some(acme().attempted(ended(Created, 99))),        wants(create("AcmeCo")),                      "waits until 101: Effect"),
        (Some(acme().attempted(ended(Created, 98))),        wants(create("AcmeCo")),                      "new"),
        (Some(acme().attempted(ended(Created, 98)).doubt(95)), wants(create("AcmeCo")),                   "waits until 103: Effect"),
        // A key.
        (Some(acme().key("k").attempted(ended(Created, 99))), wants(create("AcmeCo")).key("k"),           "ended Created"),
        (Some(acme().key("k").attempted(ended(Appeared, 1))), wants(create("AcmeCo")).key("k"),           "ended Appeared"),
        (Some(acme().key("k").attempted(ended(Present, 1))), wants(create("AcmeCo")).key("k"),            "ended Present"),
        (Some(Entry { state: ended(Present, 1), ..acme().key("k") }), wants(create("AcmeCo")).key("k"), "new"),
        (Some(acme().key("k").attempted(ended(Unknown, 1))), wants(create("AcmeCo")).key("k"),            "adopts"),
        (Some(acme().key("k").attempted(ended(NotDone, 1))), wants(create("AcmeCo")).key("k"),            "new"),
        (Some(acme().key("k").attempted(ended(NotDone, 1))), wants(create("Others")).key("k"),           "new"),
        (Some(acme().key("k").attempted(ended(NameTaken, 99))), wants(create("Others")).key("k"),         "waits until 101: Effect"),
        (Some(acme().key("k").attempted(ended(NameTaken, 98))), wants(create("Others")).key("k"),         "new"),
        (Some(acme().key("k")),                             wants(create("AcmeCo")).key("k"),             "waits until 103: UnderWay"),
        (Some(acme().key("k").attempted(ended(Created, 1))), wants(create("Others")).key("k"),           "blocked: key of another"),
        (Some(acme().key("k").attempted(ended(Unknown, 1))), wants(create("Others")).key("k"),           "blocked: key of another"),
        (Some(acme().key("k").attempted(ended(Unknown, 99))), wants(create("AcmeCo")).key("l"),           "waits until 101: Effect"),
        (Some(acme().key("k").attempted(ended(Unknown, 1))), wants(create("AcmeCo")),                     "adopts"),
        (Some(acme().key("k").attempted(ended(Created, 1))), wants(create("AcmeCo")).key("k").of(org("8")), "blocked: key of another"),
        (Some(acme().key("k").attempted(ended(NotDone, 1))), wants(create("AcmeCo")).key("k").of(org("8")), "new"),
        (Some(Entry { state: open(99), ..acme().key("k") }), wants(create("AcmeCo")).key("k").of(org("8")), "new"),
        // A label that leads to another org now.
        (Some(acme().label("l").attempted(ended(Created, 1))), wants(create("AcmeCo")).label("l").of(org("8")), "blocked: label moved"),
        (Some(acme().label("l").attempted(ended(NotDone, 1))), wants(create("AcmeCo")).label("l").of(org("8")), "new"),
        (Some(acme().label("l").attempted(ended(Created, 1))), wants(create("Others")).label("l").of(org("8")), "new"),
        // Another operation of the org.
        (Some(other()),                                     wants(create("AcmeCo")),                      "waits until 103: OtherUnderWay"),
        (Some(entry(create("Others")).attempted(open(103))), wants(create("AcmeCo")),                      "waits until 103: OtherUnderWay"),
        (Some(other().attempted(attempting(103))),          wants(create("AcmeCo")),                      "waits until 111: OtherUnderWay"),
        (Some(other().attempted(attempting(99))),           wants(create("AcmeCo")),                      "waits until 107: OtherUnderWay"),
        (Some(other().attempted(attempting(92))),           wants(create("AcmeCo")),                      "new"),
        (Some(Entry { state: open(100), ..other() }),       wants(create("AcmeCo")),                      "new"),
        (Some(other().attempted(given_up(103)).doubt(91)),  wants(create("AcmeCo")),                      "new"),
        (Some(other().attempted(given_up(103)).doubt(95)),  wants(create("AcmeCo")),                      "waits until 103: Effect"),
        (Some(other().attempted(ended(Created, 99))),       wants(create("AcmeCo")),                      "waits until 101: Effect"),
        (Some(other().attempted(ended(Unknown, 99))),       wants(create("AcmeCo")),                      "waits until 101: Effect"),
        (Some(other().attempted(ended(Unknown, 99)).doubt(95)), wants(create("AcmeCo")),                  "waits until 103: Effect"),
        (Some(other().attempted(ended(Created, 99)).doubt(95)), wants(create("AcmeCo")),                  "waits until 101: Effect"),
        (Some(other().attempted(ended(NotDone, 99))),       wants(create("AcmeCo")),                      "new"),
        (Some(other().attempted(ended(NameTaken, 99))),     wants(create("AcmeCo")),                      "waits until 101: Effect"),
        (Some(other().attempted(ended(NotDone, 99)).doubt(99)), wants(create("AcmeCo")),                  "new"),
        (Some(Entry { state: ended(Present, 99), ..other() }), wants(create("AcmeCo")),                   "new"),
        (Some(other().attempted(attempting(103))),          wants(create("AcmeCo")).allow_another(),      "new"),
        // An org whose id is not known may be the same.
        (Some(other().attempted(attempting(99))),           wants(create("AcmeCo")).of(org("8")),         "new"),
        (Some(other().attempted(attempting(99))),           wants(create("AcmeCo")).of(unknown("x")),     "waits until 107: OtherUnderWay"),
        (Some(other().of(unknown("x")).attempted(attempting(99))), wants(create("AcmeCo")),               "waits until 107: OtherUnderWay"),
        // Unless the caller states that these credentials lead to another org.
        (Some(other().of(unknown("y")).attempted(attempting(99))), wants(create("AcmeCo")).of(unknown("x")).distinct_from("y"), "new"),
        (Some(acme().of(unknown("y")).attempted(attempting(99))), wants(create("AcmeCo")).of(unknown("x")).distinct_from("y"), "waits until 107: OtherUnderWay"),
        (Some(acme().of(unknown("x")).attempted(ended(Unknown, 1))), wants(create("AcmeCo")).of(unknown("x")).distinct_from("x"), "adopts"),
        (Some(acme().of(unknown("x")).attempted(ended(Unknown, 1))), wants(create("AcmeCo")),             "new"),
        (Some(acme().of(unknown("x")).attempted(ended(Unknown, 1))), wants(create("AcmeCo")).of(unknown("x")), "adopts"),
        (Some(acme().of(org("8")).attempted(attempting(99))), wants(create("AcmeCo")),                    "waits until 107: OtherUnderWay"),
        // Renames.
        (Some(acme().attempted(ended(Created, 93)).doubt(89)), wants(rename("AcmeCo", "BetaCo")),           "waits until 101: Effect"),
        (Some(acme().attempted(ended(Created, 93))),        wants(rename("AcmeCo", "BetaCo")),             "waits until 101: Effect"),
        (Some(other().attempted(ended(Created, 93))),       wants(rename("AcmeCo", "BetaCo")),             "new"),
        (Some(acme().of(org("8")).attempted(ended(NotDone, 93))), wants(rename("AcmeCo", "BetaCo")),       "waits until 101: Effect"),
        (Some(renamed()),                                   wants(create("AcmeCo")).allow_another(),      "waits until 101: Effect"),
        (Some(renamed()),                                   wants(create("GammaCo")).allow_another(),     "new"),
    ];
    for (row, request, expected) in table {
        let found = decided(row.clone().into_iter().collect(), &request);
        assert_eq!(found, expected, "{request:?} of {row:?}");
    }
}

fn intent(name: &str) -> Intent {
    CreateIntent::new(name.parse().unwrap()).into()
}

fn granted(rows: Vec<Entry>, request: &ClaimRequest) -> (Vec<Entry>, Grant) {
    match claim(rows, request, &at(NOW)) {
        (written, Decision::Granted(grant)) => (written, *grant),
        (_, other) => panic!("{other:?}"),
    }
}

#[test]
fn entry_whose_lease_ended_is_taken_by_any_grant() {
    let rows = vec![Entry { state: open(99), ..entry(create("Others")) }];
    let (written, _) = granted(rows, &wants(create("AcmeCo")));
    let [taken, new] = &written[..] else { panic!("{written:?}") };
    assert_eq!(taken.ending().unwrap().kind, EndingKind::NotDone);
    assert_eq!(new.id, EntryId::new("new"));
    let late = record(taken.clone(), &EntryId::new("earlier"), &intent("Others"), None, &at(101));
    assert_eq!(late, Err(Adopted));
}

#[test]
fn attempt_that_was_waited_out_is_in_doubt_for_good() {
    let rows = vec![entry(create("Others")).attempted(attempting(92))];
    let (written, _) = granted(rows, &wants(create("AcmeCo")));
    assert_eq!(written[0].ending().unwrap().kind, EndingKind::Unknown);
    assert_eq!(written[0].doubt_ended, Some(at(92)));
}

#[test]
fn adopted_entry_keeps_first_baseline_and_bound_of_attempt() {
    let first = intent("AcmeCo").with_baseline(Some(Baseline::default()));
    let rows = vec![Entry {
        intent: Some(first.clone()),
        ..entry(create("AcmeCo")).attempted(attempting(99))
    }];
    let (_, grant) = granted(rows, &wants(create("AcmeCo")).key("k"));
    assert_eq!(grant.entry.key.as_deref(), Some("k"));
    assert_eq!(grant.entry.horizon(Duration::from_secs(6)), Some(at(105)));
    let holder = EntryId::new("new");
    let entry = record(grant.entry, &holder, &intent("AcmeCo"), None, &at(101)).unwrap();
    assert_eq!((entry.attempts, entry.intent), (2, Some(first)));
}

#[test]
fn holder_records_until_somebody_adopts() {
    let (_, grant) = granted(Vec::new(), &wants(create("AcmeCo")));
    let (first, second) = (EntryId::new("new"), EntryId::new("second"));
    let entry = record(grant.entry, &first, &intent("AcmeCo"), None, &at(100)).unwrap();
    let again = ClaimRequest { id: second.clone(), ..wants(create("AcmeCo")) };
    assert_eq!(decided(vec![entry.clone()], &again), "waits until 103: SameUnderWay");
    let end = AttemptEnd { at: at(101), in_doubt: true };
    let entry = record(entry, &first, &intent("AcmeCo"), Some(&end), &at(102)).unwrap();
    assert_eq!((entry.attempts, entry.doubt_ended.clone()), (2, Some(at(101))));
    let unreported = record(entry.clone(), &first, &intent("AcmeCo"), None, &at(104)).unwrap();
    assert_eq!(unreported.doubt_ended, Some(at(105)));
    let (_, Decision::Granted(adopted)) = claim(vec![entry], &again, &at(105)) else { panic!() };
    let adopted = adopted.entry;
    assert_eq!(record(adopted.clone(), &first, &intent("AcmeCo"), None, &at(105)), Err(Adopted));
    let negative = Ending::new(EndingKind::NotDone);
    assert_eq!(end_of(&adopted, &first, &negative), Err(Adopted));
    let created = Ending::new(EndingKind::Created);
    let entry = end_of(&adopted, &first, &created).unwrap();
    assert_eq!(entry.ending(), Some(&created));
    assert_eq!(record(entry, &second, &intent("AcmeCo"), None, &at(106)), Err(Adopted));
}

#[test]
fn only_one_holder_ends_as_own() {
    // The first holder reads SUCCESS when its time is over; the second one saw the portal by then.
    let [first, second] = ["new", "second"].map(EntryId::new);
    let (_, grant) = granted(Vec::new(), &wants(create("AcmeCo")));
    let entry = record(grant.entry, &first, &intent("AcmeCo"), None, &at(100)).unwrap();
    let request = ClaimRequest { id: second.clone(), ..wants(create("AcmeCo")) };
    let (_, Decision::Granted(grant)) = claim(vec![entry], &request, &at(103)) else { panic!() };
    let created = Ending::new(EndingKind::Created);
    let appeared = end_of(&grant.entry, &second, &Ending::new(EndingKind::Appeared)).unwrap();
    assert_eq!(end_of(&appeared, &first, &created), Err(Adopted));
    for kind in [EndingKind::Unknown, EndingKind::NotDone, EndingKind::Present] {
        let entry = end_of(&grant.entry, &second, &Ending::new(kind)).unwrap();
        assert!(end_of(&entry, &first, &created).is_ok(), "{kind:?}");
    }
}

fn end_of(entry: &Entry, holder: &EntryId, ending: &Ending) -> Result<Entry, Adopted> {
    end(entry.clone(), holder, ending, None, &at(105))
}

#[test]
fn claim_whose_answer_was_lost_is_granted_again() {
    let request = wants(create("AcmeCo"));
    let (_, grant) = granted(Vec::new(), &request);
    let (_, again) = granted(vec![grant.entry.clone()], &request);
    assert_eq!(again.entry.id, grant.entry.id);
    let entry = record(again.entry, &request.id, &intent("AcmeCo"), None, &at(100)).unwrap();
    assert_eq!(decided(vec![entry.clone()], &request), "waits until 103: SameUnderWay");
    let entry = end(entry, &request.id, &Ending::new(EndingKind::NotDone), None, &at(100)).unwrap();
    assert_eq!(decided(vec![entry], &request), "ended NotDone");
}

#[test]
fn rename_in_ledger_determines_create_in_doubt() {
    let doubt = entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 50));
    let mut listed = Portal::new("BetaCo");
    listed.zaid = Some("11".to_owned());
    let portal = KnownPortal::of(&listed);
    let ending = Ending { portal: Some(portal.clone()), ..Ending::new(EndingKind::Renamed) };
    let renamed = Entry {
        id: EntryId::new("rename"),
        order: 2,
        ..entry(rename("acmeco", "BetaCo")).attempted(State::Ended { ending, at: at(60) })
    };
    let rows = vec![doubt.key("k"), renamed];
    assert_eq!(decided(rows.clone(), &wants(create("AcmeCo")).key("k")), "ended Created");
    // Without the key it is a new wish, and the next list its answer.
    let (written, decision) = claim(rows.clone(), &wants(create("AcmeCo")), &at(NOW));
    assert!(matches!(decision, Decision::Wait(Wait { why: Why::Effect, .. })), "{decision:?}");
    let ending = written[0].ending().unwrap();
    assert_eq!(ending.kind, EndingKind::Created);
    assert_eq!((ending.name.as_deref(), &ending.portal), (Some("AcmeCo"), &Some(portal)));
    let recover = Wanted::Recover(EntryId::new("earlier"));
    let request = ClaimRequest { wanted: recover, ..wants(create("AcmeCo")) };
    assert_eq!(decided(rows.clone(), &request), "ended Created");
    // What else is to be waited for, still is.
    let other = Entry { id: EntryId::new("other"), order: 3, ..entry(create("Others")) };
    let rows = [rows, vec![other]].concat();
    assert_eq!(decided(rows, &wants(create("AcmeCo"))), "waits until 103: OtherUnderWay");
}

#[test]
fn recovery_adopts_and_waits_for_nothing_else() {
    let doubt = || entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 50));
    let other = Entry { id: EntryId::new("other"), order: 2, ..entry(create("Others")) };
    let recover = Wanted::Recover(EntryId::new("earlier"));
    let request = ClaimRequest { wanted: recover, ..wants(create("AcmeCo")) };
    assert_eq!(decided(vec![doubt(), other.clone()], &request), "adopts");
    assert_eq!(decided(vec![other], &request), "blocked: no entry");
    let left = entry(create("AcmeCo")).attempted(attempting(100));
    assert_eq!(decided(vec![left], &request), "adopts");
    let elsewhere = |org| decided(vec![doubt().of(org)], &request);
    assert_eq!(elsewhere(org("8")), "blocked: label moved");
    assert_eq!(elsewhere(unknown("x")), "blocked: label moved");
    assert_eq!(elsewhere(unknown("credential of 7")), "adopts");
    assert_eq!(decided(vec![entry(create("AcmeCo"))], &request), "waits until 103: SameUnderWay");
    let done = entry(create("AcmeCo")).attempted(ended(EndingKind::Created, 50));
    assert_eq!(decided(vec![done], &request), "ended Created");
}

#[test]
fn moment_of_another_clock_counts_from_now() {
    let elsewhere = |second| Moment::new("that", Duration::from_secs(second));
    let holder = Some(EntryId::new("earlier"));
    let lease = Lease { holder, until: elsewhere(5), is_attempting: true, process: None };
    let rows = vec![entry(create("AcmeCo")).attempted(State::Open(lease))];
    assert_eq!(decided(rows.clone(), &wants(create("AcmeCo"))), "waits until 103: SameUnderWay");
    assert_eq!(decided(rows, &wants(create("Others"))), "waits until 111: OtherUnderWay");
    let ending = Ending::new(EndingKind::Created);
    let rows = vec![entry(create("AcmeCo")).attempted(State::Ended { ending, at: elsewhere(5) })];
    assert_eq!(decided(rows, &wants(create("Others"))), "waits until 102: Effect");
    // A process that read the clock and was frozen since does not shorten what others hold.
    let (_, grant) = granted(Vec::new(), &wants(create("Others")));
    let id = EntryId::new("new");
    let held = record(grant.entry, &id, &intent("Others"), None, &at(200)).unwrap();
    let request = ClaimRequest { id: EntryId::new("late"), ..wants(create("AcmeCo")) };
    assert_eq!(decided(vec![held.clone()], &request), "waits until 211: OtherUnderWay");
    assert_eq!(claim(vec![held], &request, &at(NOW)).0, []);
}

/// On some systems every process has a clock of its own.
#[test]
fn readers_of_two_clocks_do_not_make_each_other_wait() {
    let row = entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 50)).doubt(50);
    let mut rows = vec![row];
    let there = |second| Moment::new("there", Duration::from_secs(second));
    let elsewhere = |second| Moment::new("elsewhere", Duration::from_secs(second));
    for second in 0..11 {
        for now in [there(second), elsewhere(1000 + second)] {
            let (written, decision) = claim(rows.clone(), &wants(create("Others")), &now);
            assert!(matches!(decision, Decision::Wait(_)), "{decision:?}");
            rows = if written.is_empty() { rows } else { written };
        }
    }
    let (_, decision) = claim(rows, &wants(create("Others")), &there(11));
    assert!(matches!(decision, Decision::Granted(_)), "{decision:?}");
}

#[test]
fn moments_of_many_clocks_are_not_kept() {
    let mut row = entry(create("Others")).attempted(ended(EndingKind::Created, 50));
    for process in 0..100 {
        let now = Moment::new(format!("process {process}"), Duration::from_secs(1));
        let (written, _) = claim(vec![row], &wants(create("AcmeCo")), &now);
        row = written.into_iter().next().unwrap();
    }
    assert_eq!(row.sightings.len(), MAX_CLOCKS);
    assert_eq!(row.sightings.last(), Some(&Moment::new("process 99", Duration::from_secs(1))));
}

/// Each of them takes the entry over as soon as the lease of the other one has ended.
#[test]
fn adoptions_by_two_clocks_do_not_delay_horizon() {
    let moment = |clock: &str, second| Moment::new(clock, Duration::from_secs(second));
    let clocks = ["there", "elsewhere"].map(|clock| move |second| moment(clock, second));
    let until = clocks[0](3);
    let lease = Lease { holder: None, until, is_attempting: true, process: None };
    let mut row = entry(create("AcmeCo")).attempted(State::Open(lease));
    let mut horizons = Vec::new();
    for second in 1..12 {
        let (clock, second) = (&clocks[second % 2], 1000 * (second as u64 % 2) + 3 * second as u64);
        let (written, decision) = claim(vec![row], &wants(create("AcmeCo")), &clock(second));
        row = written.last().cloned().unwrap();
        if let Decision::Granted(grant) = decision {
            let horizon = grant.entry.horizon(Duration::from_secs(6)).unwrap();
            horizons.push(horizon.since(&clock(second)).map_or(0, |left| left.as_secs()));
            row.state = State::Open(Lease {
                holder: None,
                until: clock(second),
                is_attempting: false,
                process: None,
            });
        }
    }
    assert_eq!(horizons.last(), Some(&0), "{horizons:?}");
}

#[test]
fn greater_times_count() {
    let rows = vec![entry(create("Others")).attempted(attempting(99))];
    let patient = Times { list_lag: Duration::from_secs(20), ..times() };
    let request = ClaimRequest { policy: policy(patient), ..wants(create("AcmeCo")) };
    assert_eq!(decided(rows.clone(), &request), "waits until 125: OtherUnderWay");
    let rows = vec![Entry { times: patient, ..rows[0].clone() }];
    assert_eq!(decided(rows, &wants(create("AcmeCo"))), "waits until 125: OtherUnderWay");
}

#[test]
fn released_entry_is_free_at_once_unless_attempting() {
    let (_, grant) = granted(Vec::new(), &wants(create("AcmeCo")));
    let holder = EntryId::new("new");
    let attempting =
        record(grant.entry.clone(), &holder, &intent("AcmeCo"), None, &at(100)).unwrap();
    assert_eq!(release(attempting.clone(), &holder, None), None);
    let again = ClaimRequest { id: EntryId::new("again"), ..wants(create("AcmeCo")) };
    let released = release(grant.entry, &holder, None).unwrap();
    assert_eq!(released.ending().unwrap().kind, EndingKind::NotDone);
    assert_eq!(decided(vec![released], &again), "new");
    // It may have read SUCCESS, and lists are behind.
    for in_doubt in [false, true] {
        let end = AttemptEnd { at: at(100), in_doubt };
        let released = release(attempting.clone(), &holder, Some(&end)).unwrap();
        assert_eq!(decided(vec![released.clone()], &again), "adopts");
        let other = Wanted::Do(create("Others"));
        let other = ClaimRequest { wanted: other, ..again.clone() };
        assert_eq!(decided(vec![released], &other), "waits until 108: Effect");
    }
}

#[test]
fn old_entries_are_settled_and_remain_receipts() {
    let created = || entry(create("Others")).attempted(ended(EndingKind::Created, 10));
    let later_by = 10 + 60 * 60;
    let request = wants(create("AcmeCo")).allow_another();
    let (written, Decision::Granted(grant)) = claim(vec![created()], &request, &at(later_by))
    else {
        panic!()
    };
    assert!(written[0].is_settled);
    assert_eq!(grant.receipts[0].name, "Others");
    // After a restart, too.
    let rebooted = Moment::new("another boot", Duration::from_secs(1));
    let (_, decision) = claim(written, &wants(create("AcmeCo")), &rebooted);
    assert!(matches!(decision, Decision::Granted(_)), "{decision:?}");
    let (written, _) = claim(vec![created()], &wants(create("AcmeCo")), &at(later_by - 1));
    assert!(written.iter().all(|entry| !entry.is_settled));
}

#[test]
fn receipt_goes_by_name_after_rename() {
    let created = entry(create("Others")).attempted(ended(EndingKind::Created, 10));
    let renamed = Entry {
        id: EntryId::new("rename"),
        order: 2,
        intent: Some(RenameIntent::new("Others", "BetaCo".parse().unwrap()).into()),
        ..entry(rename("Others", "BetaCo")).attempted(ended(EndingKind::Renamed, 20))
    };
    let present =
        Entry { order: 3, state: ended(EndingKind::Present, 30), ..entry(create("Theirs")) };
    let again = Entry {
        id: EntryId::new("again"),
        order: 4,
        ..entry(create("Others")).attempted(ended(EndingKind::Created, 40))
    };
    let doubt = Entry {
        id: EntryId::new("doubt"),
        order: 5,
        ..entry(create("DoubtCo")).attempted(ended(EndingKind::Unknown, 50))
    };
    let rows = vec![created, renamed, present, again, doubt];
    let (_, grant) = granted(rows, &wants(create("AcmeCo")).allow_another());
    let names: Vec<_> = grant.receipts.iter().map(|receipt| &receipt.name[..]).collect();
    assert_eq!(names, ["Others", "BetaCo"], "the newest first");
    // A rename that changes the case of letters is not of what it made itself.
    let intent = Some(RenameIntent::new("BetaCo", "BETACO".parse().unwrap()).into());
    let cased = entry(rename("BetaCo", "BETACO")).attempted(ended(EndingKind::Renamed, 20));
    let (_, grant) =
        granted(vec![Entry { intent, ..cased }], &wants(create("AcmeCo")).allow_another());
    assert_eq!(grant.receipts[0].name, "BETACO");
}

#[test]
fn portal_in_doubtful_rename_has_no_receipt() {
    let created = entry(create("Others")).attempted(ended(EndingKind::Created, 99));
    let intent = RenameIntent::new("Others", "BetaCo".parse().unwrap());
    let renaming = Entry {
        id: EntryId::new("rename"),
        order: 2,
        intent: Some(intent.into()),
        ..entry(rename("Others", "BetaCo")).attempted(attempting(103))
    };
    let (_, Decision::Wait(wait)) =
        claim(vec![created, renaming], &wants(create("Others")).allow_another(), &at(NOW))
    else {
        panic!()
    };
    assert_eq!((wait.entry.as_str(), wait.receipts), ("rename", Vec::new()));
}

#[test]
fn entry_of_key_precedes_later_one_without() {
    let created = entry(create("AcmeCo")).key("k").attempted(ended(EndingKind::Created, 10));
    let present = Entry {
        id: EntryId::new("later"),
        order: 2,
        ..entry(create("AcmeCo")).attempted(ended(EndingKind::Appeared, 20))
    };
    let rows = vec![created, present];
    assert_eq!(decided(rows.clone(), &wants(create("AcmeCo")).key("k")), "ended Created");
    assert_eq!(decided(rows, &wants(create("AcmeCo"))), "new");
    // Nothing came of the key, and somebody without one is in doubt since.
    let rejected = entry(create("AcmeCo")).key("k").attempted(ended(EndingKind::NotDone, 10));
    let doubt = Entry {
        id: EntryId::new("later"),
        order: 2,
        ..entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 20))
    };
    let rows = vec![rejected, doubt];
    assert_eq!(decided(rows.clone(), &wants(create("AcmeCo")).key("k")), "adopts");
    let lost = Some(EntryId::new("earlier"));
    assert_eq!(decided(rows, &ClaimRequest { lost, ..wants(create("AcmeCo")) }), "adopts");
}

#[test]
fn list_is_no_answer_while_own_attempt_is_in_doubt() {
    let doubt = entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 99)).doubt(99);
    let other = Entry { id: EntryId::new("other"), order: 2, ..entry(create("Others")) };
    let rows = vec![doubt, other];
    assert_eq!(decided(rows, &wants(create("AcmeCo"))), "waits until 103: InDoubt");
}

#[test]
fn who_lost_entry_goes_by_what_becomes_of_it() {
    let lost = Some(EntryId::new("earlier"));
    let request = ClaimRequest { lost, ..wants(create("AcmeCo")) };
    let of = |state| decided(vec![entry(create("AcmeCo")).attempted(state)], &request);
    assert_eq!(of(attempting(103)), "waits until 103: UnderWay");
    assert_eq!(of(ended(EndingKind::Appeared, 99)), "ended Appeared");
    assert_eq!(of(ended(EndingKind::Unknown, 99)), "adopts");
    assert_eq!(of(ended(EndingKind::NotDone, 99)), "new");
}

#[test]
fn receipt_of_unknown_org_is_no_answer_while_waiting() {
    let receipts = |org| {
        let created = entry(create("Others")).of(org).attempted(ended(EndingKind::Created, 99));
        let (_, decision) = claim(vec![created], &wants(create("AcmeCo")), &at(NOW));
        let Decision::Wait(wait) = decision else { panic!("{decision:?}") };
        wait.receipts.len()
    };
    assert_eq!((receipts(org("7")), receipts(unknown("x"))), (1, 0));
    let created =
        entry(create("Others")).of(unknown("x")).attempted(ended(EndingKind::Created, 98));
    let (_, grant) = granted(vec![created], &wants(create("AcmeCo")));
    assert_eq!(grant.receipts.len(), 1, "a credential that can't list goes by it");
}

#[test]
fn what_appears_may_be_of_operation_that_began_later() {
    let doubt = entry(create("AcmeCo")).key("k").attempted(ended(EndingKind::Unknown, 20));
    let rival = |state| Entry {
        id: EntryId::new("later"),
        order: 2,
        ..entry(create("AcmeCo")).key("other").attempted(state)
    };
    let recover = Wanted::Recover(EntryId::new("earlier"));
    let request = ClaimRequest { wanted: recover, ..wants(create("AcmeCo")) };
    let has_rival = |rows| granted(rows, &request).1.has_rival;
    assert!(!has_rival(vec![doubt.clone()]));
    assert!(has_rival(vec![doubt.clone(), rival(attempting(103))]));
    let unused = Entry { attempts: 0, ..rival(open(103)) };
    assert!(has_rival(vec![doubt.clone(), unused.clone()]));
    let left = Entry { attempts: 0, ..rival(ended(EndingKind::NotDone, 30)) };
    assert!(!has_rival(vec![doubt, left]));
}

#[test]
fn fallbacks_are_those_of_last_claim_until_first_attempt() {
    let request = wants(with_fallback("AcmeCo", "BetaCo"));
    let operation = |row: Entry| granted(vec![row], &request).1.entry.operation;
    let idle = entry(create("AcmeCo"));
    assert_eq!(
        operation(Entry { state: open(100), ..idle.clone() }),
        with_fallback("AcmeCo", "BetaCo")
    );
    assert_eq!(operation(idle.attempted(open(100))), create("AcmeCo"));
}

#[test]
fn entry_that_sent_nothing_is_settled_by_its_end() {
    let is_settled = |attempts| {
        let row = Entry { attempts, ..entry(create("AcmeCo")) };
        let ending = Ending::new(EndingKind::NotDone);
        end(row, &EntryId::new("earlier"), &ending, None, &at(101)).unwrap().is_settled
    };
    assert_eq!((is_settled(0), is_settled(1)), (true, false));
}

#[test]
fn look_finds_last_entry_of_same_operation_and_others_as_receipts() {
    let own = || entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 50));
    let other = Entry {
        id: EntryId::new("other"),
        order: 2,
        ..entry(create("Others")).attempted(ended(EndingKind::Created, 60))
    };
    let rows = vec![own(), other];
    let seen = |request: &ClaimRequest| {
        let (found, receipts) = look(rows.clone(), request, &at(NOW));
        let names = receipts.into_iter().map(|receipt| receipt.name).collect::<Vec<_>>();
        (found.map(|entry| entry.id.to_string()), names)
    };
    let others = || vec!["Others".to_owned()];
    assert_eq!(seen(&wants(create("AcmeCo"))), (Some("earlier".to_owned()), others()));
    assert_eq!(seen(&wants(create("GammaCo"))), (None, others()));
    let recover = Wanted::Recover(EntryId::new("earlier"));
    let request = ClaimRequest { wanted: recover, ..wants(create("AcmeCo")) };
    assert_eq!(seen(&request), (Some("earlier".to_owned()), others()));
}

/// The org of the rename is not known, so it does not determine what came of the create.
#[test]
fn rename_of_name_in_doubt_is_no_receipt() {
    let doubt = entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 50)).doubt(50);
    let renamed = Entry {
        id: EntryId::new("rename"),
        order: 2,
        intent: Some(RenameIntent::new("AcmeCo", "BetaCo".parse().unwrap()).into()),
        ..entry(rename("AcmeCo", "BetaCo"))
            .of(unknown("x"))
            .attempted(ended(EndingKind::Renamed, 60))
    };
    let recover = Wanted::Recover(EntryId::new("earlier"));
    let request = ClaimRequest { wanted: recover, ..wants(create("AcmeCo")) };
    let (_, grant) = granted(vec![doubt, renamed], &request);
    assert_eq!(grant.receipts, []);
}
