//! The decisions, as a table. Times are seconds; it is 100, an attempt takes 3 at most, its effect 6
//! more, and a list lags by 2.

use std::sync::Arc;
use std::time::Duration;

use portal_model::flow::{Baseline, Intent, KnownPortal, Policy};
use portal_model::operation::{CreateOperation, RenameOperation};
use portal_model::{Org, OrgIdentity, Portal};

use super::*;
use crate::entry::About;
use crate::time::Times;

mod clocks;
mod holders;
mod reads;
mod receipts;

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
        gone_on_after: None,
        state: open(103),
        doubt_ended: None,

        is_settled: false,
        times: times(),
        about: About::default(),
    }
}

fn open(until: u64) -> State {
    let holder = Some(EntryId::new("earlier"));
    State::Open(Lease {
        holder,
        until: at(until).into(),
        is_attempting: false,
        newest: None,
        process: None,
    })
}

fn attempting(until: u64) -> State {
    let holder = Some(EntryId::new("earlier"));
    State::Open(Lease {
        holder,
        until: at(until).into(),
        is_attempting: true,
        newest: None,
        process: None,
    })
}

fn given_up(until: u64) -> State {
    State::Open(Lease {
        holder: None,
        until: at(until).into(),
        is_attempting: false,
        newest: None,
        process: None,
    })
}

fn ended(kind: EndingKind, second: u64) -> State {
    State::Ended { ending: Ending::new(kind), at: at(second).into() }
}

impl Entry {
    fn attempted(self, state: State) -> Self {
        Self { attempts: 1, state, ..self }
    }

    fn doubt(self, second: u64) -> Self {
        Self { doubt_ended: Some(at(second).into()), ..self }
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
        Ok(grant) if grant.entry.id == request.id => "new".to_owned(),
        Ok(_) => "adopts".to_owned(),
        Err(Refusal::Ended(entry)) => format!("ended {:?}", entry.ending().unwrap().kind),
        Err(Refusal::Wait(Wait { why, until, .. })) => {
            let second = until.since(&at(0)).unwrap().as_secs();
            format!("waits until {second}: {why:?}")
        }
        Err(Refusal::Blocked(Blocked::Conflict { conflict, .. })) => match conflict {
            Conflict::KeyOfAnother => "blocked: key of another".to_owned(),
            Conflict::NameDropped => "blocked: name dropped".to_owned(),
            Conflict::LabelMoved => "blocked: label moved".to_owned(),
            other => format!("{other:?}"),
        },
        Err(Refusal::Blocked(Blocked::NoEntry(_))) => "blocked: no entry".to_owned(),
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
        (Some(acme().key("k").attempted(ended(NameTaken, 99))), wants(create("Others")).key("k").allow_another(), "waits until 101: Effect"),
        (Some(acme().key("k").attempted(ended(NameTaken, 98))), wants(create("Others")).key("k").allow_another(), "new"),
        (Some(acme().key("k").attempted(ended(NameTaken, 1))), wants(create("AcmeCo")).key("k").allow_another(), "adopts"),
        (Some(acme().key("k").attempted(ended(NameTaken, 1))), wants(create("AcmeCo")).key("k"),           "adopts"),
        (Some(acme().attempted(ended(NameTaken, 1))),       wants(create("AcmeCo")),                      "new"),
        (Some(acme().key("k")),                             wants(create("AcmeCo")).key("k"),             "waits until 103: UnderWay"),
        (Some(acme().key("k").attempted(ended(Created, 1))), wants(create("Others")).key("k"),           "blocked: key of another"),
        (Some(acme().key("k").attempted(ended(Unknown, 1))), wants(create("Others")).key("k"),           "blocked: key of another"),
        (Some(acme().key("k").attempted(ended(Unknown, 99))), wants(create("AcmeCo")).key("l"),           "waits until 101: Effect"),
        (Some(acme().key("k").attempted(ended(Unknown, 1))), wants(create("AcmeCo")),                     "adopts"),
        (Some(acme().key("k").attempted(ended(Created, 1))), wants(create("AcmeCo")).key("k").of(org("8")), "blocked: key of another"),
        (Some(acme().key("k").attempted(ended(NotDone, 1))), wants(create("AcmeCo")).key("k").of(org("8")), "new"),
        (Some(Entry { state: open(99), ..acme().key("k") }), wants(create("AcmeCo")).key("k").of(org("8")), "new"),
        (Some(entry(rename("AcmeCo", "BetaCo")).key("k").attempted(ended(Renamed, 1))), wants(rename("AcmeCo", "BetaCo")).key("k"), "ended Renamed"),
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
        (Some(renamed()),                                   wants(create("AcmeCo")).allow_another(),      "waits until 101: Rename"),
        (Some(renamed()),                                   wants(create("GammaCo")).allow_another(),     "new"),
        (Some(renamed()),                                   wants(create("GammaCo")),                     "waits until 101: Effect"),
        (Some(renamed().of(org("8"))),                      wants(create("AcmeCo")),                      "waits until 101: Effect"),
        (Some(renamed().attempted(ended(Unknown, 95)).doubt(95)), wants(create("AcmeCo")),                "waits until 103: Rename"),
        (Some(renamed()),                                   wants(rename("AcmeCo", "BetaCo")),             "waits until 107: Effect"),
        (Some(renamed()),                                   wants(rename("BetaCo", "AcmeCo")),             "waits until 107: Rename"),
        (Some(renamed().attempted(ended(NameTaken, 99))),   wants(create("AcmeCo")),                      "waits until 101: Effect"),
    ];
    for (row, request, expected) in table {
        let found = decided(row.clone().into_iter().collect(), &request);
        assert_eq!(found, expected, "{request:?} of {row:?}");
    }
}

fn intent(name: &str) -> Intent {
    Intent::create(name.parse().unwrap())
}

fn granted(rows: Vec<Entry>, request: &ClaimRequest) -> (Vec<Entry>, Grant) {
    match claim(rows, request, &at(NOW)) {
        (written, Ok(grant)) => (written, *grant),
        (_, other) => panic!("{other:?}"),
    }
}

#[test]
fn rename_in_ledger_determines_create_in_doubt() {
    let mut listed = Portal::new("AcmeCo");
    listed.zaid = Some("11".to_owned());
    let portal = KnownPortal::of(&listed);
    let doubt = |before: Option<&[Portal]>| Entry {
        intent: Some(intent("AcmeCo").with_baseline(before.map(Baseline::of))),
        ..entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 50)).key("k")
    };
    let seen = Some(Baseline::of(std::slice::from_ref(&listed)));
    let renamed = Entry {
        id: EntryId::new("rename"),
        order: 2,
        intent: Some(Intent::rename("acmeco", "BetaCo".parse().unwrap()).with_baseline(seen)),
        ..entry(rename("acmeco", "BetaCo")).attempted(ended(EndingKind::Renamed, 60))
    };
    // It was there before, or nobody looked: what was renamed is not the doing of the attempt for certain.
    for before in [None, Some(std::slice::from_ref(&listed))] {
        let rows = vec![doubt(before), renamed.clone()];
        assert_eq!(decided(rows, &wants(create("AcmeCo")).key("k")), "ended Present");
    }
    let rows = vec![doubt(Some(&[])), renamed];
    assert_eq!(decided(rows.clone(), &wants(create("AcmeCo")).key("k")), "ended Appeared");
    // Without the key it is a new wish, and the next list its outcome.
    let (written, decision) = claim(rows.clone(), &wants(create("AcmeCo")), &at(NOW));
    assert!(matches!(decision, Err(Refusal::Wait(Wait { why: Why::Effect, .. }))), "{decision:?}");
    let ending = written[0].ending().unwrap();
    assert_eq!(ending.kind, EndingKind::Appeared);
    assert_eq!((ending.name.as_deref(), &ending.portal), (Some("AcmeCo"), &Some(portal)));
    let recover = Wanted::Recover(EntryId::new("earlier"));
    let request = ClaimRequest { wanted: recover, ..wants(create("AcmeCo")) };
    let (_, Err(Refusal::Ended(told))) = claim(rows.clone(), &request, &at(NOW)) else { panic!() };
    assert_eq!((told.ending().unwrap().kind, told.name()), (EndingKind::Appeared, "BetaCo"));
    // What else is to be waited for, still is.
    let other = Entry { id: EntryId::new("other"), order: 3, ..entry(create("Others")) };
    let rows = [rows, vec![other]].concat();
    assert_eq!(decided(rows, &wants(create("AcmeCo"))), "waits until 103: OtherUnderWay");
}

/// What a list shows then, the attempt of before did.
#[test]
fn what_is_gone_on_from_comes_after_others_with_its_next_attempt() {
    let doubt = |operation| entry(operation).attempted(ended(EndingKind::Unknown, 50)).doubt(50);
    let there = doubt(rename("AcmeCo", "BetaCo"));
    let back = Entry { id: EntryId::new("back"), order: 2, ..doubt(rename("BetaCo", "AcmeCo")) };
    let (_, grant) = granted(vec![there, back], &wants(rename("AcmeCo", "BetaCo")));
    assert_eq!(grant.entry.turn(), (1, false));
    let intent = Intent::rename("AcmeCo", "BetaCo".parse().unwrap());
    let again = record(grant.entry, &EntryId::new("new"), &intent, None, &at(101)).unwrap();
    assert_eq!(again.turn(), (2, true));
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
fn greater_times_count() {
    let rows = vec![entry(create("Others")).attempted(attempting(99))];
    let patient = Times { list_lag: Duration::from_secs(20), ..times() };
    let request = ClaimRequest { policy: policy(patient), ..wants(create("AcmeCo")) };
    assert_eq!(decided(rows.clone(), &request), "waits until 125: OtherUnderWay");
    let rows = vec![Entry { times: patient, ..rows[0].clone() }];
    assert_eq!(decided(rows, &wants(create("AcmeCo"))), "waits until 125: OtherUnderWay");
}

#[test]
fn refused_name_of_key_precedes_what_other_name_did_not_send() {
    let refused = || entry(create("AcmeCo")).key("k").attempted(ended(EndingKind::NameTaken, 10));
    for state in [open(99), given_up(99), ended(EndingKind::NotDone, 90)] {
        let other = Entry { id: EntryId::new("other"), order: 2, state, ..entry(create("Others")) };
        let request = wants(create("AcmeCo")).key("k").allow_another();
        let (written, grant) = granted(vec![refused(), other.clone().key("k")], &request);
        assert_eq!(grant.entry.id, EntryId::new("earlier"));
        // Its holder does not attempt beside this one.
        let is_open = other.ending().is_none();
        let taken = written.iter().any(|row| row.id == other.id && row.ending().is_some());
        assert_eq!(is_open, taken, "{written:?}");
    }
    let held = Entry { id: EntryId::new("other"), order: 2, ..entry(create("Others")).key("k") };
    let request = wants(create("AcmeCo")).key("k");
    assert_eq!(decided(vec![refused(), held], &request), "waits until 103: UnderWay");
}

#[test]
fn what_was_there_after_attempt_of_key_precedes_what_other_name_did_not_send() {
    let mut there = entry(create("GammaCo")).key("k").attempted(ended(EndingKind::Present, 10));
    there.operation = with_fallback("BetaCo", "GammaCo");
    there.intent = Some(intent("GammaCo"));
    let other = Entry {
        id: EntryId::new("other"),
        order: 2,
        state: ended(EndingKind::Present, 20),
        ..entry(with_fallback("AcmeCo", "BetaCo")).key("k")
    };
    let request = wants(with_fallback("BetaCo", "GammaCo")).key("k").allow_another();
    assert_eq!(decided(vec![there, other], &request), "ended Present");
}

#[test]
fn entry_of_key_precedes_later_one_without() {
    let created = entry(create("AcmeCo")).key("k").attempted(ended(EndingKind::Created, 10));
    let present = Entry {
        id: EntryId::new("later"),
        order: 2,
        ..entry(create("AcmeCo")).attempted(ended(EndingKind::Present, 20))
    };
    let rows = vec![created.clone(), present.clone()];
    assert_eq!(decided(rows.clone(), &wants(create("AcmeCo")).key("k")), "ended Created");
    assert_eq!(decided(rows, &wants(create("AcmeCo"))), "new");
    // It was not there before, so the one of the key had another name by then.
    let rows = vec![created, Entry { state: ended(EndingKind::Appeared, 20), ..present }];
    assert_eq!(decided(rows, &wants(create("AcmeCo")).key("k")), "NameUncertain");
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
fn list_decides_nothing_while_own_attempt_is_in_doubt() {
    let doubt = entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 99)).doubt(99);
    let other = Entry { id: EntryId::new("other"), order: 2, ..entry(create("Others")) };
    let rows = vec![doubt, other];
    assert_eq!(decided(rows, &wants(create("AcmeCo"))), "waits until 103: InDoubt");
    // One without an attempt is not in doubt.
    let idle = Entry { state: open(100), ..entry(create("AcmeCo")) };
    let other = Entry { id: EntryId::new("other"), order: 2, ..entry(create("Others")) };
    assert_eq!(
        decided(vec![idle, other], &wants(create("AcmeCo"))),
        "waits until 103: OtherUnderWay"
    );
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
    // Whatever others began of that name since.
    let created = entry(create("AcmeCo")).attempted(ended(EndingKind::Created, 98));
    let later = |state| Entry {
        id: EntryId::new("later"),
        order: 2,
        ..entry(create("AcmeCo")).attempted(state)
    };
    let beside = |state| decided(vec![created.clone(), later(state)], &request);
    assert_eq!(beside(ended(EndingKind::NotDone, 99)), "ended Created");
    // It was sent, so no list showed the name any more.
    assert_eq!(beside(ended(EndingKind::Unknown, 99)), "NameUncertain");
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
    assert!(has_rival(vec![doubt.clone(), rival(ended(EndingKind::Unknown, 30))]));
    let unused = Entry { attempts: 0, ..rival(open(103)) };
    assert!(has_rival(vec![doubt.clone(), unused.clone()]));
    let left = Entry { attempts: 0, ..rival(ended(EndingKind::NotDone, 30)) };
    assert!(!has_rival(vec![doubt, left]));
    // Nothing began after a new entry.
    let rejected = entry(create("AcmeCo")).attempted(ended(EndingKind::NotDone, 30));
    assert!(!granted(vec![rejected], &wants(create("AcmeCo"))).1.has_rival);
}

#[test]
fn fallbacks_are_those_of_last_claim_and_of_attempts() {
    let request = wants(with_fallback("AcmeCo", "BetaCo"));
    let operation = |row: Entry| granted(vec![row], &request).1.entry.operation;
    let idle = entry(create("AcmeCo"));
    let both = with_fallback("AcmeCo", "BetaCo");
    assert_eq!(operation(Entry { state: open(100), ..idle.clone() }), both);
    assert_eq!(operation(idle.attempted(open(100))), both);
    let idle = entry(with_fallback("AcmeCo", "DeltaCo"));
    assert_eq!(operation(Entry { state: open(100), ..idle.clone() }), both);
    let names = operation(idle.attempted(open(100)));
    assert_eq!(names.names().collect::<Vec<_>>(), ["AcmeCo", "DeltaCo", "BetaCo"]);
}

#[test]
fn attempt_under_later_fallback_is_waited_for() {
    let row = entry(create("AcmeCo")).attempted(ended(EndingKind::Unknown, 20));
    let (_, grant) = granted(vec![row], &wants(with_fallback("AcmeCo", "BetaCo")));
    let holder = EntryId::new("new");
    let row = record(grant.entry, &holder, &intent("BetaCo"), None, &at(100)).unwrap();
    let mut other = wants(create("BetaCo"));
    other.id = EntryId::new("other");
    other.policy.allow_another = true;
    assert!(decided(vec![row], &other).starts_with("waits"));
}
